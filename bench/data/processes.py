"""Random processes of the time-series literature, each with its exact best forecast.

ARMA, an autoregression of two regimes, GARCH, and a level that shifts at known times. The best forecast knows the law
and the path up to the origin, also what went before the first point. So much of the beginning is left out that its
influence is below `_FORGOTTEN`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from bench.array_types import FloatArray
from bench.data.base import DatasetKind, Series
from bench.data.elementary import exp
from bench.data.generated import Length, SeededSeries, Spread, always, generated, stream

_FORGOTTEN = 1e-12
_MOST_BEFORE = 100_000

Coefficients = Annotated[tuple[Annotated[float, Field(ge=-10, le=10)], ...], Field(max_length=100)]


class Arma(SeededSeries):
    """Parameters of `arma`."""

    length: Length = Field(2000, description="Points.")
    ar: Coefficients = Field((0.9,), description="Coefficients φ of earlier values, the newest first.")
    ma: Coefficients = Field((), description="Coefficients θ of earlier shocks, the newest first.")
    sigma: Spread = Field(1.0, gt=0, description="Standard deviation of a shock.")

    @model_validator(mode="after")
    def _is_stationary_and_invertible(self) -> Arma:
        for name, largest in (("ar", _largest_root(self.ar)), ("ma", _largest_root([-theta for theta in self.ma]))):
            if largest >= 1:
                raise ValueError(f"expected {name} with roots below 1, got one of {largest:.4g}: make it smaller")
        if self.before > _MOST_BEFORE:
            raise ValueError(
                f"expected a process that forgets within {_MOST_BEFORE} points, got {self.before}: make ar smaller"
            )
        return self

    @property
    def before(self) -> int:
        """Points to leave out before the first."""
        largest = _largest_root(self.ar)
        forgotten = math.ceil(math.log(_FORGOTTEN) / math.log(largest)) if largest > 0 else 0
        return len(self.ar) + len(self.ma) + forgotten


def _largest_root(coefficients: tuple[float, ...] | list[float]) -> float:
    """The largest magnitude of a root of ``zᵖ − c₁ zᵖ⁻¹ − … − cₚ``; 0 where there is none."""
    return float(np.abs(np.roots([1.0, *(-value for value in coefficients)])).max(initial=0.0))


def load_arma(parameters: Arma, seed: int) -> Series:
    """``x[t] = Σ φᵢ x[t−i] + e[t] + Σ θⱼ e[t−j]`` with independent e from N(0, σ²).

    G. E. P. Box and G. M. Jenkins, "Time Series Analysis", 1970, § 5.1: the best forecast h steps ahead is the
    recursion with unknown shocks at 0, and leaves ``σ² Σ ψ²`` of the first h impulse responses ψ.
    """
    from scipy.signal import lfilter  # slow, and few datasets need it

    seed = parameters.data_seed(seed)
    before, length = parameters.before, parameters.length
    e = parameters.sigma * stream(seed, "arma").standard_normal(before + length)
    x = lfilter([1.0, *parameters.ma], [1.0, *(-phi for phi in parameters.ar)], e)

    def best(horizon: int) -> FloatArray:
        """Without the last h shocks: ``x[t] − Σ ψⱼ e[t−j]``, j < h."""
        unknown = np.convolve(e, impulses(parameters, horizon))[: len(e)]
        expected = (x - unknown)[before:, None]
        expected[:horizon] = np.nan
        return expected

    def autocovariance(lags: NDArray[np.int64]) -> FloatArray:
        """``σ² Σⱼ ψⱼ ψⱼ₊ₖ``."""
        psi = impulses(parameters, before + 1 + int(lags.max(initial=0)))
        return np.array([parameters.sigma**2 * float(psi[: len(psi) - k] @ psi[k:]) for k in lags])

    law = f"φ = {list(parameters.ar)}, θ = {list(parameters.ma)}, σ = {parameters.sigma}"
    source = f"x[t] = Σ φ x[t-i] + e[t] + Σ θ e[t-j], e from N(0, σ²), {law}, {length} points"
    return generated(x[before:, None].copy(), source, seed=seed, best=best, autocovariance=autocovariance)


def impulses(parameters: Arma, count: int) -> FloatArray:
    """The first `count` impulse responses ψ, ``[count]``: what one shock of 1 gives, then and later."""
    from scipy.signal import lfilter

    shock = np.zeros(count)
    shock[:1] = 1.0
    response: FloatArray = lfilter([1.0, *parameters.ma], [1.0, *(-phi for phi in parameters.ar)], shock)
    return response


Slope = Annotated[float, Field(gt=-1, lt=1)]


class ThresholdAr(SeededSeries):
    """Parameters of `threshold-ar`."""

    length: int = Field(2000, ge=2, le=1_000_000, description="Points.")
    threshold: float = Field(0.0, ge=-100, le=100, description="The last value from which on the upper regime holds.")
    lower: tuple[float, Slope] = Field((1.0, 0.6), description="Constant and coefficient below the threshold.")
    upper: tuple[float, Slope] = Field((-1.0, 0.4), description="Constant and coefficient from it on.")
    sigma: float = Field(1.0, gt=1e-3, le=100, description="Standard deviation of a shock.")

    @model_validator(mode="after")
    def _is_moderate(self) -> ThresholdAr:
        if max(abs(self.lower[0]), abs(self.upper[0])) > 1000 * self.sigma:
            raise ValueError(f"expected constants within 1000 sigma, got {self.lower[0]:g} and {self.upper[0]:g}")
        return self

    def mean(self, x: FloatArray) -> FloatArray:
        """The expectation of the next value, given the last, ``[N]``."""
        (a, phi), (b, psi) = self.lower, self.upper
        return np.where(x < self.threshold, a + phi * x, b + psi * x)


def load_threshold_ar(parameters: ThresholdAr, seed: int) -> Series:
    """``x[t] = c + φ x[t−1] + σ e[t]``, where the last value chooses c and φ: H. Tong, "Threshold Models", 1983."""
    seed = parameters.data_seed(seed)
    (a, phi), (b, psi), threshold = parameters.lower, parameters.upper, parameters.threshold
    before = 10 + math.ceil(math.log(_FORGOTTEN) / math.log(max(abs(phi), abs(psi), 0.1)))
    before = min(before, _MOST_BEFORE)
    x, path = threshold, []
    for shock in (parameters.sigma * stream(seed, "threshold-ar").standard_normal(before + parameters.length)).tolist():
        x = (a + phi * x if x < threshold else b + psi * x) + shock
        path.append(x)
    values = np.array(path[before:])[:, None]

    def best(horizon: int) -> FloatArray:
        expected = np.full_like(values, np.nan)
        expected[horizon:, 0] = expectation(parameters, values[:-horizon, 0], horizon)
        return expected

    law = f"{a} + {phi} x below {threshold}, {b} + {psi} x from there"
    source = f"x[t] = c + φ x[t-1] + N(0, {parameters.sigma}²), {law}, {parameters.length} points"
    return generated(values, source, seed=seed, best=best)


_GRID_STEP = 0.05
"""Of the grid on which expectations are integrated, in σ: the trapezoidal rule then errs by less than 1e-10."""


def expectation(parameters: ThresholdAr, x: FloatArray, horizon: int) -> FloatArray:
    """``E[x[t+h] | x[t]]`` for each of `x`, ``[N]``.

    One step ahead it is the mean of the regime. Two steps ahead the next value is normal around that mean, and the
    expectation of a broken line of a normal variable has a closed form. It is smooth, so each further step is an
    integral over the normal density by the trapezoidal rule.
    """
    if horizon == 1:
        return parameters.mean(x)
    sigma = parameters.sigma
    known = _two_ahead(parameters, parameters.mean(x))
    if horizon == 2:
        return known
    reach = max(float(np.abs(x).max()), *(abs(c) / (1 - abs(s)) for c, s in (parameters.lower, parameters.upper)))
    grid = np.arange(-reach - 12 * sigma, reach + 12 * sigma, _GRID_STEP * sigma)
    ahead = _two_ahead(parameters, parameters.mean(grid))
    for _ in range(horizon - 3):
        ahead = _integrated(parameters, grid, ahead, parameters.mean(grid))
    return _integrated(parameters, grid, ahead, parameters.mean(x))


def _two_ahead(parameters: ThresholdAr, mean: FloatArray) -> FloatArray:
    """The expectation of the regimes' broken line at a normal variable around `mean`, ``[N]``."""
    from scipy.special import ndtr

    (a, phi), (b, psi), sigma = parameters.lower, parameters.upper, parameters.sigma
    z = (parameters.threshold - mean) / sigma
    below, density = ndtr(z), exp(-z * z / 2) / math.sqrt(2 * math.pi)
    line: FloatArray = below * (a + phi * mean) + (1 - below) * (b + psi * mean) + (psi - phi) * sigma * density
    return line


