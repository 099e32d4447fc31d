"""Seasonal naive: the value one season ago.

Hyndman & Athanasopoulos, *Forecasting: Principles and Practice*, 3rd edition, section 5.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.models.base import Batches, FloatArray, Shape
from bench.models.parameters import SeasonalNaiveParameters


class SeasonalNaive:
    """The last season of the window, repeated over the horizon; a stated period is no longer than the window."""

    period: int

    def __init__(self, parameters: SeasonalNaiveParameters, shape: Shape) -> None:
        self._stated = parameters.period
        self._shape = shape

    def fit(self, batches: Batches) -> None:
        """Take the stated period, or the lag with the smallest squared error; the shorter of equals. One pass."""
        if self._stated is not None:
            self.period = self._stated
            return
        lags = np.arange(1, self._shape.sequence_length + 1)
        places = self._places(lags)  # [lags, H]
        errors = np.zeros(len(lags))
        for x, y in batches():
            for h in range(self._shape.horizon):
                error = np.subtract(x[:, places[:, h]], y[:, h : h + 1], dtype=np.float64)  # [B, lags, C]
                errors += np.square(error, out=error).sum(axis=(0, 2))
        self.period = int(lags[np.argmin(errors)])

    def predict(self, x: FloatArray) -> FloatArray:
        """The value a whole number of seasons before each target: ``[B, H, C]``."""
        return x[:, self._places(np.array(self.period))].astype(np.float64)

    def parameter_count(self) -> int:
        """1 where the period was fitted, 0 where it was stated."""
        return int(self._stated is None)

    def _places(self, period: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where in the window the forecast of each step lies: ``[..., H]``."""
        period = period[..., None]
        return self._shape.sequence_length - period + np.arange(self._shape.horizon) % period
