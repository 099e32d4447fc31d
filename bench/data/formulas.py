"""Series given by a formula or an equation, with the best possible forecast of each.

Formulas of time with independent Gaussian noise (random, sine, noisy sine, damped multi-sine); two tones with noise, as
in a published encoder–decoder; geometric Brownian motion, on which no forecast beats persistence with drift; a series
that only its value exactly `lag` steps ago helps to predict; and the damped, harmonically forced oscillator, solved by
the classical Runge–Kutta method.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate, repeat
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from bench.array_types import FloatArray
from bench.data.base import DatasetKind, Series, SeriesParameters
from bench.data.covariance import tones, white
from bench.data.elementary import cos, exp, sin
from bench.data.generated import Length, SeededSeries, Spread, Step, Stop, always, generated, stream

Signal = NDArray[np.float64]
Precision = Literal["float64", "float32"]


def _rounded(precision: Precision) -> tuple[str, ...]:
    """The departure that single precision is."""
    return (f"precision: {precision}",) if precision != "float64" else ()


class Random(SeededSeries):
    """Parameters of `random`."""

    length: Length = Field(1000, description="Points.")
    sigma: Spread = Field(1.0, gt=0, description="Standard deviation.")


class Sine(SeriesParameters):
    """Parameters of `sine`."""

    length: Length = Field(1000, description="Points.")
    step: Step | None = Field(None, description="Step in t, in radians; null for 0.1, or for what stop gives.")
    stop: Stop | None = Field(
        None, description="End of t, itself a point, in place of step: linspace(0, stop, length)."
    )
    precision: Precision = Field(
        "float64", description="What t and the values are rounded to; float32 as some are published."
    )

    @model_validator(mode="after")
    def _one_grid(self) -> Sine:
        if self.step is not None and self.stop is not None:
            raise ValueError(f"expected step or stop, got both, {self.step:g} and {self.stop:g}: leave one of them out")
        return self

    def departures(self) -> tuple[str, ...]:
        """Rounding is how some series were published."""
        return _rounded(self.precision)


class NoisySine(SeededSeries):
    """Parameters of `noisy-sine`."""

    length: Length = Field(1000, description="Points.")
    step: Step = Field(0.1, description="Step in t, in radians.")
    noise: Spread = Field(0.1, gt=0, description="Standard deviation of the noise.")


class DampedMultisine(SeededSeries):
    """Parameters of `damped-multisine`."""

    length: Length = Field(2000, description="Points.")
    step: Step = Field(0.1, description="Step in t.")
    noise: Spread = Field(0.0, ge=0, description="Standard deviation of the noise; the published formula has none.")


def load_random(parameters: Random, seed: int) -> Series:
    """Independent draws from N(0, σ²): nothing can be learned, and the best forecast is 0."""
    seed = parameters.data_seed(seed)
    values = parameters.sigma * stream(seed, "random").standard_normal((parameters.length, 1))
    source = f"N(0, {parameters.sigma}²), {parameters.length} points"
    return generated(
        values, source, seed=seed, best=always(np.zeros_like(values)), autocovariance=white(parameters.sigma)
    )


def load_sine(parameters: Sine, _seed: int) -> Series:
    """``sin t`` at ``t = 0, step, 2 step, …``, or at ``linspace(0, stop, length)``."""
    if parameters.stop is None:
        step = 0.1 if parameters.step is None else parameters.step
        t, grid = _times(parameters.length, step), f"0, {step}, …"
    else:
        t, grid = np.linspace(0, parameters.stop, parameters.length), f"0 … {parameters.stop}"
    t = t.astype(parameters.precision).astype(np.float64)
    clean = sin(t).astype(parameters.precision).astype(np.float64)[:, None]
    rounded = "" if parameters.precision == "float64" else f", t and sin t rounded to {parameters.precision}"
    source = f"sin t, t = {grid}, {parameters.length} points{rounded}"
    return generated(clean, source, time=t, best=always(clean), autocovariance=tones((1.0, 1.0), step=t[1] - t[0]))


def load_noisy_sine(parameters: NoisySine, seed: int) -> Series:
    """``sin t + N(0, noise²)`` at ``t = 0, step, 2 step, …``; the defaults are ``t = arange(0, 100, 0.1)``."""
    seed = parameters.data_seed(seed)
    t = _times(parameters.length, parameters.step)
    clean = sin(t)[:, None]
    values = clean + parameters.noise * stream(seed, "noisy-sine").standard_normal(clean.shape)
    source = f"sin t + N(0, {parameters.noise}²), t = 0, {parameters.step}, …, {parameters.length} points"
    known = tones((1.0, 1.0), step=parameters.step, noise=parameters.noise)
    return generated(values, source, seed=seed, time=t, best=always(clean), autocovariance=known)


def load_damped_multisine(parameters: DampedMultisine, seed: int) -> Series:
    """`damped_multisine` at ``t = 0, step, 2 step, …``, with noise where requested."""
    seed = parameters.data_seed(seed)
    t = _times(parameters.length, parameters.step)
    clean = damped_multisine(t)[:, None]
    values = clean + parameters.noise * stream(seed, "damped-multisine").standard_normal(clean.shape)
    source = f"{_DAMPED_MULTISINE} + N(0, {parameters.noise}²), t = 0, {parameters.step}, …, {parameters.length} points"
    return generated(values, source, seed=seed, time=t, best=always(clean))


def damped_multisine(t: Signal) -> Signal:
    """The damped sum of seven sines and products of sines at the times `t` ``[N]``."""
    damped: Signal = exp(-t / 100) * (
        sin(t)
        + 0.5 * sin(t / 10)
        + 0.25 * sin(2 * t)
        + 0.1 * sin(3 * t)
        + 0.5 * sin(t / 20) * sin(t / 15)
        + 0.1 * sin(t / 5) ** 2
        + 0.15 * sin(t / 8) * sin(t / 12) * sin(t / 20)
    )
    return damped


_DAMPED_MULTISINE = (
    "exp(-t/100) (sin t + .5 sin(t/10) + .25 sin 2t + .1 sin 3t + .5 sin(t/20) sin(t/15) + .1 sin²(t/5) "
    "+ .15 sin(t/8) sin(t/12) sin(t/20))"
)


def _times(length: int, step: float) -> Signal:
    """``arange(0, length · step, step)``, free of the rounding that makes arange's length uncertain."""
    return np.arange(length, dtype=np.float64) * step


