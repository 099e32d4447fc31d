"""The program itself, with real cells in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import bench
from bench import store
from bench.store.schema import SCHEMAS

SUITE = """\
name: real
datasets: [{id: noise, kind: random, length: 120}]
models: [persistence, linear-ar, {id: net, kind: rnn, hidden_size: 4, layers: 1}]
sequence_lengths: [2, 3, 4, 5, 6, 7]
seeds: 2
training: {epochs: 3}
tuning: {trials: 2, batch: 2}
"""
MEASURED = {
    *("started_at", "fit_s", "predict_s", "tuning_s", "duration_s", "peak_memory_bytes"),
    *("machine_reference_s", "git_commit", "git_dirty"),  # of the moment, too
}


def _rows(folder: Path, table: str) -> list[dict[str, Any]]:
    rows = store.read(folder, table).to_pylist()
    return [{name: value for name, value in row.items() if name not in MEASURED} for row in rows]


def _differences(folder: Path, other: Path, table: str) -> list[tuple[str, Any, Any]]:
    """Where two results differ: the column and both values."""
    pairs = zip(_rows(folder, table), _rows(other, table), strict=True)
    return [(name, mine[name], theirs[name]) for mine, theirs in pairs for name in mine if mine[name] != theirs[name]]


def _start(folder: Path, name: str) -> subprocess.Popen[str]:
    arguments = ["run", str(folder / "real.yaml"), "--results", str(folder / name), "--no-report", "--jobs", "1"]
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of one uninterrupted run in ``whole/``."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "real.yaml").write_text(SUITE)
    process = _start(folder, "whole")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "noise" in out
    assert "18/18" in err
    return folder


def test_every_cell_is_tuned_trained_and_measured(whole: Path) -> None:
    runs = store.read(whole / "whole", "runs").to_pylist()
    assert [row["status"] for row in runs] == ["ok"] * 36
    assert {row["threads"] for row in runs} == {1}
    nets = [row for row in runs if row["model"] == "net"]
    assert all(row["trials"] == 2 and row["epochs"] == 3 for row in nets)
    assert {row["cell_id"] for row in store.read(whole / "whole", "trials").to_pylist()} >= {
        row["cell_id"] for row in nets
    }


def test_a_run_that_was_ended_twice_has_the_same_rows_as_one_that_was_not(whole: Path) -> None:
    folder = whole / "ended"
    for ending, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        assert _end(_start(whole, folder.name), ending, folder) == status
    last = _start(whole, folder.name)
    _, err = last.communicate(timeout=120)
    assert last.returncode == 0, err
    for table in SCHEMAS:
        assert _differences(folder, whole / "whole", table) == []


def _end(process: subprocess.Popen[str], ending: signal.Signals, folder: Path) -> int:
    """Send the signal when a cell more is stored than before; the exit status, once all workers have ended."""
    stored = len(list(folder.glob("runs/*.parquet")))
    while process.poll() is None and len(list(folder.glob("runs/*.parquet"))) <= stored:
        time.sleep(0.002)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(ending)
    process.communicate(timeout=60)
    assert psutil.wait_procs(family, timeout=20)[1] == []
    return process.returncode


def _bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_suite_that_lost_a_model_changes_the_page_and_closes_the_gate(tmp_path: Path) -> None:
    suite = tmp_path / "lost.yaml"
    suite.write_text(LOST)
    for folder in ("results/lost", "base"):
        assert _bench(tmp_path, "run", suite.name, "--results", folder, "--jobs", "1").returncode == 0
    page = tmp_path / "reports" / "lost" / "report.md"
    assert "Kept from earlier suites" not in page.read_text()
    suite.write_text(LOST.replace(", mean]", "]"))
    ended = _bench(tmp_path, "run", suite.name, "--progress", "plain")  # the very cells are there already
    assert (ended.returncode, "cells to run" in ended.stderr) == (0, False)
    assert "1 cell of this folder is no result of the suite as it is now" in page.read_text()
    gate = _bench(tmp_path, "compare", "base", "results/lost", "--gate")
    assert (gate.returncode, "1 vanished" in gate.stdout) == (1, True)
    assert "results/lost keeps what is no result of its suite" in gate.stdout


LOST = """\
name: lost
datasets: [{id: noise, kind: random, length: 120}]
models: [persistence, linear-ar, mean]
sequence_lengths: [4]
tuning: false
"""


@pytest.mark.parametrize("start", [["-m", "bench"], ["program/bench"]])  # as the console script begins
def test_files_of_the_user_named_like_pythons_modules_break_nothing(tmp_path: Path, start: list[str]) -> None:
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "bench").write_text(
        "from bench.__main__ import main\nif __name__ == '__main__':\n    main()\n"
    )
    for name in ("signal", "random", "queue", "secrets", "contextlib", "pathlib", "numpy", "statistics"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('the {name}.py of the user')\n")
    (tmp_path / "lost.yaml").write_text(LOST)
    command = [sys.executable, *start, "run", "lost.yaml", "--no-report", "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(Path(bench.__file__).parents[1])}
    environment.pop("PYTHONSAFEPATH", None)
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, "of the user" in ended.stderr) == (0, False), ended.stderr
    assert {row["status"] for row in store.read(tmp_path / "results" / "lost", "runs").to_pylist()} == {"ok"}
