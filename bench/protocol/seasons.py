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


def detected_period(train: FloatArray) -> int | None:
    """The period of ``train`` ``[N, C]`` by its autocorrelation; `None` where there is none.

    The trend is taken out by a cubic regression spline with three knots. Of the autocorrelations up to a third of the
    length, the mean over channels, a peak counts that lies at least 0.1 above a trough before it and is positive: these
    are the rules of Wang, Smith and Hyndman. Two are added. A series without a season has such peaks by chance, so that
    a peak must exceed what the largest of so many autocorrelations stays below with 95 %, by Bartlett's variance of a
    series whose memory ends at the first trough. And where they take the first peak, the first is taken that is within
    0.1 of the highest, and around it the highest autocorrelation: a small peak within a season is passed over, and so
    are those into which noise splits the top of a wave.

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
    power = np.abs(np.fft.rfft(left[:, known], 2 * count, axis=0)) ** 2
    covariance = np.fft.irfft(power, axis=0)[: most + 2]
    correlation = (covariance / covariance[0]).mean(axis=1)
    inner, before, after = correlation[1:-1], correlation[:-2], correlation[2:]
    troughs = np.flatnonzero((inner <= before) & (inner < after))
    if not len(troughs):
        return None
    memory = 1 + 2 * float(np.square(inner[: troughs[0]]).sum())
    least = float(ndtri(1 - _CHANCE / most)) * np.sqrt(memory / count)
    lowest = np.full(len(inner), np.inf)
    lowest[troughs] = inner[troughs]
    peaks = (inner > before) & (inner >= after) & (inner - np.minimum.accumulate(lowest) >= _RISE) & (inner > least)
    if not peaks.any():
        return None
    first = int(np.argmax(peaks & (inner >= inner[peaks].max() - _RISE)))
    below = np.flatnonzero(inner[first:] < inner[first] - _RISE)
    return first + int(np.argmax(inner[first : first + (below[0] if len(below) else len(inner))])) + 1


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
