"""Run a plan: submit cells, collect their rows, store them. Several runs share the cells of one results folder.

A run emits events; the listener decides how to show them.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa

from bench import store
from bench.cells import Cell
from bench.errors import StoreError, described
from bench.running.estimates import left_s, rest_s
from bench.running.extension import extended, remaining, stored_study
from bench.running.plan import Plan
from bench.running.rows import failed
from bench.running.unfinished import Unfinished
from bench.running.workers import Engine
from bench.spec import Suite
from bench.store import Stored, Writer, read_suite, summary, writing
from bench.store.environment import checkout
from bench.store.schema import Rows, Status


@dataclass(frozen=True)
class Planned:
    """A round begins, of about `rounds`: `pending` of `total` cells, and about how many seconds they take."""

    total: int
    pending: int
    remaining_s: float
    round: int = 1
    rounds: int = 1


@dataclass(frozen=True)
class Started:
    """A cell was given to the engine."""

    cell: Cell


@dataclass(frozen=True)
class Compiling:
    """Kernels are compiled, once for this machine; the cells that need them wait.

    Parameters
    ----------
    pending
        How many cells this run has to store.
    remaining_s
        About how many seconds they take after that.
    """

    pending: int
    remaining_s: float


@dataclass(frozen=True)
class Working:
    """A cell has come further, or nothing else has been said for a while.

    Parameters
    ----------
    stage
        How far it has come; empty where that is not known.
    done, pending, remaining_s
        As of `Finished`.
    """

    cell: Cell
    stage: str
    done: int
    pending: int
    remaining_s: float


@dataclass(frozen=True)
class Finished:
    """A cell is stored.

    Parameters
    ----------
    seconds
        What tuning, fitting and predicting took of what was run of it.
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


class EndRequest(Exception):
    """Raised by a listener when a cell begins: none begins any more, and those that run end first."""


Event = Planned | Started | Compiling | Working | Advanced | Finished
Listener = Callable[[Event], None]


_POLL_S = 0.1
"""Seconds between two looks at the cells that other runners work on."""

_LOOK_S = 1.0
"""Seconds between two looks at how far the cells that run have come."""
_SILENT_S = 5.0
"""After so many seconds without an event there is one."""

STUDIES = "studies.journal"
"""The file, within a results folder, that optuna-dashboard opens."""

C = TypeVar("C")


def longest_last(cells: Iterable[C], seconds: Callable[[C], float]) -> list[C]:
    """`cells` as they wait: the next is taken from the end, so that the longest begins first."""
    return sorted(cells, key=seconds)


