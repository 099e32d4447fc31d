"""Verdicts in words, each a frozen value with its numbers and its sentence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice

import numpy as np
from scipy.special import ndtr

from bench.array_types import BoolArray, FloatArray, IntArray
from bench.stats.claims import (
    ALPHA,
    EQUIVALENT,
    ClaimOutcome,
    Finding,
    ModelClaim,
    as_corrected,
    by_replicate,
    corrected,
    findings,
)
from bench.stats.looks import for_any_look
from bench.stats.ratios import over_seeds
from bench.stats.window_tests import FAR, long_enough
from bench.text import enough, fixed, listed, plural, probability, seconds, significant

NEAR_FLOOR = 0.05
"""A model whose error is above the noise floor by no more than this share is at it."""

INCREDIBLE = 0.1
"""A skill above this against persistence on a martingale is no forecast: daily closes yield a few percent at most."""


class Verdict(StrEnum):
    """What is said of a model in one cell: the one list of verdicts, and the words that pages print."""

    BETTER = "better"
    EQUIVALENT = "equivalent within 5 %"
    WORSE = "worse"
    UNDECIDED = "undecided"
    REFERENCE = "the reference"
    FLOOR = "at the noise floor"
    LEAK = "suspected leak"
    UNTESTED = "not tested"
    OTHER_LENGTH = "at another length"
    UNFINISHED = "not finished"
    NO_ROW = "no row"


COMPARED: Mapping[ClaimOutcome, Verdict] = {
    ClaimOutcome.HOLDS: Verdict.BETTER,
    ClaimOutcome.INCONCLUSIVE: Verdict.UNDECIDED,
    ClaimOutcome.FAILS: Verdict.WORSE,
    ClaimOutcome.NOT_MEASURED: Verdict.UNTESTED,
}
"""What the outcome of the claim "better" says."""


def compared(finding: Finding) -> Verdict:
    """The word for a comparison: better, equivalent, worse, undecided, or not tested."""
    return Verdict.EQUIVALENT if finding.equivalent else COMPARED[finding.outcome]


@dataclass(frozen=True, eq=False)
class Subject:
    """A model in one cell, to be judged.

    Parameters
    ----------
    claim
        The comparison with persistence.
    floor
        ``[seeds]``: the MSE of the best possible forecast on the same targets; `None` where it is not known.
    martingale
        Persistence is the best forecast known, as on closes: much skill is then suspicious.
    """

    claim: ModelClaim
    floor: FloatArray | None = None
    martingale: bool = False


@dataclass(frozen=True)
class Judgement:
    """A verdict with its numbers and its sentence.

    Parameters
    ----------
    verdict
        In a word.
    words
        The same with what qualifies it: the comparison, where `verdict` says something else; the correction for the
        family, where it alone decides; and about how many more seeds would.
    model
        Who is judged.
    other
        Against what.
    finding
        The statistic, p-value, interval and counts of the comparison.
    p
        Of what `verdict` says, corrected over its family: of the comparison, or of the noise floor's test. NaN where
        copies of one fit are at the floor, which is seen and not tested.
    sentence
        All of it in plain words.
    """

    verdict: Verdict
    words: str
    model: str
    other: str
    finding: Finding
    p: float
    sentence: str


@dataclass(frozen=True)
class TestedClaim:
    """The test of one claim in numbers; NaN where it could not be tested.

    Parameters
    ----------
    other, outcome, comparison, test
        What the model is compared with; the verdict; that on these two alone; the test whose p-value counts, or empty.
    effect, low, high, wide
        MSE over that of `other`, less 1, with its 95 % interval, or the corrected one of `as_corrected`; which of both.
    p
        Of the outcome, corrected by Holm's method over `family` claims.
    seeds, targets, sentence
        How many of each it rests on; all of it in plain words.
    decided, further_seeds
        Whether a difference is shown, or that there is none of interest; else about how many more seeds would decide.
    """

    other: str
    outcome: str
    comparison: str
    test: str
    effect: float
    low: float
    high: float
    p: float
    seeds: int
    targets: int
    family: int
    sentence: str
    decided: bool
    further_seeds: int | None
    wide: bool

    @classmethod
    def of(cls, judgement: Judgement) -> "TestedClaim":
        """What the sentence of `judgement` rests on."""
        numbers = judgement.finding
        return cls(
            other=judgement.other,
            outcome=judgement.verdict.value,
            comparison=compared(numbers).value,
            test=numbers.test if numbers.tested else "",
            effect=numbers.ratio - 1,
            low=numbers.low - 1,
            high=numbers.high - 1,
            p=judgement.p,
            seeds=numbers.seeds,
            targets=numbers.targets,
            family=numbers.family,
            sentence=judgement.sentence,
            decided=numbers.decided,
            further_seeds=None if numbers.decided else numbers.further_seeds,
            wide=numbers.spends < 1,
        )


CLAIMS, PAIRS, AT_LENGTHS = "claims", "pairs of models", "pairs at equal lengths"
"""What the families of a report count: claims against persistence or the noise floor, other pairs of models at their
chosen lengths, and pairs at other lengths."""


def against_persistence(subjects: Sequence[Subject], families: Sequence[str] = ()) -> tuple[Judgement, ...]:
    """Judge each model, of all `subjects` that one report prints.

    Their claims are corrected together: those against persistence, and those of both tests against the noise floor.
    "Suspected leak" goes before "at the noise floor", and this before the comparison with persistence.

    Parameters
    ----------
    families
        Of each subject, such as its dataset; by default all are one family.
    """
    floor = np.stack([below_floor(subjects), at_floor(subjects)])
    labels = np.tile(_numbered(families), 3) if families else None
    tested, (below, at) = corrected(findings([subject.claim for subject in subjects]), floor, labels)
    tested = as_corrected([subject.claim for subject in subjects], tested)
    above = _excess(*_next_to_floor(subjects))
    return tuple(
        _judge(subject, finding, below=float(b), at=float(a), above=float(e))
        for subject, finding, b, a, e in zip(subjects, tested, below, at, above, strict=True)
    )


def against_best(datasets: Sequence[Sequence[ModelClaim]], families: Sequence[str] = ()) -> tuple[Judgement, ...]:
    """Whether each model differs from the best one of its dataset, which is the claim's `other`.

    The errors that are tested have also chosen the best model, so any pair of a dataset's models could have come to
    be compared. A family is all these pairs: those that are not compared count as p = 1, which makes Holm's
    correction of the others no weaker than if they were. Pairs with persistence are not of this family: they were
    judged by `against_persistence`, and `judged_before` says so of them.

    Parameters
    ----------
    datasets
        The claims of each, of all that one report prints; persistence is on neither side.
    families
        Of each of `datasets`; by default all are one family.

    Returns
    -------
    tuple
        The verdicts on the claims of the first dataset, of the next, and so on.
    """
    claims = [claim for own in datasets for claim in own]
    tested = findings(claims)
    rest = iter(tested)
    others = [math.comb(sum(finding.tested for finding in islice(rest, len(own))), 2) for own in datasets]
    own_label = _numbered(families) if families else np.zeros(len(datasets), dtype=np.int64)
    labels = np.concatenate([np.repeat(own_label, [len(own) for own in datasets]), np.repeat(own_label, others)])
    tested, _ = corrected(tested, np.ones(sum(others)), labels)
    return _of_pairs(claims, tested, PAIRS)


def counted_pairs(claims: Sequence[ModelClaim], counted: Sequence[Finding]) -> tuple[Judgement, ...]:
    """Judge pairs that `against_best` counts in its family as p = 1, where one is asked about after all.

    Each is held against the whole count (Bonferroni's correction, the first step of Holm's): together with the verdicts
    of `against_best`, these are some of those that Holm's method over all pairs would give.

    Parameters
    ----------
    claims
        Persistence and the best model of a dataset are on neither side.
    counted
        Of each of `claims`, a finding of `against_best` on the same dataset.
    """
    own_findings = [
        replace(own, family=like.family, selected=like.selected, families=like.families, p=_bonferroni(own, like))
        for own, like in zip(findings(claims), counted, strict=True)
    ]
    return _of_pairs(claims, own_findings, PAIRS)


def _bonferroni(own: Finding, like: Finding) -> float:
    p = own.p_alone * max(like.family, 1) * like.families / like.selected
    return p if math.isnan(p) else min(p, 1.0)


def pairs_at_lengths(claims: Sequence[ModelClaim], families: Sequence[str]) -> tuple[Judgement, ...]:
    """Judge pairs at sequence lengths that were not chosen, of all that one report prints: Holm's method over all.

    Parameters
    ----------
    families
        Of each of `claims`, such as its dataset.
    """
    tested, _ = corrected(findings(claims), np.empty(0), _numbered(families))
    return _of_pairs(claims, tested, AT_LENGTHS)


def _numbered(names: Sequence[str]) -> IntArray:
    """``[names]``: equal numbers for equal names."""
    return np.unique(np.array(names), return_inverse=True)[1]


def judged_before(claim: ModelClaim, judgement: Judgement, *, turned: bool = False) -> Judgement:
    """What `against_persistence` found on a pair, as its comparison with the best model: one pair has one word.

    Parameters
    ----------
    claim
        The comparison of the model with persistence.
    judgement
        On `claim`.
    turned
        Persistence is compared with the model, instead of the model with persistence.
    """
    finding = judgement.finding
    return _of_pair(claim.turned, finding.turned, CLAIMS) if turned else _of_pair(claim, finding, CLAIMS)


def _of_pairs(claims: Sequence[ModelClaim], tested: Sequence[Finding], counted: str) -> tuple[Judgement, ...]:
    both = zip(claims, as_corrected(claims, tested), strict=True)
    return tuple(_of_pair(claim, finding, counted) for claim, finding in both)


def _of_pair(claim: ModelClaim, finding: Finding, counted: str) -> Judgement:
    verdict = compared(finding)
    sentence = f"{_compared(claim, finding)}: {_grounds(claim, finding, counted)}."
    words = _qualified(claim, finding, counted)
    return Judgement(verdict, words, claim.model, claim.other, finding, finding.p, sentence)


def below_floor(subjects: Sequence[Subject]) -> FloatArray:
    """The p-values of "not below the noise floor", ``[subjects]``: a small one says that targets have leaked.

    Over seeds it is the one-sided test of the ratio of the errors. Over the window: a forecast that is off the best one
    by δ, independent of the noise ε, has the MSE of the floor plus the mean of ``δ² - 2 ε δ``. Falling short of the
    floor by the share g takes noise of at least ``sqrt(g T)`` standard deviations, whatever δ: the least of
    ``(g + m) sqrt(T) / (2 sqrt(m))`` over the mean square ``m`` of δ, in units of the floor. At horizon h errors are
    a moving average of h steps: at least T / h of them are independent, and every other block of origins. The larger
    p-value counts; copies of one fit have only the second, and replicates that each had data of their own only the
    first. NaN where no floor is known, or it is 0, or the predictions that the window needs are not stored.

    The noise is taken to be equally large throughout. Where it is not, as on geometric Brownian motion, T stands for
    ``Σ σ² / max σ²`` targets at worst: for a forecast that is off only where the noise is largest.
    """
    new, floor = _next_to_floor(subjects)
    test = over_seeds(new, floor)
    known = _known(floor)
    alone = np.array([not subject.claim.one_series for subject in subjects], dtype=np.bool_)
    targets = np.array([subject.claim.independent for subject in subjects])
    shortfall = np.maximum(-_excess(new, floor), 0.0)
    in_window = np.where(shortfall > 0, ndtr(-np.sqrt(shortfall * targets)), 1.0)
    seeds = test.one_sided()
    copies = _fixed(subjects) | test.constant
    p = np.where(alone, seeds, np.where(copies, in_window, np.maximum(in_window, seeds)))
    p = for_any_look(p, _shares(subjects))
    return np.where(known & (alone | ~np.isnan(targets)), p, np.nan)


def at_floor(subjects: Sequence[Subject]) -> FloatArray:
    """The p-values of "more than `NEAR_FLOOR` above the noise floor", ``[subjects]``, on these very test targets.

    Of the one-sided test of the ratio of the errors over seeds. NaN where no floor is known or it is 0, and for copies
    of one fit: on these targets nothing of them is left to chance.
    """
    new, floor = _next_to_floor(subjects)
    p = for_any_look(over_seeds(new, (1 + NEAR_FLOOR) * floor).one_sided(), _shares(subjects))
    return np.where(_known(floor) & ~_fixed(subjects), p, np.nan)


def _next_to_floor(subjects: Sequence[Subject]) -> tuple[FloatArray, FloatArray]:
    """``[subjects, seeds]``: the errors next to their noise floors, NaN where there is none."""
    floors = [np.full(len(s.claim.new), np.nan) if s.floor is None else s.floor for s in subjects]
    return by_replicate([subject.claim.new for subject in subjects]), by_replicate(floors)


def _shares(subjects: Sequence[Subject]) -> FloatArray:
    """``[subjects]``: what the present look at each may spend of the error rate."""
    return np.array([subject.claim.share for subject in subjects])


def _known(floor: FloatArray) -> BoolArray:
    """Where there is a floor above 0."""
    return np.asarray((floor > 0).any(axis=-1))


def _excess(new: FloatArray, floor: FloatArray) -> FloatArray:
    """How far the mean errors are above their noise floors, as a share of these."""
    present = np.isfinite(new) & np.isfinite(floor)
    above, below = (np.where(present, side, 0.0).sum(axis=-1) for side in (new - floor, floor))
    excess = np.full(below.shape, np.nan)
    np.divide(above, below, out=excess, where=below > 0)
    return excess


def _fixed(subjects: Sequence[Subject]) -> BoolArray:
    return np.array([subject.claim.deterministic for subject in subjects], dtype=np.bool_)


def _judge(subject: Subject, finding: Finding, *, below: float, at: float, above: float) -> Judgement:
    """`below` and `at` are the corrected p-values against the noise floor, `above` is how far from it the error is."""
    claim, comparison = subject.claim, compared(finding)
    verdict, p, why = comparison, finding.p, ""
    near = above <= NEAR_FLOOR if claim.deterministic else at < ALPHA
    impossible = math.isnan(below) and above < -NEAR_FLOOR
    incredible = subject.martingale and verdict is Verdict.BETTER and finding.high < 1 - INCREDIBLE
    if below < ALPHA:
        verdict, p = Verdict.LEAK, below
        why = f"its error is below the noise floor, which no forecast can be ({probability(below)})"
    elif incredible:
        verdict, why = Verdict.LEAK, "nobody forecasts a series like this so well"
    elif near and not impossible:
        verdict, p, why = Verdict.FLOOR, at, f"its error is not more than {NEAR_FLOOR:.0%} above the smallest possible"
        why += "" if claim.deterministic else f" ({probability(at)})"
    words = _qualified(claim, finding, CLAIMS)
    no_skill = subject.martingale and comparison in (Verdict.UNDECIDED, Verdict.EQUIVALENT)
    parts = [words, *(["no skill shown"] if no_skill else []), *([str(verdict)] if verdict is not comparison else [])]
    return Judgement(
        verdict, "; ".join(parts), claim.model, claim.other, finding, p, _sentence(claim, finding, verdict, why)
    )


def _sentence(claim: ModelClaim, finding: Finding, verdict: Verdict, why: str) -> str:
    start = {
        Verdict.FLOOR: f"{claim.model} is at the noise floor: {why}; it",
        Verdict.LEAK: f"{claim.model} is suspected of a leak: {why}; it",
    }.get(verdict, claim.model)
    return f"{_compared(claim, finding, start)}: {_grounds(claim, finding, CLAIMS)}."


def _compared(claim: ModelClaim, finding: Finding, start: str = "") -> str:
    said = {
        Verdict.BETTER: "is better than {}",
        Verdict.EQUIVALENT: f"is equivalent to {{}} within {EQUIVALENT:.0%}",
        Verdict.WORSE: "is worse than {}",
        Verdict.UNDECIDED: _undecided(finding),
        Verdict.UNTESTED: "could not be tested against {}",
    }[compared(finding)]
    return f"{start or claim.model} {said.format(claim.other)}"


def _undecided(finding: Finding) -> str:
    """What is not decided; where one side errs many times as much, by how much it does on these targets."""
    if 1 / FAR <= finding.ratio <= FAR:
        return "is not shown to differ from {}"
    if not 0 < finding.ratio < math.inf:
        return "differs without bound from {} on these targets, not shown of others"
    more = finding.ratio > 1
    times = significant(math.sqrt(finding.ratio if more else 1 / finding.ratio))
    share = f"{times} times as much as" if more else f"1/{times} of"
    return f"errs {share} {{}} on these targets, not shown of others"


def _qualified(claim: ModelClaim, finding: Finding, counted: str) -> str:
    """A comparison in words, with what decided it or would."""
    verdict = compared(finding)
    if verdict is Verdict.UNTESTED:
        return f"{verdict}: {_untested(claim, finding)}"
    if verdict is not Verdict.UNDECIDED:
        return str(verdict)
    corrected = f"{_correction(finding, counted)}, " if finding.lost_to_family else ""
    return f"{verdict} ({corrected}{_would_decide(claim, finding)})"


def _would_decide(claim: ModelClaim, finding: Finding) -> str:
    """What more time would buy."""
    more = finding.further_seeds
    if more is None:
        return "more seeds would not decide"
    time = "" if math.isnan(claim.replicate_s) else f", {seconds(more * claim.replicate_s)},"
    return f"about {plural(more, 'more seed')}{time} would decide"


def _grounds(claim: ModelClaim, finding: Finding, counted: str) -> str:
    """The effect with its interval, and what it comes from; or why there is no test."""
    if not finding.tested:
        return _untested(claim, finding)
    level = "95 %" if finding.spends == 1 else "corrected"
    interval = f" ({level} interval {_signed(finding.low)} to {_signed(finding.high)})"
    ground = [f"{finding.seeds} seeds{_looked(finding)}"] if not math.isnan(finding.p_seeds) else []
    ground += [f"{finding.targets} {claim.unit}s"] if not math.isnan(finding.p_window) else []
    holm = f", {_correction(finding, counted)}" if finding.family > 1 else ""
    copies = "; its replicates are equal, so the window decides alone" if finding.copies else ""
    further = f"; {_would_decide(claim, finding)}" if compared(finding) is Verdict.UNDECIDED else ""
    return (
        f"MSE {_change(finding.ratio)}{interval}, {probability(finding.p)} over {' and '.join(ground)} "
        f"({finding.test}{holm}){copies}{further}"
    )


def _correction(finding: Finding, counted: str) -> str:
    """What the p-value was corrected for."""
    selected = f" on this data, {finding.selected} of {finding.families} datasets selected"
    return f"Holm over {finding.family} {counted}{selected if finding.families > 1 else ''}"


def _looked(finding: Finding) -> str:
    """Which looks were taken before this one, and how many seeds are planned; empty for one look at all."""
    looks = finding.looks
    before, planned = listed([str(count) for count in looks.taken[:-1]]), looks.total
    parts = [f"looked at before with {before}"] if before else []
    parts += [f"up to {planned} planned"] if planned > looks.taken[-1] else []
    return f" ({', '.join(parts)})" if parts else ""


def _untested(claim: ModelClaim, finding: Finding) -> str:
    if finding.seeds == 0:
        return "no replicate finished"
    if math.isnan(finding.p_seeds) and not (claim.deterministic or finding.copies):
        if finding.seeds == 1:
            return "one seed shows no spread"
        no_error = (claim.new == 0).any() or (claim.old == 0).any()
        return "an error of 0 has no logarithm" if no_error else "its seeds show no spread"
    if claim.window is None:
        return "no predictions are stored"
    short = not long_enough(len(claim.window[0]), claim.horizon)
    return "the test window is too short" if short else "a loss is not a number"


def _change(ratio: float) -> str:
    if not math.isfinite(ratio):
        return "not comparable"
    change = 100 * abs(ratio - 1)
    return "equal" if ratio == 1 else f"{fixed(change, enough(change, 1))}% {'lower' if ratio < 1 else 'higher'}"


def _signed(ratio: float) -> str:
    change = 100 * (ratio - 1)
    return f"{fixed(change, enough(change, 1), '+')}%"
