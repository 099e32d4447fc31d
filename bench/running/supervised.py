"""A worker process, as the process that starts it sees it.

Processes are supervised by a pipe each and not by a pool of a library. `concurrent.futures` gives up all its work when
one process dies. `pebble.ProcessPool` (5.2.3) names exit codes and replaces the dead, but its workers share one channel
and its locks; measured with two workers:

- one killed while it sends its rows keeps the lock: after 120 s its neighbour's cell fails and the pool takes no more;
- one killed while all are idle: the pool takes no more;
- one that ends with exit code 0 within a cell: the future never ends;
- `stop` and `join` leave the futures of running cells without an end.

A pool for each worker would confine the first two to it, at three polling threads each (37 for the 12 processes of a
probe), and would still need the blocked interrupts, thread counts and the end with the parent that are here.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Generic, TypeVar

from bench.errors import InputError
from bench.models.from_source import plug_ins_allowed
from bench.running.serving import CompilesNow, HowToAnswer, TrialsSoFar, serve
from bench.running.unfinished import Unfinished

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
        answer = HowToAnswer(target, device, threads, plug_ins_allowed())
        self._process = context.Process(target=serve, args=(theirs, answer), daemon=True)
        with _environment(threads), _interrupts_blocked():
            self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def call(self, question: Q, unfinished: Unfinished | None = None) -> A:
        """Ask there and wait for the answer; `unfinished` receives what is known meanwhile.

        Raises
        ------
        WorkerDiedError
            The process ended first.
        InputError
            The process cannot import what it should run.
        """
        try:
            self._pipe.send(question)
            answer: A | InputError | TrialsSoFar | CompilesNow = self._pipe.recv()
            while isinstance(answer, TrialsSoFar | CompilesNow):
                if unfinished is not None:
                    answer.give(unfinished)
                answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            raise WorkerDiedError(self._process.exitcode) from error
        if isinstance(answer, InputError):
            raise answer
        return answer

    @property
    def alive(self) -> bool:
        """Whether the process can be called."""
        return self._process.is_alive()

    def kill(self) -> None:
        """End the process now, whatever it does."""
        self._process.kill()

    def join(self) -> None:
        """Wait for the end of the process."""
        self._process.join()


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """What a process reads when it starts and loads its libraries: how many threads, and a path that is safe.

    Without the latter an interpreter looks for Python's own modules in the working folder first, where a file
    ``signal.py`` of the user's may lie.
    """
    wanted = {**dict.fromkeys(THREAD_COUNTS, str(threads)), "PYTHONSAFEPATH": "1"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
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
