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
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import psutil

from bench.errors import InputError
from bench.models.from_source import plug_ins_allowed
from bench.running.serving import MEANWHILE, HowToAnswer, Meanwhile, descendants, serve
from bench.running.unfinished import Unfinished
from bench.text import visible

_DUMP_S = 0.1
"""For a process to write what it does: the system's own handler writes it at once, unless signals are blocked."""

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
        self.output = Output()
        self._clock: Any = context.RawArray("d", [0.0, time.perf_counter(), 0.0])  # it stands until the first cell
        answer = HowToAnswer(target, device, threads, plug_ins_allowed(), str(self.output.path), self._clock)
        self._process = context.Process(target=serve, args=(theirs, answer), daemon=True)
        with _environment(threads), _interrupts_blocked():
            self._process.start()
        self._gone = False
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
            self.output.clear()
            self._pipe.send(question)
            answer: A | InputError | Meanwhile = self._pipe.recv()
            while isinstance(answer, MEANWHILE):
                answer.give(unfinished or Unfinished())
                answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self.kill()  # what it has started, too
            self.join()
            raise WorkerDiedError(self._process.exitcode) from error
        if isinstance(answer, InputError):
            raise answer
        return cast(A, answer)

    @property
    def stood_s(self) -> float:
        """Seconds for which its clock has stood still until now, for imports and compilation."""
        stood, since, _ = self._clock
        return float(stood + (time.perf_counter() - since if since else 0.0))

    def resident_bytes(self) -> int:
        """Resident memory of the process and of all that it has started; 0 where it has ended."""
        pid, guard = self._process.pid or 0, int(self._clock[2])
        own = _resident(pid)
        return own and own + sum(_resident(each) for each in descendants(pid) if each != guard)

    def say_where(self) -> None:
        """Have it write into its output what it does now, where signals reach it."""
        if self._process.pid and not self._clock[1] and hasattr(signal, "SIGUSR1"):
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGUSR1)
                time.sleep(_DUMP_S)

    @property
    def alive(self) -> bool:
        """Whether the process can be called."""
        self._gone = self._gone or not self._process.is_alive()
        return not self._gone

    def kill(self) -> None:
        """End the process and all that it has started now, whatever they do."""
        if self._gone or not self._process.pid:
            return
        family = [*descendants(self._process.pid)]
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):  # it leads no group yet
                os.killpg(self._process.pid, signal.SIGKILL)
        for pid in family:
            with suppress(psutil.Error):
                psutil.Process(pid).kill()
        self._process.kill()
        self._hang_up()

    def _hang_up(self) -> None:
        """End what `call` waits for, though a process that a model has set free may still hold the other end."""
        with suppress(OSError), socket.socket(fileno=os.dup(self._pipe.fileno())) as near:
            near.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        """Wait for the end of the process; its number may then be another's."""
        self._process.join()
        self._gone = True


class Output:
    """What a process prints: a file of bounded size, which is emptied for each cell.

    Of what is longer than `MOST` the beginning and the end are kept.
    """

    MOST, HEAD, TAIL = 2**20, 2**14, 2**15  # bytes

    def __init__(self) -> None:
        self._file, path = tempfile.mkstemp(prefix="bench-output-")
        self.path = Path(path)  # the process removes it once it has opened it
        self._before = b""  # what was cut off
        self._left_out = 0

    def clear(self) -> None:
        """Forget what is there."""
        self._before, self._left_out = b"", 0
        os.ftruncate(self._file, 0)

    def bound(self) -> None:
        """Cut it off where it has become too long; the process goes on at its beginning."""
        if (size := os.fstat(self._file).st_size) > self.MOST:
            end = self._read(size - self.TAIL, self.TAIL)
            self._before = self._before[: self.HEAD] or self._read(0, self.HEAD)
            self._before += end
            self._left_out += size
            os.ftruncate(self._file, 0)

    @property
    def text(self) -> str:
        """All of it, or its two ends, without what a terminal would obey."""
        size = os.fstat(self._file).st_size
        if not self._left_out and size <= self.HEAD + self.TAIL:
            return _plain(self._read(0, size))
        start = self._before[: self.HEAD] or self._read(0, self.HEAD)
        last = self._before[self.HEAD :] + self._read(max(0, size - self.TAIL), self.TAIL)
        left_out = self._left_out + size - len(start) - self.TAIL
        return f"{_plain(start)}\n… ({left_out} bytes left out) …\n{_plain(last[-self.TAIL :])}"

    def _read(self, start: int, count: int) -> bytes:
        os.lseek(self._file, start, os.SEEK_SET)
        return os.read(self._file, count)

    def __del__(self) -> None:
        with suppress(OSError):
            os.close(self._file)
        with suppress(OSError):
            self.path.unlink()


def _plain(content: bytes) -> str:
    text = content.decode("utf-8", "backslashreplace").replace("\r\n", "\n").replace("\r", "\n")
    return visible(text)


def _resident(pid: int) -> int:
    """Bytes; 0 of one that has ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


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
