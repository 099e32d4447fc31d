"""The simple forecasting methods: the last value, the last value plus a drift, the mean, and the value one season ago.

Hyndman & Athanasopoulos, *Forecasting: Principles and Practice*, 3rd edition, section 5.2.
"""

import numpy as np
from numpy.typing import NDArray

from bench.array_types import FloatArray
from bench.models.base import Batches, Shape
from bench.models.parameters import NoParameters, SeasonalNaiveParameters, answer_steps


class Persistence:
    """The last value again, at every step of the horizon; to denoise, each value as it is."""

    def __init__(self, _parameters: NoParameters, shape: Shape) -> None:
        self._shape = shape

    def fit(self, batches: Batches) -> None:
        """Nothing to fit."""

    def predict(self, x: FloatArray) -> FloatArray:
        """``x[:, -1]``, `horizon` times: ``[B, H, D]``; to denoise ``x`` itself."""
        if self._shape.task == "denoise":
            return x.astype(np.float64)
        return np.repeat(x[:, -1:, : self._shape.own], self._shape.horizon, axis=1).astype(np.float64)

    def parameter_count(self) -> int:
        """0."""
        return 0


class Drift:
    """The last value plus `h` times the mean one-step change of the train part.

    The changes are those from each window's last input to its first target. Over one whole series they add up
    to (last − first) / (n − 1), the slope of the source; here the first is the last input of the first window,
    so that every model is fitted on the same targets.
    """

    slope: FloatArray  # [D]

    def __init__(self, _parameters: NoParameters, shape: Shape) -> None:
        self._shape = shape

    def fit(self, batches: Batches) -> None:
        """Average the one-step changes; one pass."""
        total, count = np.zeros(self._shape.own), 0
        for x, y in batches():
            total += np.subtract(y[:, 0], x[:, -1, : self._shape.own], dtype=np.float64).sum(axis=0)
            count += len(x)
        self.slope = total / count

    def predict(self, x: FloatArray) -> FloatArray:
        """``x[:, -1] + h · slope``: ``[B, H, D]``."""
        steps = np.arange(1, self._shape.horizon + 1)[:, None]  # [H, 1]
        return x[:, -1:, : self._shape.own] + steps * self.slope

    def parameter_count(self) -> int:
        """One slope for each channel that is forecast."""
        return self._shape.own


class Mean:
    """The mean of the train targets, whatever the input: the best constant in squared error.

    Of classes that is their shares of the train part: the best constant in log-loss too.
    """

    mean: FloatArray  # [D]

    def __init__(self, _parameters: NoParameters, shape: Shape) -> None:
        self._steps, self._values = answer_steps(shape), shape.targets[1]

    def fit(self, batches: Batches) -> None:
        """Average the targets; one pass."""
        total, count = np.zeros(self._values), 0
        for _, y in batches():
            total += y.sum(axis=(0, 1), dtype=np.float64)
            count += y.shape[0] * y.shape[1]
        self.mean = total / count

    def predict(self, x: FloatArray) -> FloatArray:
        """The mean, ``[B, H, D]``; to denoise ``[B, T, D]``."""
        return np.tile(self.mean, (len(x), self._steps, 1))

    def parameter_count(self) -> int:
        """One mean for each value of a target."""
        return self._values


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
            own = x[..., : self._shape.own]
            for h in range(self._shape.horizon):
                error = np.subtract(own[:, places[:, h]], y[:, h : h + 1], dtype=np.float64)  # [B, lags, D]
                errors += np.square(error, out=error).sum(axis=(0, 2))
        self.period = int(lags[np.argmin(errors)])

    def predict(self, x: FloatArray) -> FloatArray:
        """The value a whole number of seasons before each target: ``[B, H, D]``."""
        return x[:, self._places(np.array(self.period)), : self._shape.own].astype(np.float64)

    def parameter_count(self) -> int:
        """1 where the period was fitted, 0 where it was stated."""
        return int(self._stated is None)

    def _places(self, period: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where in the window the forecast of each step lies: ``[..., H]``."""
        period = period[..., None]
        return self._shape.sequence_length - period + np.arange(self._shape.horizon) % period
