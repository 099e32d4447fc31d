"""``bench merge``, ``bench compact``, and an interrupt of ``bench run``: what users see of them."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import store

Bench = Callable[..., Any]


@pytest.mark.usefixtures("fakes")
def test_folders_are_merged_and_compacted_and_run_on(bench: Bench, folder: Path) -> None:
    for place, dataset in (("one", "noise"), ("two", "wave")):
        only = f"dataset={dataset}"
        assert bench("run", "tiny.yaml", "--results", place, "--only", only, "--no-report").status == 0
    merged = bench("merge", "one", "two", "--into", "all")
    assert (merged.status, merged.out) == (0, "all: 8 cells added, 0 equal in several folders\n")
    assert bench("merge", "all", "two").out == "all: 0 cells added, 4 equal in several folders\n"
    assert bench("compact", "all").out == "all: 8 cells packed, 40 files became 5\n"
    again = bench("run", "tiny.yaml", "--results", "all", "--no-report", "--dry-run")
    assert "8 cells, 8 stored, 0 to run" in again.out
    assert bench("merge", "one").err.startswith("bench merge: expected two results folders or more, got one")
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("mine")
    refused = bench("merge", "one", "two", "--into", "notes")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert [path.name for path in (folder / "notes").iterdir()] == ["mine.txt"]


@pytest.mark.usefixtures("fakes")
def test_a_copy_to_commit_is_read_by_every_command(bench: Bench, folder: Path) -> None:
    """As after `git clone`: without empty folders. What lacks its predictions is said, and nothing fails."""
    assert bench("run", "tiny.yaml", "--no-report").status == 0
    made = bench("compact", "results/tiny", "--into", "kept", "--without", "predictions")
    assert made.out.startswith("kept: 8 cells packed, without predictions, 5 files, 0.0")
    shutil.copytree(
        folder / "kept", folder / "copied", ignore=lambda _, names: {"curves", "trials", "runs", ".lock"} & {*names}
    )
    assert not (folder / "copied" / "runs").exists()
    assert bench("report", "copied").status == 0
    text = (folder / "reports/tiny/report.md").read_text()
    assert "8 cells have no stored predictions" in text
    assert bench("compare", "results/tiny", "copied", "--gate").status == 0
    assert "8 series" in bench("history", ".").out
    assert "persistence" in bench("recommend", "copied").out
    assert bench("show", "mean", "--results", "copied").out.count("copied") == 4
    refused = bench("compact", "results/tiny", "--without", "predictions")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert bench("compact", "kept", "--into", "kept").status == 2
    assert bench("compact", "kept", "--into", "other", "--without", "runs").status == 2


@pytest.mark.usefixtures("fakes")
def test_an_interrupt_lets_the_running_cell_end(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = __import__("fake_cells")
    made, seen = fake.run_cell, []

    def interrupted(cell: Any, *, device: str) -> Any:
        seen.append(cell)
        if len(seen) == 3:
            signal.raise_signal(signal.SIGINT)
        return made(cell, device=device)

    monkeypatch.setattr(fake, "run_cell", interrupted)
    ended = bench("run", "tiny.yaml", "--no-report")
    assert ended.status == 130
    assert "interrupted: finished cells are kept in results/tiny; the same command goes on" in ended.err
    assert (len(seen), len(store.stored(folder / "results/tiny"))) == (3, 3)
    assert list((folder / "results/tiny/.claims").iterdir()) == []
