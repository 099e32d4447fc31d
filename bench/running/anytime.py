"""Runs in rounds: every cell with few replicates, then more of them where claims of the report are not decided.

What to do next depends on what is stored alone, so a run that was ended, killed or out of time is gone on with by the
next one. Without a plan for seeds or a limit of time there is one round.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cells import Cell
from bench.models import model_kinds
from bench.running.plan import Plan, prepare
from bench.running.runner import Listener, Outcome, run
from bench.running.unfinished import Unfinished
from bench.running.workers import Engine
from bench.spec import SeedPlan, Suite
from bench.stats.looks import next_look, schedule
from bench.store import read_unfinished
from bench.store.schema import Rows, Status
from bench.tuning.candidates import space

if TYPE_CHECKING:
    from concurrent.futures import Future

    from bench.reporting.values import CellSummary, Section


@dataclass(frozen=True)
class Undecided:
    """A claim that is not decided yet.

    Parameters
    ----------
    cells
        Ids of the cells whose replicates decide it.
    further
        About how many more replicates of each would decide; `None` where none are likely to.
    """

    cells: tuple[str, ...]
    further: int | None


def next_round(
    undecided: Sequence[Undecided],
    have: Mapping[str, int],
    replicate_s: Mapping[str, float],
    *,
    most: Mapping[str, int],
) -> list[tuple[str, int]]:
    """The cells to extend next, each with the number of replicates that it is to have, in the order to run them.

    Both sides of a claim are brought to the next look at it. Claims go by what deciding them costs, the least first.
    Those that more replicates are not likely to decide wait until there is nothing else to do.

    Parameters
    ----------
    undecided
        Claims of the report as it is now.
    have
        Cell id → how many replicates are stored.
    replicate_s
        Cell id → seconds of one more; 0 for copies of one fit.
    most
        Cell id → how many replicates it gets, at most.
    """
    counts = {claim: _count(claim, have, replicate_s) for claim in undecided}
    totals = {claim: min(most[cell] for cell in claim.cells) for claim in undecided}
    open_claims = [claim for claim, count in counts.items() if count < totals[claim]]
    likely = [claim for claim in open_claims if counts[claim] + (claim.further or math.inf) <= totals[claim]]
    wanted: dict[str, int] = {}
    for claim in sorted(likely or open_claims, key=lambda claim: _price(claim, replicate_s)):
        count = next_look(counts[claim], totals[claim])
        for cell in claim.cells:
            if have[cell] < count:
                wanted[cell] = max(count, wanted.get(cell, 0))
    return list(wanted.items())


def _count(claim: Undecided, have: Mapping[str, int], replicate_s: Mapping[str, float]) -> int:
    """The replicates of both sides; one that costs nothing is brought along."""
    return min([have[cell] for cell in claim.cells if replicate_s[cell]] or [have[cell] for cell in claim.cells])


def _price(claim: Undecided, replicate_s: Mapping[str, float]) -> float:
    """Seconds until it is likely to be decided."""
    return (claim.further or math.inf) * max(sum(replicate_s[cell] for cell in claim.cells), 1e-9)


@dataclass(frozen=True)
class Goal:
    """What a run in rounds is to reach.

    Parameters
    ----------
    first
        Replicates that each cell has at first; `None` where it gets all at once.
    fill
        Whether all cells get all replicates in the end, not only those whose claims are undecided.
    until
        The time of `time.monotonic` at which it ends; `None` for no limit. With one there are results of every cell
        early: cells are trained with the suite's own hyperparameters before any is tuned.
    """

    first: int | None
    fill: bool
    until: float | None = None

    @classmethod
    def of(cls, suite: Suite, until: float | None = None) -> Goal:
        """Of `suite`; one with a number of seeds begins with few where time is limited."""
        if isinstance(suite.seeds, SeedPlan):
            return cls(suite.seeds.first, fill=False, until=until)
        return cls(None if until is None else FEW, fill=True, until=until)

    def rounds(self, cells: Sequence[Cell]) -> int:
        """About how many plans there are: one for each look at the claims, and one without tuning before a limit."""
        most = max((cell.seeds for cell in cells), default=1)
        looks = 1 if self.first is None else len(schedule(min(self.first, most), most))
        return looks + (self.until is not None)

    def cells(self, plan: Plan) -> int:
        """How many cells may run at the same time in `plan`, the first one, or in those after it."""
        return len(plan.pending if self.first is None else plan.cells)


FEW = 3
"""Replicates of each cell to begin with, where time is limited."""


def plans(cells: Sequence[Cell], folder: Path, suite: Suite, goal: Goal, *, fresh: bool = False) -> Iterator[Plan]:
    """The plans to run one after the other: each is made when the one before it has been run.

    Where nothing happens to a results folder in between, the next run goes on where this one stood, as every plan
    depends on what is stored alone.

    Parameters
    ----------
    cells
        Those that are wanted, as `expand` yields them.
    folder
        The results folder; it need not exist.
    suite
        What the cells are of.
    goal
        When there are no more plans.
    fresh
        As for `prepare`.

    Raises
    ------
    InputError
        As for `prepare`.
    """
    for number, plan in enumerate(_plans(cells, folder, suite, goal, fresh=fresh), 1):
        yield replace(plan, until=goal.until, round=number, rounds=goal.rounds(cells))


MAY_PASS = frozenset({Status.UNAVAILABLE, Status.OUT_OF_MEMORY, Status.TIMEOUT, Status.CRASHED})
"""How a cell ends that may end otherwise another time: by what else runs then, or can be reached."""


def retried(each: Iterable[Plan], cells: Sequence[Cell], times: int) -> Iterator[Plan]:
    """The plans of `each`, then up to so many more of those of their cells that may pass another time.

    Parameters
    ----------
    cells
        What the plans are of.
    """
    ran: set[str] = set()
    last: Plan | None = None
    for last in each:
        ran |= {cell.id for cell in last.pending}
        yield last
    for _ in range(times):
        if last is None:
            return
        again = prepare(cells, last.folder, failed_only=True)
        pending = [
            replace(cell, seeds=1 + max(each.seed for each in known.replicates))
            for cell in again.pending
            if cell.id in ran and (known := again.stored[cell.id]).status in MAY_PASS
        ]
        if not pending:
            return
        last = replace(again, pending=tuple(pending), until=last.until, round=last.round + 1)
        yield last


def _plans(cells: Sequence[Cell], folder: Path, suite: Suite, goal: Goal, *, fresh: bool) -> Iterator[Plan]:
    few = [cell.with_seeds(min(goal.first or cell.seeds, cell.seeds)) for cell in cells]
    plan = prepare(few, folder, fresh=fresh)
    if goal.until is not None and not fresh and (new := _without_tuning(plan)):
        yield replace(plan, pending=new)
        plan = prepare(few, folder)
    yield plan if goal.until is None else replace(plan, pending=tuple(sorted(plan.pending, key=plan.seconds)))
    if goal.first is None:
        return
    known = {own.id: replace(own, seeds=cell.seeds) for own, cell in zip(plan.cells, cells, strict=True)}
    tried: set[tuple[str, int]] = set()
    while wanted := [each for each in _wanted(known, folder, suite) if each not in tried]:
        tried |= set(wanted)  # an extension that fails is not tried for ever
        yield prepare([replace(known[cell], seeds=count) for cell, count in wanted], folder)
    if goal.fill:
        yield prepare(cells, folder)


def _without_tuning(plan: Plan) -> tuple[Cell, ...]:
    """The cells of which nothing is known yet, those that are to be tuned without that, the quickest first."""
    new = (cell for cell in plan.pending if cell.id not in plan.stored and not plan.blocked(cell))
    begun = (cell for cell in new if read_unfinished(plan.folder, cell.id) is None)
    return tuple(sorted((replace(cell, untuned=_is_tuned(cell)) for cell in begun), key=plan.seconds))


def _is_tuned(cell: Cell) -> bool:
    return bool(cell.tuning and space(model_kinds()[cell.model.kind], cell))


def _wanted(cells: Mapping[str, Cell], folder: Path, suite: Suite) -> list[tuple[str, int]]:
    """Which of `cells` to extend by the report on `folder` as it is now."""
    from bench.reporting.source import read
    from bench.reporting.summary import summarise

    sections = summarise(read(folder, lambda _: suite)).sections
    rows = (cell for section in sections for cell in section.cells)
    stored = {cell.cell_id: cell for cell in rows if cell.cell_id is not None and cell.cell_id in cells}
    have = {cell_id: cell.replicates for cell_id, cell in stored.items()}
    claims = [claim for section in sections for claim in _undecided(section) if have.keys() >= set(claim.cells)]
    replicate_s = {cell_id: _replicate_s(cell) for cell_id, cell in stored.items()}
    return next_round(claims, have, replicate_s, most={cell_id: cells[cell_id].seeds for cell_id in stored})


def _undecided(section: Section) -> Iterator[Undecided]:
    """The claims of one dataset that were tested and are not decided."""
    for cell in section.cells:
        for claim, rival in ((cell.against_persistence, None), (cell.against_best, cell.against_best)):
            if claim and claim.test and not claim.decided:
                other = section.chosen(rival.other) if rival else None
                ids = [each.cell_id for each in (cell, other) if each and each.cell_id]
                yield Undecided(tuple(ids), claim.further_seeds)


def _replicate_s(cell: CellSummary) -> float:
    """Seconds of one more replicate; none for copies of one fit."""
    known = (cell.cost.fit_s or 0.0) + (cell.cost.predict_s or 0.0)
    return 0.0 if cell.deterministic else max(known, 1e-6)


def run_all(
    each: Iterable[Plan],
    start: Callable[[], Engine],
    *,
    jobs: int,
    device: str,
    listener: Listener,
    suite: Suite | None = None,
) -> Outcome:
    """Run plan after plan with one engine, until there are no more or the time is over.

    Parameters are those of `bench.running.runner.run`, and so is what is raised.
    """
    outcome: Outcome = {}
    engine = _Kept(start)
    try:
        for plan in each:
            outcome |= run(plan, engine, jobs=jobs, device=device, listener=listener, suite=suite)
            if plan.until is not None and time.monotonic() >= plan.until:
                break
    finally:
        engine.end()
    return outcome


@dataclass
class _Kept:
    """An engine that is started when it is first needed, and kept from one plan to the next."""

    start: Callable[[], Engine]
    started: list[Engine] = field(default_factory=list)

    def __call__(self) -> _Kept:
        if not self.started:
            self.started.append(self.start())
        return self

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        """As the engine's."""
        return self.started[0].submit(cell, unfinished)

    def close(self) -> None:
        """Nothing: the next plan uses it too."""

    def end(self) -> None:
        """Close the engine, if it was started."""
        for engine in self.started:
            engine.close()
