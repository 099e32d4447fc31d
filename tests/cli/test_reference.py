"""A sample of the cells of stored results is run again, and the gate says whether they are still the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bench import store
from bench.store.packing import compact_copy

Bench = Callable[..., Any]

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "reference.py"
SUITE = """\
name: small
datasets: [{id: noise, kind: random, length: 80}, {id: wave, kind: sine, length: 90},
           {id: mine, kind: file, path: mine.csv, column: level}]
models: [persistence, mean]
sequence_lengths: [3]
seeds: 2
tuning: false
"""


@pytest.fixture
def results(bench: Bench, folder: Path) -> Path:
    """The results of a suite, one of whose files is on another machine."""
    (folder / "small.yaml").write_text(SUITE)
    (folder / "mine.csv").write_text("level\n" + "".join(f"{k % 7}\n" for k in range(90)))
    ran = bench("run", "small.yaml", "--no-report", "--engine", "inline", "--only", "dataset=[nw]*")
    assert ran.status == 0, ran.err
    (folder / "mine.csv").unlink()
    return folder / "results" / "small"


def doubled(results: Path) -> None:
    """Store every error of `results` as if it had been twice as large."""
    with store.writing(results) as writer:
        for cell_id in store.cell_ids(results):
            rows = {name: store.read_cell(results, name, cell_id) for name in ("runs", "trials", "curves")}
            rows |= {name: store.read_cell(results, name, cell_id) for name in ("predictions", "sequences")}
            for name in ("rmse", "mse"):
                at = rows["runs"].schema.get_field_index(name)
                twice = pa.array([2 * value for value in rows["runs"][name].to_pylist()], pa.float64())
                rows["runs"] = rows["runs"].set_column(at, rows["runs"].schema.field(at), twice)
            writer.put(rows)


def test_a_sample_of_the_reference_is_run_again_and_compared(bench: Bench, results: Path, folder: Path) -> None:
    reference = folder / "reference" / "small"
    compact_copy(results, reference, ["predictions"])
    arguments = [sys.executable, str(SCRIPT), str(reference), "--sample", "50%:3", "--jobs", "1"]
    same = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert same.returncode == 0, same.stdout + same.stderr
    assert "left out: mine: " in same.stdout
    assert "only what the new results have is compared: 2 of 4 cells before" in same.stdout
    doubled(results)
    compact_copy(results, reference, ["predictions"])
    again = bench(
        "run", "small.yaml", "--sample", "50%:3", "--only", "dataset=[nw]*", "--results", "new", "--no-report"
    )
    assert (again.status, again.err.startswith("a sample of 2 of 4 cells: --sample 50%:3 takes the same")) == (0, True)
    worse = bench("compare", "new", "reference/small", "--gate", "--partial")
    assert (worse.status, "regressed" in worse.out) == (1, True)
    assert bench("compare", "reference/small", "new", "--gate").status == 1  # cells vanished
    assert bench("compare", "reference/small", "new", "--gate", "--partial").status == 0  # half the error of before
    assert bench("run", "small.yaml", "--sample", "0%").status == 2


def test_the_history_of_a_committed_reference(bench: Bench, results: Path, folder: Path) -> None:
    """Two commits, each checked out: two points of each cell, and the step between them."""

    def git(*arguments: str) -> None:
        author = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *author, *arguments], cwd=folder, check=True, capture_output=True)

    git("init")
    (folder / ".gitignore").write_text("/results/\n.lock\n")
    for _ in range(2):
        compact_copy(results, folder / "reference" / "small", ["predictions"])
        git("add", "reference", ".gitignore")
        git("commit", "-m", "reference")
        bench("run", "small.yaml", "--fresh", "--no-report", "--engine", "inline", "--only", "dataset=[nw]*")
    git("worktree", "add", "before", "HEAD~1")
    said = bench("history", "before/reference", "reference")
    assert said.status == 0
    assert "4 series of at most 2 runs" in said.out
