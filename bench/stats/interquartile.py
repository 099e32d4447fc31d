"""The interquartile mean over datasets and seeds: a typical score that no single dataset can move far."""

from __future__ import annotations

import math

import numpy as np

from bench.seeds import generator
from bench.stats.intervals import LEVEL, BoolArray, FloatArray, IntArray, Interval

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
        Coverage of the percentile interval; its ends are NaN where no dataset has two seeds.
    resamples
        Bootstrap resamples.

    References
    ----------
    R. Agarwal et al., NeurIPS 2021, § 4.1 and appendix A.3 ("stratified bootstrap").
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
            alike = np.flatnonzero(pattern == number)
            drawn = _resampled(scores[alike][:, has], has.sum(axis=1), resamples)
            low[alike], high[alike] = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return Interval(value, low, high, present.sum(axis=(1, 2)))


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
    found = np.empty((len(scores), resamples))
    step = max(1, _CHUNK // count)
    for first in range(0, resamples, step):
        chosen = slice(first, min(first + step, resamples))
        uniform = rng.random((chosen.stop - first, count), dtype=np.float32)
        drawn = (start + np.floor(uniform * sizes)).astype(np.int32)
        for model in range(len(scores)):
            places = np.sort(np.take(place[model], drawn), axis=-1, kind="stable")  # of 16 bits: a radix sort
            middle = ordered[model][places[:, count // 4 : count - count // 4]]
            found[model, chosen] = middle.mean(axis=-1)
    return found
