"""A trial of the user's own code costs no run, whatever it does."""

from __future__ import annotations

import collections
import ctypes
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from torch import nn

from bench.models.base import Shape
from bench.models.own_module import wrong_module
from bench.models.trial_process import tried


def hang() -> str:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    collections.deque(itertools.repeat(0), maxlen=0)
    return "never"


def fill() -> str:
    try:
        return str(len(bytearray(2**36)))
    except MemoryError:
        return "memory ran out"


@pytest.mark.parametrize("end", [lambda: ctypes.string_at(1), os.abort, lambda: os._exit(3), sys.exit])
def test_what_ends_its_process_says_nothing(end: Callable[[], str | None]) -> None:
    assert tried(end) is None


def test_what_hangs_says_nothing_after_its_time() -> None:
    began = time.monotonic()
    assert tried(hang, 0.5) is None
    assert 0.5 <= time.monotonic() - began < 10


def test_an_answer_is_what_the_check_says_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    assert tried(lambda: os.write(1, b"printed") and None) is None
    assert tried(lambda: "ü" * 700) == "ü" * 600
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("then", ["answers", "hangs"])
def test_what_it_has_started_ends_with_it(tmp_path: Path, then: str) -> None:
    note = tmp_path / "pid"

    def begin() -> str | None:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        note.write_text(str(child.pid))
        return None if then == "answers" else hang()

    assert tried(begin, 20 if then == "answers" else 2) is None
    gone = psutil.wait_procs([psutil.Process(pid)], 5)[1] if psutil.pid_exists(pid := int(note.read_text())) else []
    assert not gone


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's data")
def test_a_trial_cannot_fill_memory() -> None:
    assert tried(fill) == "memory ran out"


def test_a_module_that_fills_memory_is_left_to_its_cells() -> None:
    class Large(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ones(2**40) + x

    shape = Shape(sequence_length=4, horizon=1, channels=1)
    assert tried(lambda: wrong_module(Large, shape)) is None


def test_a_trial_changes_nothing_here() -> None:
    seen: list[int] = []
    assert tried(lambda: seen.append(1)) is None
    assert seen == []
