from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import store
from bench.cells import CellKey
from bench.errors import StoreError
from bench.store import baseline
from bench.store.schema import SCHEMAS, table


def put(folder: Path, cell_id: str, *, replicates: int = 1, **columns: Any) -> None:
    row = {"suite": "s", "dataset": "d", "model": cell_id, "sequence_length": 3, "horizon": 1}
    own = {"cell_id": cell_id, "status": "ok", "mse": 1.0, "rmse": 1.0, **columns}
    runs = [{**row, "seed": seed, **own} for seed in range(replicates)]
    with store.writing(folder) as writer:
        writer.put({name: table(name, []) for name in SCHEMAS} | {"runs": table("runs", runs)})


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


def requested(*models: str, seeds: int = 1, **spec: Any) -> dict[Any, baseline.Requested]:
    return {CellKey("d", model, 3, 1): baseline.Requested(range(seeds), content(**spec)) for model in models}


def content(**spec: Any) -> str:
    return json.dumps({"dataset": {"parameters": {}}, "seeds": 1, **spec})


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (requested("a", "b", "c"), "got no d × c, L=3, h=1; run the whole suite"),
        (
            requested("a", "b", "c", "e", "f", "g"),
            "got no d × c, L=3, h=1; no d × e, L=3, h=1; no d × f.* and 1 more; run",
        ),
        (requested("a", "b", seeds=3), "got 1 of 3 seeds of d × a, L=3, h=1; 1 of 3 seeds of d × b"),
        (requested("a", "b", seed=7), "got other settings, or code of another version, in d × a, L=3, h=1; "),
    ],
)
def test_less_than_the_suite_asks_for_is_refused(tmp_path: Path, wanted: Any, said: str) -> None:
    for name in ("a", "b"):
        put(tmp_path / "results", name, spec=content())
    with pytest.raises(StoreError, match=said):
        baseline.keep(tmp_path / "results", tmp_path / "kept", wanted)
    assert not (tmp_path / "kept").exists()


def test_replicates_that_the_suite_does_not_ask_for_are_left_out(tmp_path: Path) -> None:
    put(tmp_path / "results", "a", replicates=3, spec=content())
    stored = store.read(tmp_path / "results", "runs")
    assert baseline.keep(tmp_path / "results", tmp_path / "kept", requested("a", seeds=2)) == []
    assert store.read(tmp_path / "kept", "runs") == stored.slice(0, 2)


def test_cells_that_the_suite_no_longer_has_are_left_out_and_named(tmp_path: Path) -> None:
    for name in ("a", "old"):
        put(tmp_path / "results", name, spec=content(data_sha256="f" * 64, plugins={"p": "1"}))
    assert baseline.keep(tmp_path / "results", tmp_path / "kept", requested("a")) == ["d × old, L=3, h=1"]
    assert store.read(tmp_path / "kept", "runs")["cell_id"].to_pylist() == ["a"]


def test_a_baseline_of_another_suite_is_not_written_over(tmp_path: Path) -> None:
    put(tmp_path / "one", "a")
    put(tmp_path / "two", "b", suite="t")
    baseline.keep(tmp_path / "one", tmp_path / "kept")
    with pytest.raises(StoreError, match="expected a baseline of suite t, got one of s; delete it first"):
        baseline.keep(tmp_path / "two", tmp_path / "kept")
    put(tmp_path / "two", "a")
    with pytest.raises(StoreError, match="expected results of one suite, got s, t"):
        baseline.keep(tmp_path / "two", tmp_path / "other")


def test_a_baseline_that_cannot_be_read_says_how_to_make_it_again(tmp_path: Path) -> None:
    put(tmp_path / "one", "a")
    baseline.keep(tmp_path / "one", tmp_path / "kept")
    (tmp_path / "kept/runs/a.parquet").write_bytes(b"torn")
    with pytest.raises(StoreError, match="`bench baseline update` makes that again"):
        store.read(tmp_path / "kept", "runs")
    baseline.keep(tmp_path / "one", tmp_path / "kept")
    assert store.read(tmp_path / "kept", "runs").num_rows == 1


def test_what_is_no_good_baseline_is_refused_and_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, kept = tmp_path / "good", tmp_path / "kept"
    put(good, "a")
    baseline.keep(good, kept)
    put(tmp_path / "failed", "f", status="diverged", reason="not finite")
    put(tmp_path / "nan", "n", rmse=float("nan"))
    (tmp_path / "empty/runs").mkdir(parents=True)
    for folder, said in (
        ("failed", "expected every replicate to be ok, got d × f, seed 0: diverged: not finite"),
        ("nan", r"runs/n.parquet: row 1: rmse: expected a finite number ≥ 0 and ≤ 1e\+154, got nan"),
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
