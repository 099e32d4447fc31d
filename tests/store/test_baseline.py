from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import store
from bench.errors import StoreError
from bench.schema import SCHEMAS, table
from bench.store import baseline


def put(folder: Path, cell_id: str, **columns: Any) -> None:
    row = {"suite": "s", "dataset": "d", "model": cell_id, "sequence_length": 3, "horizon": 1, "seed": 0}
    own = {"cell_id": cell_id, "status": "ok", "rmse": 1.0, **columns}
    with store.writing(folder) as writer:
        writer.put({name: table(name, []) for name in SCHEMAS} | {"runs": table("runs", [{**row, **own}])})


def test_a_baseline_holds_the_runs_byte_for_byte_and_nothing_else(tmp_path: Path) -> None:
    results, kept = tmp_path / "results", tmp_path / "kept"
    put(results, "a")
    put(results, "b")
    baseline.keep(results, kept)
    assert store.read(kept, "runs").equals(store.read(results, "runs"))
    assert sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*.*")) == [
        "runs/a.parquet",
        "runs/b.parquet",
    ]
    for name in ("a", "b"):
        part = f"runs/{name}.parquet"
        assert (kept / part).read_bytes() == (results / part).read_bytes()
    assert baseline.size_bytes(kept) == sum(path.stat().st_size for path in (kept / "runs").iterdir())


def test_an_update_leaves_nothing_of_the_old_baseline(tmp_path: Path) -> None:
    put(tmp_path / "one", "a")
    put(tmp_path / "two", "b")
    baseline.keep(tmp_path / "one", tmp_path / "kept")
    baseline.keep(tmp_path / "two", tmp_path / "kept")
    assert store.read(tmp_path / "kept", "runs")["cell_id"].to_pylist() == ["b"]


def test_what_is_no_good_baseline_is_refused_and_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, kept = tmp_path / "good", tmp_path / "kept"
    put(good, "a")
    baseline.keep(good, kept)
    put(tmp_path / "failed", "f", status="diverged", reason="not finite")
    (tmp_path / "empty/runs").mkdir(parents=True)
    for folder, said in (
        ("failed", "expected every replicate to be ok, got d × f, seed 0: diverged: not finite"),
        ("empty", "expected results to keep, got none"),
        ("none", "expected a results folder"),
    ):
        with pytest.raises(StoreError, match=said):
            baseline.keep(tmp_path / folder, kept)
    with pytest.raises(StoreError, match="expected a baseline, which holds runs alone, got trials/"):
        baseline.keep(good, good)
    monkeypatch.setattr(baseline, "LIMIT", 1000)
    with pytest.raises(StoreError, match="expected 1000 bytes of runs at most"):
        baseline.keep(good, kept)
    assert store.read(kept, "runs")["cell_id"].to_pylist() == ["a"]
