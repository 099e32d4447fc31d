"""The metrics that a comparison can look at, and how two values of one are held against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.stats.table import FloatArray

ROUNDING = 1e-6
"""An error below this share of the data's range is rounding: two such errors are the same."""

_SMALLEST = 1e-300


@dataclass(frozen=True)
class Measure:
    """How the values of a metric compare.

    Parameters
    ----------
    relative
        By their ratio; else by their difference.
    worse
        The sign of a change for the worse: 1 where lower values are better, −1 where higher ones are.
    """

    relative: bool
    worse: int

    def comparable(self, values: FloatArray, scale: FloatArray) -> FloatArray:
        """``[cells, seeds]`` values as they are subtracted: their logarithms where `relative`; NaN stays.

        Parameters
        ----------
        values
            ``[cells, seeds]``.
        scale
            ``[cells]``: the range of the data, by which rounding is told; NaN where it is not known.
        """
        if not self.relative:
            return values
        floor = np.fmax(ROUNDING * scale, _SMALLEST)[:, None]
        return np.asarray(np.log(np.maximum(values, floor)))

    def margin(self, threshold: float) -> float:
        """`threshold` as a difference of `comparable` values."""
        return float(np.log1p(threshold)) if self.relative else threshold

    def effect(self, difference: float) -> float:
        """A difference as users read it: new / old − 1 where `relative`."""
        return float(np.expm1(difference)) if self.relative else difference


MEASURES: Mapping[str, Measure] = {
    "rmse": Measure(relative=True, worse=1),
    "mae": Measure(relative=True, worse=1),
    "skill": Measure(relative=False, worse=-1),
    "r2": Measure(relative=False, worse=-1),
    "directional_accuracy": Measure(relative=False, worse=-1),
}
"""By their columns, which are those that a suite's thresholds name."""
