"""Repeated looks at a growing number of replicates, and the share of the error rate that each of them may spend.

Who adds replicates until a test is significant finds a difference where there is none: with six looks at 5 % each, in
one case of six. Here every look spends a part of the 5 %, and all of them together spend no more. A look is a number of
replicates at which results were stored: they could be read, and be a reason to go on or to stop.

What a look spends is its increment of a spending function of the share of the planned replicates that are there. Its
test is made at that level, whatever the test is: the errors of several looks add up to at most the sum of their
levels. Nothing is assumed of how the looks depend on each other, so the same rule serves Student's t of few replicates,
the test of a mean of skewed errors, and one window that more replicates only see more clearly. Boundaries from the
joint distribution of Student's t alone would find little more (`reports/anytime.md`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.special import stdtrit

from bench.array_types import FloatArray
from bench.stats.paired import POWER, detection
from bench.stats.ratios import RatioTest

EXPONENT = 1.5
"""Of the spending function: early looks decide large differences, and half of the error rate is left for the last."""

GROWTH = 1.6
"""From one look to the next the replicates become so many times as many, about."""

MOST_SEEDS = 1000
"""More further replicates than this are never suggested."""


Enough = Callable[[int, float], bool]
"""Whether so many replicates, tested at such a level, are enough."""


def next_look(count: int, total: int) -> int:
    """At how many replicates to look next, on the way from `count` to `total`.

    >>> next_look(3, 30), next_look(19, 30), next_look(30, 30)
    (5, 30, 30)
    """
    steps = max(1, round(math.log(total / count) / math.log(GROWTH))) if count < total else 1
    return min(total, max(count + 1, round(count * math.pow(total / count, 1 / steps))))


def schedule(first: int, total: int) -> tuple[int, ...]:
    """All looks from `first` to `total` replicates.

    >>> schedule(3, 30)
    (3, 5, 8, 12, 19, 30)
    """
    looks = [first]
    while looks[-1] < total:
        looks.append(next_look(looks[-1], total))
    return tuple(looks)


def spent(count: float, total: float) -> float:
    """The share of the error rate that is spent by the time of `count` of `total` replicates.

    References
    ----------
    K. K. G. Lan and D. L. DeMets, Biometrika 70 (1983), for spending functions; K. Kim and D. L. DeMets, Biometrika 74
    (1987), for this one.
    """
    return math.pow(min(1.0, count / total), EXPONENT)


@dataclass(frozen=True)
class Looks:
    """The looks that were taken at one claim, the present one last.

    Parameters
    ----------
    taken
        Numbers of replicates, ascending; at least one.
    total
        How many replicates were planned; where there are more, these.
    """

    taken: tuple[int, ...]
    total: int

    @classmethod
    def once(cls, count: int) -> Looks:
        """One look, at all replicates that were planned."""
        return cls((count,), count)

    @cached_property
    def share(self) -> float:
        """The share of the error rate that the present look may spend; 1 where it is the only one, and the last."""
        before, now = (0, *self.taken)[-2:]
        total = max(self.total, now)
        return spent(now, total) - spent(before, total)

    def together(self, other: Looks) -> Looks:
        """The looks at a pair whose sides were looked at as stated: as many replicates as both have are compared."""
        most = min(self.taken[-1], other.taken[-1])
        taken = sorted({count for count in (*self.taken, *other.taken) if count <= most})
        return Looks(tuple(taken), min(self.total, other.total))

    def decided_at(self, effect: float, *, alpha: float) -> int | None:
        """The number of replicates at which a later look finds the effect d_z `effect` with probability `POWER`.

        `None` where more than `MOST_SEEDS` further ones are needed. Up to `total` looks are those of `schedule`; after
        it, one more is added.
        """
        return self._first(lambda count, level: float(detection(effect, count, level=1 - level)) >= POWER, alpha)

    def equivalent_at(self, difference: float, spread: float, *, within: float, alpha: float) -> int | None:
        """The number of replicates at which the interval of a mean lies within ``±within``, if it stays where it is.

        Parameters
        ----------
        difference, spread
            Mean and standard deviation over replicates.
        """

        def reaches(count: int, level: float) -> bool:
            margin = -stdtrit(count - 1.0, level / 2) * spread / math.sqrt(count)
            return bool(abs(difference) + margin <= within)

        return self._first(reaches, alpha)

    def _first(self, enough: Enough, alpha: float) -> int | None:
        now = self.taken[-1]
        for before, count in pairwise(schedule(now, self.total)):
            if enough(count, alpha * (spent(count, self.total) - spent(before, self.total))):
                return count
        last = max(now, self.total)
        counts = range(last + 1, now + MOST_SEEDS + 1)
        place = bisect_left(counts, 1, key=lambda count: enough(count, alpha * (1 - spent(last, count))))
        return counts[place] if place < len(counts) else None


def at_look(test: RatioTest, share: FloatArray) -> RatioTest:
    """`test` as one of several looks: its p-values are those of a claim that may be made at any look.

    Parameters
    ----------
    test
        Made at the level that the look may spend, so that its interval holds 1 exactly where `p` is not significant.
    share
        What each look may spend of the error rate.

    References
    ----------
    C. Jennison and B. W. Turnbull, Journal of the Royal Statistical Society B 51 (1989): repeated confidence intervals.
    """
    return replace(test, p=for_any_look(test.p, share))


def for_any_look(p: FloatArray, share: FloatArray) -> FloatArray:
    """The p-values of looks that may spend such shares of the error rate, as those of claims at any look."""
    return np.minimum(p / share, 1.0)
