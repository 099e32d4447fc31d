"""A small results folder of every kind of part, and the commands that read and write such folders."""

import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import bench
from bench import store
from bench.__main__ import main
from bench.cli import run as run_command
from bench.running.workers import start
from bench.store.parts import part_of
from bench.store.schema import KEY, SCHEMAS, table

LIMIT_S = 120
"""A command that takes longer hangs; each takes about a second."""

SUITE = """\
name: small
datasets: [{id: noise, kind: random, length: 70}, {id: wave, kind: noisy-sine, length: 70}]
models: [persistence, linear-ar, {kind: rnn, hidden_size: 2}]
sequence_lengths: [4]
seeds: 2
training: {epochs: 2, early_stopping: false}
tuning: {trials: 2, batch: 2, epochs: 1}
"""


class Said(NamedTuple):
    """How a command ended."""

    status: int
    text: str


Run = Callable[..., Said]
Timed = Callable[[str], AbstractContextManager[None]]


def resident_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (20 if sys.platform == "darwin" else 10)


@pytest.fixture
def timed(note: Callable[..., None]) -> Timed:
    """Notes for a row of the report what a block took: of processor time, and of memory beyond the most before it."""

    @contextmanager
    def measure(row: str) -> Iterator[None]:
        began, before = time.process_time(), resident_mb()
        yield
        note(row, seconds=time.process_time() - began, mb=resident_mb() - before)

    return measure


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with ``small.yaml`` and its results, which nobody changes.

    One cell was set aside, one was interrupted after its study, and one is probed.
    """
    folder = tmp_path_factory.mktemp("original")
    (folder / "small.yaml").write_text(SUITE)
    results = folder / "results"
    bench.run(folder / "small.yaml", results=results, jobs=1)
    names = {(what.key.dataset, what.key.model): cell_id for cell_id, what in store.stored(results).items()}
    begun, probed = names["noise", "rnn"], names["wave", "rnn"]
    with store.writing(results) as writer:
        writer.supersede(names["noise", "linear-ar"])
        writer.keep_trials(store.read_cell(results, "trials", begun))
        key = store.read_cell(results, "runs", probed).select(KEY).to_pylist()[0]
        probe = {"status": "ok", "quantity": "fit_s", "repeat": 0, "value": 0.5, "workload": "{}", "libraries": "{}"}
        writer.put_probe(table("probes", [{**key, **probe}]), "0123456789abcdef")
    for name in SCHEMAS:
        part_of(results, name, begun).unlink()
    return folder


@pytest.fixture
def work(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to be changed, next to a folder that nothing may touch."""
    folder = tmp_path / "work"
    shutil.copytree(original, folder)
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    for name in ("notes.txt", "inner/runs", "inner/index.html", "inner/x.parquet", "inner/a.tmp", "inner/b.svg"):
        (outside / name).write_text(f"mine: {name}")
    monkeypatch.chdir(folder)
    return folder


@contextmanager
def _no_hang() -> Iterator[None]:
    def hangs(number: int, frame: Any) -> None:
        raise AssertionError(f"still running after {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], timed: Timed) -> Run:
    """A command, in this process: what it raises fails the test, as what takes for ever does."""

    def inline(_name: str, *, jobs: int, device: str) -> object:
        return start("inline", jobs=jobs, device=device)

    monkeypatch.setattr(run_command, "start", inline)

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        capsys.readouterr()
        with timed("results"), _no_hang(), pytest.raises(SystemExit) as ended:
            main()
        reported = capsys.readouterr()
        return Said(int(ended.value.code or 0), reported.out + reported.err)

    return call
