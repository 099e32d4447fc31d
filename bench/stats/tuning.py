"""The effect of tuning: the expected best validation error by number of trials, and which hyperparameters mattered.

The importance of a hyperparameter is the share of the variance of the error that it explains by itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from bench.array_types import FloatArray, IntArray
from bench.seeds import generator
from bench.stats.ratios import LEVEL

RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class BudgetCurve:
    """The best error to expect, by the number of trials; ``[trials]`` each.

    Parameters
    ----------
    trials
        1 … as many as there are.
    expected
        The mean, over all ways to draw that many of the trials, of the smallest error among them; NaN where a draw
        may hold failed trials alone.
    low, high
        Its bootstrap interval; NaN beyond half of the trials, where resamples cannot tell what lies below the best.
    """

    trials: IntArray
    expected: FloatArray
    low: FloatArray
    high: FloatArray


def budget(errors: FloatArray, *, level: float = LEVEL, resamples: int = RESAMPLES) -> BudgetCurve:
    """The expected best of 1, 2, … of the ``[trials]`` `errors`, taken as independent draws.

    Random search draws so; a sampler that learns from earlier trials does not, and then the curve says how good these
    trials were in any order. A trial that failed or was pruned is NaN: it was paid for and is never the best.

    Parameters
    ----------
    errors
        ``[trials]``: validation errors.
    level
        Coverage of the interval.
    resamples
        Bootstrap resamples of the trials.

    References
    ----------
    J. Dodge et al., "Show Your Work", EMNLP 2019, for the curve; R. Tang et al., "Showing Your Work Doesn't Always
    Work", ACL 2020, § 3, for drawing without replacement, which has no bias, and why intervals fail near the end.
    """
    count = len(errors)
    trials = np.arange(1, count + 1)
    ordered = np.sort(np.where(np.isfinite(errors), errors, np.inf))
    low, high = (np.full(count, np.nan) for _ in range(2))
    reported = count // 2
    if reported:
        picks = generator(0, "budget", count).integers(count, size=(resamples, count))
        resampled = _expected(np.sort(ordered[picks], axis=1), trials[:reported])
        # A resample of failed trials alone has no best: its infinite error counts as the largest.
        ends = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2], axis=0, method="nearest")
        low[:reported], high[:reported] = np.where(np.isfinite(ends), ends, np.nan)
    expected = _expected(ordered[None], trials)[0] if count else np.empty(0)
    return BudgetCurve(trials, np.where(np.isfinite(expected), expected, np.nan), low, high)


def _expected(ordered: FloatArray, trials: IntArray) -> FloatArray:
    """``[..., count]`` sorted errors → ``[..., trials]``: the mean smallest of each number of them."""
    weight = _weights(ordered.shape[-1], trials)
    finite = np.isfinite(ordered)
    total = np.where(finite, ordered, 0.0) @ weight.T
    return np.where((~finite).astype(np.float64) @ weight.T > 0, np.inf, total)


def _weights(count: int, trials: IntArray) -> FloatArray:
    """``[trials, count]``: how likely the i-th smallest of `count` is the smallest of n drawn without replacement.

    ``C(count - i, n - 1) / C(count, n)``: it is drawn, and the others are all larger.
    """
    larger = count - np.arange(1, count + 1)
    others = trials[:, None] - 1
    weight = np.zeros((len(trials), count))
    possible = np.broadcast_to(larger, weight.shape) >= others
    logs = _log_choose(np.maximum(larger, others), others) - _log_choose(np.full_like(others, count), trials[:, None])
    np.exp(logs, out=weight, where=possible)
    return weight / weight.sum(axis=1, keepdims=True) if count else weight


def _log_choose(n: IntArray, k: IntArray) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=np.float64)


PERMUTATIONS = 999
_SMALLEST_CLASS = 5


@dataclass(frozen=True)
class Importance:
    """What one hyperparameter explains.

    Parameters
    ----------
    share
        The first-order share of the variance, without the part that chance alone explains; at least 0. Interactions
        belong to no single hyperparameter, so shares need not add up to 1. NaN where nothing can be reported.
    p
        How often trials dealt out at random explain as much.
    trials
        How many it rests on.
    """

    share: float
    p: float
    trials: int


def importance(
    parameters: Mapping[str, Sequence[object]], errors: FloatArray, *, permutations: int = PERMUTATIONS
) -> dict[str, Importance]:
    """The importance of each hyperparameter, the largest share first.

    Trials are sorted into classes of equal size by the hyperparameter, or by its value where these are names or few;
    the share is the variance of the class means over that of the errors, freed of bias. Errors spread over powers of
    ten: hand in their logarithms, lest the worst trial decide. A sampler that learns does not draw values
    independently, so what it varied together is distinguished badly.

    Parameters
    ----------
    parameters
        By name, ``[trials]`` values each: numbers or names; `None` where a trial has none, which is left out.
    errors
        ``[trials]``: what is not finite is left out.
    permutations
        For the p-value.

    References
    ----------
    E. Plischke, E. Borgonovo and C. L. Smith, European Journal of Operational Research 226 (2013), § 3, for the
    first-order share from given data; T. L. Kelley, PNAS 21 (1935), for the correction of its bias (ε²).
    """
    importances = {name: _one(name, values, errors, permutations) for name, values in parameters.items()}
    return dict(sorted(importances.items(), key=lambda item: (-np.nan_to_num(item[1].share, nan=-1.0), item[0])))


def _one(name: str, values: Sequence[object], errors: FloatArray, permutations: int) -> Importance:
    kept = np.array([value is not None for value in values], dtype=np.bool_) & np.isfinite(errors)
    y = errors[kept]
    codes = _classes([value for value, keep in zip(values, kept, strict=True) if keep])
    classes = int(codes.max(initial=-1)) + 1
    if classes < 2 or len(y) <= classes or np.ptp(y) == 0:
        return Importance(math.nan, math.nan, len(y))
    centred = (y - y.mean()) / y.std()
    explained = _explained(codes, centred[None])[0]
    dealt = generator(0, "importance", name).permuted(np.tile(centred, (permutations, 1)), axis=1)
    as_much = int(np.sum(_explained(codes, dealt) >= explained - 1e-12))
    share = 1 - (1 - explained) * (len(y) - 1) / (len(y) - classes)
    return Importance(max(0.0, float(share)), (1 + as_much) / (1 + permutations), len(y))


def _explained(codes: IntArray, centred: FloatArray) -> FloatArray:
    """``[..., trials]`` of mean 0 and variance 1 → the variance of the class means."""
    member = np.eye(int(codes.max()) + 1)[codes]  # [trials, classes]
    means: FloatArray = (centred @ member) ** 2 / member.sum(axis=0) / len(codes)
    return np.asarray(means.sum(axis=-1))


def _classes(values: Sequence[object]) -> IntArray:
    """Each value's class: the value itself where they are names or few, else one of about ``sqrt(n)`` of equal size."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    most = max(2, min(math.isqrt(len(values)), len(values) // _SMALLEST_CLASS))
    keys: NDArray[np.generic] = np.array(values if numbers else [str(value) for value in values])
    unique, codes = np.unique(keys, return_inverse=True)
    if numbers and len(unique) > most:
        # Equal values share a class: they all take the place of their middle.
        count = np.bincount(codes)
        middle = np.cumsum(count) - (count + 1) / 2
        codes = (middle[codes] * most / len(values)).astype(np.int64)
        codes = np.unique(codes, return_inverse=True)[1]
    return np.asarray(codes, dtype=np.int64)
