"""Scores over replicates and datasets: skill, learnable fraction, medians, the interquartile mean.

Skill measures the distance from persistence, and the learnable fraction the share of the way to the noise floor. The
interval of a median assumes no distribution. The interquartile mean over datasets and seeds is a typical score that no
single dataset can move far.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, ndtr, stdtrit

from bench.array_types import BoolArray, FloatArray, IntArray
from bench.seeds import generator
from bench.stats.paired import paired
from bench.stats.ratios import LEVEL, Interval, over_seeds


def skill(mse: FloatArray, persistence: FloatArray, *, level: float | FloatArray = LEVEL) -> Interval:
    """``1 - mean(mse) / mean(persistence)``, ``[..., seeds]`` each, with the interval of `over_seeds`.

    Pairs with a value that is not finite are left out; NaN where persistence makes no error.
    """
    test = over_seeds(mse, persistence, level=level)
    value = np.where(np.isfinite(test.ratio), 1 - test.ratio, np.nan)
    return Interval(value, 1 - test.high, 1 - test.low, test.count)


def learnable_fraction(
    mse: FloatArray, persistence: FloatArray, floor: FloatArray, *, level: float | FloatArray = LEVEL
) -> Interval:
    """``mean(persistence - mse) / mean(persistence - floor)``, with Fieller's interval of the ratio.

    Empty, NaN throughout, where the denominator is not above 0, or varies over replicates and is within noise of 0:
    its own interval at `level` holds 0. Where all replicates saw one series it does not vary; whether it is within
    the noise of the test targets is then reported by the column `learnable_fraction`, which is empty where it is.

    Parameters
    ----------
    mse, persistence, floor
        ``[..., seeds]``: errors on the same targets. What is not finite is missing, and its pair is left out.
    level
        Coverage.
    """
    learned, learnable = persistence - mse, persistence - floor
    fraction = paired(learned, learnable, level=level)
    denominator = paired(np.where(np.isfinite(learned), learnable, np.nan), np.zeros_like(learnable), level=level)
    clear = (denominator.difference > 0) & ~(denominator.low <= 0)
    value, low, high = (
        np.where(clear, numbers, np.nan) for numbers in (fraction.ratio, fraction.ratio_low, fraction.ratio_high)
    )
    return Interval(value, low, high, fraction.count)


@dataclass(frozen=True)
class Median:
    """A median and its interval; `bounds` is `None` where there are too few values for the level."""

    value: float
    bounds: tuple[float, float] | None
    count: int


def median(values: FloatArray, *, level: float = LEVEL) -> Median:
    """The median of ``values`` ``[n]``, ``n ≥ 1``, between two of its order statistics.

    As many values lie below the median as heads fall in `n` tosses, so the `k`-th smallest and the `k`-th largest
    value enclose it with probability ``1 - 2 P(Bin(n, 1/2) < k)``; `k` is the largest for which that is at least
    `level`. With a level of 95 % that takes 6 values. The values are taken to be independent.

    References
    ----------
    H. A. David & H. N. Nagaraja, *Order Statistics*, 3rd edition, 2003, section 7.1.
    """
    ordered = np.sort(values)
    n = len(ordered)
    inside = [k for k in range(1, n // 2 + 1) if 1 - 2 * bdtr(k - 1, n, 0.5) >= level]
    bounds = (float(ordered[inside[-1] - 1]), float(ordered[n - inside[-1]])) if inside else None
    return Median(float(np.median(ordered)), bounds, n)


RESAMPLES = 1000
"""Enough for the ends of a 95 % interval: 25 resamples lie beyond each."""

_CHUNK = 2**21  # resampled values held at once


def interquartile_mean(scores: FloatArray) -> FloatArray:
    """The mean of the middle half of the last axis: a quarter of the values, rounded down, is cut off at each end.

    References
    ----------
    R. Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021, § 4.3.
    """
    count = scores.shape[-1]
    cut = count // 4
    if not count:
        return np.full(scores.shape[:-1], np.nan)
    if cut:
        scores = np.partition(scores, (cut, count - cut - 1), axis=-1)[..., cut : count - cut]
    return np.asarray(scores.mean(axis=-1))


def aggregate(scores: FloatArray, *, level: float = LEVEL, resamples: int = RESAMPLES) -> Interval:
    """Each model's interquartile mean over datasets × seeds, with its stratified bootstrap interval.

    Seeds are drawn again within each dataset, the datasets are kept: the interval says what fresh seeds would give
    on these datasets, and nothing of other datasets. The same draws serve every model.

    Parameters
    ----------
    scores
        ``[models, datasets, seeds]``: comparable between datasets, as skill is. What is not finite is missing: a
        dataset draws from the seeds that are present, and one without any is left out. `count` says how many scores
        there are; compare models with equal counts.
    level
        Coverage of the expanded percentile interval; its ends are NaN where no dataset has two seeds.
    resamples
        Bootstrap resamples.

    References
    ----------
    R. Agarwal et al., NeurIPS 2021, § 4.1 and appendix A.3 ("stratified bootstrap"). T. Hesterberg, The American
    Statistician 69 (2015), § 4.3, for the expansion.
    """
    present: BoolArray = np.asarray(np.isfinite(scores))
    value, low, high = (np.full(len(scores), np.nan) for _ in range(3))
    for model, (own, has) in enumerate(zip(scores, present, strict=True)):
        value[model] = interquartile_mean(own[has])
    patterns, pattern = np.unique(
        present.reshape(len(scores), math.prod(scores.shape[1:])), axis=0, return_inverse=True
    )
    for number, has in enumerate(patterns.reshape(len(patterns), *scores.shape[1:])):
        if has.sum(axis=1).max(initial=0) > 1:
            similar = np.flatnonzero(pattern == number)
            means = _resampled(scores[similar][:, has], has.sum(axis=1), resamples)
            low[similar], high[similar] = np.quantile(means, _expanded(has.sum(axis=1), level), axis=1)
    return Interval(value, low, high, present.sum(axis=(1, 2)))


def _expanded(seeds: IntArray, level: float) -> tuple[float, float]:
    """The quantiles that make up for few `seeds` in a dataset.

    A percentile interval is too narrow by the factor ``sqrt((n - 1) / n)`` and for want of Student's tails.
    """
    fewest = int(seeds[seeds > 1].min())
    reach = float(math.sqrt(fewest / (fewest - 1)) * stdtrit((fewest - 1) * len(seeds), (1 + level) / 2))
    return float(ndtr(-reach)), float(ndtr(reach))


def _resampled(scores: FloatArray, size: IntArray, resamples: int) -> FloatArray:
    """``[models, resamples]``: interquartile means of seeds drawn again within each dataset.

    Parameters
    ----------
    scores
        ``[models, scores]``: those that are present, one dataset after the other.
    size
        ``[datasets]``: how many each dataset has.
    resamples
        How many.
    """
    count = scores.shape[1]
    ordered = np.sort(scores, axis=1)
    # Resamples are of places in the order, small integers, which sort several times as fast as floats.
    place = np.argsort(np.argsort(scores, axis=1), axis=1).astype(np.uint16 if count < 2**16 else np.uint32)
    start, sizes = (np.repeat(numbers, size).astype(np.float32) for numbers in (np.cumsum(size) - size, size))
    rng = generator(0, "stratified bootstrap", *size.tolist())
    means = np.empty((len(scores), resamples))
    step = max(1, _CHUNK // count)
    for first in range(0, resamples, step):
        chosen = slice(first, min(first + step, resamples))
        uniform = rng.random((chosen.stop - first, count), dtype=np.float32)
        picks = (start + np.floor(uniform * sizes)).astype(np.int32)
        for model in range(len(scores)):
            places = np.sort(np.take(place[model], picks), axis=-1, kind="stable")  # of 16 bits: a radix sort
            middle = ordered[model][places[:, count // 4 : count - count // 4]]
            means[model, chosen] = middle.mean(axis=-1)
    return means
