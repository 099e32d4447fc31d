"""Paired comparison over replicates, Holm's correction, and the number of replicates that a comparison needs.

Values are arrays ``[..., seeds]``, usually of MSE, and every cell is compared at once. A replicate that is not finite
on either side is missing: the pair is left out, and `count` gives the number of remaining pairs. Signs are of ``new -
old``, so below 0 the new error is smaller.

The test is Student's t: exact for normal differences, as logarithms of errors nearly are, and its interval and its
p-value agree. Errors themselves are skewed; `bench.stats.ratios` compares them. Holm's correction bounds the
probability that any of the claims in one report is false.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import nctdtr, nctdtrinc, ndtri, stdtr, stdtrit

from bench.array_types import BoolArray, FloatArray, IntArray
from bench.stats.ratios import LEVEL, ROUNDING, centred


def holm(p: FloatArray) -> FloatArray:
    """The p-values of one family, corrected; in any shape, and the same shape comes back.

    NaN is a claim that could not be tested: it stays NaN and does not count among the others.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    order = np.argsort(p[tested], kind="stable")
    ranked = p[tested][order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(ranked), 1.0)
    adjusted[tested] = corrected
    return adjusted


@dataclass(frozen=True)
class FamilyCorrection:
    """The p-values of several families, corrected.

    Parameters
    ----------
    p
        ``[claims]``, NaN for what could not be tested.
    count
        ``[claims]``: how many claims were tested in the family of each.
    selected, families
        In how many families something differs, and how many there are.
    """

    p: FloatArray
    count: IntArray
    selected: int
    families: int


def holm_in_families(p: FloatArray, labels: IntArray, *, alpha: float) -> FamilyCorrection:
    """Correct ``p`` ``[claims]`` by Holm's method within the families of equal `labels`, and for their selection.

    A family is selected where Simes' test, with Benjamini and Hochberg's correction over the families, rejects that
    nothing differs in it. Claims of the selected ones are tested at `alpha` times the share that they are of all
    families: then the share of selected families with a false claim is expected to be at most `alpha`, and where
    nothing differs anywhere, so is the probability of a single false claim. One family alone is Holm's method.

    References
    ----------
    Y. Benjamini and M. Bogomolov, "Selective inference on multiple families of hypotheses", Journal of the Royal
    Statistical Society B 76 (2014). R. J. Simes, Biometrika 73 (1986).
    """
    adjusted, counts = np.full(p.shape, np.nan), np.zeros(p.shape, dtype=np.int64)
    own = [labels == label for label in np.unique(labels[~np.isnan(p)])]
    whole = _step_up(np.array([_simes(p[family]) for family in own]))
    selected = int((whole < alpha).sum())
    for family, least in zip(own, whole, strict=True):
        counts[family] = (~np.isnan(p[family])).sum()
        within = holm(p[family]) * len(own) / max(selected, 1)
        adjusted[family] = np.minimum(np.maximum(within, least), 1.0)
    adjusted[np.isnan(p)] = np.nan
    return FamilyCorrection(adjusted, counts, selected, len(own))


def _simes(p: FloatArray) -> float:
    """The p-value of "nothing in this family differs"."""
    ordered = np.sort(p[~np.isnan(p)])
    return float(np.min(ordered * len(ordered) / np.arange(1, len(ordered) + 1)))


def _step_up(p: FloatArray) -> FloatArray:
    """``[families]`` p-values with Benjamini and Hochberg's correction."""
    order = np.argsort(p, kind="stable")[::-1]
    ranked = p[order] * len(p) / np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.minimum.accumulate(ranked), 1.0)
    return corrected


POWER = 0.8
"""How often the comparison should find a difference that is there."""

_BEFORE = 6  # so many replicates before the approximate number, which large effects undercut, the search begins
_MANY = 100_000  # from here on two replicates more or less no longer matter