def _integrated(parameters: ThresholdAr, grid: FloatArray, values: FloatArray, mean: FloatArray) -> FloatArray:
    """The expectation of a function, known by `values` on `grid`, at a normal variable around `mean`, ``[N]``."""
    expected = np.empty_like(mean)
    for start in range(0, len(mean), 1000):
        z = (grid - mean[start : start + 1000, None]) / parameters.sigma
        weights = np.exp(-z * z / 2)
        expected[start : start + 1000] = weights @ values / weights.sum(axis=1)
    return expected


class Garch(SeededSeries):
    """Parameters of `garch`."""

    length: int = Field(2000, ge=2, le=1_000_000, description="Points.")
    omega: float = Field(0.1, gt=0, le=1e6, description="Constant ω of the variance.")
    alpha: float = Field(0.1, ge=0, lt=1, description="Weight α of the last squared return.")
    beta: float = Field(0.8, ge=0, lt=1, description="Weight β of the last variance.")
    of: Literal["returns", "squares"] = Field(
        "squares", description="What is seen: returns, which cannot be predicted, or their squares."
    )

    @model_validator(mode="after")
    def _has_a_variance(self) -> Garch:
        if self.alpha + self.beta >= 1:
            raise ValueError(f"expected alpha + beta below 1, got {self.alpha + self.beta:g}: make one of them smaller")
        return self


