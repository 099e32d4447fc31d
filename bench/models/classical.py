"""The classical forecasters: exponential smoothing, the Theta method, and ARIMA with its order chosen.

All are estimated once, on the train part, by statsmodels. At each origin their state is then what one pass of the same
recursion over the true values gives, with the parameters as they were estimated: nothing is fitted again, and the
time grows with the series, not with series × origins. Each channel is forecast from its own past.

Hyndman, Koehler, Ord & Snyder, *Forecasting with Exponential Smoothing*, 2008; Assimakopoulos & Nikolopoulos, "The
theta model", 2000, as Hyndman & Billah, "Unmasking the Theta method", 2003, write it; Hyndman & Khandakar, "Automatic
time series forecasting: the forecast package for R", 2008.
"""

from __future__ import annotations

import abc
import importlib
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bench.array_types import FloatArray
from bench.errors import InputError
from bench.models.base import Parameters, Shape
from bench.models.forecaster import FitBudget
from bench.models.optional import absent

Origins = NDArray[np.int64]

_PERIOD = Field(None, description="Points of one season; null for none.", ge=2, le=1000)


class ETSParameters(Parameters):
    """Exponential smoothing with additive errors."""

    trend: Literal["auto", "none", "additive", "damped"] = Field(
        "auto", description="Of the level; auto for the one with the smallest AICc on the train part."
    )
    period: int | None = _PERIOD


class ThetaParameters(Parameters):
    """The Theta method with two lines, 0 and 2."""

    period: int | None = _PERIOD


class AutoARIMAParameters(Parameters):
    """ARIMA(p, d, q), the order of which is chosen on the train part."""

    max_p: int = Field(2, description="Largest order of the autoregression that is tried.", ge=0, le=5)
    max_q: int = Field(2, description="Largest order of the moving average that is tried.", ge=0, le=5)
    d: Literal["auto", 0, 1, 2] = Field(
        "auto", description="Differences; auto for as many, at most 2, as tests of KPSS at 5 % still reject without."
    )


def lacks(_parameters: Parameters) -> str | None:
    """What is not installed that estimates it, and how to install that; `None` where nothing is lacking."""
    return absent("statsmodels")


class _Channel(Protocol):
    """What forecasts one channel."""

    numbers: int

    def forecast(self, history: FloatArray, origins: Origins, horizon: int) -> FloatArray:
        """``[N, H]`` from ``history`` ``[T]``."""


class _EachChannel(abc.ABC):
    """One fit and one pass for each channel of a series."""

    channels: Sequence[_Channel] = ()

    def fit(self, history: FloatArray, validation: FloatArray | None, *, seed: int, budget: FitBudget) -> None:  # noqa: ARG002 - the contract's signature
        """Estimate the parameters on the train part ``[N, D]``; validation has nothing to choose."""
        with _quiet():
            self.channels = [self._fitted(values) for values in history.T.copy()]

    def predict(self, history: FloatArray, origins: Origins, horizon: int) -> FloatArray:
        """``[N, H, D]``; one pass over each channel."""
        with _quiet():
            each = [
                one.forecast(values, origins, horizon)
                for one, values in zip(self.channels, history.T.copy(), strict=True)
            ]
        return np.stack(each, axis=-1)

    def parameter_count(self) -> int:
        """Numbers that were estimated."""
        return sum(one.numbers for one in self.channels)

    @abc.abstractmethod
    def _fitted(self, values: FloatArray) -> _Channel:
        """Estimated on the values ``[N]`` of one channel."""


@contextmanager
def _quiet() -> Iterator[None]:
    """What statsmodels warns of, such as an optimiser that stopped early, is seen in the errors of its forecasts."""
    importlib.import_module("statsmodels.tools.sm_exceptions")  # which sets filters of its own when it is imported
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _best(candidates: Iterator[tuple[float, Any]], name: str, points: int) -> Any:
    """The one with the smallest AICc.

    Raises
    ------
    InputError
        None has any: no form could be estimated.
    """
    best = min(candidates, key=lambda pair: pair[0])
    if not best[0] < math.inf:
        raise InputError(
            f"{name}: expected a train part that it can be estimated on, got {points} points that no form fits; give a "
            "longer series, or exclude this model for this dataset"
        )
    return best[1]


class ETS(_EachChannel):
    """Exponential smoothing: a level, where wanted a trend, which may be damped, and additive seasons."""

    def __init__(self, parameters: ETSParameters, _shape: Shape) -> None:
        self._trends = ("none", "additive", "damped") if parameters.trend == "auto" else (parameters.trend,)
        self._period = parameters.period

    def _fitted(self, values: FloatArray) -> _Channel:
        _check_seasons(values, self._period, "ets")
        chosen: _Channel = _best((_smoothed(values, trend, self._period) for trend in self._trends), "ets", len(values))
        return chosen


