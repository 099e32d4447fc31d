"""The second reference of a series: the value one season ago; and what its errors on the train part are good for.

Persistence errs much on a series with a season, and is then beaten easily. The seasonal naive forecast repeats the last
whole season before the origin; its mean absolute error on the train part is the unit of MASE.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bench.array_types import FloatArray, IntArray

_KNOTS = (0.25, 0.5, 0.75)
_RISE = 0.1  # of the autocorrelation: what is less is noise
_CHANCE = 0.05
_REPEATED = 0.9
"""Of the variance: what a season must repeat where it is seen too few times for a test."""


def detected_period(train: FloatArray) -> int | None:
    """The period of ``train`` ``[N, C]`` by its autocorrelation; `None` where there is none.

    The trend is taken out by a cubic regression spline with three knots. Of the autocorrelations up to a third of the
    length, the mean over channels, a peak counts that lies at least 0.1 above a trough before it and is positive: these
    are the rules of Wang, Smith and Hyndman. Two are added. A series without a season has such peaks by chance, so that
    a peak must exceed what the largest of so many autocorrelations stays below with 95 %, by Bartlett's variance of a
    series whose memory ends at the first trough. And where they take the first peak, the first is taken that is within
    0.1 of the highest, and around it the highest autocorrelation: a small peak within a season is passed over, and so
    are those into which noise splits the top of a wave.

    Of few seasons no autocorrelation exceeds what chance may bring. There a season counts that explains 0.9 of the
    variance: of 500 series without one, white noise to an integrated random walk of 30 to 300 points, none had such.

    References
    ----------
    X. Wang, K. Smith and R. Hyndman, "Characteristic-based clustering for time series data", Data Mining and Knowledge
    Discovery 13 (2006), section 3.2. M. S. Bartlett, Journal of the Royal Statistical Society B 8 (1946), supplement.
    """
    count, most = len(train), len(train) // 3
    left = _without_trend(train)
    known = left.std(axis=0) > 1e-9 * np.abs(train).max(axis=0)
    if most < 3 or not known.any():
        return None
    covariance = _products(left[:, known])[: most + 2]
    correlation = (covariance / covariance[0]).mean(axis=1)
    troughs = _troughs(correlation)
    if not len(troughs):
        return None
    memory = 1 + 2 * float(np.square(correlation[1 : troughs[0] + 1]).sum())
    least = float(ndtri(1 - _CHANCE / most)) * np.sqrt(memory / count)
    return _first_peak(correlation, least) or _first_peak(_repeated(train[:, known], left[:, known], most), _REPEATED)


def _troughs(values: FloatArray) -> IntArray:
    inner, before, after = values[1:-1], values[:-2], values[2:]
    return np.flatnonzero((inner <= before) & (inner < after))


def _first_peak(values: FloatArray, least: float) -> int | None:
    """The place of the first high peak of `values` that rises from a trough and is above `least`."""
    inner, before, after = values[1:-1], values[:-2], values[2:]
    troughs = _troughs(values)
    lowest = np.full(len(inner), np.inf)
    lowest[troughs] = inner[troughs]
    peaks = (inner > before) & (inner >= after) & (inner - np.minimum.accumulate(lowest) >= _RISE) & (inner > least)
    if not peaks.any():
        return None
    first = int(np.argmax(peaks & (inner >= inner[peaks].max() - _RISE)))
    below = np.flatnonzero(inner[first:] < inner[first] - _RISE)
    return first + int(np.argmax(inner[first : first + (below[0] if len(below) else len(inner))])) + 1


def _repeated(values: FloatArray, left: FloatArray, most: int) -> FloatArray:
    """``[most + 2]``: the share of the variance of `left` that the value so many points before explains, by lag.

    Changes of the values themselves are taken, since of few seasons the spline takes a part.
    """
    lags, centred = np.arange(most + 2), values - values.mean(axis=0)
    pairs = (len(values) - lags)[:, None]
    sums, squares = (np.vstack([np.zeros(values.shape[1]), np.cumsum(centred**power, axis=0)]) for power in (1, 2))
    shift = (sums[-1] - sums[lags] - sums[-1 - lags]) / pairs
    change = (squares[-1] - squares[lags] + squares[-1 - lags] - 2 * _products(centred)[: most + 2]) / pairs - shift**2
    return np.asarray((1 - change / (2 * left.var(axis=0))).mean(axis=1))


def _products(values: FloatArray) -> FloatArray:
    """``[N + 1, C]``: the sum of the products of values so far apart."""
    power = np.abs(np.fft.rfft(values, 2 * len(values), axis=0)) ** 2
    return np.asarray(np.fft.irfft(power, axis=0)[: len(values) + 1])


def _without_trend(values: FloatArray) -> FloatArray:
    time = np.linspace(0, 1, len(values))[:, None]
    spline = np.hstack([time**power for power in range(4)] + [np.maximum(time - knot, 0) ** 3 for knot in _KNOTS])
    return np.asarray(values - spline @ np.linalg.lstsq(spline, values, rcond=None)[0])


def one_season_ago(values: FloatArray, index: IntArray, step: IntArray, period: int) -> FloatArray:
    """``[points, C]``: the value a whole number of seasons before each target, none after its origin.

    Parameters
    ----------
    values
        ``[N, C]`` the whole series.
    index, step
        ``[points]``: the position of each target, and how far ahead of the last value that is shown it lies.
    period
        Points in one season.
    """
    return np.asarray(values[index - -(-step // period) * period])


def naive_scale(train: FloatArray, period: int, breaks: NDArray[np.int64]) -> FloatArray:
    """``[C]``: the mean absolute change of ``train`` ``[N, C]`` over one period, the unit of MASE.

    Pairs with one of `breaks` between them are not a period apart in time, and are left out. NaN where no pair is left,
    or where nothing ever changes.

    References
    ----------
    R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", International Journal of
    Forecasting 22 (2006); with a season: R. J. Hyndman and G. Athanasopoulos, "Forecasting: Principles and Practice",
    3rd edition (2021), section 5.8.
    """
    piece = np.searchsorted(breaks, np.arange(len(train)), side="right")
    together = piece[period:] == piece[: max(0, len(train) - period)]
    changes = np.abs(train[period:] - train[:-period])[together]
    scale = changes.mean(axis=0) if len(changes) else np.full(train.shape[1], np.nan)
    return np.where(scale > 0, scale, np.nan)
