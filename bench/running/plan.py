"""Decide what to run: the cells that are wanted minus those that are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.running.estimate import START_S, Estimator, left_s
from bench.running.preflight import Blocked, Preflight
from bench.schema import Status
from bench.store import ASIDE, Place, Stored, stored
from bench.suite.cells import Cell


@dataclass(frozen=True)
class Plan:
    """What a run will do, and what it knows beforehand.

    Parameters
    ----------
    folder
        The results folder.
    cells
        Every cell that is wanted, identified, in the order of the suite.
    stored
        Those cells that are stored already, in short, by id; among them those that `restored` brings back.
    pending
        Cells to run, or to note as blocked.
    restored
        Ids of cells that were set aside earlier and are wanted again.
    others
        Stored cells that are not wanted, by the place of the wanted cell that will stand for them, then by id:
        their data, settings or code have changed since.
    """

    folder: Path
    cells: tuple[Cell, ...]
    stored: Mapping[str, Stored]
    pending: tuple[Cell, ...]
    restored: frozenset[str]
    others: Mapping[Place, Mapping[str, Stored]]
    preflight: Preflight
    estimator: Estimator

    @property
    def outdated(self) -> list[str]:
        """Those of `others` whose place is taken already."""
        return sorted(cell_id for what in self.stored.values() for cell_id in self.outdated_by(what))

    def outdated_by(self, what: Stored) -> list[str]:
        """Those of `others` that `what` stands for: a cell without its data hides no results."""
        others = self.others.get(what.place, {})
        empty = what.status is Status.UNAVAILABLE
        return [cell_id for cell_id, other in others.items() if not empty or other.status is Status.UNAVAILABLE]

    def is_hidden(self, what: Stored) -> bool:
        """Whether older results say more at this place than `what` does."""
        return len(self.outdated_by(what)) < len(self.others.get(what.place, {}))

    @property
    def nothing_to_do(self) -> bool:
        """Whether the results folder already is what it should be."""
        return not (self.pending or self.restored or self.outdated)

    def blocked(self, cell: Cell) -> Blocked | None:
        """How `cell` ends without having begun; `None` where it can run."""
        return self.preflight.blocked.get(cell.dataset.id)

    def seconds(self, cell: Cell) -> float:
        """About how long `cell` takes, by what is known so far."""
        if self.blocked(cell):
            return 0.0
        return self.estimator.seconds(cell, self.preflight.train_windows(cell))

    def estimate_s(self, jobs: int) -> float:
        """About how long all of it takes on `jobs` workers."""
        if all(map(self.blocked, self.pending)):
            return 0.0
        return START_S + left_s(map(self.seconds, self.pending), jobs)


def prepare(cells: Sequence[Cell], folder: Path, *, fresh: bool = False, failed_only: bool = False) -> Plan:
    """Look at the data and at the results folder; nothing is written.

    Parameters
    ----------
    cells
        Those that are wanted, as `expand` yields them.
    folder
        The results folder; it need not exist.
    fresh
        Run every cell again; what is stored stays until its replacement is finished.
    failed_only
        Run the stored cells that are not ok, and no others.

    Raises
    ------
    InputError
        Data that is not well formed or too short, a results folder that cannot be read: one line for each.
    """
    preflight = Preflight()
    wanted = {cell.id: cell for cell in preflight.identify(cells)}
    everything = stored(folder)
    aside = {} if fresh else _wanted(stored(folder / ASIDE), wanted)
    restored = {cell_id for cell_id, what in aside.items() if what.status is not Status.UNAVAILABLE} - set(everything)
    have = _wanted(everything, wanted) | {cell_id: aside[cell_id] for cell_id in restored}
    pending = [cell for cell in wanted.values() if fresh or _is_pending(have.get(cell.id), failed_only=failed_only)]
    preflight.check(pending)
    return Plan(
        folder=folder,
        cells=tuple(wanted.values()),
        stored=have,
        pending=tuple(pending),
        restored=frozenset(restored),
        others=_others(everything, wanted),
        preflight=preflight,
        estimator=_estimator(wanted, have),
    )


def place_of(cell: Cell) -> Place:
    """Where `cell` stands in a results folder."""
    return cell.dataset.id, cell.model.id, cell.sequence_length, cell.horizon


def _is_pending(known: Stored | None, *, failed_only: bool) -> bool:
    """Data that was unavailable may have come since; what failed otherwise would fail again."""
    if failed_only:
        return known is not None and known.status is not Status.OK
    return known is None or known.status is Status.UNAVAILABLE


def _wanted(known: Mapping[str, Stored], wanted: Mapping[str, Cell]) -> dict[str, Stored]:
    return {cell_id: what for cell_id, what in known.items() if cell_id in wanted}


def _others(everything: Mapping[str, Stored], wanted: Mapping[str, Cell]) -> dict[Place, dict[str, Stored]]:
    found: dict[Place, dict[str, Stored]] = {place_of(cell): {} for cell in wanted.values()}
    for cell_id, what in everything.items():
        if cell_id not in wanted and what.place in found:
            found[what.place][cell_id] = what
    return found


def _estimator(wanted: Mapping[str, Cell], have: Mapping[str, Stored]) -> Estimator:
    estimator = Estimator()
    for cell_id, what in have.items():
        if what.train_windows is not None:
            estimator.observe(wanted[cell_id], what.train_windows, what.seconds)
    return estimator