_SLOW_S = 0.02
"""An estimate of the rest that takes longer is made again after `_SELDOM` times as long."""
_SELDOM = 50

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
        How many cells to give to the engine at a time, the longest first; in the order of a plan that ends.
    device
        The torch device, for the rows of cells that cannot begin.
    listener
        Called with every event, in this thread.
    suite
        What the cells come from, to be kept next to their rows.

    Raises
    ------
    StoreError
        The results folder cannot be written, or a run of another suite goes on there; then nothing is changed.
    InputError
        The engine cannot start; what is stored by then stays.
    """
    text = suite.model_dump_json(indent=1) if suite is not None and (plan.pending or plan.stored) else None
    if plan.nothing_to_do and text in (None, read_suite(plan.folder)) and not store.unsettled(plan.folder):
        listener(Planned(total=len(plan.cells), pending=0, remaining_s=0.0))
        return dict(plan.stored)
    with writing(plan.folder) as writer:  # refuses before anything is changed
        if text is not None:
            writer.put_suite(text)
        going = _Run(plan, writer, listener, jobs, checkout())
        going.prepare(device)
        if going.waiting:
            with closing(start()) as engine:
                going.carry_out(engine)
        going.conclude()
    return {**plan.stored, **going.finished}


def _of_code(runs: pa.Table, code: Mapping[str, Any]) -> pa.Table:
    """`runs` with what the checkout was when the run began: a commit made meanwhile is not what the workers run."""
    for name, value in code.items():
        at = runs.schema.get_field_index(name)
        runs = runs.set_column(at, runs.schema.field(at), pa.array([value] * runs.num_rows, runs.schema.field(at).type))
    return runs


def _seconds(rows: Rows) -> float:
    """What tuning, fitting and predicting took; the study of a cell that is extended was made before."""
    what, tuning_s = summary(rows["runs"]), rows["runs"]["tuning_s"][0].as_py() or 0.0
    return what.seconds if rows["trials"].num_rows else what.seconds - tuning_s


@dataclass
class _Going:
    """A cell that runs, since `began`, and the stage of it that the listener was notified of."""

    cell: Cell
    began: float
    unfinished: Unfinished
    notified: str = ""


@dataclass
class _Run:
    """The state of one run."""

    plan: Plan
    writer: Writer
    listener: Listener
    jobs: int
    code: Mapping[str, Any]  # the checkout as it was when the run began
    waiting: list[Cell] = field(init=False)
    elsewhere: list[Cell] = field(default_factory=list)  # other runners work on them
    looked_at: float = 0.0  # when it was last seen whether they still do
    is_ending: bool = False
    running: dict[Future[Rows], _Going] = field(default_factory=dict)
    looked_s: float = 0.0  # when it was last seen how far they have come
    spoke_s: float = 0.0  # when there was an event
    compiles: Future[None] | None = field(default_factory=Future)  # done when a worker compiles; then nobody waits
    finished: Outcome = field(default_factory=dict)
    renewed: set[str] = field(default_factory=set)
    journal: Any = None  # of `bench.tuning.journal`, once there is a study
    estimated: tuple[float, float, float] = (0.0, 0.0, 0.0)  # when the rest was, how long that took, and the rest

    def __post_init__(self) -> None:
        runnable = [cell for cell in self.plan.pending if not self.plan.blocked(cell)]
        # Cells are taken from the end: in their order where time is short, else the longest first.
        self.waiting = longest_last(runnable, self.plan.seconds) if self.plan.until is None else runnable[::-1]

    def prepare(self, device: str) -> None:
        """Bring the folder in order, say what is planned, and store the cells that cannot begin."""
        if self.plan.fresh:  # before that is noted: what goes on with a request finds no trials of before it
            for cell in self.plan.cells:
                self.writer.forget_trials(cell.id)
        if self.plan.renewal:
            self.writer.put_renewal(self.plan.renewal, self.plan.renewal.cells)
        self.writer.restore(self.plan.restored)
        for cell_id, old in self.plan.renamed.items():
            self.writer.rename(old, cell_id)
        for cell_id in self.plan.outdated:
            self.writer.supersede(cell_id)
        total, pending = len(self.plan.cells), len(self.plan.pending)
        remaining_s = self.plan.estimate_s(self.jobs)
        self.listener(Planned(total, pending, remaining_s, self.plan.round, self.plan.rounds))
        for cell in self.plan.pending:
            if blocked := self.plan.blocked(cell):
                self.store(cell, failed(cell, *blocked, device=device))

    def carry_out(self, engine: Engine) -> None:
        """Give every waiting cell to `engine` and store what comes back, until the time is over.

        Raises
        ------
        KeyboardInterrupt
            The listener has requested the end; the cells that ran are stored.
        """
        while (self.waiting or self.running or self.elsewhere) and self.left_s > 0:
            if waiting := self.begin():
                going = _Going(waiting, time.monotonic(), self.unfinished(waiting))
                self.running[engine.submit(waiting, going.unfinished)] = going
            self.collect(timeout_s=0 if waiting else min(self.left_s, _POLL_S if self.elsewhere else _LOOK_S))
            self.look()
        if self.is_ending:
            raise KeyboardInterrupt

    @property
    def left_s(self) -> float:
        """Seconds until the end of the run."""
        return math.inf if self.plan.until is None else self.plan.until - time.monotonic()

    def unfinished(self, cell: Cell) -> Unfinished:
        """What is known of the study of `cell`, and where it is kept."""
        folder = self.plan.folder
        study = stored_study(folder, cell.id) if self.is_stored(cell) else None
        whole = study is not None and study.tuning_s is not None
        begun = None if whole else store.read_unfinished(folder, cell.id)
        return Unfinished(
            study.trials if study and begun is None else begun,
            self.writer.keep_trials,
            study.tuning_s if study else None,
            self.note_compiling,
            put_log=partial(self.writer.put_log, cell.id),
        )

    def note_compiling(self) -> None:
        """A worker compiles; from any thread."""
        if (first := self.compiles) is not None:
            with suppress(InvalidStateError):
                first.set_result(None)

    def is_stored(self, cell: Cell) -> bool:
        """Whether there is something stored of `cell` that stays, or that it goes on from."""
        known = self.plan.stored.get(cell.id)
        return known is not None and not known.untuned and not self.plan.is_from_scratch(cell)

    def conclude(self) -> None:
        """Note which cells are still to be run again."""
        if self.plan.renewal:
            self.writer.put_renewal(self.plan.renewal, self.plan.renewal.cells - self.renewed)

    def begin(self) -> Cell | None:
        """The cell to give to the engine now; `None` where it has as many as it may, or others have the rest."""
        self._look_again()
        while self.waiting and len(self.running) < self.jobs:
            cell = self.waiting.pop(self.place())
            if not self.writer.claim(cell.id):
                self.elsewhere.append(cell)
            elif (rest := self._rest_of(cell)) is not None:
                return self._started(rest)
        return None

    def _started(self, cell: Cell) -> Cell | None:
        try:
            self.listener(Started(cell))
        except EndRequest:
            self.writer.release(cell.id)
            self.waiting, self.elsewhere, self.is_ending = [], [], True
            return None
        return cell

    def _look_again(self) -> None:
        """Those cells wait again that no other runner works on any more, as they are stored or it is gone."""
        if self.elsewhere and time.monotonic() - self.looked_at >= _POLL_S:
            self.looked_at = time.monotonic()
            free = [cell for cell in self.elsewhere if not self.writer.claims.is_taken(cell.id)]
            self.elsewhere = [cell for cell in self.elsewhere if cell not in free]
            self.waiting[:0] = free

    def _rest_of(self, cell: Cell) -> Cell | None:
        """What of a claimed cell is to run: less than planned where another runner has stored it since."""
        rows = (
            store.read_cell(self.plan.folder, "runs", cell.id) if store.is_stored(self.plan.folder, cell.id) else None
        )
        if rows is None or not rows.num_rows or cell.id in self.plan.restored:
            return cell
        now = summary(rows)
        if now.first(cell.seeds) == self.plan.stored.get(cell.id):
            return cell
        if self.plan.is_from_scratch(cell):
            rest = None if self.plan.is_renewed(cell, now.started_at) else cell
        else:
            rest = remaining(replace(cell, finished=frozenset()), now)
        if rest is None:
            self.writer.release(cell.id)
            self._adopt(cell, now)
        return rest

    def _adopt(self, cell: Cell, now: Stored) -> None:
        """Another runner has stored all that is wanted of `cell`."""
        what = now.first(cell.seeds)
        if self.plan.renews(cell, now.started_at):
            self.renewed.add(cell.id)
        for cell_id in self.plan.outdated_by(what):
            self.writer.supersede(cell_id)
        self.finished[cell.id] = what
        self._notify(cell, what, what.seconds)

    def place(self) -> int:
        """Which of the waiting cells is next: one that can end in time, or else any, as its trials are kept."""
        in_time = (
            at for at in reversed(range(len(self.waiting))) if self.plan.seconds(self.waiting[at]) <= self.left_s
        )
        return next(in_time, -1)

    def collect(self, *, timeout_s: float) -> None:
        """Store what is finished; wait at most so long for one."""
        awaited: set[Future[Any]] = {*self.running, *([self.compiles] if self.compiles else [])}
        if not self.running:
            time.sleep(min(timeout_s, _POLL_S) if self.elsewhere else 0.0)
            return
        done, _ = wait(awaited, timeout_s, return_when=FIRST_COMPLETED)
        if self.compiles in done:
            self.compiles = None
            self.listener(Compiling(pending=len(self.plan.pending), remaining_s=self.rest_s()))
        for future in done & self.running.keys():
            self.store(self.running.pop(future).cell, future.result())

    def look(self) -> None:
        """Notify the listener of cells that have come further, and of the first where nothing was said for long."""
        now = time.monotonic()
        if now - self.looked_s < _LOOK_S or not self.running:
            return
        self.looked_s = now
        further = [going for going in self.running.values() if going.unfinished.stage != going.notified]
        silent = now - max(self.spoke_s, *(going.began for going in self.running.values())) >= _SILENT_S
        for going in further or ([next(iter(self.running.values()))] if silent else []):
            going.notified, self.spoke_s = going.unfinished.stage, now
            done, pending = len(self.finished), len(self.plan.pending)
            self.listener(Working(going.cell, going.unfinished.stage, done, pending, self.rest_s()))

    def store(self, cell: Cell, rows: Rows) -> None:
        """Store what was run of a cell, with what stays of it, and notify the listener."""
        if self.plan.blocked(cell) is None and not self.writer.claims.holds(cell.id):
            self.elsewhere.append(cell)  # it stood still so long that another runner took the cell over
            return
        rows = {**rows, "runs": _of_code(rows["runs"], self.code)}
        whole = extended(self.plan.folder, cell, rows) if self.is_stored(cell) else rows
        what = summary(whole["runs"]).first(cell.seeds)
        if not self.plan.is_hidden(what) and not self.plan.is_worse(what, cell):
            with self._journal(rows):  # first, so that a kill in between leaves no stored cell without its study
                self.writer.put(whole)
            if self.plan.renews(cell, summary(whole["runs"]).started_at):
                self.renewed.add(cell.id)
        else:
            self.writer.release(cell.id)
        for cell_id in self.plan.outdated_by(what):
            self.writer.supersede(cell_id)
        self.finished[cell.id] = what
        now, seconds = summary(rows["runs"]), _seconds(rows)
        if now.train_windows is not None:
            fits = self.plan.preflight.fits(cell)
            self.plan.estimator.observe(cell, now.train_windows, seconds, fits=fits)
        self._notify(cell, what, seconds)

    @contextmanager
    def _journal(self, rows: Rows) -> Iterator[None]:
        """Record the trials of a cell; one that cannot be written ends the run once the cell is put."""
        path = self.plan.folder / STUDIES
        problem = None
        if rows["trials"].num_rows:
            from bench.tuning.journal import Journal

            try:
                self.journal = self.journal or Journal(path)
                with self.writer.turn():
                    self.journal.record(rows["trials"])
            except Exception as error:  # whatever it was, the finished cell comes first
                problem = error
        yield
        if problem:
            reason = described(problem)
            raise StoreError(
                f"{path}: expected a journal that can be written, got {reason}; every finished cell is stored: "
                "make room, or move the file away to begin another"
            ) from problem

    def _notify(self, cell: Cell, what: Stored, seconds: float) -> None:
        self.listener(
            Finished(
                cell=cell,
                status=what.status,
                reason=what.reason,
                seconds=seconds,
                done=len(self.finished),
                pending=len(self.plan.pending),
                remaining_s=self.rest_s(),
            )
        )

    def rest_s(self) -> float:
        """About how many seconds everything that is left takes; of many cells it is known by an earlier estimate.

        Each estimate looks at every cell that waits: with 100 000 of them one at each cell would take days.
        """
        began = time.monotonic()
        at, took, rest = self.estimated
        if began - at < _SELDOM * took:
            return max(rest - (began - at), 0.0)
        rest = left_s([*map(self.plan.seconds, self.waiting), *self._rest()], self.jobs)
        took = time.monotonic() - began
        self.estimated = (began, took if took > _SLOW_S else 0.0, rest)
        return rest

    def _rest(self) -> Iterator[float]:
        """About how many more seconds each running cell takes."""
        now = time.monotonic()
        for going in self.running.values():
            yield rest_s(self.plan.seconds(going.cell), took=now - going.began)
