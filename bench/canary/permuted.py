"""Put the points of the series in random order: targets have nothing to do with their inputs, skill must vanish."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.canary import drawn
from bench.canary.base import Canary, Outcome, Verdict
from bench.canary.fair import Fair, play
from bench.canary.pieces import Pieces
from bench.data.base import FloatArray, Sequences, Series


def check(pieces: Pieces) -> Outcome:
    """Train on permuted targets and forecast permuted targets, several times; of sequences, on targets by lot."""
    if isinstance(pieces.source, Sequences):
        return drawn.check(pieces)
    values = pieces.series.values
    if not np.ptp(values, axis=0).all():
        return Outcome(Verdict.DOES_NOT_APPLY, "a channel never changes, in whatever order")
    count, split = pieces.arena(available=len(values))
    return play(pieces, lambda random: permuted(pieces.series, count, random), split)


def permuted(series: Series, count: int, random: np.random.Generator) -> Fair:
    """`count` points of `series`, drawn without replacement, in random order.

    The best forecast is the mean of the points that are still to come.
    """
    values = series.values[random.permutation(len(series))[:count]]

    def best(horizon: int) -> FloatArray:
        still_to_come = np.cumsum(values[::-1], axis=0)[::-1] / np.arange(count, 0, -1)[:, None]
        expected: FloatArray = np.full_like(values, np.nan)
        expected[horizon:] = still_to_come[1 : count - horizon + 1]
        return expected

    provenance = series.provenance
    fair = Series(values, provenance, best=best)
    return Fair(fair, np.stack([_coins(channel, random) for channel in values.T], axis=1))


def _coins(values: FloatArray, random: np.random.Generator) -> NDArray[np.bool_]:
    """``[N]``: whether each value belongs to the upper half of itself and all later ones; ties by lot."""
    lot = random.permutation(len(values))
    rank = np.empty(len(values), np.int64)
    rank[np.lexsort((lot, values))] = np.arange(len(values))
    below = np.array([np.count_nonzero(rank[i:] < rank[i]) for i in range(len(rank))])  # smaller ones to come
    middle = np.arange(len(values) - 1, -1, -1)  # twice the place of the middle
    return np.asarray((2 * below > middle) | ((2 * below == middle) & (random.random(len(values)) < 0.5)))


PERMUTED = Canary("permuted", "the points in random order: skill must vanish", check)