def load_garch(parameters: Garch, seed: int) -> Series:
    """``r[t] = √v[t] e[t]``, ``v[t] = ω + α r²[t−1] + β v[t−1]``, e from N(0, 1); r, or its square.

    T. Bollerslev, Journal of Econometrics 31, 1986, eqs. 1–2. Of r the best forecast is 0. Of r² it is the variance h
    steps ahead: ``v̄ + (α + β)ʰ⁻¹ (v[t+1] − v̄)``, where ``v̄ = ω / (1 − α − β)``.
    """
    seed = parameters.data_seed(seed)
    persistence = parameters.alpha + parameters.beta
    mean = parameters.omega / (1 - persistence)
    before = 10 + (math.ceil(math.log(_FORGOTTEN) / math.log(persistence)) if persistence else 0)
    v, variances, returns = mean, [], []
    for shock in stream(seed, "garch").standard_normal(min(before, _MOST_BEFORE) + parameters.length).tolist():
        variances.append(v)
        returns.append(math.sqrt(v) * shock)
        v = parameters.omega + parameters.alpha * returns[-1] * returns[-1] + parameters.beta * v
    r, variance = (np.array(path[-parameters.length :])[:, None] for path in (returns, variances))
    squares = parameters.of == "squares"

    def best(horizon: int) -> FloatArray:
        if not squares:
            return np.zeros_like(r)
        expected = np.full_like(r, np.nan)
        ahead = variance[1 : len(r) - horizon + 1]  # v[t+1] is known at t
        expected[horizon:] = mean + persistence ** (horizon - 1) * (ahead - mean)
        return expected

    law = f"ω = {parameters.omega}, α = {parameters.alpha}, β = {parameters.beta}"
    seen = "r² is seen" if squares else "r is seen"
    source = f"r = √v N(0, 1), v' = ω + α r² + β v, {law}, {seen}, {parameters.length} points"
    return generated(r * r if squares else r, source, seed=seed, best=best)


class LevelShifts(SeededSeries):
    """Parameters of `level-shifts`."""

    length: Length = Field(2000, description="Points.")
    every: int = Field(250, ge=2, le=1_000_000, description="Points between two shifts; the first is after so many.")
    levels: tuple[float, ...] = Field(
        (0.0, 3.0, -1.0, 2.0),
        min_length=2,
        max_length=1000,
        description="The levels, in turn, again and again.",
    )
    noise: Spread = Field(1.0, gt=0, description="Standard deviation of the noise around the level.")


def load_level_shifts(parameters: LevelShifts, seed: int) -> Series:
    """A level that shifts at known times, and independent noise around it.

    The law knows the times: its best forecast is the level. A model does not: how soon after a shift its error is
    that of the noise again says how it recovers.
    """
    seed = parameters.data_seed(seed)
    turn = np.arange(parameters.length) // parameters.every
    level = np.array(parameters.levels)[turn % len(parameters.levels), None]
    values = level + parameters.noise * stream(seed, "level-shifts").standard_normal(level.shape)
    levels = ", ".join(f"{value:g}" for value in parameters.levels)
    source = (
        f"levels {levels}, shifted every {parameters.every} points, + N(0, {parameters.noise}²), "
        f"{parameters.length} points"
    )
    shifts = tuple((np.flatnonzero(np.diff(level[:, 0])) + 1).tolist())
    return replace(generated(values, source, seed=seed, best=always(level)), shifts=shifts)


ARMA = DatasetKind("autoregression and moving average: linear", Arma, load_arma)
THRESHOLD_AR = DatasetKind("autoregression of two regimes: not linear", ThresholdAr, load_threshold_ar)
GARCH = DatasetKind("returns whose variance alone can be predicted, or their squares", Garch, load_garch)
LEVEL_SHIFTS = DatasetKind("a noisy level that shifts at known times", LevelShifts, load_level_shifts)
