"""The ratio of two mean errors over replicates, tested on a logarithmic scale; and the interval of a mean.

Errors of replicates are skewed: one network in five may err a hundred times as much as the others. Student's t of the
errors themselves then calls a model better too often, and misses one that is many times worse. Logarithms of errors are
nearly normal. They say how large the error of a typical replicate is, and with their variance how large the mean error
is. A claim needs both: its interval contains the intervals of the ratio of the geometric means and of the ratio of the
means. Interval and p-value are of one test, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, gammaincinv, stdtr, stdtrit

from bench.array_types import BoolArray, FloatArray, IntArray

LEVEL = 0.95
"""The coverage of every interval."""

ROUNDING = 1e-12
"""What differs by less than this share of its size differs by rounding alone."""

_SMALLEST_P = 1e-300
_HALVINGS = 34


@dataclass(frozen=True, eq=False)
class Interval:
    """A value with its confidence interval, ``[...]`` each.

    Parameters
    ----------
    value
        NaN where nothing is present, or where the values overflow.
    low, high
        NaN where fewer than two replicates are present.
    count
        How many replicates are present.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    count: IntArray


@dataclass(frozen=True)
class Estimate:
    """A value over replicates; `interval` is `None` where one replicate, or copies of one, show no spread."""

    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class RatioTest:
    """A test of ``mean(new) / mean(old) = 1``, ``[...]`` each; NaN where it cannot be made.

    Parameters
    ----------
    count
        Pairs of replicates, or targets.
    ratio, low, high
        ``mean(new) / mean(old)`` with its interval, which holds 1 exactly where `p` is not below one minus its level.
    p
        Two-sided; 1 where both sides are equal to the last digit.
    effect, spread
        The mean of the log ratios in units of their standard deviation, and that deviation; over a test window, of
        that mean.
    constant
        Whether the log ratios do not vary: copies of one fit, or errors that are proportional.
    """

    count: IntArray
    ratio: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    effect: FloatArray
    spread: FloatArray
    constant: BoolArray

    def one_sided(self) -> FloatArray:
        """The p-value of "`new` is not smaller"."""
        return np.where(self.ratio < 1, self.p / 2, np.where(np.isnan(self.p), np.nan, 1 - self.p / 2))


