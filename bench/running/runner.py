"""Run a plan: submit cells, collect their rows, store them. The only writer of a results folder.

A run emits events; the listener decides how to show them.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from bench.cells import Cell
from bench.errors import StoreError, described
from bench.running.plan import Plan, left_s, rest_s
from bench.running.rows import failed
from bench.running.workers import Engine
from bench.spec import Suite
from bench.store import Stored, Writer, summary, write_suite, writing
from bench.store.schema import Rows, Status


@dataclass(frozen=True)
class Planned:
    """The run begins: `pending` of `total` cells, and about how many seconds they take."""

    total: int
    pending: int
    remaining_s: float


@dataclass(frozen=True)
class Started:
    """A cell was given to the engine."""

    cell: Cell


@dataclass(frozen=True)
class Finished:
    """A cell is stored.

    Parameters
    ----------
    seconds
        What its tuning, fitting and predicting took.
    done, pending
        How many cells of this run are stored, out of how many.
    remaining_s
        About how many seconds the others take.
    """

    cell: Cell
    status: Status
    reason: str
    seconds: float
    done: int
    pending: int
    remaining_s: float


@dataclass(frozen=True)
class Advanced:
    """Cells that are measured in turn have come so far: `done` of `pending` rounds, each of all of them.

    Parameters
    ----------
    cell
        The one that was measured last.
    remaining_s
        About how many seconds everything that is left takes.
    """

    cell: Cell
    done: int
    pending: int
    remaining_s: float


Event = Planned | Started | Advanced | Finished
Listener = Callable[[Event], None]


STUDIES = "studies.journal"
"""The file, within a results folder, that optuna-dashboard opens."""

Outcome = dict[str, Stored]
"""What is known of every cell of a plan that was ever run, by id."""


def run(
    plan: Plan,
    start: Callable[[], Engine],
    *,
    jobs: int,
    device: str,
    listener: Listener,
    suite: Suite | None = None,
) -> Outcome:
    """Run what is pending and store each cell as soon as it is finished.

    Parameters
    ----------
    plan
        What to run, and where to store it.
    start
        Makes the engine; called only where there is something for it to run.
    jobs
        How many cells to give to the engine at a time, the longest first.
    device
        The torch device, for the rows of cells that cannot begin.
    listener
        Called with every event, in this thread.
    suite
        What the cells come from, to be kept next to their rows.

    Raises
    ------
    StoreError
        The results folder cannot be written, or another run is writing there.
    InputError
        The engine cannot start; what is stored by then stays.
    """
    if suite is not None and (plan.pending or plan.stored):
        write_suite(plan.folder, suite.model_dump_json(indent=1))
    if plan.nothing_to_do:
        listener(Planned(total=len(plan.cells), pending=0, remaining_s=0.0))
        return dict(plan.stored)
    with writing(plan.folder) as writer:
        writer.restore(plan.restored)
        for cell_id in plan.outdated:
            writer.supersede(cell_id)
        going = _Run(plan, writer, listener, jobs)
        listener(Planned(total=len(plan.cells), pending=len(plan.pending), remaining_s=plan.estimate_s(jobs)))
        for cell in plan.pending:
            if blocked := plan.blocked(cell):
                going.store(cell, failed(cell, *blocked, device=device))
        if going.waiting:
            with closing(start()) as engine:
                while going.waiting or going.running:
                    if waiting := going.begin():
                        began = time.monotonic()
                        going.running[engine.submit(waiting)] = waiting, began
                    going.collect(timeout_s=0 if waiting else None)
    return {**plan.stored, **going.finished}


@dataclass
class _Run:
    """The state of one run."""

    plan: Plan
    writer: Writer
    listener: Listener
    jobs: int
    waiting: list[Cell] = field(init=False)
    running: dict[Future[Rows], tuple[Cell, float]] = field(default_factory=dict)  # with the time of its start
    finished: Outcome = field(default_factory=dict)

    def __post_init__(self) -> None:
        runnable = (cell for cell in self.plan.pending if not self.plan.blocked(cell))
        self.waiting = sorted(runnable, key=self.plan.seconds)  # the longest is taken first, from the end

    def begin(self) -> Cell | None:
        """The cell to give to the engine now; `None` where it has all that it may have at a time."""
        if not self.waiting or len(self.running) >= self.jobs:
            return None
        cell = self.waiting.pop()
        self.listener(Started(cell))
        return cell

    def collect(self, *, timeout_s: float | None) -> None:
        """Store what is finished; wait at most so long for one, or until there is one."""
        done, _ = wait(self.running, timeout_s, return_when=FIRST_COMPLETED)
        for future in done:
            cell, _ = self.running.pop(future)
            self.store(cell, future.result())

    def store(self, cell: Cell, rows: Rows) -> None:
        """Store a finished cell and notify the listener."""
        what = summary(rows["runs"])
        if not self.plan.is_hidden(what):
            with self._journal(rows):  # first, so that a kill in between leaves no stored cell without its study
                self.writer.put(rows)
        for cell_id in self.plan.outdated_by(what):
            self.writer.supersede(cell_id)
        self.finished[cell.id] = what
        if what.train_windows is not None:
            self.plan.estimator.observe(cell, what.train_windows, what.seconds)
        self._notify(cell, what)

    @contextmanager
    def _journal(self, rows: Rows) -> Iterator[None]:
        """Record the trials of a cell; one that cannot be written ends the run once the cell is put."""
        path = self.plan.folder / STUDIES
        problem = None
        if rows["trials"].num_rows:
            from bench.tuning.journal import record

            try:
                record(path, rows["trials"])
            except Exception as error:  # whatever it was, the finished cell comes first
                problem = error
        yield
        if problem:
            reason = described(problem)
            raise StoreError(
                f"{path}: expected a journal that can be written, got {reason}; every finished cell is stored: "
                "make room, or move the file away to begin another"
            ) from problem

    def _notify(self, cell: Cell, what: Stored) -> None:
        self.listener(
            Finished(
                cell=cell,
                status=what.status,
                reason=what.reason,
                seconds=what.seconds,
                done=len(self.finished),
                pending=len(self.plan.pending),
                remaining_s=left_s([*map(self.plan.seconds, self.waiting), *self._rest()], self.jobs),
            )
        )

    def _rest(self) -> Iterator[float]:
        """About how many more seconds each running cell takes."""
        now = time.monotonic()
        for cell, began in self.running.values():
            yield rest_s(self.plan.seconds(cell), took=now - began)
