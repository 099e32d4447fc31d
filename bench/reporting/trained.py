"""What training and tuning of one cell show: losses by epoch, and what the trials found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.array_types import FloatArray


@dataclass(frozen=True, eq=False)
class Curves:
    """The losses of one cell's replicates by epoch, scaled units.

    Parameters
    ----------
    epoch, unit
        ``[epochs]``, from 1; an ``epoch`` each, or a ``validation`` where the budget is in steps.
    train, validation
        ``[seeds, epochs]``; NaN after a replicate has stopped.
    """

    model: str
    sequence_length: int
    epoch: FloatArray
    train: FloatArray
    validation: FloatArray
    unit: str = "epoch"


@dataclass(frozen=True, eq=False)
class TuningSummary:
    """What the trials of one cell found, scaled units.

    Parameters
    ----------
    trials
        ``[trials]``: 1 … as many as there are.
    expected, low, high
        ``[trials]``: the best validation error to expect of so many, with its interval; NaN where it is inconclusive.
    mattered
        The hyperparameters that explain more of the error than chance, with their shares of its variance.
    tried
        Each finished trial: its hyperparameters and its validation error.
    """

    model: str
    sequence_length: int
    trials: FloatArray
    expected: FloatArray
    low: FloatArray
    high: FloatArray
    mattered: tuple[tuple[str, float], ...]
    tried: tuple[tuple[Mapping[str, Any], float], ...] = ()
