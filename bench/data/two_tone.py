"""Two tones under noise: the series of a published encoder–decoder."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from bench.data.base import DatasetKind, Series
from bench.data.elementary import cos, sin
from bench.data.generated import Length, Seeded, Spread, Stop, always, generated, stream
from bench.data.linear import tones


class TwoTone(Seeded):
    """Parameters of `two-tone`."""

    length: Length = Field(2000, description="Points.")
    stop: Stop = Field(80 * math.pi, description="End of t, itself a point.")
    noise: Spread = Field(0.2, gt=0, description="Standard deviation of the noise.")


def load(parameters: TwoTone, seed: int) -> Series:
    """``sin 2t + ½ cos t + N(0, noise²)`` at ``linspace(0, stop, length)``."""
    seed = parameters.data_seed(seed)
    t = np.linspace(0, parameters.stop, parameters.length)
    clean = (sin(2 * t) + 0.5 * cos(t))[:, None]
    values = clean + parameters.noise * stream(seed, "two-tone").standard_normal(clean.shape)
    source = f"sin 2t + .5 cos t + N(0, {parameters.noise}²), t = 0 … {parameters.stop}, {parameters.length} points"
    covariance = tones((1.0, 2.0), (0.5, 1.0), step=t[1] - t[0], noise=parameters.noise)
    return generated(values, source, seed=seed, time=t, best=always(clean), autocovariance=covariance)


TWO_TONE = DatasetKind("two sines with Gaussian noise", TwoTone, load)
