"""What a test of one model next to another says, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

from bench.stats.verdicts import Judgement


@dataclass(frozen=True)
class TestedClaim:
    """The test of one claim in numbers; NaN where it could not be tested.

    Parameters
    ----------
    other, outcome, test
        What the model is compared with; in words; the test whose p-value counts, empty where none was made.
    effect, low, high
        MSE over that of `other`, less 1, with its 95 % interval.
    p
        Of the outcome, corrected by Holm's method over `family` claims.
    seeds, targets
        How many of each it rests on.
    sentence
        All of it in plain words.
    decided, further_seeds
        Whether a difference is shown, or that there is none of interest; else about how many more seeds would decide.
    """

    other: str
    outcome: str
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

    @classmethod
    def of(cls, judgement: Judgement) -> TestedClaim:
        """What the sentence of `judgement` rests on."""
        numbers = judgement.finding
        return cls(
            other=judgement.other,
            outcome=judgement.verdict.value,
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
        )


@dataclass(frozen=True)
class Pair:
    """The verdict on two models on the same data.

    Parameters
    ----------
    one, other
        The ids of their cells.
    words, claim
        The comparison of `one` with `other`, in words and in numbers.
    won
        1 where `one` is shown to have the smaller error, -1 where `other` is, else 0.
    chosen
        Both are at the sequence lengths chosen on validation; else both are at one length.
    """

    one: str
    other: str
    words: str
    claim: TestedClaim
    won: int
    chosen: bool