RANDOM = DatasetKind("independent Gaussian noise: nothing to learn", Random, load_random)
SINE = DatasetKind("a sine", Sine, load_sine)
NOISY_SINE = DatasetKind("a sine with Gaussian noise", NoisySine, load_noisy_sine)
DAMPED_MULTISINE = DatasetKind("a damped sum of sines, with optional noise", DampedMultisine, load_damped_multisine)


class TwoTone(SeededSeries):
    """Parameters of `two-tone`."""

    length: Length = Field(2000, description="Points.")
    stop: Stop = Field(80 * math.pi, description="End of t, itself a point.")
    noise: Spread = Field(0.2, gt=0, description="Standard deviation of the noise.")


def load_two_tone(parameters: TwoTone, seed: int) -> Series:
    """``sin 2t + ½ cos t + N(0, noise²)`` at ``linspace(0, stop, length)``."""
    seed = parameters.data_seed(seed)
    t = np.linspace(0, parameters.stop, parameters.length)
    clean = (sin(2 * t) + 0.5 * cos(t))[:, None]
    values = clean + parameters.noise * stream(seed, "two-tone").standard_normal(clean.shape)
    source = f"sin 2t + .5 cos t + N(0, {parameters.noise}²), t = 0 … {parameters.stop}, {parameters.length} points"
    covariance = tones((1.0, 2.0), (0.5, 1.0), step=t[1] - t[0], noise=parameters.noise)
    return generated(values, source, seed=seed, time=t, best=always(clean), autocovariance=covariance)


TWO_TONE = DatasetKind("two sines with Gaussian noise", TwoTone, load_two_tone)


class Gbm(SeededSeries):
    """Parameters of `gbm`."""

    length: Length = Field(2000, description="Points, the start among them.")
    start: float = Field(100.0, gt=0, description="First price.")
    drift: float = Field(0.0003, ge=-1, le=1, description="Drift μ of one step: the expected log growth of the mean.")
    volatility: float = Field(0.015, gt=0, le=1, description="Standard deviation σ of one step's log return.")


