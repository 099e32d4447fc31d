"""What a comparison says: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bench.report.values import Estimate


class Change(StrEnum):
    """What became of the error of one cell.

    `WORSE` and `BETTER` where the interval over seeds says so, or the sign where no random number is drawn;
    `NOT_TESTED` where a trained model has one pair of replicates, so no interval.
    """

    WORSE = "larger error"
    BETTER = "smaller error"
    NONE_SHOWN = "no difference shown"
    NOT_TESTED = "not tested"
    UNCHANGED = "unchanged"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, order=True)
class Place:
    """What two result sets are paired by: the names of a cell, not its id, which hashes its content."""

    dataset: str
    model: str
    sequence_length: int
    horizon: int

    def __str__(self) -> str:
        return f"{self.dataset} × {self.model}, L={self.sequence_length}, h={self.horizon}"


@dataclass(frozen=True)
class Side:
    """One cell in one of the two result sets.

    Parameters
    ----------
    finished, replicates
        How many replicates are ok, out of how many.
    reason
        Why the first of the others is not; empty where all are.
    rmse
        Original units, over all test targets and finished replicates, with its interval over seeds.
    fit_s, predict_s
        Medians over replicates.
    machine
        Where it was timed; several are listed.
    data_sha256
        What it was run on; several are listed, empty where it is not known.
    test_points, persistence_mse
        What it was tested on: how many targets, and the error of persistence there, in original units squared;
        empty where they are not known.
    deterministic
        Whether one fit stands for every seed: then nothing has an interval over seeds.
    """

    cell_id: str
    finished: int
    replicates: int
    reason: str
    rmse: Estimate | None
    fit_s: float | None
    predict_s: float | None
    machine: str
    data_sha256: str
    test_points: tuple[int, ...]
    persistence_mse: tuple[float, ...]
    deterministic: bool


@dataclass(frozen=True)
class CellChange:
    """One cell that both result sets have.

    Parameters
    ----------
    paired
        Replicates that are ok in both.
    ratio
        New RMSE over old, over the paired replicates and resampled with them.
    difference
        New MSE minus old, original units squared, likewise.
    fit_ratio, predict_ratio
        New time over old; `None` where the machines differ. Two sessions are no test of speed.
    notes
        What keeps the two from being compared, or must be known with it.
    other_settings
        The kinds of settings, in words, that are not the same in both.
    """

    place: Place
    old: Side
    new: Side
    paired: int
    ratio: Estimate | None
    difference: Estimate | None
    fit_ratio: float | None
    predict_ratio: float | None
    change: Change
    notes: tuple[str, ...] = ()
    other_settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Everything that changed from the old result set to the new one.

    Parameters
    ----------
    cells
        Those that both have.
    appeared, vanished
        Those that only the new, only the old result set has.
    failed, mended
        Those whose replicates all were ok and no longer are, and the other way round.
    changed_data
        Those that were run on different data, or tested on different targets: their errors do not compare.
    old_machines, new_machines
        Where they were timed, each in one line.
    """

    cells: tuple[CellChange, ...]
    appeared: tuple[Place, ...]
    vanished: tuple[Place, ...]
    failed: tuple[Place, ...]
    mended: tuple[Place, ...]
    changed_data: tuple[Place, ...]
    old_machines: tuple[str, ...]
    new_machines: tuple[str, ...]

    @property
    def same_machines(self) -> bool:
        """Whether no two times come from different machines."""
        return len({*self.old_machines, *self.new_machines}) <= 1

    def having(self, change: Change) -> tuple[CellChange, ...]:
        """The cells with `change`."""
        return tuple(cell for cell in self.cells if cell.change is change)
