"""The trials of a cell whose study goes on: reported batch by batch, kept, and handed over when the cell begins again.

A study that begins with the trials of an earlier one asks the same questions again and takes their answers, so that it
goes on as if it had never ended.
"""

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass

import pyarrow as pa

from bench.cells import Cell
from bench.errors import StoreError


def _nobody(*_what: object) -> None:
    """Nobody listens."""


REPORT: ContextVar[Callable[[pa.Table], None]] = ContextVar("report", default=_nobody)
"""Receives all finished trials of the cell that runs, as rows of `bench.store.schema.TRIALS`, after each batch."""


@dataclass(frozen=True)
class Resumed:
    """A cell that begins with the `trials` of an earlier attempt.

    Where the study of these came to its end, `tuning_s` says how long it took, and none is made.
    """

    cell: Cell
    trials: pa.Table
    tuning_s: float | None = None


@dataclass
class Unfinished:
    """The trials of one cell as they are known here.

    Parameters
    ----------
    trials
        Those that are finished; `None` where none is.
    keep
        Stores them.
    tuning_s
        How long they took, where they are all and their cell is stored; else `None`.
    compiles
        Called when a kernel is compiled for the cell.
    """

    trials: pa.Table | None = None
    keep: Callable[[pa.Table], None] = _nobody
    tuning_s: float | None = None
    compiles: Callable[[], None] = _nobody

    def request(self, cell: Cell) -> Cell | Resumed:
        """What to ask of `run_cell`."""
        return cell if self.trials is None else Resumed(cell, self.trials, self.tuning_s)

    def record(self, trials: pa.Table) -> None:
        """All that are finished now; where they cannot be stored, the cell's own rows will say so."""
        self.trials = trials
        with suppress(StoreError):
            self.keep(trials)
