"""Independent generated sequences: the adding problem, and a sine to denoise.

The adding problem, the sum of two marked numbers in a long sequence: S. Hochreiter & J. Schmidhuber, "Long short-term
memory", Neural Computation 9, 1997, experiment 4; with the numbers in [0, 1] and one marker in each half, as in Q. V.
Le, N. Jaitly & G. E. Hinton, "A simple way to initialize recurrent networks of rectified linear units", 2015, and M.
Arjovsky, A. Shah & Y. Bengio, "Unitary evolution recurrent neural networks", 2016.

The sine has a random phase and uniform noise and is denoised step by step; its best estimate is known.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from bench.array_types import FloatArray, FloatArray32
from bench.data.base import DatasetKind, Sequences
from bench.data.elementary import sin
from bench.data.generated import Seeded, generated_sequences, stream


class Adding(Seeded):
    """Parameters of `adding`."""

    count: int = Field(2000, ge=3, le=1_000_000, description="Sequences.")
    length: int = Field(50, ge=2, le=10_000, description="Steps of the longest.")
    shortest: int | None = Field(
        None, ge=2, description="Steps of the shortest: lengths are uniform from here; null for one length."
    )

    @model_validator(mode="after")
    def _shortest_is_shorter(self) -> Adding:
        if self.shortest is not None and self.shortest > self.length:
            raise ValueError(f"expected shortest ≤ length, got {self.shortest} and {self.length}: lower shortest")
        return self


def load_adding(parameters: Adding, seed: int) -> Sequences:
    """Channel 0 holds U(0, 1), channel 1 marks one step in each half with 1; the target is the sum of those two values.

    Always to say 1 has the mean squared error 1/6, the variance of the sum; the noise floor is 0.
    """
    seed = parameters.data_seed(seed)
    random = stream(seed, "adding")
    count, length = parameters.count, parameters.length
    numbers = random.uniform(size=(count, length)).astype(np.float32)
    lengths = random.integers(parameters.shortest or length, length, size=count, endpoint=True)
    half = lengths // 2
    marked = np.stack([random.integers(half), random.integers(half, lengths)], axis=1)  # [N, 2]
    markers = np.zeros_like(numbers)
    np.put_along_axis(markers, marked, 1.0, axis=1)
    inputs = np.stack([numbers, markers], axis=2)
    inputs[np.arange(length) >= lengths[:, None]] = np.nan
    targets = np.take_along_axis(numbers, marked, axis=1).sum(axis=1)[:, None, None]
    steps = f"{length}" if parameters.shortest is None else f"{parameters.shortest} … {length}"
    return generated_sequences(
        inputs,
        targets,
        "forecast",
        source=f"the sum of two marked numbers of U(0, 1), one in each half, {count} sequences of {steps} steps",
        seed=seed,
        best=lambda: targets.astype(np.float64),
    )


ADDING = DatasetKind(
    "the sum of two marked numbers in a long sequence",
    Adding,
    load_adding,
    steps=lambda parameters: parameters.length,
    variable=lambda parameters: parameters.shortest not in (None, parameters.length),
    values=(2, 1),
)


_ROUNDING = 1e-6
"""What rounding to float32 may add to a deviation."""


class DenoiseSine(Seeded):
    """Parameters of `denoise-sine`."""

    count: int = Field(12_000, ge=3, le=1_000_000, description="Sequences.")
    length: int = Field(100, ge=2, le=10_000, description="Steps of each.")
    period: float = Field(60.0, gt=0, le=1e6, description="Steps of one cycle.")
    last_offset: int = Field(
        100, ge=0, le=10_000, description="Largest offset: each of 0, 1, … up to it is equally likely."
    )
    spread: float = Field(0.35, gt=0, le=1e6, description="Noise is uniform within ± this.")


def load_denoise_sine(parameters: DenoiseSine, seed: int) -> Sequences:
    """``sin(2π (n + offset) / period) + U(-spread, spread)``, and the sine itself as target; ``n < length``."""
    seed = parameters.data_seed(seed)
    random = stream(seed, "denoise-sine")
    waves = _waves(parameters)
    offsets = random.integers(parameters.last_offset, size=parameters.count, endpoint=True)
    noise = random.uniform(-parameters.spread, parameters.spread, (parameters.count, parameters.length))
    clean = waves[offsets]
    noisy = (clean + noise).astype(np.float32)
    source = (
        f"sin(2π (n + offset) / {parameters.period:g}) + U(±{parameters.spread}), offset 0 … {parameters.last_offset}, "
        f"{parameters.count} sequences of {parameters.length} steps"
    )
    return generated_sequences(
        noisy[:, :, None],
        clean[:, :, None].astype(np.float32),
        "denoise",
        source=source,
        seed=seed,
        best=lambda: posterior_mean(noisy, waves, parameters.spread)[:, :, None],
    )


def _waves(parameters: DenoiseSine) -> FloatArray:
    """``[offsets, T]``: the clean sequence of every offset."""
    places = np.arange(parameters.last_offset + 1)[:, None] + np.arange(parameters.length)
    return sin(np.asarray(2 * np.pi * places / parameters.period, np.float64))


def posterior_mean(noisy: FloatArray32, waves: FloatArray, spread: float) -> FloatArray:
    """The expectation of each clean value given the noisy ones up to its own step.

    Under uniform noise every wave that has stayed within `spread` of what was seen is as likely as any other, and
    every other is impossible: the expectation is the mean of those left.

    Parameters
    ----------
    noisy
        ``[N, T]``.
    waves
        ``[W, T]``: the clean sequences there are, equally likely.
    spread
        Noise is uniform within ± this.

    Returns
    -------
    FloatArray
        ``[N, T]``.
    """
    possible = np.ones((len(noisy), len(waves)), bool)
    means = np.empty(noisy.shape)
    for step, seen in enumerate(noisy.T.astype(np.float64)):
        possible &= np.abs(seen[:, None] - waves[:, step]) <= spread + _ROUNDING * (1 + spread)
        means[:, step] = possible @ waves[:, step] / possible.sum(axis=1)
    return means


DENOISE_SINE = DatasetKind(
    "a sine of random phase under uniform noise, to be cleaned",
    DenoiseSine,
    load_denoise_sine,
    task="denoise",
    steps=lambda parameters: parameters.length,
)
