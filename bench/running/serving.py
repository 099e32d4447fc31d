"""What a worker process does: it answers one question at a time, and sends meanwhile what is known so far."""

import importlib
import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa

from bench.errors import InputError, described
from bench.models.from_source import allow_plug_ins
from bench.running.unfinished import REPORT, Unfinished
from bench.work_clock import COMPILES


@dataclass(frozen=True)
class TrialsSoFar:
    """What a worker process sends before its answer."""

    rows: pa.Table

    def give(self, unfinished: Unfinished) -> None:
        """They are those of `unfinished`."""
        unfinished.record(self.rows)


@dataclass(frozen=True)
class CompilesNow:
    """What a worker process sends when it compiles a kernel."""

    def give(self, unfinished: Unfinished) -> None:
        """Say so."""
        unfinished.compiles()


@dataclass(frozen=True)
class HowToAnswer:
    """How a worker process answers: by what function, on which device and how many threads, and with whose code."""

    target: str
    device: str
    threads: int
    plug_ins: bool


def serve(pipe: Connection, how: HowToAnswer) -> None:
    """What the worker process does: answers, until the pipe or the parent ends."""
    allow_plug_ins(allowed=how.plug_ins)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    REPORT.set(lambda trials: pipe.send(TrialsSoFar(trials)))
    COMPILES.set(lambda: pipe.send(CompilesNow()))
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        try:
            answer = with_threads(how.target, how.threads)
        except InputError as error:
            pipe.send(error)
        else:
            pipe.send(answer(question, device=how.device))


def _end_with_the_parent() -> None:
    """A parent that was killed cannot end its workers; each ends itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def imported(address: str) -> Any:
    """What lies at ``"module:name"``.

    Raises
    ------
    InputError
        It cannot be imported: something is wrong with the installation, and with no cell.
    """
    module, name = address.split(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:
        came = described(error)
        raise InputError(
            f"{module}: expected a module that can be imported, got {came}; fix the installation (`bench doctor` "
            "says more) and run again"
        ) from error


def with_threads(address: str, count: int) -> Any:
    """What lies at `address`, in a process whose torch, if it came along, computes with `count` threads.

    Numbers then depend on no thread count, and processes next to each other do not compete for cores.
    """
    function = imported(address)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
    return function
