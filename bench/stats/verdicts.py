"""Verdicts in words, each a frozen value with its numbers and its sentence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

import numpy as np
from scipy.special import ndtr, stdtr

from bench.array_types import BoolArray, FloatArray
from bench.stats.claims import ALPHA, ClaimOutcome, Finding, ModelClaim, by_replicate, corrected, findings
from bench.stats.paired import ReplicatePairs
from bench.text import probability

NEAR_FLOOR = 0.05
"""A model whose error is above the noise floor by no more than this share is at it."""

INCREDIBLE = 0.1
"""A skill above this against persistence on a martingale is no forecast: daily closes yield a few percent at most."""


class Verdict(StrEnum):
    """What is said of a model in one cell: the one list of verdicts, and the words that pages print."""

    BETTER = "better than persistence"
    NO_SKILL = "no skill shown"
    WORSE = "worse than persistence"
    REFERENCE = "the reference"
    FLOOR = "at the noise floor"
    LEAK = "suspected leak"
    INDISTINGUISHABLE = "indistinguishable"
    DISTINGUISHABLE = "distinguishable"
    UNTESTED = "not tested"
    OTHER_LENGTH = "at another length"
    UNFINISHED = "not finished"
    NO_ROW = "no row"


AGAINST_PERSISTENCE: Mapping[ClaimOutcome, Verdict] = {
    ClaimOutcome.HOLDS: Verdict.BETTER,
    ClaimOutcome.INCONCLUSIVE: Verdict.NO_SKILL,
    ClaimOutcome.FAILS: Verdict.WORSE,
    ClaimOutcome.NOT_MEASURED: Verdict.UNTESTED,
}
"""What the outcome of the claim "better than persistence" says, where the noise floor says no more."""

AGAINST_BEST: Mapping[ClaimOutcome, Verdict] = {
    ClaimOutcome.HOLDS: Verdict.DISTINGUISHABLE,
    ClaimOutcome.INCONCLUSIVE: Verdict.INDISTINGUISHABLE,
    ClaimOutcome.FAILS: Verdict.DISTINGUISHABLE,
    ClaimOutcome.NOT_MEASURED: Verdict.UNTESTED,
}
"""The same for the claim "better than the best model"."""


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
    model: str
    other: str
    finding: Finding
    p: float
    sentence: str


def against_persistence(subjects: Sequence[Subject]) -> tuple[Judgement, ...]:
    """Judge each model, of all `subjects` that one report prints.

    Their claims are one family, corrected together: those against persistence, and those of both tests against the
    noise floor. "Suspected leak" goes before "at the noise floor", and this before "better than persistence".
    """
    floor = np.stack([below_floor(subjects), at_floor(subjects)])
    adjusted, (below, at) = corrected(findings([subject.claim for subject in subjects]), floor)
    above = _excess(*_against_floor(subjects))
    return tuple(
        _judge(subject, finding, below=float(b), at=float(a), above=float(e))
        for subject, finding, b, a, e in zip(subjects, adjusted, below, at, above, strict=True)
    )


def against_best(datasets: Sequence[Sequence[ModelClaim]]) -> tuple[Judgement, ...]:
    """Whether each model differs from the best one of its dataset, which is the claim's `other`.

    The errors that are tested have also chosen the best model, so any pair of a dataset's models could have come to
    be compared. The family is all these pairs: those that are not compared count as p = 1, which makes Holm's
    correction of the others no weaker than if they were.

    Parameters
    ----------
    datasets
        The claims of each, of all that one report prints.

    Returns
    -------
    tuple
        The verdicts on the claims of the first dataset, of the next, and so on.
    """
    claims = [claim for own in datasets for claim in own]
    uncorrected = findings(claims)
    rest = iter(uncorrected)
    others = sum(math.comb(sum(finding.tested for finding in islice(rest, len(own))), 2) for own in datasets)
    adjusted, _ = corrected(uncorrected, np.ones(others))
    return tuple(_against_best(claim, finding) for claim, finding in zip(claims, adjusted, strict=True))


def _against_best(claim: ModelClaim, finding: Finding) -> Judgement:
    verdict = AGAINST_BEST[finding.outcome]
    numbers = _numbers(finding, family="pairs of models")
    sentence = {
        Verdict.UNTESTED: f"{claim.model} could not be tested against {claim.other}: {_untested(claim, finding)}.",
        Verdict.DISTINGUISHABLE: f"{claim.model} has a {_size(finding)} error than {claim.other}: {numbers}.",
        Verdict.INDISTINGUISHABLE: f"{claim.model} is indistinguishable from {claim.other}: {numbers}.",
    }[verdict]
    return Judgement(verdict, claim.model, claim.other, finding, finding.p, sentence)


def below_floor(subjects: Sequence[Subject]) -> FloatArray:
    """The p-values of "not below the noise floor", ``[subjects]``: a small one says that targets have leaked.

    Over seeds it is a one-sided paired t-test. Over the window: a forecast that is off the best one by δ, independent
    of the noise ε, has the MSE of the floor plus the mean of ``δ² - 2 ε δ``. Falling short of the floor by the
    share g takes noise of at least ``sqrt(g T)`` standard deviations, whatever δ: the least of
    ``(g + m) sqrt(T) / (2 sqrt(m))`` over the mean square ``m`` of δ, in units of the floor. At horizon h errors are
    a moving average of h steps: at least T / h of them are independent. The larger p-value counts; copies of one fit
    have only the second, and replicates that each had data of their own only the first. NaN where no floor is known,
    or it is 0, or the predictions that the window needs are not stored.

    The noise is taken to be equally large throughout. Where it is not, as on geometric Brownian motion, T stands for
    ``Σ σ² / max σ²`` targets at worst: for a forecast that is off only where the noise is largest.
    """
    pairs, known = _against_floor(subjects)
    alone = np.array([not subject.claim.one_series for subject in subjects], dtype=np.bool_)
    targets = np.array([len(s.claim.window[0]) / s.claim.horizon if s.claim.window else np.nan for s in subjects])
    shortfall = np.maximum(-_excess(pairs, known), 0.0)
    in_window = np.where(shortfall > 0, ndtr(-np.sqrt(shortfall * targets)), 1.0)
    over_seeds = stdtr(pairs.freedom, pairs.t(0.0)[0])
    copies = _fixed(subjects) | pairs.constant
    p = np.where(alone, over_seeds, np.where(copies, in_window, np.maximum(in_window, over_seeds)))
    return np.where(known & (alone | ~np.isnan(targets)), p, np.nan)


def at_floor(subjects: Sequence[Subject]) -> FloatArray:
    """The p-values of "more than `NEAR_FLOOR` above the noise floor", ``[subjects]``, on these very test targets.

    Of the one-sided paired t-test over seeds. NaN where no floor is known or it is 0, and for copies of one fit: on
    these targets nothing of them is left to chance.
    """
    pairs, known = _against_floor(subjects)
    return np.where(known & ~_fixed(subjects), stdtr(pairs.freedom, pairs.t(NEAR_FLOOR)[0]), np.nan)


def _against_floor(subjects: Sequence[Subject]) -> tuple[ReplicatePairs, BoolArray]:
    """The errors next to their noise floors, and where there is one above 0."""
    floors = [np.full(len(s.claim.new), np.nan) if s.floor is None else s.floor for s in subjects]
    pairs = ReplicatePairs.of(by_replicate([subject.claim.new for subject in subjects]), by_replicate(floors))
    return pairs, np.asarray(pairs.base > 0)


def _excess(pairs: ReplicatePairs, known: BoolArray) -> FloatArray:
    """How far errors are above the noise floor, as a share of it."""
    share = np.full(known.shape, np.nan)
    np.divide(pairs.difference, pairs.base, out=share, where=known)
    return share


def _fixed(subjects: Sequence[Subject]) -> BoolArray:
    return np.array([subject.claim.deterministic for subject in subjects], dtype=np.bool_)


def _judge(subject: Subject, finding: Finding, *, below: float, at: float, above: float) -> Judgement:
    """`below` and `at` are the corrected p-values against the noise floor, `above` is how far from it the error is."""
    claim = subject.claim
    verdict, p, why = AGAINST_PERSISTENCE[finding.outcome], finding.p, ""
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
    sentence = _sentence(claim, finding, verdict, why)
    return Judgement(verdict, claim.model, claim.other, finding, p, sentence)


def _sentence(claim: ModelClaim, finding: Finding, verdict: Verdict, why: str) -> str:
    start = {
        Verdict.BETTER: f"{claim.model} is better than {claim.other}",
        Verdict.WORSE: f"{claim.model} is worse than {claim.other}",
        Verdict.NO_SKILL: f"{claim.model} shows no skill: it is not shown to beat {claim.other}",
        Verdict.FLOOR: f"{claim.model} is at the noise floor: {why}",
        Verdict.LEAK: f"{claim.model} is suspected of a leak: {why}",
        Verdict.UNTESTED: f"{claim.model} could not be tested against {claim.other}",
    }[verdict]
    rest = _numbers(finding) if finding.tested else _untested(claim, finding)
    return f"{start}{';' if why else ':'} {rest}."


def _numbers(finding: Finding, *, family: str = "claims") -> str:
    """The effect with its interval, and what it rests on."""
    parts = [f"MSE {_change(finding.ratio)}"]
    if not math.isnan(finding.low):
        parts.append(f" (95 % interval {_signed(finding.low)} to {_signed(finding.high)})")
    ground = [f"{finding.seeds} seeds"] if not math.isnan(finding.p_seeds) else []
    ground += [f"{finding.targets} test targets"] if finding.targets else []
    counted = f", Holm over {finding.family} {family}" if finding.family > 1 else ""
    return f"{''.join(parts)}, {probability(finding.p)} over {' and '.join(ground)} ({finding.test}{counted})"


def _untested(claim: ModelClaim, finding: Finding) -> str:
    if finding.seeds == 0:
        return "no replicate finished"
    if not claim.deterministic and math.isnan(finding.p_seeds):
        return "one seed shows no spread" if finding.seeds == 1 else "its seeds show no spread"
    return "no predictions are stored" if claim.window is None else "the test window is too short"


def _change(ratio: float) -> str:
    if math.isnan(ratio):
        return "not comparable"
    return f"{abs(ratio - 1):.1%} {'lower' if ratio < 1 else 'higher'}"


def _signed(ratio: float) -> str:
    return f"{ratio - 1:+.1%}"


def _size(finding: Finding) -> str:
    return "smaller" if finding.difference < 0 else "larger"
