"""The trials of a cell whose study goes on: reported batch by batch, kept, and handed over when the cell begins again.

A study that begins with the trials of an earlier one asks the same questions again and takes their answers, so that it
goes on as if it had never ended.
"""

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

import pyarrow as pa

from bench.cells import Cell
from bench.errors import StoreError
from bench.text import plural


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
    """The trials of one cell as they are known here, and how far it has come.

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
    reached
        Called with what `advance` is given.
    put_log
        Stores what the cell has printed, once it has ended.
    stages
        How far it has come: so many of all trials, replicates and rounds, by these words; what was known last.
    bank
        How many members are trained as one now; 0 where none is known to be.
    at_once
        How many may be, at most; `None` for as many as fit.
    """

    trials: pa.Table | None = None
    keep: Callable[[pa.Table], None] = _nobody
    tuning_s: float | None = None
    compiles: Callable[[], None] = _nobody
    reached: Callable[[str, int, int], None] = _nobody
    put_log: Callable[[str], None] = _nobody
    stages: dict[str, tuple[int, int]] = field(default_factory=dict)
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

    def advance(self, what: str, done: int, of: int) -> None:
        """So much of it is done; the rounds are those of one bank, and begin again with the next."""
        known = {} if what == "round" else {what: (done, of)}
        self.stages = {name: at for name, at in self.stages.items() if name != "round"} | known
        if what == "round" and done < of:
            self.stages["round"] = (done, of)
        self.reached(what, done, of)

    @property
    def stage(self) -> str:
        """How far it has come, as ``0 of 5 replicates, round 3 of 16``; empty where that is not known."""
        stages = self.stages
        what = "replicate" if "replicate" in stages else "trial"
        counted = [f"{stages[what][0]} of {plural(stages[what][1], what)}"] if what in stages else []
        rounds = ["round {} of {}".format(*stages["round"])] if "round" in stages else []
        return ", ".join(counted + rounds)

    def log(self, text: str) -> None:
        """What the cell has printed; it is lost where it cannot be stored, and the cell is not."""
        with suppress(StoreError):
            self.put_log(text)
