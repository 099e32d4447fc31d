"""What the pictures of one dataset are drawn from: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curves:
    """The losses of one cell's replicates by epoch, scaled units.

    Parameters
    ----------
    epoch
        ``[epochs]``, from 1.
    train, validation
        ``[seeds, epochs]``; NaN after a replicate has stopped.
    """

    model: str
    sequence_length: int
    epoch: FloatArray
    train: FloatArray
    validation: FloatArray


@dataclass(frozen=True, eq=False)
class Tuned:
    """What the trials of one cell found, scaled units.

    Parameters
    ----------
    trials
        ``[trials]``: 1 … as many as there are.
    expected, low, high
        ``[trials]``: the best validation error to expect of so many, with its interval; NaN where it cannot be told.
    mattered
        The hyperparameters that explain more of the error than chance, with their shares of its variance.
    """

    model: str
    sequence_length: int
    trials: FloatArray
    expected: FloatArray
    low: FloatArray
    high: FloatArray
    mattered: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class Trace:
    """The test part: truth, persistence and one model's predictions, original units.

    Parameters
    ----------
    time
        ``[T]``: datetime64, or positions in the series.
    truth, persistence
        ``[T]``.
    model
        Whose predictions these are.
    median, low, high
        ``[T]``: over replicates; low and high are the extremes.
    delay
        By how many points the truth has to be shifted to lie closest to the median; `None` for forecasts of several
        steps.
    seed
        The one replicate that is shown, where each has data of its own; else `None`.
    """

    model: str
    sequence_length: int
    time: NDArray[Any]
    truth: FloatArray
    persistence: FloatArray
    median: FloatArray
    low: FloatArray
    high: FloatArray
    delay: int | None
    seed: int | None = None

    @property
    def alone(self) -> str:
        """What the title of the picture adds where one replicate is shown; else nothing."""
        return "" if self.seed is None else f", seed {self.seed} alone: each seed has data of its own"
