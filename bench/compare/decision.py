"""Paired replicates → verdicts: one family of tests, whose chance of a false alarm is known.

A change for the worse or the better needs both an effect above its margin and a paired t-test that is significant
after Holm's correction, hence an interval that excludes 0. Equivalence is no absence of a difference: it is shown by
two one-sided tests that the effect lies within the margin. What shows neither is undecided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from bench.compare.values import Verdict
from bench.stats.holm import holm
from bench.stats.intervals import BoolArray, FloatArray, IntArray
from bench.stats.paired import Paired, Pairs, paired
from bench.stats.power import POWER, replicates

SAME = 1e-9
"""Differences smaller than this are the same number, summed in another order."""

MOST = 1000
"""More replicates than this are not asked for: the effect is too near to its margin."""


@dataclass(frozen=True)
class Decision:
    """What is decided of one test.

    Parameters
    ----------
    difference
        The mean of the paired differences; NaN where there is none.
    interval
        Of that mean, at the level 1 − alpha; `None` for fewer than two pairs, and where chance has no part in it.
    p_value
        Two-sided, corrected by Holm's method; `None` where nothing was tested.
    further
        About how many more replicates would decide; `None` unless undecided, or where more than `MOST` are needed.
    verdict
        The outcome.
    """

    difference: float
    interval: tuple[float, float] | None
    p_value: float | None
    further: int | None
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Family:
    """A family of tests.

    Parameters
    ----------
    new, old
        ``[tests, seeds]``, paired; NaN where a replicate is missing.
    worse
        ``[tests]``: the sign of a change for the worse.
    margin
        ``[tests]``, positive: the smallest difference that counts.
    deterministic
        ``[tests]``: whether the pairs are copies of one, which then decides alone.
    """

    new: FloatArray
    old: FloatArray
    worse: IntArray
    margin: FloatArray
    deterministic: BoolArray

    def shifted(self, sign: int) -> FloatArray:
        """``[tests]``: Student's t of the difference against the margin times `sign`."""
        return paired(self.new, self.old + sign * self.margin[:, None]).statistic


def decide(tests: Family, *, alpha: float) -> list[Decision]:
    """Decide a family of tests.

    Parameters
    ----------
    tests
        What is tested.
    alpha
        The chance that any test of the family finds a change where there is none, and that any one test shows an
        equivalence where there is none.

    References
    ----------
    D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987), for the two one-sided tests. That all
    tests of a family are equivalent needs no correction: R. L. Berger, Technometrics 24 (1982).
    """
    compared = paired(tests.new, tests.old, level=1 - alpha)
    corrected = holm(np.where(tests.deterministic, np.nan, compared.p))
    outside = _outside(tests, compared)
    family = int((np.isfinite(corrected) | ((compared.count == 1) & ~tests.deterministic)).sum())
    further = _further(tests, compared, alpha=alpha, family=family)
    verdicts = _verdicts(tests, compared, corrected, outside=outside, alpha=alpha)
    return [
        Decision(
            difference=float(compared.difference[at]),
            interval=_bounds(compared, at) if _is_tested(corrected[at]) and not _is_same(tests, at) else None,
            p_value=float(corrected[at]) if _is_tested(corrected[at]) else None,
            further=int(further[at]) if verdict is Verdict.UNDECIDED and further[at] <= MOST else None,
            verdict=verdict,
        )
        for at, verdict in enumerate(verdicts)
    ]


def _verdicts(
    tests: Family, compared: Paired, corrected: FloatArray, *, outside: FloatArray, alpha: float
) -> list[Verdict]:
    found = []
    for at, (count, difference) in enumerate(zip(compared.count, compared.difference, strict=True)):
        tested = _is_tested(corrected[at])
        alone = tests.deterministic[at] or (count > 1 and not tested)  # one change in every pair: chance has no part
        beyond = abs(difference) - tests.margin[at] > SAME
        if not count:
            verdict = Verdict.NOT_COMPARABLE
        elif _is_same(tests, at) or (alone and not beyond) or outside[at] <= alpha:
            verdict = Verdict.EQUIVALENT
        elif beyond and (alone or corrected[at] <= alpha):
            verdict = Verdict.REGRESSED if difference * tests.worse[at] > 0 else Verdict.IMPROVED
        else:
            verdict = Verdict.UNDECIDED
        found.append(verdict)
    return found


def _is_tested(p_value: float) -> bool:
    return not math.isnan(p_value)


def _is_same(tests: Family, at: int) -> bool:
    gap = tests.new[at] - tests.old[at]
    present = gap[~np.isnan(gap)]
    return bool(len(present)) and bool(np.abs(present).max() < SAME)


def _bounds(compared: Paired, at: int) -> tuple[float, float]:
    return float(compared.low[at]), float(compared.high[at])


def _outside(tests: Family, compared: Paired) -> FloatArray:
    """``[tests]``: p-values of the difference lying outside of the margin; NaN where there is no test."""
    freedom = np.where(compared.count > 1, compared.count - 1.0, np.nan)
    p: FloatArray = np.maximum(stdtr(freedom, tests.shifted(1)), stdtr(freedom, -tests.shifted(-1)))
    return np.where(tests.deterministic, np.nan, p)


def _further(tests: Family, compared: Paired, *, alpha: float, family: int) -> FloatArray:
    """``[tests]``: replicates to add so that a difference that is as it seems is decided with `POWER`.

    For a change, the first step of Holm's method; for an equivalence, either of the two tests may fail. One pair tells
    no spread: then as many as find a difference that is as large as the spread.
    """
    gap = np.abs(tests.margin - np.abs(compared.difference))
    with np.errstate(divide="ignore", invalid="ignore"):  # without a spread nothing is undecided
        room = gap / Pairs.of(tests.new, tests.old).deviation
    change = replicates(compared.effect, level=1 - alpha / max(family, 1))
    same = replicates(room, level=1 - 2 * alpha, power=(1 + POWER) / 2)
    wanted = np.where(np.abs(compared.difference) > tests.margin, change, same)
    wanted = np.where(compared.count == 1, replicates(1.0, level=1 - alpha / max(family, 1)), wanted)
    return np.asarray(np.maximum(wanted - compared.count, 1.0))
