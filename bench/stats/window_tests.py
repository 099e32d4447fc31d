"""The ratio of two mean losses over one test window, whose losses are autocorrelated, tested on a logarithmic scale.

This is the Diebold-Mariano test for the logarithm of the ratio. Its variance comes from autoregressions that are fitted
to the difference of the relative losses: they see that a forecast which is not optimal, or a level that drifts, makes
losses persist far beyond the horizon. Persistent losses are few independent ones, and heavy tails leave their variance
uncertain; Student's degrees of freedom count both.

Where one side errs many times as much as the other, relative losses say little: a model that errs at other moments
looks as if it might be a thousand times better by chance. There the logarithms of the losses decide, with a margin.
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.array_types import BoolArray, FloatArray
from bench.stats.ratios import LEVEL, ROUNDING, RatioTest

FEWEST_TARGETS = 15
"""A window of fewer targets is not tested; nor is one of fewer than `TARGETS_PER_STEP` for each step ahead."""

TARGETS_PER_STEP = 10

_NEAR_UNIT_ROOT = 0.985
"""Persistence beyond this cannot be distinguished from a random walk in a window of some hundred targets."""


FAR = 10.0
"""Typical losses count as evidence of means that differ where they are shown to differ more than so many times."""

_LEAST_LOSS = 1e-6
"""Of the mean: smaller losses count as this, since an error that passes through 0 has no logarithm."""

_HEAVIEST = 3.0
"""Degrees of freedom that heavy tails leave where enough targets are independent: the variance is too large as well."""


def over_window(
    loss: FloatArray, other: FloatArray, *, horizon: int = 1, level: float | FloatArray = LEVEL
) -> RatioTest:
    """Test whether `loss` and `other` have the same mean.

    Parameters
    ----------
    loss, other
        ``[..., T]``, not negative, in the order of time, of shapes that broadcast. One that holds a value that is not
        finite is not tested: closing the gap would make neighbours of losses that are not.
    horizon
        Steps ahead of the forecasts: losses this far apart share inputs.
    level
        Coverage of the interval, one or ``[...]``.

    Returns
    -------
    RatioTest
        `p` and the interval are of the typical losses where these are shown to differ more than `FAR` times. NaN where
        the window is too short. Where `loss` is the same multiple of `other` at every target, nothing is left to
        chance: the interval is the ratio itself, and `p` is 0, or 1 for equal losses.

    References
    ----------
    F. X. Diebold and R. S. Mariano, Journal of Business & Economic Statistics 13 (1995), for the test. D. W. K. Andrews
    and J. C. Monahan, Econometrica 60 (1992), for prewhitening; K. P. Burnham and D. R. Anderson, "Model Selection and
    Multimodel Inference" (2002), § 4.2, for the weights of the autoregressions; M. G. Kendall, Biometrika 41 (1954),
    for their bias.
    """
    loss, other = np.broadcast_arrays(np.asarray(loss, dtype=np.float64), np.asarray(other, dtype=np.float64))
    points = loss.shape[-1]
    if not long_enough(points, horizon):
        nothing = np.full(loss.shape[:-1], np.nan)
        no = np.zeros(nothing.shape, dtype=np.bool_)
        return RatioTest(no.astype(np.int64) + points, nothing, nothing, nothing, nothing, nothing, nothing, no)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        equal = (np.abs(loss - other) <= ROUNDING * np.maximum(loss, other)).all(axis=-1)
        ratio = np.where(equal, 1.0, loss.mean(axis=-1) / other.mean(axis=-1))
        gap = relative_gap(loss, other)
        proportional = (np.abs(gap).max(axis=-1) <= ROUNDING * points) | (ratio == 0) | np.isinf(ratio)
        constant: BoolArray = np.asarray((equal | proportional) & np.isfinite(loss + other).all(axis=-1))
        variance, freedom = long_run_variance(gap, horizon)
        error = np.where(constant, 0.0, np.sqrt(variance / points))
        middle = np.log(ratio)
        effect = middle / error
        p = np.where(constant, np.where(equal, 1.0, 0.0), 2 * stdtr(freedom, -np.abs(effect)))
        margin = np.where(constant, 0.0, stdtrit(freedom, (1 + level) / 2) * error)
        low, high = np.exp(middle - margin), np.exp(middle + margin)
        p_far, least = _far_apart(loss, other, middle, horizon=horizon, level=level)
        far = ~constant & (p_far < p)
        p, least = np.where(far, p_far, p), np.where(far, np.exp(least), 0.0)
        low = np.where(middle > 0, np.maximum(low, least), low)
        high = np.where((middle < 0) & (least > 0), np.minimum(high, 1 / least), high)
    return RatioTest(np.full(ratio.shape, points), ratio, low, high, p, effect, error, constant)


def _far_apart(
    loss: FloatArray, other: FloatArray, middle: FloatArray, *, horizon: int, level: float | FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The p-value of "the means do not differ" by the typical losses, and the low end of the logarithm of their ratio.

    The mean difference of the logarithms of the losses, no more than the logarithm ``middle`` of the ratio of their
    means, is to exceed that of `FAR`. Both are of the second of two tests, and so at half the level: 1 and below 0
    where the sides are not far apart.
    """
    logs = [np.log(np.maximum(side, _LEAST_LOSS * side.mean(axis=-1, keepdims=True))) for side in (loss, other)]
    gap = (logs[0] - logs[1]) * np.sign(middle)[..., None]
    variance, freedom = long_run_variance(gap, horizon)
    error = np.sqrt(variance / gap.shape[-1])
    beyond = np.minimum(gap.mean(axis=-1), np.abs(middle)) - np.log(FAR)
    p = np.where(beyond > 0, np.minimum(4 * stdtr(freedom, -beyond / error), 1.0), 1.0)
    return p, beyond - stdtrit(freedom, 1 - (1 - np.asarray(level)) / 4) * error


