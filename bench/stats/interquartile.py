"""The interquartile mean over datasets and seeds: a typical score that no single dataset can move far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.seeds import generator
from bench.stats.intervals import LEVEL, BoolArray, FloatArray, Interval

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
    present = np.isfinite(scores)
    found = [_one(own, has, level=level, resamples=resamples) for own, has in zip(scores, present, strict=True)]
    value, low, high = np.array(found).reshape(-1, 3).T
    return Interval(value, low, high, present.sum(axis=(1, 2)))


def _one(scores: FloatArray, present: BoolArray, *, level: float, resamples: int) -> tuple[float, float, float]:
    """Of one model, ``[datasets, seeds]``."""
    value = float(interquartile_mean(scores[present]))
    if present.sum(axis=1).max(initial=0) < 2:
        return value, math.nan, math.nan
    strata = _Strata.of(scores, present)
    rng = generator(0, "stratified bootstrap", *scores.shape)
    step = max(1, _CHUNK // len(strata.ordered))
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    drawn = np.concatenate([strata.interquartile_means(rng, size) for size in sizes])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return value, float(low), float(high)


@dataclass(frozen=True, eq=False)
class _Strata:
    """The scores that are present, one dataset after the other, ``[scores]`` each.

    Parameters
    ----------
    ordered
        The scores by size.
    place
        Of each score in `ordered`. Resamples are of these small integers: they sort several times as fast as floats.
    start, size
        Where the dataset of each score starts, and how many scores it has.
    """

    ordered: FloatArray
    place: NDArray[Any]
    start: NDArray[np.float32]
    size: NDArray[np.float32]

    @classmethod
    def of(cls, scores: FloatArray, present: BoolArray) -> _Strata:
        values, count = scores[present], present.sum(axis=1)
        start = np.cumsum(count) - count
        order = np.argsort(values, kind="stable")
        place = np.empty(len(values), dtype=np.uint16 if len(values) < 2**16 else np.uint32)
        place[order] = np.arange(len(values), dtype=place.dtype)
        starts, sizes = (np.repeat(numbers, count).astype(np.float32) for numbers in (start, count))
        return cls(values[order], place, starts, sizes)

    def interquartile_means(self, rng: np.random.Generator, times: int) -> FloatArray:
        """``[times]``: of seeds drawn again within each dataset."""
        count = len(self.ordered)
        uniform = rng.random((times, count), dtype=np.float32)
        drawn = (self.start + np.floor(uniform * self.size)).astype(np.int32)
        places = np.sort(np.take(self.place, drawn), axis=-1, kind="stable")  # stable is a radix sort here
        middle = self.ordered[places[:, count // 4 : count - count // 4]]
        return np.asarray(middle.mean(axis=-1))
