"""How far a forecast lags behind the truth."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bench.array_types import FloatArray

MOST = 10
"""Points in either direction within which the best lag is looked for."""

_FEWEST = 12  # pairs from which a correlation is taken
_CHANCE = 0.05


@dataclass(frozen=True)
class Delay:
    """The lag of the best cross-correlation between moves of the prediction and moves of the truth.

    Parameters
    ----------
    steps
        How many points the prediction comes after the truth; negative where it comes before.
    correlation
        At that lag.
    at_zero
        At no lag: what a forecast of the next move's direction would have.
    chance
        What the best of so many lags stays below in 95 of 100 pairs of independent series as long as these.
    """

    steps: int
    correlation: float
    at_zero: float
    chance: float

    @property
    def significant(self) -> bool:
        """Whether the best lag correlates more than chance gives."""
        return self.correlation > self.chance

    @property
    def late(self) -> bool:
        """Whether it is significant, and the prediction comes after the truth."""
        return self.significant and self.steps > 0


def delay(truth: FloatArray, prediction: FloatArray, *, every: int = 1, most: int = MOST) -> Delay | None:
    """The delay of `prediction` behind `truth`; `None` where they are too short, not finite or do not move.

    Moves, ``x[t] - x[t - every]``, are correlated, not levels: the levels of a slow series are similar at every lag,
    and their best lag is decided by chance, between independent random walks too; moves are similar only where one
    series is the other, shifted.

    Parameters
    ----------
    truth
        ``[T]``, at every point.
    prediction
        Of the first point and each `every`-th after it.
    most
        Points in either direction within which the best lag is looked for.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and has no delay
        moves, moved = truth[every:] - truth[:-every], np.diff(prediction)
    pairs = len(moved) - -(-most // every)
    if pairs < _FEWEST or not (_varies(moves) and _varies(moved)):
        return None
    lags = range(-most, most + 1)
    correlations = {lag: _correlation(moves, moved, lag, every) for lag in lags}
    best = max(correlations, key=lambda lag: correlations[lag])
    return Delay(best, correlations[best], correlations[0], _chance(pairs, len(lags)))


def _varies(moves: FloatArray) -> bool:
    """Whether they are finite and not all the same; an infinite variance counts as not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        variance = float(moves.var()) * len(moves)
    return 0 < variance < np.inf


def _correlation(moves: FloatArray, moved: FloatArray, lag: int, every: int) -> float:
    """Of the moves of the prediction with those of the truth `lag` points before."""
    places = np.arange(len(moved)) * every - lag
    known = (places >= 0) & (places < len(moves))
    own, other = moves[places[known]], moved[known]
    centred, others = own - own.mean(), other - other.mean()
    with np.errstate(over="ignore"):  # then no lag stands out
        scale = float(np.sqrt((centred @ centred) * (others @ others)))
    return float(centred @ others) / scale if scale else 0.0


def _chance(pairs: int, lags: int) -> float:
    """By Fisher's z, with Bonferroni's correction for the lags."""
    return float(np.tanh(ndtri(1 - _CHANCE / lags) / np.sqrt(pairs - 3)))