def load_gbm(parameters: Gbm, seed: int) -> Series:
    """``S[i+1] = S[i] exp(μ − σ²/2 + σ Z)`` with independent Z from N(0, 1).

    ``E[S[i] | S[i−h]] = S[i−h] exp(μ h)``, so persistence with drift is the best forecast.
    """
    seed = parameters.data_seed(seed)
    mean, sigma = parameters.drift, parameters.volatility
    log_returns = mean - sigma**2 / 2 + sigma * stream(seed, "gbm").standard_normal(parameters.length - 1)
    with np.errstate(over="ignore"):  # an overflow is refused, with its place, by `Series`
        values = parameters.start * exp(np.concatenate([[0.0], np.cumsum(log_returns)]))[:, None]
    source = f"S' = S exp(μ - σ²/2 + σ N(0, 1)), μ = {mean}, σ = {sigma}, S₀ = {parameters.start}, {len(values)} points"

    def best(horizon: int) -> FloatArray:
        expected: FloatArray = np.full_like(values, np.nan)
        expected[horizon:] = values[:-horizon] * math.exp(mean * horizon)
        return expected

    return generated(values, source, seed=seed, best=best)


GBM = DatasetKind("geometric Brownian motion: drift is all that can be learned", Gbm, load_gbm)


class Recall(SeededSeries):
    """Parameters of `recall`."""

    length: Length = Field(2000, description="Points.")
    lag: int = Field(10, ge=1, le=100_000, description="Steps k between a value and the one that it depends on.")
    correlation: float = Field(0.95, gt=-1, lt=1, description="Correlation ρ of those two.")


