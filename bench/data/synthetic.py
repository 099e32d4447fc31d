"""Formulas of time with independent Gaussian noise: random, sine, noisy sine, damped multi-sine."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from bench.data.base import DatasetKind, Parameters, Series
from bench.data.elementary import exp, sin
from bench.data.generated import Length, Seeded, Spread, Step, Stop, always, generated, stream
from bench.data.linear import tones, white

Signal = NDArray[np.float64]


class Random(Seeded):
    """Parameters of `random`."""

    length: Length = Field(1000, description="Points.")
    sigma: Spread = Field(1.0, gt=0, description="Standard deviation.")


class Sine(Parameters):
    """Parameters of `sine`."""

    length: Length = Field(1000, description="Points.")
    step: Step | None = Field(None, description="Step in t, in radians; null for 0.1, or for what stop gives.")
    stop: Stop | None = Field(
        None, description="End of t, itself a point, in place of step: linspace(0, stop, length)."
    )
    precision: Literal["float64", "float32"] = Field(
        "float64", description="What the values are rounded to; float32 as some are published."
    )

    @model_validator(mode="after")
    def _one_grid(self) -> Sine:
        if self.step is not None and self.stop is not None:
            raise ValueError(f"expected step or stop, got both, {self.step:g} and {self.stop:g}: leave one of them out")
        return self

    def departures(self) -> tuple[str, ...]:
        """Rounding is how some series were published."""
        return (f"precision: {self.precision}",) if self.precision != "float64" else ()


class NoisySine(Seeded):
    """Parameters of `noisy-sine`."""

    length: Length = Field(1000, description="Points.")
    step: Step = Field(0.1, description="Step in t, in radians.")
    noise: Spread = Field(0.1, gt=0, description="Standard deviation of the noise.")


class DampedMultisine(Seeded):
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
    clean = sin(t).astype(parameters.precision).astype(np.float64)[:, None]
    rounded = "" if parameters.precision == "float64" else f", rounded to {parameters.precision}"
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
    """`damped_multisine` at ``t = 0, step, 2 step, …``, with noise where asked for."""
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
DAMPED_MULTISINE = DatasetKind("a damped sum of sines, with noise if asked for", DampedMultisine, load_damped_multisine)
