"""Where cells run: in worker processes, or in this process for debuggers and profilers.

An engine is the contract between the runner and whatever runs cells; each is imported when it is first used. A warm
worker process answers one request at a time, such as a cell with its rows; if it dies, only the cell that it ran is
affected.
"""

import math
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from threading import Condition, Lock
from typing import NamedTuple, Protocol

from bench.cells import Cell
from bench.cgroups import oom_kills
from bench.registry import lookup
from bench.running.endings import of_death, reason
from bench.running.rows import failed
from bench.running.serving import imported, with_threads
from bench.running.supervised import Worker, WorkerDiedError
from bench.running.supervision import Bounds, Ending, Supervisor
from bench.running.unfinished import REPORT, Resumed, Unfinished
from bench.store.schema import Rows, Status
from bench.training.members import STAGES
from bench.work_clock import COMPILES


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


RUN_CELL = "bench.running.cell:run_cell"
"""What every engine runs, by address: importing it imports torch, which the process of the runner can do without."""


class Engine(Protocol):
    """Runs cells, like an executor of `concurrent.futures`; every engine runs the same function.

    What a cell takes, such as the number of cells at a time, a device or resources of a Dask worker, is stated where
    the engine is made. A future that has not begun can be cancelled; `close` ends those that have.
    """

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        """Begin `cell`, or queue it; `unfinished` holds its earlier trials, and receives those that finish.

        The future holds rows, whatever becomes of the cell. An exception in it is a fault of the engine, or
        tells that the engine was closed, or is the `InputError` of what cannot be imported.
        """

    def close(self) -> None:
        """End at once what still runs and free everything held; may be called twice."""


class InlineEngine:
    """Runs each cell within `submit`."""

    def __init__(self, target: str, *, device: str, jobs: int) -> None:
        del jobs  # always one at a time
        self._run_cell = with_threads(target, 1)
        self._device = device

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        """Run `cell` now."""
        unfinished = unfinished or Unfinished()
        future: Future[Rows] = Future()
        report, compiles = REPORT.set(unfinished.record), COMPILES.set(unfinished.compiles)
        stages = STAGES.set(unfinished.advance)
        try:
            future.set_result(self._run_cell(unfinished.request(cell), device=self._device))
        finally:
            REPORT.reset(report)
            COMPILES.reset(compiles)
            STAGES.reset(stages)
        return future

    def close(self) -> None:
        """Nothing is held."""


class _Attempt(NamedTuple):
    """What came of a cell: its rows, or why there are none; what was printed, and the seconds that count."""

    rows: Rows | None
    ending: Ending
    output: str
    spent_s: float


class Terms(NamedTuple):
    """On what terms a `ProcessEngine` runs cells.

    Parameters
    ----------
    tries
        How often a cell is begun whose process dies.
    neighbours
        Whether cells of other engines run on this machine: then no attempt is known to have it alone.
    memory_limit
        Bytes that a cell may take at most, whatever the suite allows.
    """

    tries: int = 2
    neighbours: bool = False
    memory_limit: float = math.inf


OF_THIS_MACHINE = Terms()


class ProcessEngine:
    """`jobs` threads here, each waiting on a worker process of its own, and a supervisor that keeps their limits.

    A dead process is replaced. Its cell is tried again, as often as `terms` say, while nothing else runs here, as it
    may have died of its neighbours' memory, and with banks of half the size each time memory ran out. If that fails
    too, or if the cell has taken too long, it becomes rows that say why.
    """

    def __init__(self, target: str, *, device: str, jobs: int, terms: Terms = OF_THIS_MACHINE) -> None:
        self._target = target
        self._device = device
        self._terms = terms
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="cell")
        self._gate = SharedGate()
        self._supervisor = Supervisor()
        self._lock = Lock()  # guards what follows
        self._idle: list[Worker[Cell | Resumed, Rows]] = []
        self._workers: set[Worker[Cell | Resumed, Rows]] = set()
        self._closed = False

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        """Run `cell` on the next free worker."""
        here = copy_context()  # whether plug-ins are allowed
        return self._threads.submit(here.run, self.run, cell, unfinished or Unfinished())

    def close(self) -> None:
        """Kill the workers: an idle one has nothing to lose, a busy one's cell is not wanted any more."""
        with self._lock:
            self._closed = True
            workers = [*self._workers]
            for worker in workers:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in workers:
            worker.join()

    def run(self, cell: Cell, unfinished: Unfinished) -> Rows:
        """The rows of `cell`, which this thread waits for.

        Raises
        ------
        CancelledError
            The engine was closed meanwhile.
        InputError
            What runs cells cannot be imported.
        """
        bounds, attempts = Bounds.of(cell, self._supervisor.free, self._terms.memory_limit), 0
        while True:
            entrance = self._gate.alone if attempts else self._gate.adjacent
            attempts += 1
            with entrance():
                attempt = self._attempt(cell, unfinished, bounds)
            if attempt.rows is not None:
                return attempt.rows
            bounds = bounds.less(attempt.spent_s)
            if not self._is_worth_another(attempt.ending, unfinished, attempts) or bounds.seconds <= 0:
                which = f"attempt {attempts}{'' if self._terms.neighbours else ', alone'}" if attempts > 1 else ""
                why = reason(attempt.ending, cell, attempt.output, attempt=which)
                rows = failed(cell, attempt.ending.status, why, device=self._device)
                return rows if unfinished.trials is None else {**rows, "trials": unfinished.trials}

    def _attempt(self, cell: Cell, unfinished: Unfinished, bounds: Bounds) -> _Attempt:
        worker, killed_before = self._take(), oom_kills()
        unfinished.bank, unfinished.stages = 0, {}
        rows, ending = None, Ending(Status.FAILED, "")
        with self._supervisor.watching(worker, bounds) as watched:
            try:
                rows = worker.call(unfinished.request(cell), unfinished)
            except WorkerDiedError as death:
                killed = oom_kills()
                by_system = None if killed is None or killed_before is None else killed > killed_before
                ending = watched.ending or of_death(death.exit_code, oom_killed=by_system)
        if rows is None or watched.ending:
            self._discard(worker)
        output = worker.output.text
        unfinished.log(output)
        if rows is not None and not watched.ending:
            self._give_back(worker)
        return _Attempt(rows, ending, output, watched.spent_s)

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

    def _is_worth_another(self, ending: Ending, unfinished: Unfinished, attempts: int) -> bool:
        """Whether a cell may end otherwise alone, or with smaller banks, which are then requested of it."""
        if ending.status is Status.OUT_OF_MEMORY and unfinished.bank > 1:
            unfinished.at_once = math.ceil(unfinished.bank / 2)
            return True
        return attempts < self._terms.tries and not ending.own


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