def load_recall(parameters: Recall, seed: int) -> Series:
    """``x[t] = ρ x[t-k] + √(1-ρ²) e[t]`` with independent e from N(0, 1); the first k values are N(0, 1).

    These are k interleaved autoregressions that know nothing of each other. One step ahead the noise floor is
    ``1 - ρ²``, that of persistence is 2 where ``k > 1``, and a window shorter than k allows no better than 1.
    """
    from scipy.signal import lfilter  # slow, and no other dataset needs it

    seed = parameters.data_seed(seed)
    lag, rho, length = parameters.lag, parameters.correlation, parameters.length
    rows = -(-length // lag)
    draws = stream(seed, "recall").standard_normal(rows * lag).reshape(rows, lag)  # a row for every k points
    draws[1:] *= math.sqrt(1 - rho * rho)
    values = lfilter([1.0], [1.0, -rho], draws, axis=0).reshape(-1)[:length, None]

    def best(horizon: int) -> FloatArray:
        """Of the newest value of the same autoregression, ``m k ≥ h`` steps ago, ``ρ^m``; 0 where none was seen."""
        times = -(-horizon // lag)
        expected = np.zeros_like(values)
        expected[times * lag :] = values[: max(length - times * lag, 0)] * rho**times
        expected[:horizon] = np.nan
        return expected

    source = f"x[t] = ρ x[t-k] + √(1-ρ²) N(0, 1), k = {lag}, ρ = {rho}, {length} points"

    def autocovariance(lags: NDArray[np.int64]) -> FloatArray:
        return np.where(lags % lag == 0, rho ** (lags // lag), 0.0)

    return generated(values, source, seed=seed, best=best, autocovariance=autocovariance)


RECALL = DatasetKind("a series that depends on its value k steps ago alone", Recall, load_recall)


_MOST_STEPS = 10_000_000  # seconds of solving, and 1.6 GB on the way


class Oscillator(SeriesParameters):
    """Parameters of `oscillator`, in dimensionless units (the undamped frequency is 1)."""

    damping: float = Field(0.2, ge=0, le=10, description="Damping γ.")
    frequency: float = Field(0.5, ge=0, le=10, description="Angular frequency Ω of the force.")
    force: float = Field(1.0, description="Amplitude F of the force.")
    position: float = Field(1.0, description="Position at t = 0.")
    velocity: float = Field(0.0, description="Velocity at t = 0.")
    step: float = Field(0.001, gt=0, le=0.1, description="Step in t of the solver.")
    duration: float = Field(20.0, gt=0, description="End of t, itself left out.")
    every: int = Field(
        20, ge=1, le=_MOST_STEPS, description="Keep every k-th point of the solution; 1 keeps all, as published."
    )
    precision: Precision = Field(
        "float64", description="What every operation of the solver is rounded to; float32 as some are published."
    )

    @model_validator(mode="after")
    def _can_be_solved(self) -> Oscillator:
        if self.duration / self.step > _MOST_STEPS:
            raise ValueError(
                f"duration {self.duration:g} takes more than {_MOST_STEPS} steps of {self.step:g}: "
                "shorten duration, or lengthen step"
            )
        return self

    def departures(self) -> tuple[str, ...]:
        """Solving in single precision is how some were published."""
        return _rounded(self.precision)


def load_oscillator(parameters: Oscillator, _seed: int) -> Series:
    """Positions of ``x″ = −2γx′ − x + F cos Ωt``, every `every`-th point of `solve`."""
    time, position = solve(parameters)
    kept = position[:: parameters.every, None].copy()
    source = (
        f"x″ = -2γx′ - x + F cos Ωt, γ = {parameters.damping}, Ω = {parameters.frequency}, F = {parameters.force}, "
        f"x(0) = {parameters.position}, x′(0) = {parameters.velocity}; classical Runge-Kutta, Δt = {parameters.step} "
        f"to t = {parameters.duration}, every {parameters.every}-th point, {len(kept)} points"
        f"{', in float32' if parameters.precision == 'float32' else ''}"
    )
    return generated(kept, source, time=time[:: parameters.every].copy(), best=always(kept))


def solve(parameters: Oscillator) -> tuple[FloatArray, FloatArray]:
    """Times and positions, ``[N]`` each, of the classical fourth-order Runge–Kutta scheme.

    The operations and their order are those of the published program (M. Hjorth-Jensen, Computational Physics,
    forced oscillator by RK4), so the values are equal to the last bit: time advances by repeated addition, and
    there are ``ceil(duration / step)`` points. Only the force, which depends on time alone, is taken out of the loop.

    In float32 every operation is rounded to it, as in a program whose arrays are of that type; the cosine is the
    nearest float32.

    Against the closed form the largest error at the published parameters is 1.2e-12, mostly the rounding of the
    repeated additions; the scheme's own error, of order ``step⁴``, is 1e-10 at a step of 0.01 and 1e-6 at 0.1.
    """
    number: Callable[[float], Any] = np.float32 if parameters.precision == "float32" else float
    step, drag = number(parameters.step), number(-2 * parameters.damping)
    points = ceil(parameters.duration / parameters.step)
    grid = np.array(list(accumulate(repeat(step, points - 1), initial=number(0.0))))
    force, force_between = (_force(parameters, times) for times in (grid, grid + step * 0.5))
    x, v = number(parameters.position), number(parameters.velocity)
    positions = [x]
    for start, between, end in zip(force, force_between, force[1:], strict=False):
        k1x = step * v
        k1v = step * (drag * v - x + start)
        k2x = step * (v + k1v * 0.5)
        k2v = step * (drag * (v + k1v * 0.5) - (x + k1x * 0.5) + between)
        k3x = step * (v + k2v * 0.5)
        k3v = step * (drag * (v + k2v * 0.5) - (x + k2x * 0.5) + between)
        k4x = step * (v + k3v)
        k4v = step * (drag * (v + k3v) - (x + k3x) + end)
        x = x + (k1x + 2 * k2x + 2 * k3x + k4x) / 6
        v = v + (k1v + 2 * k2v + 2 * k3v + k4v) / 6
        positions.append(x)
    return grid.astype(np.float64), np.array(positions, np.float64)


def _force(parameters: Oscillator, times: NDArray[Any]) -> list[Any]:
    """The force at `times` ``[N]``, in their precision: numbers of Python, or of NumPy in float32."""
    phase = (times * parameters.frequency).astype(np.float64)
    force = cos(phase).astype(times.dtype) * parameters.force
    return list(force) if parameters.precision == "float32" else force.tolist()


OSCILLATOR = DatasetKind("a damped, forced oscillator, solved by Runge-Kutta", Oscillator, load_oscillator)
