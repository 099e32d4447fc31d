"""One warm process that runs one cell at a time, both sides of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection

from bench.errors import InputError
from bench.running.engines.base import imported
from bench.schema import Rows
from bench.suite.cells import Cell

_THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class WorkerDiedError(Exception):
    """The process ended without an answer.

    Parameters
    ----------
    exit_code
        As of `multiprocessing.Process`: minus the signal's number where a signal ended it.
    """

    def __init__(self, exit_code: int | None) -> None:
        self.exit_code = exit_code
        super().__init__(exit_code)


class Worker:
    """The near side: starts the process and talks to it.

    A fresh interpreter (``spawn``) has no thread or lock of this process in an unknown state, as a fork would.
    Not safe to start in two threads at once, for it sets the environment meanwhile.
    """

    def __init__(self, target: str, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, target, device), daemon=True)
        with _one_thread(), _interrupts_blocked():
            self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def call(self, cell: Cell) -> Rows:
        """Run `cell` there and wait for its rows.

        Raises
        ------
        WorkerDiedError
            The process ended first.
        InputError
            The process cannot import what it should run.
        """
        try:
            self._pipe.send(cell)
            answer: Rows | InputError = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            raise WorkerDiedError(self._process.exitcode) from error
        if isinstance(answer, InputError):
            raise answer
        return answer

    def kill(self) -> None:
        """End the process now, whatever it does."""
        self._process.kill()

    def join(self) -> None:
        """Wait for the end of the process."""
        self._process.join()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Libraries read these when they are loaded, so they are set before the process starts."""
    before = {name: os.environ.get(name) for name in _THREAD_COUNTS}
    os.environ.update(dict.fromkeys(_THREAD_COUNTS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Control-C reaches every process of the terminal; a new one inherits that it is blocked, from its first moment."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start, which would come with the process's, unblocks interrupts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, target: str, device: str) -> None:
    """The far side: rows for cells, until the pipe or the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    while True:
        try:
            cell = pipe.recv()
        except EOFError:
            return
        try:
            run_cell = imported(target)
        except InputError as error:
            pipe.send(error)
        else:
            pipe.send(run_cell(cell, device=device))


def _end_with_the_parent() -> None:
    """A parent that was killed cannot end its workers; each ends itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