def _check_seasons(values: FloatArray, period: int | None, name: str) -> None:
    if period is not None and len(values) < 2 * period + 2:
        raise InputError(
            f"{name}: expected two seasons in the train part, of {2 * period + 2} points, got {len(values)}; lower the "
            "period, or exclude this model for this dataset"
        )


def _aicc(likelihood: float, k: int, n: int) -> float:
    """Akaike's criterion, corrected as Hurvich & Tsai 1989 do, for `k` parameters, with the variance, of `n` points.

    Infinite where there are too few points, or no likelihood.
    """
    value = 2 * k - 2 * likelihood + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
    return value if math.isfinite(value) else math.inf


def _smoothed(values: FloatArray, trend: str, period: int | None) -> tuple[float, _Smoothing | None]:
    """The AICc of one form, and what was estimated."""
    form: dict[str, Any] = {
        "trend": None if trend == "none" else "add",
        "damped_trend": trend == "damped",
        "seasonal": None if period is None else "add",
        "seasonal_periods": period,
    }
    try:
        model = _ets_model(values, form)
        estimated = np.asarray(model.fit(disp=False, return_params=True))
        likelihood = float(model.loglike(estimated))
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):  # too few points for so many parameters
        return math.inf, None
    return _aicc(likelihood, len(estimated) + 1, len(values)), _Smoothing(form, estimated)


def _ets_model(values: FloatArray, form: dict[str, Any]) -> Any:
    module = importlib.import_module("statsmodels.tsa.exponential_smoothing.ets")
    return module.ETSModel(values, error="add", initialization_method="estimated", **form)


class _Smoothing:
    """Exponential smoothing with given parameters, in the order of statsmodels: weights, then the initial states."""

    def __init__(self, form: dict[str, Any], parameters: FloatArray) -> None:
        self._form, self._parameters = form, parameters
        self.numbers = len(parameters)

    def forecast(self, history: FloatArray, origins: Origins, horizon: int) -> FloatArray:
        """The level, the trend's sum and the season of each target, from the states just before the origin."""
        form, parameters = self._form, self._parameters
        _, after = _ets_model(history, form).smooth(parameters, return_raw=True)  # [T, states]
        has_trend, period = form["trend"] is not None, form["seasonal_periods"] or 0
        initial = parameters[len(parameters) - 1 - has_trend - period :]  # level, trend, then seasons, the latest first
        steps = np.arange(1, horizon + 1)
        states = np.vstack([np.r_[initial[: 1 + has_trend], [0.0] * bool(period)], after])  # after 0 … T points
        result: FloatArray = np.repeat(states[origins, :1], horizon, axis=1)
        if has_trend:
            damping = parameters[2 + bool(period)] if form["damped_trend"] else 1.0
            result = result + states[origins, 1:2] * np.cumsum(damping**steps)
        if period:
            seasons = np.r_[initial[: -period - 1 : -1], after[:, -1]]  # of the points -period … T - 1
            result = result + seasons[origins[:, None] + (steps - 1) % period]
        return result


class Theta(_EachChannel):
    """Exponential smoothing with half the slope of the train part as its drift; seasons by moving averages."""

    def __init__(self, parameters: ThetaParameters, _shape: Shape) -> None:
        self._period = parameters.period

    def _fitted(self, values: FloatArray) -> _Channel:
        _check_seasons(values, self._period, "theta")
        module = importlib.import_module("statsmodels.tsa.forecasting.theta")
        seasonal = {"period": self._period, "method": "additive"} if self._period else {"deseasonalize": False}
        result = module.ThetaModel(values, **seasonal).fit()
        seasons = np.zeros(1)
        if self._period:  # of the points that follow the train part, in the order of the season's first point
            coming = np.asarray(result.forecast_components(self._period)["seasonal"])
            seasons = np.roll(coming, len(values) % self._period)
        steps = np.arange(len(values))
        slope = np.polyfit(steps, values - seasons[steps % len(seasons)], 1)[0]
        return _Theta(float(slope), float(result.params["alpha"]), seasons)


