"""A sine of random phase under uniform noise, to be cleaned step by step; the best estimate is known."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from bench.data.base import DatasetKind, FloatArray, FloatArray32, Sequences
from bench.data.elementary import sin
from bench.data.generated import Seeded, generated_sequences, stream

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


def load(parameters: DenoiseSine, seed: int) -> Sequences:
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
    load,
    task="denoise",
    steps=lambda parameters: parameters.length,
)
