"""Standard streams that break, and interrupts, in the program itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bench as package
from bench import store
from bench.cli.terminal import STARTING, Interrupt, raising

RUN = ("run", "tiny.yaml", "--no-report", "--only", "sequence_length=3", "--jobs", "1")


def _started(*arguments: str, **streams: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.Popen(command, env=environment, text=True, start_new_session=True, **streams)


def test_a_reader_that_leaves_does_not_end_the_run(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with _started(*RUN, "--progress", "jsonl", stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, reported = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in reported
    assert "BrokenPipe" not in reported
    assert len(store.stored(folder / "results/tiny")) == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("command", [("list", "models"), ("--help",)])
def test_a_full_disk_is_one_line_and_status_1(folder: Path, command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full, _started(*command, stdout=full, stderr=subprocess.PIPE) as process:
        _, reported = process.communicate(timeout=60)
    assert process.returncode == 1
    assert (
        reported == "standard output: expected to be written to, got No space left on device; give it another place\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="closes descriptors as a POSIX shell does")
def test_streams_that_were_closed_are_silent(folder: Path) -> None:
    command = f"{sys.executable} -m bench {' '.join(RUN[:3])} --dry-run >&- 2>&-"
    environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    assert subprocess.run(["sh", "-c", command], env=environment, check=False, timeout=60).returncode == 0


INTERRUPTED_WHILE_IT_IMPORTS = """
import signal, sys

class Interrupting:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "bench.cli.run":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting)
import bench.__main__
bench.__main__.main()
"""


def test_an_interrupt_of_the_start_ends_the_program_in_one_line(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    command = [sys.executable, "-c", INTERRUPTED_WHILE_IT_IMPORTS, *RUN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    said = done.stderr.removeprefix(f"{STARTING}\n")  # by a machine that takes seconds to import
    assert (done.returncode, done.stdout, said) == (130, "", "interrupted\n")


def test_an_interrupt_that_was_dropped_is_raised_at_the_next_check() -> None:
    before = signal.getsignal(signal.SIGINT)
    with raising() as interrupt:
        interrupt.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # at once after the first: the same
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr("bench.cli.terminal._leave", lambda number, frame: left.append(number))
    monkeypatch.setattr("bench.cli.terminal._SAME_S", -1.0)
    interrupt = Interrupt()
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT, None)
    interrupt(signal.SIGINT, None)
    assert left == [signal.SIGINT]
