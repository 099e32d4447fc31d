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
    """A cell that begins with the `trials` of an earlier attempt, if there are any.

    Where the study of these came to its end, `tuning_s` says how long it took, and none is made. `at_once` says how
    many members are trained as one, at most, where memory ran out with more.
    """

    cell: Cell
    trials: pa.Table | None = None
    tuning_s: float | None = None
    at_once: int | None = None


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
    put_log
        Stores what the cell has printed, once it has ended.
    bank
        How many members are trained as one now; 0 where none is known to be.
    at_once
        How many may be, at most; `None` for as many as fit.
    """

    trials: pa.Table | None = None
    keep: Callable[[pa.Table], None] = _nobody
    tuning_s: float | None = None
    compiles: Callable[[], None] = _nobody
    put_log: Callable[[str], None] = _nobody
    bank: int = 0
    at_once: int | None = None

    def request(self, cell: Cell) -> Cell | Resumed:
        """What to ask of `run_cell`."""
        if self.trials is None and self.at_once is None:
            return cell
        return Resumed(cell, self.trials, self.tuning_s, self.at_once)

    def record(self, trials: pa.Table) -> None:
        """All that are finished now; where they cannot be stored, the cell's own rows will say so."""
        self.trials = trials
        with suppress(StoreError):
            self.keep(trials)

    def log(self, text: str) -> None:
        """What the cell has printed; it is lost where it cannot be stored, and the cell is not."""
        with suppress(StoreError):
            self.put_log(text)