def relative_gap(loss: FloatArray, other: FloatArray) -> FloatArray:
    """``[..., T]``: by how much each target moves the logarithm of the ratio of the means (its influence)."""
    own, reference = (side / side.mean(axis=-1, keepdims=True) for side in (loss, other))
    gap: FloatArray = own - reference
    return gap


def long_run_variance(series: FloatArray, horizon: int) -> tuple[FloatArray, FloatArray]:
    """T times the variance of the mean of ``[..., T]``, and Student's degrees of freedom of that.

    The variance is an average over autoregressions of order 1, 2, …, weighted by Akaike's corrected criterion. Each is
    corrected for the bias of its persistence towards 0, twice as strongly as a known mean would ask.
    """
    points = series.shape[-1]
    centred = series - series.mean(axis=-1, keepdims=True)
    most = max(1, min(max(horizon, round(5 * np.log10(points))), points // 4))
    covariance = np.stack(
        [(centred[..., lag:] * centred[..., : points - lag]).sum(axis=-1) / points for lag in range(most + 1)]
    )
    fitted = [_corrected(*each, points=points) for each in _autoregressions(covariance)]
    variances, criteria = (np.stack(part) for part in zip(*fitted, strict=True))
    weights = np.exp(-(criteria - criteria.min(axis=0)) / 2)
    variance = covariance[0] * (weights * variances).sum(axis=0) / weights.sum(axis=0)
    independent = np.minimum(points * covariance[0] / variance, points)
    tails = np.maximum((centred**4).mean(axis=-1) / covariance[0] ** 2, 3.0)  # 3 for normal values
    freedom = np.maximum(2 * independent / (tails - 1) - 2, np.minimum(independent - 2, _HEAVIEST))
    return variance, np.maximum(freedom, 1.0)


def _autoregressions(covariance: FloatArray) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    """Of each order: the sum of its coefficients, and the share of the variance that it leaves (Levinson, Durbin)."""
    correlation = covariance / covariance[0]
    coefficients = np.zeros((0, *correlation.shape[1:]))
    left = np.ones(correlation.shape[1:])
    for order in range(1, len(correlation)):
        expected = (coefficients * correlation[order - 1 : 0 : -1]).sum(axis=0)
        partial = (correlation[order] - expected) / left
        coefficients = np.concatenate([coefficients - partial * coefficients[::-1], partial[None]])
        left = left * (1 - partial**2)
        yield order, coefficients.sum(axis=0), left


def _corrected(order: int, persistence: FloatArray, left: FloatArray, *, points: int) -> tuple[FloatArray, FloatArray]:
    """The long-run variance of an autoregression as a share of the variance, and Akaike's corrected criterion."""
    unbiased = np.minimum(persistence + 2 * (1 + 3 * persistence) / points, _NEAR_UNIT_ROOT)
    variance = left * points / (points - order - 1) / (1 - unbiased) ** 2
    return variance, points * np.log(left) + 2 * order * points / max(points - order - 2, 1)


def long_enough(points: int, horizon: int) -> bool:
    """Whether a window of so many targets is long enough to be tested."""
    return points >= max(FEWEST_TARGETS, TARGETS_PER_STEP * horizon)
