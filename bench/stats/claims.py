"""A claim "A beats B": the evidence over seeds and over the test window, corrected over a family of claims."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from bench.array_types import FloatArray
from bench.stats.bootstrap import LEVEL
from bench.stats.paired import Paired, holm, paired
from bench.stats.window_tests import diebold_mariano, loss_ratio, mean_difference

ALPHA = 1 - LEVEL
"""The significance level of every verdict."""


class ClaimOutcome(StrEnum):
    """The outcome of a test on a claim: the one vocabulary for it, and the words that pages print."""

    HOLDS = "holds"
    FAILS = "does not hold"
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not measured"

    @property
    def measured(self) -> bool:
        """Whether there was enough to test the claim with."""
        return self is not ClaimOutcome.NOT_MEASURED


Window = tuple[FloatArray, FloatArray]
"""The losses of both sides at the same test targets, ``[T]`` each, means over replicates, in the order of time."""


@dataclass(frozen=True, eq=False)
class ModelClaim:
    """What is compared: one model with another, or with persistence, in one cell.

    Parameters
    ----------
    model, other
        Names, for the sentences.
    new, old
        ``[seeds]``: the MSE of each replicate of `model` and of `other`; what is not finite is missing.
    window
        Their losses over the test window; `None` where no predictions are stored.
    horizon
        Steps ahead.
    deterministic
        Neither side draws a random number: the window decides alone.
    one_series
        All replicates saw the same series, so the window must speak too; `False` where each had a series of its
        own: then the replicates decide alone.
    """

    model: str
    other: str
    new: FloatArray
    old: FloatArray
    window: Window | None = None
    horizon: int = 1
    deterministic: bool = False
    one_series: bool = True


@dataclass(frozen=True)
class Finding:
    """What was found on one claim; NaN where it could not be tested.

    Parameters
    ----------
    difference
        The sign tells which side has the smaller error: below 0, `model` has.
    ratio, low, high
        MSE of `model` over MSE of `other`, with its 95 % interval over seeds (over the window where deterministic).
    test, statistic
        The test whose p-value counts, the larger of those that must agree, and its statistic.
    p_seeds, p_window
        Of the paired t-test; and the larger one of Diebold–Mariano and of the blocks.
    p
        Of the claim: the larger of both, 1 where they point in opposite directions. Corrected by Holm's method over
        `family` claims, as far as `corrected` did.
    seeds, targets
        How many of each there are.
    """

    difference: float
    ratio: float
    low: float
    high: float
    test: str
    statistic: float
    p_seeds: float
    p_window: float
    p: float
    seeds: int
    targets: int
    family: int

    @property
    def tested(self) -> bool:
        """Whether there was enough to test the claim with."""
        return not math.isnan(self.p)

    @property
    def outcome(self) -> ClaimOutcome:
        """Whether `model` is shown to have the smaller error; it fails where it is shown to have the larger one."""
        if not self.tested:
            return ClaimOutcome.NOT_MEASURED
        if self.p >= ALPHA:
            return ClaimOutcome.INCONCLUSIVE
        return ClaimOutcome.HOLDS if self.difference < 0 else ClaimOutcome.FAILS


def findings(claims: Sequence[ModelClaim]) -> tuple[Finding, ...]:
    """Test each of `claims` by itself; `corrected` counts them.

    A claim needs every kind of evidence that its data offers: fresh seeds must not turn it round, nor another stretch
    of the series. Each test keeps its level, so their largest p-value does (an intersection-union test).

    References
    ----------
    R. L. Berger, Technometrics 24 (1982), for the largest p-value.
    """
    over_seeds = _over_seeds(claims)
    in_window = _in_window(claims)
    return tuple(_finding(claim, over_seeds, in_window[place], place) for place, claim in enumerate(claims))


def corrected(uncorrected: Sequence[Finding], adjacent: FloatArray) -> tuple[tuple[Finding, ...], FloatArray]:
    """The findings and the p-values `adjacent` to them, of other claims in any shape, corrected as one family."""
    p = holm(np.concatenate([np.array([finding.p for finding in uncorrected]), adjacent.ravel()]))
    family = int(np.isfinite(p).sum())
    own, others = np.split(p, [len(uncorrected)])
    known = tuple(
        replace(finding, p=float(each), family=family) for finding, each in zip(uncorrected, own, strict=True)
    )
    return known, others.reshape(adjacent.shape)


def by_replicate(values: Sequence[FloatArray]) -> FloatArray:
    """``[claims, seeds]`` of arrays ``[seeds]``, NaN where one has fewer."""
    stacked = np.full((len(values), max(map(len, values), default=0)), np.nan)
    for row, own in zip(stacked, values, strict=True):
        row[: len(own)] = own
    return stacked


def _over_seeds(claims: Sequence[ModelClaim]) -> Paired:
    """Of all claims at once, ``[claims]``."""
    return paired(by_replicate([claim.new for claim in claims]), by_replicate([claim.old for claim in claims]))


@dataclass(frozen=True)
class _Test:
    """One piece of evidence on a claim."""

    name: str
    difference: float
    statistic: float
    p: float


_MISSING = _Test("", math.nan, math.nan, math.nan)


def _finding(claim: ModelClaim, over_seeds: Paired, window: Sequence[_Test], place: int) -> Finding:
    own = _Test(
        "paired t over seeds", *(float(a[place]) for a in (over_seeds.difference, over_seeds.statistic, over_seeds.p))
    )
    requested = [*([] if claim.deterministic else [own]), *(window if claim.one_series or claim.deterministic else ())]
    decides = max(requested, key=_caution)
    signs = {np.sign(test.difference) for test in requested if test.p < 1}
    low, high = (float(a[place]) for a in (over_seeds.ratio_low, over_seeds.ratio_high))
    if claim.deterministic:
        low, high = _window_ratio(claim)
    return Finding(
        difference=decides.difference,
        ratio=float(over_seeds.ratio[place]),
        low=low,
        high=high,
        test=decides.name,
        statistic=decides.statistic,
        p_seeds=math.nan if claim.deterministic else own.p,
        p_window=max(window, key=_caution).p,
        p=decides.p if len(signs) < 2 or math.isnan(decides.p) else 1.0,
        seeds=int(over_seeds.count[place]),
        targets=len(claim.window[0]) if claim.window else 0,
        family=1,
    )


def _caution(test: _Test) -> float:
    """What is missing counts as the largest p-value: it leaves a claim untested."""
    return math.inf if math.isnan(test.p) else test.p


def _in_window(claims: Sequence[ModelClaim]) -> list[tuple[_Test, ...]]:
    """Both tests over the window of each claim; those with as many targets and the same horizon go together."""
    by_claim: list[tuple[_Test, ...]] = [(_MISSING,)] * len(claims)
    similar: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, claim in enumerate(claims):
        if claim.window is not None:
            similar[len(claim.window[0]), claim.horizon].append(place)
    for (_, horizon), places in similar.items():
        windows = [window for place in places if (window := claims[place].window) is not None]
        loss, other = (np.stack(side) for side in zip(*windows, strict=True))
        tests = (
            ("Diebold-Mariano", diebold_mariano(loss, other, horizon=horizon)),
            ("blocks of the test window", mean_difference(loss, other, horizon=horizon)),
        )
        for row, place in enumerate(places):
            by_claim[place] = tuple(
                _Test(name, float(t.difference[row]), float(t.statistic[row]), float(t.p[row])) for name, t in tests
            )
    return by_claim


def _window_ratio(claim: ModelClaim) -> tuple[float, float]:
    return loss_ratio(*claim.window, horizon=claim.horizon) if claim.window else (math.nan, math.nan)
