from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import store
from bench.comparing.changes import steps
from bench.comparing.history import read
from bench.comparing.history_page import failures, write
from bench.errors import InputError, StoreError
from bench.store.schema import SCHEMAS, table

START = datetime(2026, 1, 1, tzinfo=UTC)


def put(folder: Path, run: int, level: float, *, model: str = "lstm", **columns: Any) -> None:
    """One run of one cell: its error scatters by a percent from seed to seed, the same way in every run."""
    rows = [
        {
            "cell_id": f"{model}{run}",
            "suite": "s",
            "dataset": "sine",
            "model": model,
            "sequence_length": 10,
            "horizon": 1,
            "seed": seed,
            "status": "ok",
            "rmse": level * (1 + 0.01 * seed),
            "mse": (level * (1 + 0.01 * seed)) ** 2,
            "data_sha256": "a" * 64,
            "git_commit": f"{run:040x}",
            "started_at": START + timedelta(days=run),
            **columns,
        }
        for seed in range(3)
    ]
    with store.writing(folder) as writer:
        writer.put({name: table(name, []) for name in SCHEMAS} | {"runs": table("runs", rows)})


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Fourteen runs; from the eighth on one cell is 10 % worse, the other never changes."""
    rng = np.random.default_rng(0)
    for run in range(14):
        noise = 1 + 0.002 * rng.normal()
        put(tmp_path / f"run-{run:02}", run, (2.0 if run < 7 else 2.2) * noise)
        put(tmp_path / f"run-{run:02}", run, 1.0, model="gru")
    return sorted(tmp_path.iterdir())


def test_a_step_is_told_with_its_commit_and_its_size(folders: list[Path]) -> None:
    series = read(folders, "rmse")
    assert [(one.key.model, len(one.points)) for one in series] == [("gru", 14), ("lstm", 14)]
    found = [step for one in series for step in steps(one)]
    assert [(step.series.key.model, step.index, step.worse) for step in found] == [("lstm", 7, True)]
    assert found[0].point.commit == f"{7:040x}"
    assert found[0].effect == pytest.approx(0.1, abs=0.005)
    geometric = np.exp(np.mean(np.log([1, 1.01, 1.02])))
    assert found[0].before == pytest.approx(2.0 * geometric, rel=0.003)


def test_folders_may_come_in_any_order_in_one_folder_and_twice(folders: list[Path]) -> None:
    expected = read(folders, "rmse")
    assert read(folders[::-1], "rmse") == expected
    assert read([folders[0].parent], "rmse") == expected
    assert read([folders[0].parent, folders[3]], "rmse") == expected


def test_cells_that_were_set_aside_are_runs_too(tmp_path: Path) -> None:
    put(tmp_path, 0, 1.0)
    put(tmp_path, 1, 1.5)
    with store.writing(tmp_path) as writer:
        writer.supersede("lstm0")
    (only,) = read([tmp_path], "rmse")
    assert [point.commit for point in only.points] == [f"{run:040x}" for run in (0, 1)]


def test_other_data_makes_another_series_and_failures_no_point(tmp_path: Path) -> None:
    put(tmp_path / "a", 0, 1.0)
    put(tmp_path / "b", 1, 9.0, data_sha256="b" * 64)
    put(tmp_path / "c", 2, 1.0, status="diverged", rmse=None)
    assert [len(one.points) for one in read([tmp_path], "rmse")] == [1, 1]


def test_artifacts_are_found_where_they_unpack(tmp_path: Path) -> None:
    for run in range(3):
        put(tmp_path / f"build{run}/results/ci", run, 1.0 + run)
        (tmp_path / f"build{run}/out").mkdir()
    with store.writing(tmp_path / "build0/results/ci") as writer:
        writer.supersede("lstm0")
    (only,) = read([tmp_path], "rmse")
    assert [point.commit for point in only.points] == [f"{run:040x}" for run in range(3)]
    put(tmp_path / "a/b/c/d/e/f/g", 3, 1.0)
    assert read([tmp_path], "rmse") == [only]


def test_runs_that_failed_are_named_and_marked(tmp_path: Path) -> None:
    for run in range(12):
        put(tmp_path / f"{run:02}", run, 1.0)
        put(tmp_path / f"{run:02}", run, 1.0, model="gru", status="diverged", rmse=None)
    for run in (3, 4, 5):
        put(tmp_path / f"{run:02}", run, 1.0, status="diverged", rmse=None, data_sha256=None)
    gru, lstm = read([tmp_path], "rmse")
    assert (len(gru.points), len(gru.failures)) == (0, 12)
    assert (len(lstm.points), len(lstm.failures)) == (9, 3)
    gone = [
        f"{gru.key.title}: 12 of 12 runs failed or have no finite value.",
        f"{lstm.key.title}: 3 of 12 runs failed or have no finite value.",
    ]
    assert failures([gru, lstm]) == gone
    assert steps(gru) == []
    text = write([gru, lstm], [], tmp_path / "out", level=0.01).read_text(encoding="utf-8")
    assert all(each in text for each in gone)


def test_a_value_of_some_replicates_says_so(tmp_path: Path) -> None:
    lost = {"status": "diverged", "rmse": None}
    put(tmp_path, 0, 1.0)
    rows = store.read(tmp_path, "runs").to_pylist()
    with store.writing(tmp_path / "partial") as writer:
        tables = {name: table(name, []) for name in SCHEMAS}
        writer.put(tables | {"runs": table("runs", [rows[0], *({**row, **lost} for row in rows[1:])])})
    series = read([tmp_path / "partial"], "rmse")
    (point,) = series[0].points
    assert (point.value, point.replicates, point.failed) == (pytest.approx(1.0), 1, 2)
    (said,) = failures(series)
    assert said.endswith("1 of 1 values covers only the replicates that are ok and finite, 1 of 3 at the least.")
    assert said in write(series, [], tmp_path / "out", level=0.01).read_text(encoding="utf-8")


def test_settings_that_changed_with_a_step_are_named(tmp_path: Path) -> None:
    for run in range(12):
        spec = json.dumps({"training": {"epochs": 5 if run < 6 else 9}})
        put(tmp_path / f"{run:02}", run, 1.0 if run < 6 else 0.5, spec=spec)
    (series,) = read([tmp_path], "rmse")
    (step,) = steps(series)
    assert (step.other_settings, step.worse, step.effect) == (("training settings",), False, pytest.approx(-0.5))


def test_the_page_shows_every_series_and_asks_for_nothing_from_outside(folders: list[Path], tmp_path: Path) -> None:
    series = read(folders, "rmse")
    found = [step for one in series for step in steps(one)]
    page = write(series, found, tmp_path / "out", level=0.01)
    text = page.read_text(encoding="utf-8")
    assert "1 step in 1 of 2 series: 1 for the worse, 0 for the better." in text
    assert f"<td>{7:040x}"[:16] in text
    assert re.search(r"<td>\+(9\.[5-9]|10\.[0-4])\u202f% \(worse\)</td>", text)
    assert text.count("sine × gru") >= 1
    assert not re.findall(r"(?:src|href)=\"(?!#)", text)
    assert "default-src 'none'" in text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    put(tmp_path / "a", 0, 1.0, dataset="<script>alert(1)</script>")
    series = read([tmp_path], "rmse")
    assert "<script>" not in write(series, [], tmp_path / "out", level=0.01).read_text(encoding="utf-8")


def test_nothing_to_tell_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected results, or folders of results in it, 6 deep at most, found none"):
        read([tmp_path], "rmse")
    put(tmp_path, 0, 1.0)
    with pytest.raises(InputError, match="expected replicates with a value of mae, found none"):
        read([tmp_path], "mae")


def test_a_bad_part_is_left_out_and_that_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path / "good", 0, 1.0)
    put(tmp_path / "bad", 1, float("inf"))
    with pytest.raises(StoreError, match=r"rmse: expected a finite number ≥ 0 and ≤ 1e\+154, got inf"):
        read([tmp_path / "bad"], "rmse")
    (part,) = (tmp_path / "good" / "runs").iterdir()
    (tmp_path / "good" / "runs" / "torn.parquet").write_bytes(part.read_bytes()[:-9])
    (series,) = read([tmp_path / "good"], "rmse")
    assert len(series.points) == 1
    (message,) = caplog.messages
    assert message.startswith(f"left out: {tmp_path}/good/runs/torn.parquet: expected a whole Parquet file")
