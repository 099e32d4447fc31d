from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.__main__ import main
from bench.cli import run
from bench.running.workers import start


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Bench = Callable[..., Ended]

SUITE = """\
name: tiny
datasets: [{id: noise, kind: random, length: 80}, {id: wave, kind: sine, length: 90}]
models: [persistence, mean]
sequence_lengths: [3, 5]
seeds: 2
tuning: false
"""


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with ``tiny.yaml``: 2 datasets × 2 models × 2 sequence lengths."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    (tmp_path / "tiny.yaml").write_text(SUITE)
    return tmp_path


@pytest.fixture
def bench(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Run a command in this process, as the console script would."""

    def call(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        reported = capsys.readouterr()
        return Ended(int(ended.value.code or 0), reported.out, reported.err)

    return call


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells are made by a stand-in, in this process: what the model's id requests, or rows from the cell's id."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "running" / "fakes")

    def inline(_name: str, *, jobs: int, device: str) -> object:
        return start("inline", jobs=jobs, device=device, target="fake_cells:run_cell")

    monkeypatch.setattr(run, "start", inline)
