"""A claim "A beats B": the evidence over seeds and over the test window, corrected over a family of claims.

A claim needs every kind of evidence that its data offers: fresh seeds must not turn it round, nor another stretch of
the series. Its p-value is the largest of theirs, and its interval the smallest that contains theirs: the interval
excludes "no difference" exactly where the p-value, before the correction for the family, is significant.

Where replicates were added after a look at fewer, each look spends a share of the error rate (`bench.stats.looks`), and
so do both kinds of evidence: more replicates move the mean losses over the window as well.

Where the correction for the family alone keeps a difference from being shown, the interval is as wide as the correction
makes it, and holds "no difference" as the word "undecided" says (`as_corrected`).
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from bench.array_types import FloatArray, IntArray
from bench.stats.looks import Looks, at_look
from bench.stats.paired import holm_in_families
from bench.stats.ratios import LEVEL, RatioTest, over_seeds
from bench.stats.window_tests import over_window
from bench.tasks import BLOCK, TARGET

ALPHA = 1 - LEVEL
"""The significance level of every verdict."""

EQUIVALENT = 0.05
"""Two mean squared errors are equivalent where one is shown to exceed the other by no more than this share."""


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
    horizon, unit
        Losses of the window so far apart share no input; and what they are the losses of, in words.
    deterministic
        Neither side draws a random number: the window decides alone.
    one_series
        All replicates saw the same series, so the window must speak too; `False` where each had a series of its
        own: then the replicates decide alone.
    looks
        The looks that were taken at the replicates; `None` for one, at all of them.
    replicate_s
        Seconds that one more replicate of both sides takes; NaN where that is not known.
    spends
        The part of what the present look may spend of the error rate that the interval is made at.
    """

    model: str
    other: str
    new: FloatArray
    old: FloatArray
    window: Window | None = None
    horizon: int = 1
    deterministic: bool = False
    one_series: bool = True
    looks: Looks | None = None
    replicate_s: float = math.nan
    unit: str = TARGET
    spends: float = 1.0

    @property
    def independent(self) -> float:
        """At least so many losses of the window share no target's noise; NaN where there is no window."""
        apart = 2 if self.unit == BLOCK else self.horizon
        return len(self.window[0]) / apart if self.window else math.nan

    @property
    def share(self) -> float:
        """What the present look may spend of the error rate; where no random number is drawn there is but one."""
        return self.spends * (1.0 if self.deterministic or self.looks is None else self.looks.share)

    @property
    def turned(self) -> "ModelClaim":
        """The same pair, the other side first."""
        window = self.window and (self.window[1], self.window[0])
        return replace(self, model=self.other, other=self.model, new=self.old, old=self.new, window=window)