def detection(effect: ArrayLike, count: ArrayLike, *, level: float = LEVEL) -> FloatArray:
    """The power of the two-sided paired t-test over `count` replicates against the effect d_z `effect`.

    From the noncentral t distribution; NaN below two replicates.
    """
    n, size = np.asarray(count, dtype=np.float64), np.abs(np.asarray(effect, dtype=np.float64))
    freedom = np.where(n > 1, n - 1, np.nan)
    limit, shift = stdtrit(freedom, (1 + level) / 2), size * np.sqrt(n)
    other_side = np.nan_to_num(nctdtr(freedom, shift, -limit))  # so small for some effects that it underflows to NaN
    return np.asarray(1 - nctdtr(freedom, shift, limit) + other_side, dtype=np.float64)


def replicates(effect: ArrayLike, *, level: float = LEVEL, power: float = POWER) -> FloatArray:
    """The smallest number of replicates, in all, that finds the effect d_z `effect` with probability `power`.

    Infinite where the effect is 0, NaN where it is NaN. An effect estimated from few replicates is uncertain, so the
    number is an order of magnitude: it tells "three more" from "three hundred".

    Parameters
    ----------
    effect
        Cohen's d_z, of any shape; its sign does not matter.
    level
        One minus the level of the test.
    power
        Between 0 and 1.

    References
    ----------
    W. C. Guenther, The American Statistician 35 (1981): ``((z_a + z_b) / d)² + z_a² / 2``, from which the exact
    number is reached in a few steps.
    """
    size = np.abs(np.asarray(effect, dtype=np.float64))
    a, b = ndtri((1 + level) / 2), ndtri(power)
    with np.errstate(divide="ignore"):
        count: FloatArray = np.maximum(2.0, np.ceil(((a + b) / size) ** 2 + a**2 / 2 - _BEFORE))
    for _ in range(2 * _BEFORE):
        short = (count < _MANY) & (detection(size, np.minimum(count, _MANY), level=level) < power)
        count = count + short
    return count


