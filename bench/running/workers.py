"""Where cells run: in worker processes, or in this process for debuggers and profilers.

An engine is the contract between the runner and whatever runs cells; each is imported when it is first used. A warm
worker process answers one request at a time, such as a cell with its rows; if it dies, only the cell that it ran is
affected. torch is imported to choose the device only if there may be a GPU.

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

import importlib
import multiprocessing
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from threading import Condition, Lock
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa

from bench.cells import Cell
from bench.errors import InputError, described
from bench.models.from_source import allow_plug_ins, plug_ins_allowed
from bench.registry import lookup
from bench.running.rows import failed
from bench.running.unfinished import REPORT, Resumed, Unfinished
from bench.store.schema import ADVICE, Rows, Status
from bench.work_clock import COMPILES


def resolved(name: str) -> str:
    """`name` as a torch device: ``auto`` is ``cuda`` where torch can use one, else ``cpu``.

    Raises
    ------
    InputError
        Another word, or a GPU that torch cannot use here.
    """
    if name == "cpu" or (name == "auto" and not has_gpu_driver()):
        return "cpu"
    if name != "auto" and not re.fullmatch(r"cuda(:\d+)?", name):
        raise InputError(f"device {name!r}: expected auto, cpu, cuda or cuda:INDEX")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if count else "cpu"
    index = int(name.partition(":")[2] or 0)
    if index >= count:
        raise InputError(
            f"device {name!r}: torch {torch.__version__} finds {count} CUDA devices here; use cpu, or install "
            "a build of torch for CUDA and the NVIDIA driver (`bench doctor` says more)"
        )
    return name


def has_gpu_driver() -> bool:
    """Whether an NVIDIA driver is installed: its own program comes with it."""
    return shutil.which("nvidia-smi") is not None


class SharedGate:
    """A lock with two ways to hold it: next to others, or alone; who waits to be alone goes before newcomers."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._inside = 0
        self._alone = False

    @contextmanager
    def adjacent(self) -> Iterator[None]:
        """Hold it together with others."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold it when all others have left, and keep them out."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._alone = True
            self._changed.wait_for(lambda: self._inside == 0)
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()


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
        answer = _Answer(target, device, threads, plug_ins_allowed())
        self._process = context.Process(target=_serve, args=(theirs, answer), daemon=True)
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
            answer: A | InputError | _Trials | _Compiles = self._pipe.recv()
            while isinstance(answer, _Trials | _Compiles):
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


@dataclass(frozen=True)
class _Trials:
    """What a worker process sends before its answer."""

    rows: pa.Table

    def give(self, unfinished: Unfinished) -> None:
        """They are those of `unfinished`."""
        unfinished.record(self.rows)


@dataclass(frozen=True)
class _Compiles:
    """What a worker process sends when it compiles a kernel."""

    def give(self, unfinished: Unfinished) -> None:
        """Say so."""
        unfinished.compiles()


@dataclass(frozen=True)
class _Answer:
    """How a worker process answers: by what function, on which device and how many threads, and with whose code."""

    target: str
    device: str
    threads: int
    plug_ins: bool


def _serve(pipe: Connection, how: _Answer) -> None:
    """What the worker process does: answers, until the pipe or the parent ends."""
    allow_plug_ins(allowed=how.plug_ins)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    REPORT.set(lambda trials: pipe.send(_Trials(trials)))
    COMPILES.set(lambda: pipe.send(_Compiles()))
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        try:
            answer = _with_threads(how.target, how.threads)
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


RUN_CELL = "bench.running.cell:run_cell"
"""What every engine runs, by address: importing it imports torch, which the process of the runner can do without."""


class Engine(Protocol):
    """Runs cells, like an executor of `concurrent.futures`; every engine runs the same function."""

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        """Begin `cell`, or queue it; `unfinished` holds its earlier trials, and receives those that finish.

        The future holds rows, whatever becomes of the cell. An exception in it is a fault of the engine, or
        tells that the engine was closed, or is the `InputError` of what cannot be imported.
        """

    def close(self) -> None:
        """End at once what still runs and free everything held; may be called twice."""


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


def _with_threads(address: str, count: int) -> Any:
    """What lies at `address`, in a process whose torch, if it came along, computes with `count` threads.

    Numbers then depend on no thread count, and processes next to each other do not compete for cores.
    """
    function = imported(address)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
    return function


class InlineEngine:
    """Runs each cell within `submit`."""

    def __init__(self, target: str, *, device: str, jobs: int) -> None:
        del jobs  # always one at a time
        self._run_cell = _with_threads(target, 1)
        self._device = device

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        """Run `cell` now."""
        unfinished = unfinished or Unfinished()
        future: Future[Rows] = Future()
        report, compiles = REPORT.set(unfinished.record), COMPILES.set(unfinished.compiles)
        try:
            future.set_result(self._run_cell(unfinished.request(cell), device=self._device))
        finally:
            REPORT.reset(report)
            COMPILES.reset(compiles)
        return future

    def close(self) -> None:
        """Nothing is held."""


class ProcessEngine:
    """`jobs` threads here, each waiting on a worker process of its own.

    A dead process is replaced, its cell is tried once more while nothing else runs (it may have died of its
    neighbours' memory), and if that fails too the cell becomes rows that say why.
    """

    def __init__(self, target: str, *, device: str, jobs: int) -> None:
        self._target = target
        self._device = device
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="cell")
        self._gate = SharedGate()
        self._lock = Lock()  # guards what follows
        self._idle: list[Worker[Cell | Resumed, Rows]] = []
        self._workers: set[Worker[Cell | Resumed, Rows]] = set()
        self._closed = False

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        """Run `cell` on the next free worker."""
        here = copy_context()  # whether plug-ins are allowed
        return self._threads.submit(here.run, self._run, cell, unfinished or Unfinished())

    def close(self) -> None:
        """Kill the workers: an idle one has nothing to lose, a busy one's cell is not wanted any more."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.join()

    def _run(self, cell: Cell, unfinished: Unfinished) -> Rows:
        exit_code = None
        for entrance in (self._gate.adjacent, self._gate.alone):
            with entrance():
                worker = self._take()
                try:
                    rows = worker.call(unfinished.request(cell), unfinished)
                except WorkerDiedError as death:
                    self._discard(worker)
                    exit_code = death.exit_code
                else:
                    self._give_back(worker)
                    return rows
        return failed(cell, *_classified(exit_code), device=self._device)

    def _take(self) -> Worker[Cell | Resumed, Rows]:
        with self._lock:
            if self._closed:
                raise CancelledError
            while self._idle:
                idle = self._idle.pop()
                if idle.alive:
                    return idle
                self._workers.discard(idle)  # it died between two cells: no matter of the next one
            worker: Worker[Cell | Resumed, Rows] = Worker(self._target, self._device)
            self._workers.add(worker)
            return worker

    def _give_back(self, worker: Worker[Cell | Resumed, Rows]) -> None:
        with self._lock:
            self._idle.append(worker)

    def _discard(self, worker: Worker[Cell | Resumed, Rows]) -> None:
        with self._lock:
            self._workers.discard(worker)
            if self._closed:
                raise CancelledError


def _classified(exit_code: int | None) -> tuple[Status, str]:
    """What the end of a worker says about its cell."""
    if exit_code == -9:  # by number: Windows has no SIGKILL
        return Status.OUT_OF_MEMORY, (
            "its process was killed twice (SIGKILL), the second time while it ran alone, as systems do when memory "
            f"runs out; {ADVICE[Status.OUT_OF_MEMORY]}; `--failed-only` runs the cell again"
        )
    name = signal.Signals(-exit_code).name if exit_code and exit_code < 0 else f"exit code {exit_code}"
    return Status.FAILED, f"its process ended twice without an answer ({name}); {ADVICE[Status.FAILED]}"


ENGINES = {
    "processes": "bench.running.workers:ProcessEngine",
    "inline": "bench.running.workers:InlineEngine",
    "dask": "bench.running.dask_engine:DaskEngine",
}


def start(name: str, *, jobs: int, device: str, target: str = RUN_CELL) -> Engine:
    """The engine `name`, ready for cells.

    Parameters
    ----------
    name
        One of `ENGINES`.
    jobs
        How many cells it may run at the same time.
    device
        The torch device that cells are run on.
    target
        ``"module:function"`` of what is called with each cell, as `bench.running.cell.run_cell`; every process
        of the engine imports it by this name.

    Raises
    ------
    InputError
        There is no such engine, or it cannot be imported.
    """
    engine: Engine = imported(lookup(ENGINES, name, "engine"))(target, device=device, jobs=jobs)
    return engine