@dataclass(frozen=True)
class Finding:
    """The test of one claim; NaN where it could not be tested.

    Parameters
    ----------
    ratio, low, high
        MSE of `model` over MSE of `other`, with the interval of the claim: all those of its looks hold the ratio with
        95 %, or with more where `as_corrected` has made it as wide as the correction asks.
    test
        The evidence whose p-value counts, the larger of those that must agree.
    p_seeds, p_window
        Of either kind of evidence, over all looks; NaN where it has no part in the claim, or is missing.
    p_alone, p
        Of the claim: the larger of both, 1 where they point in opposite directions. `p` is corrected by Holm's method
        over `family` claims, and for the `selected` ones of all `families`, as far as `corrected` did.
    seeds, targets
        How many of each there are.
    effect, spread
        The mean of the log ratios over seeds, in units of their standard deviation, and that deviation.
    looks
        The looks that were taken at the replicates.
    copies
        Whether the replicates of `model` are copies of one fit, though it may draw random numbers.
    window_within
        Whether the test window alone would show both sides to be equivalent, or has no part in the claim.
    """

    ratio: float
    low: float
    high: float
    test: str
    p_seeds: float
    p_window: float
    p_alone: float
    p: float
    seeds: int
    targets: int
    family: int
    effect: float
    spread: float
    looks: Looks
    copies: bool = False
    window_within: bool = False
    selected: int = 1
    families: int = 1

    @property
    def turned(self) -> "Finding":
        """The same finding, of the other side against this one."""
        ratio, low, high = (_inverse(value) for value in (self.ratio, self.high, self.low))
        return replace(self, ratio=ratio, low=low, high=high, effect=-self.effect)

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
        return ClaimOutcome.HOLDS if self.ratio < 1 else ClaimOutcome.FAILS

    @property
    def equivalent(self) -> bool:
        """Whether no difference is shown, and one beyond `EQUIVALENT` is excluded by the interval."""
        return self.outcome is ClaimOutcome.INCONCLUSIVE and _within(self.low, self.high)

    @property
    def decided(self) -> bool:
        """Whether a difference is shown, or that there is none of interest."""
        return self.outcome in (ClaimOutcome.HOLDS, ClaimOutcome.FAILS) or self.equivalent

    @property
    def lost_to_family(self) -> bool:
        """Whether the correction for the family alone keeps the claim from being significant."""
        return self.tested and self.p_alone < ALPHA <= self.p

    @property
    def spends(self) -> float:
        """The part of the error rate that the correction leaves a claim which it alone keeps undecided; else all."""
        return self.p_alone / self.p if self.lost_to_family and not self.equivalent else 1.0

    @property
    def further_seeds(self) -> int | None:
        """About how many more seeds would decide; `None` where they cannot, or more than are ever suggested."""
        if not self.tested or math.isnan(self.p_seeds) or math.isnan(self.effect):
            return None
        counts = [self._differs_at(), self._equivalent_at()]
        wanted = min((count for count in counts if count is not None), default=None)
        return None if wanted is None else wanted - self.looks.taken[-1]

    def _differs_at(self) -> int | None:
        """The number of seeds that would show the difference."""
        alpha = ALPHA * self.selected / (self.families * self.family)
        if self.p_window >= alpha or not self.effect:
            return None
        return self.looks.decided_at(self.effect, alpha=alpha)

    def _equivalent_at(self) -> int | None:
        """The number of seeds that would show that the difference is small."""
        if not self.window_within:
            return None
        within = math.log1p(EQUIVALENT)
        return self.looks.equivalent_at(self.effect * self.spread, self.spread, within=within, alpha=ALPHA)


def _within(low: float, high: float) -> bool:
    """Whether an interval of a ratio holds no difference of interest."""
    return low >= 1 / (1 + EQUIVALENT) and high <= 1 + EQUIVALENT


def _inverse(ratio: float) -> float:
    return 1 / ratio if ratio else math.inf


def findings(claims: Sequence[ModelClaim]) -> tuple[Finding, ...]:
    """Test each of `claims` by itself; `corrected` counts them.

    References
    ----------
    R. L. Berger, Technometrics 24 (1982), for the largest p-value: each test keeps its level, so it does (an
    intersection-union test).
    """
    share = np.array([claim.share for claim in claims])
    sides = by_replicate([claim.new for claim in claims]), by_replicate([claim.old for claim in claims])
    seeds = at_look(over_seeds(*sides, level=1 - ALPHA * share), share)
    windows = _in_window(claims, share)
    return tuple(_finding(claim, _at(seeds, place), windows[place]) for place, claim in enumerate(claims))


def corrected(
    uncorrected: Sequence[Finding], adjacent: FloatArray, families: IntArray | None = None
) -> tuple[tuple[Finding, ...], FloatArray]:
    """The findings and the p-values `adjacent` to them, of other claims in any shape, corrected together.

    Parameters
    ----------
    families
        ``[findings + adjacent]``: which family each of them is of, see `holm_in_families`; `None` for one family.
    """
    p = np.concatenate([np.array([finding.p for finding in uncorrected]), adjacent.ravel()])
    labels = np.zeros(len(p), dtype=np.int64) if families is None else families
    together = holm_in_families(p, labels, alpha=ALPHA)
    own, others = np.split(together.p, [len(uncorrected)])
    selected, families_tested = max(together.selected, 1), max(together.families, 1)
    known = tuple(
        replace(finding, p=float(each), family=int(count), selected=selected, families=families_tested)
        for finding, each, count in zip(uncorrected, own, together.count[: len(uncorrected)], strict=True)
    )
    return known, others.reshape(adjacent.shape)


