"""The best linear forecast from a window of a series whose covariance is known."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.array_types import FloatArray

_JITTER = 1e-10
"""Added to the variance, relative: without noise a sine's covariance has no inverse."""


def linear_floor(
    autocovariance: Callable[[NDArray[np.int64]], FloatArray], sequence_length: int, horizon: int
) -> FloatArray:
    """The mean squared error of the best linear forecast 1 … `horizon` steps ahead, ``[horizon]``.

    ``r0 - rᵀ R⁻¹ r``: R is the covariance of the window, r that of the window with the target. It is an expectation
    over all series of this law, and the mean is taken as known.

    Parameters
    ----------
    autocovariance
        As in `Series`.
    sequence_length
        Points that the forecast is made from.
    horizon
        Steps ahead.

    References
    ----------
    N. Levinson, Journal of Mathematics and Physics 25 (1946), for the solution in O(L²);
    P. J. Brockwell and R. A. Davis, "Time Series: Theory and Methods" (1991), § 5.1.
    """
    from scipy.linalg import solve_toeplitz  # slow, and only results need it

    known = autocovariance(np.arange(sequence_length + horizon))
    # Column h - 1 holds the covariances of the target h steps ahead with the window, the newest point first.
    cross = np.stack([known[step : step + sequence_length] for step in range(1, horizon + 1)], axis=1)
    window = known[:sequence_length].copy()
    window[0] *= 1 + _JITTER
    explained = (cross * solve_toeplitz(window, cross)).sum(axis=0)
    floor: FloatArray = np.maximum(known[0] - explained, 0.0)
    return floor


def white(sigma: float) -> Callable[[NDArray[np.int64]], FloatArray]:
    """The autocovariance of independent draws with the standard deviation `sigma`."""
    return tones(step=1.0, noise=sigma)


def tones(*parts: tuple[float, float], step: float, noise: float = 0.0) -> Callable[[NDArray[np.int64]], FloatArray]:
    """The autocovariance of sines of independent random phase, and of noise.

    Parameters
    ----------
    parts
        Amplitude and angular frequency of each.
    step
        In t, from one point to the next.
    noise
        Its standard deviation.
    """

    def autocovariance(lags: NDArray[np.int64]) -> FloatArray:
        known = np.where(lags == 0, noise**2, 0.0)
        for amplitude, frequency in parts:
            known = known + amplitude**2 / 2 * np.cos(frequency * step * lags)
        return known

    return autocovariance
