"""When a series changed its level, and by how much: hierarchical division by energy statistics (E-divisive).

No distribution of the values is assumed. Every division is tested by permutation, so the probability of finding a
change in a series without one is at most `level`. That takes points: with fewer than nine, no division can be
significant at 1 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bench.array_types import FloatArray, IntArray
from bench.comparing.decision import MEASURES
from bench.comparing.history import MetricSeries, Point
from bench.comparing.pairs import differences
from bench.seeds import generator

LEVEL = 0.01
"""The chance of finding a change in a series that has none."""

MINIMUM = 3
"""Points on each side of a change, at least."""

PERMUTATIONS = 999

_TOGETHER = 50  # permutations
_ROUNDING = 1e-9  # relative: statistics that differ by less are equal


@dataclass(frozen=True, order=True)
class Division:
    """A change: `index` is the first point after it, `p` the p-value of the division that found it."""

    index: int
    p: float


def divisions(values: FloatArray, *, level: float = LEVEL, permutations: int = PERMUTATIONS) -> list[Division]:
    """The changes of a series, in its order.

    Parameters
    ----------
    values
        ``[N]``, finite, in the order of time.
    level
        At which a division is significant.
    permutations
        Random orders of the points that a division is compared with.

    References
    ----------
    D. S. Matteson and N. A. James, "A nonparametric approach for multiple change point analysis of multivariate data",
    Journal of the American Statistical Association 109 (2014), with the exponent 1: the statistic is eq. (9), its
    maximum over the end of the right part too that of § 2.3, the test that of § 2.4.
    """
    random = generator(0, "divisions", len(values))
    changes: list[Division] = []
    while True:
        edges = [0, *sorted(each.index for each in changes), len(values)]
        parts = [values[start:end] for start, end in pairwise(edges)]
        best = [_best(part[None]) for part in parts]
        chosen = max(range(len(parts)), key=lambda at: best[at][0][0])
        height, index = float(best[chosen][0][0]), int(best[chosen][1][0])
        if height <= _ROUNDING * float(np.abs(values).max(initial=0)):
            return sorted(changes)
        p = _p_value(parts, height, random, level=level, permutations=permutations)
        if p > level:
            return sorted(changes)
        changes.append(Division(edges[chosen] + index, p))


def _p_value(
    parts: Sequence[FloatArray], height: float, random: np.random.Generator, *, level: float, permutations: int
) -> float:
    """How often the points of `parts`, each in a random order, have a division as high as `height`.

    It stops where it is sure to be above `level`.
    """
    above = done = 0
    while done < permutations and (above + 1) / (permutations + 1) <= level:
        count = min(_TOGETHER, permutations - done)
        orders = (random.permuted(np.tile(part, (count, 1)), axis=1) for part in parts)
        highest = np.max([_best(order)[0] for order in orders], axis=0)
        above += int((highest >= height * (1 - _ROUNDING)).sum())
        done += count
    return (above + 1) / (permutations + 1)


def _best(parts: FloatArray) -> tuple[FloatArray, IntArray]:
    """For each of ``[K, N]`` the highest statistic of a division, and where; 0 where they are too short."""
    count, n = parts.shape
    if n < 2 * MINIMUM:
        return np.zeros(count), np.zeros(count, np.int64)
    within = np.zeros((count, n + 1, n + 1))  # prefix sums of the distances
    within[:, 1:, 1:] = np.abs(parts[:, :, None] - parts[:, None]).cumsum(axis=1).cumsum(axis=2)
    left, right = _candidates(n)
    first, both, whole = within[:, left, left], within[:, left, right], within[:, right, right]
    m, k = left, right - left
    energy = 2 * (both - first) / (m * k) - first / (m * (m - 1)) - (whole - 2 * both + first) / (k * (k - 1))
    statistic = m * k / (m + k) * energy
    at = statistic.argmax(axis=1)
    return statistic[np.arange(count), at], left[at]


def _candidates(n: int) -> tuple[IntArray, IntArray]:
    """Every division τ with every end κ of its right part."""
    tau, kappa = np.meshgrid(np.arange(MINIMUM, n - MINIMUM + 1), np.arange(2 * MINIMUM, n + 1), indexing="ij")
    fits = kappa - tau >= MINIMUM
    return tau[fits], kappa[fits]


@dataclass(frozen=True)
class Step:
    """One change of level.

    Parameters
    ----------
    series
        Of which cell.
    index
        The first point at the new level.
    before, after
        The levels: means over the points between this step and its neighbours, geometric for an error.
    effect
        after / before − 1 for an error, else after − before.
    p_value
        Of the division.
    other_settings
        What else changed at this point, in words.
    """

    series: MetricSeries
    index: int
    before: float
    after: float
    effect: float
    p_value: float
    other_settings: tuple[str, ...]

    @property
    def point(self) -> Point:
        """The first run at the new level."""
        return self.series.points[self.index]

    @property
    def worse(self) -> bool:
        """Whether it is a change for the worse."""
        return self.effect * MEASURES[self.series.metric].worse > 0


def steps(series: MetricSeries, *, level: float = LEVEL) -> list[Step]:
    """The changes of level of `series`; the chance of finding one where there is none is `level`."""
    if not series.points:
        return []
    measure = MEASURES[series.metric]
    values = np.array([point.value for point in series.points])
    known = np.full(1, np.nan)
    comparable = measure.comparable(values[None], known)[0]
    changes = divisions(comparable, level=level)
    edges = [0, *(each.index for each in changes), len(values)]
    levels = [float(comparable[start:end].mean()) for start, end in pairwise(edges)]
    return [
        Step(
            series=series,
            index=each.index,
            before=_value(levels[at], relative=measure.relative),
            after=_value(levels[at + 1], relative=measure.relative),
            effect=measure.effect(levels[at + 1] - levels[at]),
            p_value=each.p,
            other_settings=_changed(series.points, each.index),
        )
        for at, each in enumerate(changes)
    ]


def _value(level: float, *, relative: bool) -> float:
    return float(np.exp(level)) if relative else level


def _changed(points: Sequence[Point], index: int) -> tuple[str, ...]:
    return differences(points[index - 1].settings, points[index].settings)
