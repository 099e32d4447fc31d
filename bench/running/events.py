"""What a run tells while it goes on; who listens decides how to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.schema import Status
from bench.suite.cells import Cell


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
