"""Geometric Brownian motion: prices on which nothing beats persistence with drift."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from bench.data.base import DatasetKind, FloatArray, Series
from bench.data.elementary import exp
from bench.data.generated import Length, Seeded, generated, stream


class Gbm(Seeded):
    """Parameters of `gbm`."""

    length: Length = Field(2000, description="Points, the start among them.")
    start: float = Field(100.0, gt=0, description="First price.")
    drift: float = Field(0.0003, ge=-1, le=1, description="Drift μ of one step: the expected log growth of the mean.")
    volatility: float = Field(0.015, gt=0, le=1, description="Standard deviation σ of one step's log return.")


def load(parameters: Gbm, seed: int) -> Series:
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


GBM = DatasetKind("geometric Brownian motion: drift is all that can be learned", Gbm, load)