class _Theta:
    """Hyndman & Billah 2003: level + ½ b (h − 1 + 1/α − (1 − α)ⁿ/α), `n` points into the series; plus the season."""

    def __init__(self, slope: float, weight: float, seasons: FloatArray) -> None:
        self._slope, self._weight, self._seasons = slope, weight, seasons
        self.numbers = 2 + (len(seasons) if len(seasons) > 1 else 0)

    def forecast(self, history: FloatArray, origins: Origins, horizon: int) -> FloatArray:
        """The level begins with the first value, as in the fit."""
        from scipy.signal import lfilter

        weight, period = self._weight, len(self._seasons)
        values = history - self._seasons[np.arange(len(history)) % period]
        level, _ = lfilter([weight], [1, weight - 1], values, zi=[(1 - weight) * values[0]])
        steps = np.arange(horizon)
        drift = steps + (1 - (1 - weight) ** origins[:, None]) / weight if weight > 0 else steps + 0.0
        season = self._seasons[(origins[:, None] + steps) % period]
        return np.asarray(level[origins - 1][:, None] + self._slope / 2 * drift + season)


class AutoARIMA(_EachChannel):
    """ARIMA by maximum likelihood, with or without a constant, the orders of which have the smallest AICc.

    The differences are chosen first, as Hyndman & Khandakar do, since likelihoods of other data do not compare. Then
    all orders of the grid are tried; a constant, the mean of the differences, where there are fewer than two of them.
    """

    def __init__(self, parameters: AutoARIMAParameters, _shape: Shape) -> None:
        self._orders = list(product(range(parameters.max_p + 1), range(parameters.max_q + 1)))
        self._d = parameters.d

    def _fitted(self, values: FloatArray) -> _Channel:
        d = differences(values) if self._d == "auto" else self._d
        changes = np.diff(values, d)
        means = [0.0] if d > 1 else [0.0, float(changes.mean())]
        candidates = (_estimated(changes, p, q, d, mean) for p, q in self._orders for mean in means)
        chosen: _Channel = _best(candidates, "auto-arima", len(values))
        return chosen


_TESTED = 10
"""Points that say something about stationarity, at least."""


def differences(values: FloatArray) -> int:
    """How many differences, 0 to 2, make the values stationary: the first at which KPSS at 5 % does not reject that.

    Kwiatkowski, Phillips, Schmidt & Shin, "Testing the null hypothesis of stationarity against the alternative of a
    unit root", 1992.
    """
    kpss = importlib.import_module("statsmodels.tsa.stattools").kpss
    for d in range(2):
        changes = np.diff(values, d)
        with _quiet():
            if (
                len(changes) < _TESTED
                or np.ptp(changes) <= 0
                or not kpss(changes, regression="c", nlags="auto")[1] < 0.05
            ):
                return d
    return 2


def _arma(values: FloatArray, p: int, q: int) -> Any:
    return importlib.import_module("statsmodels.tsa.statespace.sarimax").SARIMAX(values, order=(p, 0, q))


def _estimated(changes: FloatArray, p: int, q: int, d: int, mean: float) -> tuple[float, _ARIMA | None]:
    """The AICc of one order, and what was estimated; the mean is a parameter too, where it is not 0."""
    scale = float(changes.std())
    if scale <= 0:
        return (math.inf, None) if (p, q) != (0, 0) else (0.0, _ARIMA((0, d, 0), float(changes[0]), 1.0, np.ones(1)))
    try:
        fitted = _arma((changes - mean) / scale, p, q).fit(disp=False, cov_type="none")
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):  # no start, or a likelihood that has no maximum
        return math.inf, None
    estimated = _ARIMA((p, d, q), mean, scale, np.asarray(fitted.params))
    return _aicc(float(fitted.llf), estimated.numbers, len(changes)), estimated


class _ARIMA:
    """An ARMA of the differences less their mean, in units of their deviation, summed up from the last values."""

    def __init__(self, order: tuple[int, int, int], mean: float, scale: float, parameters: FloatArray) -> None:
        self.order, self._mean, self._scale, self._parameters = order, mean, scale, parameters
        self.numbers = len(parameters) + (mean != 0)

    def forecast(self, history: FloatArray, origins: Origins, horizon: int) -> FloatArray:
        """The Kalman filter's state just before the origin, moved on, and as many sums as there are differences."""
        p, d, q = self.order
        if origins[0] <= d:
            raise InputError(f"auto-arima: expected {d + 1} points before the first origin, got {origins[0]}")
        levels = [np.diff(history, each) for each in range(d)]  # the values, their changes, …
        changes = (np.diff(history, d) - self._mean) / self._scale
        filtered = _arma(changes, p, q).filter(self._parameters, cov_type="none").filter_results
        design, transition = filtered.design[:, :, 0], filtered.transition[:, :, 0]
        state, steps = filtered.predicted_state[:, origins - d], []  # [k, N]: of the next point, given those before
        for _ in range(horizon):
            steps.append((design @ state)[0])
            state = transition @ state
        result: FloatArray = self._mean + self._scale * np.stack(steps, axis=1)  # [N, H]
        for each, level in reversed(list(enumerate(levels))):
            result = level[origins - 1 - each][:, None] + np.cumsum(result, axis=1)
        return result