def smallest_effect(count: ArrayLike, *, level: float = LEVEL, power: float = POWER) -> FloatArray:
    """The smallest effect d_z that the paired t-test over `count` replicates finds with probability `power`.

    By the side of the difference alone, as `detection` counts both; NaN below two replicates.
    """
    n = np.asarray(count, dtype=np.float64)
    freedom = np.where(n > 1, n - 1, np.nan)
    shift = nctdtrinc(freedom, 1 - power, stdtrit(freedom, (1 + level) / 2))
    return np.asarray(shift / np.sqrt(n), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Paired:
    """The paired comparison of two errors in each cell; all are ``[...]``, NaN where not known.

    Parameters
    ----------
    count
        Pairs of replicates that both sides have.
    difference, low, high
        The mean of ``new - old`` and its interval; the ends need two pairs.
    ratio, ratio_low, ratio_high
        ``mean(new) / mean(old)`` with Fieller's interval, which holds 1 exactly when ``low..high`` holds 0; the ends
        are NaN where the mean of `old` is not clear of 0.
    statistic, p
        Student's t and its two-sided p-value. Where the differences do not vary, p is 1 if they are 0 and NaN if
        they are not: copies of one fit tell nothing about seeds.
    effect
        Cohen's d_z: the mean difference in units of the standard deviation of the differences.
    """

    count: IntArray
    difference: FloatArray
    low: FloatArray
    high: FloatArray
    ratio: FloatArray
    ratio_low: FloatArray
    ratio_high: FloatArray
    statistic: FloatArray
    p: FloatArray
    effect: FloatArray


def paired(new: FloatArray, old: FloatArray, *, level: float | FloatArray = LEVEL) -> Paired:
    """Compare ``[..., seeds]`` `new` with `old`, replicate by replicate.

    Parameters
    ----------
    new, old
        ``[..., seeds]``, of shapes that broadcast.
    level
        Coverage of both intervals.

    References
    ----------
    Student, Biometrika 6 (1908); E. C. Fieller, Journal of the Royal Statistical Society B 16 (1954), for the ratio;
    J. Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988), § 2.3.5, for d_z.
    """
    pairs = ReplicatePairs.of(new, old)
    spread = np.where(pairs.constant, 0.0, pairs.deviation)
    margin = stdtrit(pairs.freedom, (1 + level) / 2) * spread / np.sqrt(pairs.count)
    statistic, p = pairs.t()
    low, high = _fieller(pairs, level)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(pairs.base == 0, np.nan, 1 + pairs.difference / pairs.base)
    return Paired(
        count=pairs.count,
        difference=pairs.difference,
        low=pairs.difference - margin,
        high=pairs.difference + margin,
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        statistic=statistic,
        p=p,
        effect=statistic / np.sqrt(pairs.count),
    )


@dataclass(frozen=True, eq=False)
class ReplicatePairs:
    """The moments of the pairs that both sides have, ``[...]`` each; NaN where there are too few.

    Parameters
    ----------
    count
        Pairs.
    freedom
        ``count - 1``, NaN below 1.
    difference, base
        Means of ``new - old`` and of `old`.
    deviation, base_deviation, covariance
        Standard deviations of both, and their covariance, with ``count - 1``.
    constant
        Whether the differences do not vary.
    """

    count: IntArray
    freedom: FloatArray
    difference: FloatArray
    base: FloatArray
    deviation: FloatArray
    base_deviation: FloatArray
    covariance: FloatArray
    constant: BoolArray

    @classmethod
    def of(cls, new: FloatArray, old: FloatArray) -> ReplicatePairs:
        """Of ``[..., seeds]`` `new` and `old`."""
        new, old = np.broadcast_arrays(np.asarray(new, dtype=np.float64), np.asarray(old, dtype=np.float64))
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, hence missing
            gap = new - old
            present = np.isfinite(gap)
            count = present.sum(axis=-1)
            freedom = np.where(count > 1, count - 1.0, np.nan)
            difference, gap = centred(gap, present, count)
            base, own = centred(np.where(present, old, 0.0), present, count)
            deviation = np.sqrt((gap**2).sum(axis=-1) / freedom)
            largest = np.maximum(np.abs(new), np.abs(old)).max(axis=-1, initial=0.0, where=present)
        constant = deviation <= ROUNDING * largest
        nothing = constant & (np.abs(difference) <= ROUNDING * largest)
        return cls(
            count=count,
            freedom=freedom,
            difference=np.where(nothing, 0.0, difference),
            base=base,
            deviation=deviation,
            base_deviation=np.sqrt((own**2).sum(axis=-1) / freedom),
            covariance=(gap * own).sum(axis=-1) / freedom,
            constant=constant,
        )

    def t(self) -> tuple[FloatArray, FloatArray]:
        """Student's t of the mean difference, and its two-sided p-value.

        Where the differences do not vary, t is NaN and p is 1 if they are 0, else NaN.
        """
        error = self.deviation / np.sqrt(np.maximum(self.count, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = np.where(self.constant, np.nan, self.difference / error)
        same = self.constant & (self.difference == 0)
        return statistic, np.where(same, 1.0, 2 * stdtr(self.freedom, -np.abs(statistic)))


def _fieller(pairs: ReplicatePairs, level: float | FloatArray) -> tuple[FloatArray, FloatArray]:
    """The ratios ρ that the t-test of ``new - ρ · old`` does not refuse.

    Solved for ``δ = ρ - 1`` as ``a δ² - 2 b δ + c ≤ 0``, which loses no digits where `new` and `old` are close.
    """
    squared = stdtrit(pairs.freedom, (1 + level) / 2) ** 2 / np.maximum(pairs.count, 1)
    a = pairs.base**2 - squared * pairs.base_deviation**2
    b = pairs.difference * pairs.base - squared * pairs.covariance
    c = pairs.difference**2 - squared * np.where(pairs.constant, 0.0, pairs.deviation) ** 2
    bounded = (a > 0) & (pairs.base != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.maximum(b**2 - a * c, 0.0))
        ends = (np.where(bounded, 1 + (b + sign * root) / a, np.nan) for sign in (-1, 1))
        low, high = ends
    return low, high
