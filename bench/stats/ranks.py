"""Many datasets: average ranks, whether they differ at all, and which models are not separated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import chdtrc

from bench.array_types import BoolArray, FloatArray
from bench.stats.paired import holm
from bench.stats.ratios import LEVEL

FEWEST = 2
"""Datasets, and models, that a test over ranks takes."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """Models ranked over datasets.

    Parameters
    ----------
    complete
        ``[datasets]``: where every model has an error. Only these count: a rank among fewer models says less.
    average
        ``[models]``: the mean rank, 1 for the smallest error, ties sharing theirs; NaN where no dataset counts.
    statistic, friedman_p
        Friedman's chi-square, corrected for ties, and its p-value: that no model differs from another. NaN with fewer
        than two datasets or three models, or where all errors are tied.
    smallest_p
        What the corrected p-value would be of a model ahead on every dataset; not below the level, then so few
        datasets cannot separate so many models.
    errors
        ``[complete, models]``: those that count.
    """

    complete: BoolArray
    average: FloatArray
    statistic: float
    friedman_p: float
    smallest_p: float
    errors: FloatArray

    @property
    def datasets(self) -> int:
        """How many datasets count."""
        return int(self.complete.sum())

    @cached_property
    def p(self) -> FloatArray:
        """``[models, models]``: Wilcoxon's signed-rank tests of each pair, corrected together by Holm's method.

        1 on the diagonal, NaN with fewer than two datasets.
        """
        return _pairwise(self.errors)


def average_ranks(values: FloatArray) -> FloatArray:
    """``[..., n]``: 1 for the smallest of the last axis; equal values share the mean of their ranks."""
    smaller, equal = (
        compare(values[..., None, :], values[..., :, None]).sum(axis=-1) for compare in (np.less, np.equal)
    )
    shared: FloatArray = smaller + (equal + 1) / 2
    return shared


def ranks(errors: FloatArray) -> Ranks:
    """Rank the models by ``[datasets, models]`` `errors`, the smallest first; what is not finite is missing.

    References
    ----------
    M. Friedman, Journal of the American Statistical Association 32 (1937). F. Wilcoxon, Biometrics Bulletin 1 (1945);
    pairs without a difference are ranked along and split (zsplit), as J. Demšar, Journal of Machine Learning
    Research 7 (2006) has it. A. Benavoli, G. Corani and F. Mangili, ibid. 17 (2016), why Wilcoxon with Holm and not
    Nemenyi: whether two models are separated should not depend on which others stand next to them.
    """
    complete: BoolArray = np.asarray(np.isfinite(errors).all(axis=1))
    kept = errors[complete]
    places = average_ranks(kept)
    statistic, friedman_p = _friedman(places)
    return Ranks(
        complete=complete,
        average=places.mean(axis=0) if len(places) else np.full(errors.shape[1], np.nan),
        statistic=statistic,
        friedman_p=friedman_p,
        smallest_p=min(1.0, 2.0 ** (1 - len(kept)) * math.comb(errors.shape[1], 2)),
        errors=kept,
    )


def cliques(average: Sequence[float] | FloatArray, p: FloatArray, *, level: float = LEVEL) -> list[tuple[int, ...]]:
    """The bars of a critical-difference diagram: models in order of rank, no two of which are separated.

    Parameters
    ----------
    average
        ``[models]``: average ranks.
    p
        ``[models, models]``: corrected p-values; NaN separates nothing.
    level
        A pair is separated where p is below ``1 - level``.

    Returns
    -------
    list
        Places in `average`, from the first rank on; the longest runs, none inside another and none of one model.
    """
    order = np.argsort(average, kind="stable")
    together = ~(p[np.ix_(order, order)] < 1 - level)
    np.fill_diagonal(together, val=True)
    bars: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        stop = start + 1
        while stop < len(order) and together[start : stop + 1, start : stop + 1].all():
            stop += 1
        if stop - start > 1 and stop > reached:
            bars.append(tuple(int(place) for place in order[start:stop]))
            reached = stop
    return bars


def _friedman(places: FloatArray) -> tuple[float, float]:
    datasets, models = places.shape
    if datasets < FEWEST or models <= FEWEST:
        return math.nan, math.nan
    between = ((places.sum(axis=0) - datasets * (models + 1) / 2) ** 2).sum() / datasets
    within = ((places - (models + 1) / 2) ** 2).sum() / (datasets * (models - 1))
    if within == 0:
        return math.nan, math.nan
    statistic = float(between / within)
    return statistic, float(chdtrc(models - 1, statistic))


def _pairwise(errors: FloatArray) -> FloatArray:
    """The corrected p-values of all pairs of ``[datasets, models]``, from all datasets."""
    datasets, models = errors.shape
    first, second = np.triu_indices(models, k=1)
    p = np.full((models, models), np.nan)
    np.fill_diagonal(p, 1.0)
    if datasets < FEWEST:
        return p
    corrected = holm(np.array([_wilcoxon(errors[:, a] - errors[:, b]) for a, b in zip(first, second, strict=True)]))
    p[first, second] = p[second, first] = corrected
    return p


def _wilcoxon(gap: FloatArray) -> float:
    """Exact without ties and up to 50 datasets, else by the normal approximation."""
    from scipy.stats import wilcoxon  # most of a second, which reports of few datasets need not wait for

    return float(wilcoxon(gap, zero_method="zsplit").pvalue) if gap.any() else 1.0
