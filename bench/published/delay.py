"""How far a forecast lags behind the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.published.values import FloatArray

MOST = 10
"""Steps in either direction within which the best lag is looked for."""


@dataclass(frozen=True)
class Delay:
    """The lag of the best cross-correlation between steps of the prediction and steps of the truth.

    Parameters
    ----------
    steps
        How many steps the prediction comes after the truth; negative where it comes before.
    correlation
        At that lag.
    at_zero
        At no lag: what a forecast of the next step's direction would have.
    """

    steps: int
    correlation: float
    at_zero: float


def delay(truth: FloatArray, prediction: FloatArray, *, most: int = MOST) -> Delay | None:
    """The delay of `prediction` behind `truth`, ``[T]`` each; `None` where they are too short or do not move.

    Steps, ``x[t] - x[t-1]``, are correlated, not levels: the levels of a slow series are alike at every lag, and
    their best lag is decided by chance; their steps are alike only where one is the other, moved.
    """
    moves, moved = np.diff(truth), np.diff(prediction)
    if len(moves) < 2 * most + 2 or not moves.std() or not moved.std():
        return None
    lags = range(-most, most + 1)
    found = {lag: _correlation(moves, moved, lag) for lag in lags}
    best = max(found, key=lambda lag: found[lag])
    return Delay(best, found[best], found[0])


def _correlation(moves: FloatArray, moved: FloatArray, lag: int) -> float:
    """Of ``moves[t - lag]`` with ``moved[t]``."""
    size = len(moves) - abs(lag)
    own, other = (moves[:size], moved[lag:]) if lag >= 0 else (moves[-lag:], moved[:size])
    centred, others = own - own.mean(), other - other.mean()
    scale = float(np.sqrt((centred @ centred) * (others @ others)))
    return float(centred @ others) / scale if scale else 0.0