def over_seeds(new: FloatArray, old: FloatArray, *, level: float | FloatArray = LEVEL) -> RatioTest:
    """Compare the errors ``[..., seeds]`` of `new` and `old`, replicate by replicate.

    A replicate that is not finite on either side is missing: the pair is left out. An error of 0 has no logarithm:
    where one is present there is no test, unless both sides are equal.

    Parameters
    ----------
    new, old
        ``[..., seeds]``, not negative, of shapes that broadcast.
    level
        Coverage of the interval, one or ``[...]``.

    References
    ----------
    G. Y. Zou, C. Y. Huo and J. Taleban, "Simple confidence intervals for lognormal means and their differences with
    environmental applications", Environmetrics 20 (2009): the interval of a mean from those of the mean and of the
    variance of the logarithms.
    """
    new, old = np.broadcast_arrays(np.asarray(new, dtype=np.float64), np.asarray(old, dtype=np.float64))
    present = np.isfinite(new) & np.isfinite(old)
    logs = LogPairs.of(new, old, present)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = _total(new, present) / _total(old, present)
    same = np.abs(new - old) <= ROUNDING * np.maximum(np.abs(new), np.abs(old))
    equal = (logs.count > 0) & (~present | same).all(axis=-1)
    ratio = np.where(equal, 1.0, ratio)
    exact = equal & (logs.count > 1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        middle = np.log(ratio)
        low, high = (np.where(exact, 1.0, np.exp(end)) for end in logs.interval(middle, 1 - np.asarray(level)))
        p = np.where(exact, 1.0, logs.p(middle))
    return RatioTest(
        count=logs.count,
        ratio=ratio,
        low=low,
        high=high,
        p=p,
        effect=np.where(exact, 0.0, logs.effect),
        spread=np.where(exact, 0.0, logs.deviation),
        constant=logs.constant | exact,
    )


def mean_error(values: FloatArray, *, level: float | FloatArray = LEVEL) -> Interval:
    """The mean over replicates of the errors ``[..., seeds]``, with the interval that their ratio to a constant has.

    Where an error is 0, which has no logarithm, or none varies, it is Student's.
    """
    values = np.asarray(values, dtype=np.float64)
    student = mean_value(values, level=level)
    positive = np.asarray((~np.isfinite(values) | (values > 0)).all(axis=-1))
    with np.errstate(over="ignore"):
        test = over_seeds(np.where(positive[..., None], values, np.nan), np.ones_like(values), level=level)
    varies = positive & ~test.constant & np.isfinite(test.low)
    low, high = (np.where(varies, own, other) for own, other in ((test.low, student.low), (test.high, student.high)))
    return Interval(student.value, low, high, student.count)


def mean_value(values: FloatArray, *, level: float | FloatArray = LEVEL) -> Interval:
    """The mean over replicates of ``[..., seeds]`` values of either sign, with Student's interval."""
    present = np.isfinite(values)
    count = present.sum(axis=-1)
    with np.errstate(over="ignore", invalid="ignore"):
        value, gap = centred(np.asarray(values, dtype=np.float64), present, count)
        freedom = np.where(count > 1, count - 1.0, np.nan)
        error = np.sqrt((gap**2).sum(axis=-1) / freedom / np.maximum(count, 1))
        margin = stdtrit(freedom, (1 + level) / 2) * error
        ends = (value, value - margin, value + margin)
    value, low, high = (np.where(np.isfinite(numbers), numbers, np.nan) for numbers in ends)
    return Interval(value, low, high, count)


@dataclass(frozen=True, eq=False)
class LogPairs:
    """The moments of the logarithms of paired errors, ``[...]`` each; NaN where they cannot be taken.

    Parameters
    ----------
    count, freedom
        Pairs, and one less; NaN below 1.
    difference, deviation
        Mean and standard deviation of ``log(new) - log(old)``.
    new, old
        Half the variances of ``log(new)`` and ``log(old)``, by which the logarithm of a mean exceeds the mean of the
        logarithms.
    shared
        The square of their correlation.
    constant
        Whether the differences do not vary.
    """

    count: IntArray
    freedom: FloatArray
    difference: FloatArray
    deviation: FloatArray
    new: FloatArray
    old: FloatArray
    shared: FloatArray
    constant: BoolArray

    @classmethod
    def of(cls, new: FloatArray, old: FloatArray, present: BoolArray) -> LogPairs:
        """Of ``[..., seeds]`` errors where they are `present`."""
        count = present.sum(axis=-1)
        positive = (~present | ((new > 0) & (old > 0))).all(axis=-1)
        freedom = np.where((count > 1) & positive, count - 1.0, np.nan)
        a, b = (np.log(np.where(present & (side > 0), side, 1.0)) for side in (new, old))
        difference, gap = centred(a - b, present, count)
        (_, a), (_, b) = (centred(side, present, count) for side in (a, b))
        deviation, *squares = (np.sqrt((part**2).sum(axis=-1) / freedom) for part in (gap, a, b))
        own, other = squares
        constant = deviation <= ROUNDING * np.maximum(1.0, np.abs(difference))
        with np.errstate(divide="ignore", invalid="ignore"):
            shared = np.minimum(((a * b).sum(axis=-1) / freedom / (own * other)) ** 2, 1.0)
        return cls(
            count=count,
            freedom=freedom,
            difference=difference,
            deviation=deviation,
            new=own**2 / 2,
            old=other**2 / 2,
            shared=np.where(own * other > 0, shared, 0.0),
            constant=constant,
        )

    @property
    def effect(self) -> FloatArray:
        """Cohen's d_z on the logarithmic scale; NaN where the log ratios do not vary."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.constant, np.nan, self.difference / self.deviation)

    def interval(self, middle: FloatArray, alpha: float | FloatArray) -> tuple[FloatArray, FloatArray]:
        """Of the logarithm of the ratio: of the typical error, of the mean error, and `middle`, all within."""
        typical = self._margin(alpha)
        below, above = self._mean_margins(np.asarray(alpha))
        low = np.minimum(self.difference - typical, self._mean - below)
        high = np.maximum(self.difference + typical, self._mean + above)
        low, high = np.minimum(low, middle), np.maximum(high, middle)
        return np.where(self.constant, np.nan, low), np.where(self.constant, np.nan, high)

    def p(self, middle: FloatArray) -> FloatArray:
        """The smallest `alpha` whose `interval` around `middle` does not hold 0."""
        side = np.sign(middle)
        agree = (side != 0) & (np.sign(self.difference) == side) & (np.sign(self._mean) == side)
        t = self.difference / self.deviation * np.sqrt(self.count)
        typical = 2 * stdtr(self.freedom, -np.abs(t))
        p = np.where(agree, np.maximum(typical, self._mean_p(side)), 1.0)
        return np.where(self.constant | np.isnan(self.freedom), np.nan, p)

    @property
    def _mean(self) -> FloatArray:
        """The logarithm of the ratio of the means."""
        return self.difference + self.new - self.old

    def _margin(self, alpha: float | FloatArray) -> FloatArray:
        """Of the mean of the log ratios."""
        margin: FloatArray = -stdtrit(self.freedom, np.asarray(alpha) / 2) * self.deviation / np.sqrt(self.count)
        return margin

    def _mean_margins(self, alpha: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How far the interval of `_mean` goes below and above it."""
        typical = self._margin(alpha) ** 2
        fewer = self.freedom / chdtri(self.freedom, alpha / 2)  # of a variance's interval the low end, as a share
        more = self.freedom / (2 * gammaincinv(self.freedom / 2, alpha / 2))
        ends = [
            np.sqrt(np.maximum(typical + up**2 + down**2 - 2 * self.shared * up * down, 0.0))
            for up, down in (
                (self.new * (1 - fewer), self.old * (more - 1)),
                (self.new * (more - 1), self.old * (1 - fewer)),
            )
        ]
        below, above = (np.where(np.isnan(end) & ~np.isnan(self.freedom), np.inf, end) for end in ends)
        return below, above

    def _mean_p(self, side: FloatArray) -> FloatArray:
        """The `alpha` at which the interval of `_mean` ends at 0 on its other side, by halving on a log scale."""
        least = np.full(np.shape(self._mean), np.log(_SMALLEST_P))
        most = np.zeros_like(least)
        for _ in range(_HALVINGS):
            middle = (least + most) / 2
            below, above = self._mean_margins(np.exp(middle))
            reaches = np.where(side > 0, below, above) >= np.abs(self._mean)
            least, most = np.where(reaches, middle, least), np.where(reaches, most, middle)
        p: FloatArray = np.exp(most)
        return p


def centred(values: FloatArray, present: BoolArray, count: IntArray) -> tuple[FloatArray, FloatArray]:
    """Means over the last axis where `present`, and what is left of the values, 0 where they are missing."""
    total = np.where(present, values, 0.0).sum(axis=-1)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean, np.where(present, values - mean[..., None], 0.0)


def _total(values: FloatArray, present: BoolArray) -> FloatArray:
    total: FloatArray = np.where(present, values, 0.0).sum(axis=-1)
    return np.where(present.any(axis=-1), total, np.nan)
