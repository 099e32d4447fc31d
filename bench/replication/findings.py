"""Printed numbers and claims, and their verdicts: frozen values.

A claim is decided by means over few replicates with their intervals; the cases of a claim give one verdict and one
sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from bench.array_types import FloatArray
from bench.replication.printed import Printed
from bench.stats.claims import ClaimOutcome
from bench.stats.paired import paired
from bench.stats.ratios import LEVEL
from bench.text import plural

LEAST = 20
"""Replicates that a verdict requests: with fewer, the prediction interval is wider by more than a twentieth."""


class PublishedOutcome(StrEnum):
    """What becomes of a printed number."""

    REPRODUCED = "reproduced"
    BETTER = "better than published"
    WORSE = "worse than published"
    TOO_FEW = "too few to tell"
    NOT_FROM_CODE = "not from this code"
    IMPOSSIBLE = "impossible"
    NOT_STATED = "not stated"
    NOT_RUN = "not run"


class Scale(StrEnum):
    """Where the replicates of a quantity are taken to be normal."""

    ERROR = "error"
    """Logarithms: of losses and errors, which are positive and skewed."""
    SHARE = "share"
    """Logarithms of what is missing to 1: of accuracies."""
    PLAIN = "plain"
    """The values themselves."""

    def to(self, values: ArrayLike) -> FloatArray:
        """`values` on this scale; −∞ where they are beyond its end."""
        array: FloatArray = np.asarray(values, dtype=np.float64)
        if self is Scale.PLAIN:
            return array
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(array if self is Scale.ERROR else 1 - array, 0.0))

    def back(self, values: FloatArray) -> FloatArray:
        """The values whose place on this scale is `values`."""
        with np.errstate(over="ignore"):
            return values if self is Scale.PLAIN else np.exp(values) if self is Scale.ERROR else 1 - np.exp(values)

    def holds(self, values: FloatArray) -> bool:
        """Whether each of `values` has a finite place on it."""
        return bool(np.isfinite(self.to(values)).all())


@dataclass(frozen=True)
class Spread:
    """The values of the finished replicates, and where one more run would lie.

    `mean` is theirs, but of RMSEs the pooled one: the root of the mean squared error of all. `low` and `high` are the
    ends of the 95 % prediction interval for one more run: mean ± t · s · √(1 + 1/n) on `scale`, with Student's t of
    n − 1 degrees of freedom; NaN with one replicate.
    """

    values: tuple[float, ...]
    mean: float
    low: float
    high: float
    scale: Scale = Scale.PLAIN

    @property
    def count(self) -> int:
        """How many replicates."""
        return len(self.values)

    @classmethod
    def of(cls, values: ArrayLike, scale: Scale = Scale.PLAIN) -> Spread | None:
        """The spread of `values` ``[replicates]``; those that are not finite are missing, `None` where all are.

        Where a value has no place on `scale`, such as an error of 0 among logarithms, the values themselves are taken.
        """
        array: FloatArray = np.asarray(values, dtype=np.float64)
        present = array[np.isfinite(array)]
        if not len(present):
            return None
        scale = scale if scale.holds(present) else Scale.PLAIN
        low, high = prediction_ends(present, scale)
        return cls(tuple(present.tolist()), float(present.mean()), low, high, scale)


@cache
def _quantile(degrees: int) -> float:
    """Of Student's t, for an interval of `LEVEL`."""
    return float(stdtrit(degrees, 0.5 + LEVEL / 2))


def prediction_ends(values: FloatArray, scale: Scale, *, count: int | None = None) -> tuple[float, float]:
    """The ends of the prediction interval for one more run, from replicates ``[n]``; NaN from one.

    With `count`, those that so many replicates of the same mean and standard deviation would give.
    """
    count = len(values) if count is None else count
    if len(values) < 2:
        return float("nan"), float("nan")
    placed = scale.to(values)
    middle, deviation = placed.mean(), placed.std(ddof=1)
    reach = _quantile(count - 1) * deviation * np.sqrt(1 + 1 / count)
    low, high = sorted(scale.back(np.array([middle - reach, middle + reach])).tolist())
    return low, high


@dataclass(frozen=True)
class PublishedFinding:
    """A verdict on one quantity of one system.

    Parameters
    ----------
    quantity
        What it is of.
    published
        As it was printed; empty where nothing was.
    outcome
        The verdict.
    ours
        What the replicates give, where they are numbers that vary.
    exact
        What the printed code must give, where that is no matter of chance.
    printed
        The printed number itself, where it is one.
    note
        Why, and what to keep in mind.
    is_statement
        It is something other than a number, such as a shape.
    """

    quantity: str
    published: str
    outcome: PublishedOutcome
    ours: Spread | None = None
    exact: str = ""
    printed: Printed | None = None
    note: str = ""
    is_statement: bool = False


