"""Geometric Brownian motion: nobody may beat drift-adjusted persistence."""

from __future__ import annotations

import math

import numpy as np

from bench.canary.base import Canary, Outcome, Verdict
from bench.canary.fair import Fair, play
from bench.canary.pieces import Pieces
from bench.data.gbm import Gbm, load


def check(pieces: Pieces) -> Outcome:
    """Train and forecast on geometric Brownian motions, several times."""
    if "forecast" not in pieces.kind.tasks:
        return Outcome(Verdict.DOES_NOT_APPLY, f"{pieces.cell.model.kind} cannot forecast")
    count, split = pieces.arena()
    return play(pieces, lambda random: motion(count, random), split)


def motion(count: int, random: np.random.Generator) -> Fair:
    """`count` points; a coin tells whether a step's growth exceeds its median, ``exp(μ − σ²/2)``."""
    parameters = Gbm(length=count)
    series = load(parameters, int(random.integers(2**63)))
    median = math.exp(parameters.drift - parameters.volatility**2 / 2)
    coins = np.zeros(series.values.shape, np.bool_)
    coins[1:] = series.values[1:] > series.values[:-1] * median
    return Fair(series, coins)


GBM = Canary("gbm", "geometric Brownian motion: none may beat persistence with drift", check, own_data=True)
