"""The tuning budget: the best validation error to expect after so many trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from bench.seeds import generator
from bench.stats.intervals import LEVEL, RESAMPLES, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Budget:
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


def budget(errors: FloatArray, *, level: float = LEVEL, resamples: int = RESAMPLES) -> Budget:
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
    told = count // 2
    if told:
        picks = generator(0, "budget", count).integers(count, size=(resamples, count))
        drawn = _expected(np.sort(ordered[picks], axis=1), trials[:told])
        # A resample of failed trials alone has no best: its infinite error counts as the largest.
        ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0, method="nearest")
        low[:told], high[:told] = np.where(np.isfinite(ends), ends, np.nan)
    expected = _expected(ordered[None], trials)[0] if count else np.empty(0)
    return Budget(trials, np.where(np.isfinite(expected), expected, np.nan), low, high)


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
