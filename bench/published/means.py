"""A mean over few replicates with the interval that decides a claim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.published.values import FloatArray
from bench.stats.intervals import LEVEL
from bench.stats.paired import paired


@dataclass(frozen=True)
class Mean:
    """A mean with its interval; the ends are NaN with fewer than two values, so that no comparison with them holds."""

    value: float
    low: float
    high: float
    count: int

    @property
    def text(self) -> str:
        """In brackets the interval, where there is one."""
        return f"{self.value:.3g}{self.over('.3g')}"

    def over(self, form: str) -> str:
        """The interval alone, its ends in the format `form`."""
        return f" [{self.low:{form}}, {self.high:{form}}]" if np.isfinite(self.low) else ""


def mean(new: FloatArray, old: FloatArray | float = 0.0, *, level: float = LEVEL) -> Mean:
    """The mean of ``new - old``, ``[replicates]`` each, with Student's interval.

    Not a bootstrap's: that never leaves the range of the values, which holds the mean of `n` symmetric ones with a
    probability of ``1 - 2^(1 - n)`` at most, below any level that a family of claims asks of few replicates.
    """
    found = paired(new, np.broadcast_to(old, np.shape(new)), level=level)
    return Mean(float(found.difference), float(found.low), float(found.high), int(found.count))


def level_of(intervals: int) -> float:
    """The level of each of so many intervals, which all hold together at `LEVEL` (Bonferroni)."""
    return 1 - (1 - LEVEL) / max(1, intervals)
