"""One warm process that answers one question at a time, such as a cell with its rows; both sides of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from bench.errors import InputError
from bench.running.engines.base import imported

Q = TypeVar("Q")
A = TypeVar("A")

THREAD_COUNTS = (
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


class Worker(Generic[Q, A]):
    """The near side: starts the process and talks to it.

    A fresh interpreter (``spawn``) has no thread or lock of this process in an unknown state, as a fork would.
    Not safe to start in two threads at once, for it sets the environment meanwhile.

    Parameters
    ----------
    target
        ``"module:function"`` of what answers there: ``function(question, device=device)``.
    device
        A torch device.
    threads
        How many threads the libraries there may use.
    """

    def __init__(self, target: str, device: str, *, threads: int = 1) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, target, device), daemon=True)
        with _threads(threads), _interrupts_blocked():
            self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def call(self, question: Q) -> A:
        """Ask there and wait for the answer.

        Raises
        ------
        WorkerDiedError
            The process ended first.
        InputError
            The process cannot import what it should run.
        """
        try:
            self._pipe.send(question)
            answer: A | InputError = self._pipe.recv()
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
def _threads(count: int) -> Iterator[None]:
    """Libraries read these when they are loaded, so they are set before the process starts."""
    before = {name: os.environ.get(name) for name in THREAD_COUNTS}
    os.environ.update(dict.fromkeys(THREAD_COUNTS, str(count)))
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
    """The far side: answers, until the pipe or the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        try:
            answer = imported(target)
        except InputError as error:
            pipe.send(error)
        else:
            pipe.send(answer(question, device=device))


def _end_with_the_parent() -> None:
    """A parent that was killed cannot end its workers; each ends itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