@dataclass(frozen=True)
class Trajectory:
    """A verdict on a printed course of the training loss: on each epoch, and on the whole.

    Parameters
    ----------
    epochs
        Those printed.
    findings
        One for each of `epochs`.
    outcome
        Of the whole.
    deviation, limit
        The largest distance over the epochs of the printed course from the mean of the replicates, in their standard
        deviations of the logarithm, and the distance beyond which it is refused; `None` where there are too few
        replicates.
    note
        In words.
    """

    epochs: tuple[int, ...]
    findings: tuple[PublishedFinding, ...]
    outcome: PublishedOutcome
    deviation: float | None
    limit: float | None
    note: str


CaseFinding = tuple[str, ClaimOutcome, str]
"""Where, the verdict there, and the numbers."""


@dataclass(frozen=True)
class ClaimFinding:
    """A verdict on something that was said in words.

    Parameters
    ----------
    cases
        Where it holds and where it does not.
    explanation
        What was found to be the reason of what was seen, in a sentence; empty where nothing was.
    """

    text: str
    outcome: ClaimOutcome
    sentence: str
    cases: tuple[CaseFinding, ...] = ()
    explanation: str = ""


@dataclass(frozen=True)
class MeanEstimate:
    """A mean with its interval; the ends are NaN with fewer than two values, so that no comparison with them holds."""

    value: float
    low: float
    high: float
    count: int

    @property
    def text(self) -> str:
        """In brackets the interval, where there is one."""
        return f"{self.value:.3g}{self.over('{:.3g}'.format)}"

    def over(self, write: Callable[[float], str]) -> str:
        """The interval alone, its ends as `write` gives them."""
        return f" [{write(self.low)}, {write(self.high)}]" if np.isfinite(self.low) else ""


def mean(new: FloatArray, old: FloatArray | float = 0.0, *, level: float = LEVEL) -> MeanEstimate:
    """The mean of ``new - old``, ``[replicates]`` each, with Student's interval.

    Not a bootstrap's: that never leaves the range of the values, which holds the mean of `n` symmetric ones with a
    probability of ``1 - 2^(1 - n)`` at most, below any level that a family of claims asks of few replicates.
    """
    estimate = paired(new, np.broadcast_to(old, np.shape(new)), level=level)
    return MeanEstimate(float(estimate.difference), float(estimate.low), float(estimate.high), int(estimate.count))


def level_of(intervals: int) -> float:
    """The level of each of so many intervals, which all hold together at `LEVEL` (Bonferroni)."""
    return 1 - (1 - LEVEL) / max(1, intervals)


def over(cases: Sequence[CaseFinding]) -> ClaimOutcome:
    """Of a claim that was made without a limit: one case against it is enough."""
    return _decided(cases, by_one=ClaimOutcome.FAILS, by_all=ClaimOutcome.HOLDS)


def somewhere(cases: Sequence[CaseFinding]) -> ClaimOutcome:
    """Of a claim about some cases: one for it is enough."""
    return _decided(cases, by_one=ClaimOutcome.HOLDS, by_all=ClaimOutcome.FAILS)


def _decided(cases: Sequence[CaseFinding], *, by_one: ClaimOutcome, by_all: ClaimOutcome) -> ClaimOutcome:
    """`by_one` where any case says so, `by_all` where every case does."""
    outcomes = {each for _, each, _ in cases}
    if not any(outcome.measured for outcome in outcomes):
        return ClaimOutcome.NOT_MEASURED
    if by_one in outcomes:
        return by_one
    return by_all if outcomes == {by_all} else ClaimOutcome.INCONCLUSIVE


_IN_SENTENCES = {ClaimOutcome.INCONCLUSIVE: "is inconclusive"}


def sentence(cases: Sequence[CaseFinding]) -> str:
    """For how many cases it holds."""
    if not cases:
        return "nothing that could decide it was measured"
    counts = Counter(outcome for _, outcome, _ in cases)
    said = (f"{_IN_SENTENCES.get(each, each)} in {counts[each]}" for each in ClaimOutcome if counts[each])
    return f"of {plural(len(cases), 'case')} it {', '.join(said)}"
