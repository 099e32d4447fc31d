"""A series that is forecast by its value exactly `lag` steps ago, and by nothing nearer."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from bench.data.base import DatasetKind, FloatArray, Series
from bench.data.generated import Length, Seeded, generated, stream


class Recall(Seeded):
    """Parameters of `recall`."""

    length: Length = Field(2000, description="Points.")
    lag: int = Field(10, ge=1, le=100_000, description="Steps k between a value and the one that it depends on.")
    correlation: float = Field(0.95, gt=-1, lt=1, description="Correlation ρ of those two.")


def load(parameters: Recall, seed: int) -> Series:
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
    return generated(values, source, seed=seed, best=best)


RECALL = DatasetKind("a series that depends on its value k steps ago alone", Recall, load)