def as_corrected(claims: Sequence[ModelClaim], tested: Sequence[Finding]) -> tuple[Finding, ...]:
    """What was found on `claims`, corrected, with each interval that would contradict its word as wide as it must be.

    An interval at the level that the correction leaves holds 1 exactly where the corrected p-value is not significant.
    """
    wide = [place for place, finding in enumerate(tested) if finding.spends < 1]
    again = findings([replace(claims[place], spends=tested[place].spends) for place in wide])
    known = {place: (finding.low, finding.high) for place, finding in zip(wide, again, strict=True)}
    bounds = (known.get(place, (finding.low, finding.high)) for place, finding in enumerate(tested))
    return tuple(replace(finding, low=low, high=high) for finding, (low, high) in zip(tested, bounds, strict=True))


def by_replicate(values: Sequence[FloatArray]) -> FloatArray:
    """``[claims, seeds]`` of arrays ``[seeds]``, NaN where one has fewer."""
    stacked = np.full((len(values), max(map(len, values), default=0)), np.nan)
    for row, own in zip(stacked, values, strict=True):
        row[: len(own)] = own
    return stacked


@dataclass(frozen=True)
class _Evidence:
    """One test of a claim, of `count` replicates or targets; NaN where it is missing."""

    name: str
    ratio: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    effect: float = math.nan
    spread: float = math.nan
    count: int = 0
    constant: bool = False


SEEDS, WINDOW = "paired seeds", "test window"


def _at(test: RatioTest, place: int, name: str = SEEDS) -> _Evidence:
    numbers = {each: float(getattr(test, each)[place]) for each in ("ratio", "low", "high", "p", "effect", "spread")}
    return _Evidence(name, **numbers, count=int(test.count[place]), constant=bool(test.constant[place]))


def _finding(claim: ModelClaim, seeds: _Evidence, window: _Evidence) -> Finding:
    copies = not claim.deterministic and claim.one_series and seeds.count > 1 and seeds.constant
    by_window_alone = claim.deterministic or copies
    required = [
        *([] if by_window_alone else [seeds]),
        *([window] if claim.one_series or claim.deterministic else []),
    ]
    decides = max(required, key=lambda test: math.inf if math.isnan(test.p) else test.p)
    tested = not math.isnan(decides.p)
    agree = len({test.ratio < 1 for test in required if test.ratio != 1}) < 2
    p = decides.p if agree or not tested else 1.0
    return Finding(
        ratio=window.ratio if math.isnan(seeds.ratio) else seeds.ratio,
        low=min(test.low for test in required) if tested else math.nan,
        high=max(test.high for test in required) if tested else math.nan,
        test=decides.name if tested else "",
        p_seeds=math.nan if by_window_alone else seeds.p,
        p_window=window.p if window in required else math.nan,
        p_alone=p,
        p=p,
        seeds=seeds.count,
        targets=len(claim.window[0]) if claim.window else 0,
        family=1,
        effect=seeds.effect,
        spread=seeds.spread,
        looks=claim.looks or Looks.once(max(seeds.count, 1)),
        copies=copies,
        window_within=window not in required or _within(window.low, window.high),
    )


def _in_window(claims: Sequence[ModelClaim], share: FloatArray) -> list[_Evidence]:
    """The test over the window of each claim; those with as many targets and the same horizon go together."""
    tests = [_Evidence(WINDOW)] * len(claims)
    similar: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, claim in enumerate(claims):
        if claim.window is not None:
            similar[len(claim.window[0]), claim.horizon].append(place)
    for (_, horizon), places in similar.items():
        windows = [window for place in places if (window := claims[place].window) is not None]
        own = share[places]
        sides = (np.stack(side) for side in zip(*windows, strict=True))
        test = at_look(over_window(*sides, horizon=horizon, level=1 - ALPHA * own), own)
        for row, place in enumerate(places):
            tests[place] = _at(test, row, WINDOW)
    return tests
