"""How far a forecast lags behind the truth."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bench.array_types import FloatArray

MOST = 10
"""Points in either direction within which the best lag is looked for."""

_FEWEST = 12  # pairs from which a correlation is taken
_CHANCE = 0.05
_LARGEST_ORDER = 25  # of the autoregression: a yearly or daily cycle, and one more
_PAIRS_PER_COEFFICIENT = 8
_EXPLAINED = 1e-9  # of the variance: what is left of a series that its past explains is rounding


@dataclass(frozen=True)
class Delay:
    """The lag at which the surprising part of the prediction's moves correlates best with that of the truth's.

    Parameters
    ----------
    steps
        How many points the prediction comes after the truth; negative where it comes before.
    correlation
        At that lag.
    at_zero
        At no lag: what a forecast of the next move's direction would have.
    chance
        What the best of so many lags stays below in about 95 of 100 pairs of independent series as long as these; in
        87 to 92 where moves are sums of ten, which no short autoregression describes.
    late
        Whether the prediction is shown to come after the truth: the best lag is positive and significant, the
        correlation there is above that at no lag by more than chance gives, and the prediction, moved back by the lag,
        is nearer to the truth.
    """

    steps: int
    correlation: float
    at_zero: float
    chance: float
    late: bool

    @property
    def significant(self) -> bool:
        """Whether the best lag correlates more than chance gives."""
        return self.correlation > self.chance

    @property
    def shown(self) -> bool:
        """Whether the steps are shown: a significant lag after the truth is, only where it is better than no lag."""
        return self.significant and (self.late or self.steps <= 0)


def delay(truth: FloatArray, prediction: FloatArray, *, every: int = 1, most: int = MOST) -> Delay | None:
    """The delay of `prediction` behind `truth`; `None` where they are too short, not finite or do not move.

    Moves, ``x[t] - x[t - every]``, are correlated, not levels: the levels of a slow series are similar at every lag,
    and their best lag is decided by chance, between independent random walks too. Moves of a smooth series are similar
    to their neighbours as well. So an autoregression is fitted to the moves of the truth, and the same filter is
    applied to both (Box and Jenkins: prewhitening). What is left of the truth is surprising, and independent series
    share it at a lag only by chance, however smooth the prediction is.

    A prediction that follows a cycle without its noise correlates at many lags, and noise decides which is best. It is
    late only where the lag is better than no lag. In simulations (`reports/calibration.md`) at most 5 % of forecasts
    that are independent of the truth, or that are the truth without its noise, are called late.

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
    moves, moved = _standard(moves), _standard(moved)
    weights = _own_past(moves, every, min(_LARGEST_ORDER, pairs // _PAIRS_PER_COEFFICIENT))
    moves, moved = _unexplained(moves, weights, every), _unexplained(moved, weights, 1)
    lags = range(-most, most + 1)
    correlations = {lag: _correlation(moves, moved, lag, every) for lag in lags}
    best = max(correlations, key=lambda lag: correlations[lag])
    chance = _chance(pairs - len(weights), len(lags))
    late = (
        best > 0
        and correlations[best] > chance
        and _above_zero(moves, moved, best, every) > float(ndtri(1 - _CHANCE / most))
        and _nearer(truth, prediction, best, every)
    )
    return Delay(best, correlations[best], correlations[0], chance, late)


def _varies(moves: FloatArray) -> bool:
    """Whether they are finite and not all the same; an infinite variance counts as not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        variance = float(moves.var()) * len(moves)
    return 0 < variance < np.inf


def _standard(moves: FloatArray) -> FloatArray:
    return np.asarray((moves - moves.mean()) / moves.std())


def _own_past(moves: FloatArray, every: int, largest: int) -> FloatArray:
    """Weights of the moves `every`, 2 `every`, … points before: the autoregression with the least AIC.

    The orthogonal factor of all `largest` columns gives the residuals of every smaller order as well. An order whose
    last column is a sum of the others, or which leaves rounding only, is none.
    """
    times = np.arange(largest * every, len(moves))
    past, now = moves[times[:, None] - every * np.arange(1, largest + 1)], moves[times]
    basis, triangle = np.linalg.qr(past)
    shares = basis.T @ now
    left = (now @ now - np.cumsum([0.0, *shares**2])) / len(moves)
    criterion = len(times) * np.log(np.maximum(left, _EXPLAINED)) + 2 * np.arange(largest + 1)
    own = np.minimum.accumulate([np.inf, *np.diag(triangle) ** 2 / len(moves)])
    order = int(np.argmin(np.where(np.minimum(left, own) > _EXPLAINED, criterion, np.inf)))
    return np.asarray(np.linalg.solve(triangle[:order, :order], shares[:order])) if order else np.zeros(0)


def _unexplained(moves: FloatArray, weights: FloatArray, every: int) -> FloatArray:
    """What the autoregression leaves of `moves`, from the first point on that has all of its past."""
    kernel = np.zeros(len(weights) * every + 1)
    kernel[0], kernel[every::every] = 1, -weights
    left = np.convolve(moves, kernel, "valid")
    return np.asarray(left - left.mean())


def _correlation(moves: FloatArray, moved: FloatArray, lag: int, every: int) -> float:
    """Of the moves of the prediction with those of the truth `lag` points before."""
    places = np.arange(len(moved)) * every - lag
    known = (places >= 0) & (places < len(moves))
    own, other = moves[places[known]], moved[known]
    centred, others = own - own.mean(), other - other.mean()
    scale = float(np.sqrt((centred @ centred) * (others @ others)))
    return float(centred @ others) / scale if scale else 0.0


def _chance(pairs: int, lags: int) -> float:
    """By Fisher's z, with Bonferroni's correction for the lags; one of the two series is white."""
    return float(np.tanh(ndtri(1 - _CHANCE / lags) / np.sqrt(pairs - 3)))


def _above_zero(moves: FloatArray, moved: FloatArray, lag: int, every: int) -> float:
    """How far the covariance at `lag` is above that at no lag, in standard errors.

    Their difference is a weighted sum of the white `moves`, whose weights come from the prediction alone: its variance,
    given the prediction, is the sum of their squares, however similar the prediction's neighbours are.
    """
    places = np.arange(len(moved)) * every
    known = (places >= lag) & (places < len(moves))
    weights = np.zeros(len(moves))
    weights[places[known] - lag] += moved[known]
    weights[places[known]] -= moved[known]
    scale = float(moves.std() * np.sqrt(weights @ weights))
    return float(weights @ moves) / scale if scale else 0.0


def _nearer(truth: FloatArray, prediction: FloatArray, lag: int, every: int) -> bool:
    """Whether the prediction, but for a constant, is nearer to the truth `lag` points before than to its target."""
    places = np.arange(len(prediction)) * every
    known = (places >= lag) & (places < len(truth))
    own, at = prediction[known], places[known]
    return bool(np.std(own - truth[at - lag]) < np.std(own - truth[at]))
