"""One printed number, or a printed loss curve, compared with the replicates → a verdict."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import fdtr, stdtr

from bench.array_types import FloatArray
from bench.replication.findings import (
    LEAST,
    PublishedFinding,
    PublishedOutcome,
    Scale,
    Spread,
    Trajectory,
    prediction_ends,
)
from bench.replication.printed import Printed
from bench.stats.ratios import LEVEL

IMPOSSIBLE = 1e-6
"""A chance below which a number is said to be impossible, or not from the code that was printed."""


def judge(printed: Printed, ours: Spread | None, *, higher_is_better: bool = False) -> PublishedFinding:
    """The verdict on `printed`.

    Reproduced where the printed number, or some of the printed range, give or take its printing tolerance, lies in the
    95 % prediction interval for one more run. Outside it is better or worse, by what we get; so far outside that one
    run in a million would be there, it is not from this code. With fewer than `LEAST` replicates the interval is wide:
    what lies in it, but would not with `LEAST` replicates of the same mean and spread, is too few to tell.

    Parameters
    ----------
    printed
        What was printed.
    ours
        What the replicates give; `None` where none finished.
    higher_is_better
        As for accuracies; of losses and errors the lower is better.
    """
    base = PublishedFinding(printed.quantity, printed.text, PublishedOutcome.NOT_RUN, ours=ours, printed=printed)
    if ours is None:
        return replace(base, note="no replicate finished")
    low, high = printed.low - printed.tolerance, printed.high + printed.tolerance
    if ours.count < 2:
        return replace(base, outcome=PublishedOutcome.TOO_FEW, note=few(ours))
    if low > ours.high or high < ours.low:
        better = (low > ours.high) != higher_is_better
        outcome = PublishedOutcome.BETTER if better else PublishedOutcome.WORSE
        if chance(low if low > ours.high else high, ours) < IMPOSSIBLE:
            outcome = PublishedOutcome.NOT_FROM_CODE
    else:
        outcome = PublishedOutcome.REPRODUCED if _is_near(low, high, ours) else PublishedOutcome.TOO_FEW
    return replace(base, outcome=outcome, note=few(ours))


def chance(value: float, ours: Spread) -> float:
    """The probability that one more run lies as far from the mean of the replicates as `value`, on their scale."""
    placed = ours.scale.to(ours.values)
    away, spread = abs(float(ours.scale.to(value)) - placed.mean()), placed.std(ddof=1) * np.sqrt(1 + 1 / ours.count)
    if spread == 0:
        return float(away == 0)
    return float(2 * stdtr(ours.count - 1, -away / spread))


def _is_near(low: float, high: float, ours: Spread) -> bool:
    """Whether something from `low` to `high` lies in the interval that `LEAST` replicates or more would give."""
    ends = prediction_ends(np.array(ours.values), ours.scale, count=max(ours.count, LEAST))
    return low <= ends[1] and high >= ends[0]


def few(ours: Spread) -> str:
    """What to keep in mind where there are fewer than `LEAST` replicates; else nothing."""
    return "" if ours.count >= LEAST else f"rests on {ours.count} of the {LEAST} replicates that a verdict requests"


def not_stated(quantity: str, ours: Spread | None) -> PublishedFinding:
    """Nothing was printed: ours is given."""
    if ours is None:
        return PublishedFinding(quantity, "", PublishedOutcome.NOT_RUN, note="no replicate finished")
    return PublishedFinding(quantity, "", PublishedOutcome.NOT_STATED, ours=ours, note=few(ours))


def exact(quantity: str, published: str, ours: str | None, *, because: str = "") -> PublishedFinding:
    """The verdict on something that no chance enters: it is what was printed, or what was printed cannot be."""
    if ours is None:
        return PublishedFinding(quantity, published, PublishedOutcome.NOT_RUN, note="no replicate finished")
    outcome = PublishedOutcome.REPRODUCED if ours == published else PublishedOutcome.IMPOSSIBLE
    note = because if outcome is PublishedOutcome.IMPOSSIBLE else ""
    return PublishedFinding(quantity, published, outcome, exact=ours, note=note)


def below_floor(
    finding: PublishedFinding, floor_mse: float | None, points: int, *, impossible: float = IMPOSSIBLE
) -> PublishedFinding:
    """`finding` on a test RMSE, which cannot be where it lies below what the data admit.

    The noise floor on the printed test targets and that on ours are mean squares of `points` Gaussian draws each, so
    their ratio follows an F distribution; a printed error whose ratio has a chance below `impossible` cannot be.
    """
    if floor_mse is None or not floor_mse > 0 or finding.printed is None:
        return finding
    upper = finding.printed.high + finding.printed.tolerance
    if fdtr(points, points, upper**2 / floor_mse) >= impossible:
        return finding
    note = f"the best possible forecast of this data errs by {floor_mse**0.5:.4g}"
    return replace(finding, outcome=PublishedOutcome.IMPOSSIBLE, note=note)


def prediction(
    printed: Printed, ours: Spread | None, *, printed_target: float | None, target: float | None
) -> PublishedFinding:
    """The verdict on a printed prediction: better or worse by the distance from the target that it is of.

    Parameters
    ----------
    printed, ours
        The predictions, original units.
    printed_target, target
        What was to be predicted, as it was printed and as it is.
    """
    finding = judge(printed, ours)
    if ours is None or finding.outcome not in (PublishedOutcome.BETTER, PublishedOutcome.WORSE) or target is None:
        return finding
    theirs = abs(printed.low - (target if printed_target is None else printed_target))
    off = abs(ours.mean - target)
    note = f"our mean is {off:.4g} from the target, the printed one {theirs:.4g} from the printed target"
    outcome = PublishedOutcome.BETTER if off < theirs else PublishedOutcome.WORSE
    return replace(finding, outcome=outcome, note="; ".join(filter(None, [note, finding.note])))


_FEWEST = 5  # replicates from which a course is judged: each is held against the others


def follow(printed: Mapping[int, Printed], losses: Mapping[int, FloatArray]) -> Trajectory:
    """The verdict on each printed epoch, and one on the whole course.

    Ten intervals of 95 % that a course must all meet would refuse a good one too often. The whole is therefore judged
    by one number, the largest distance over the epochs of one course from the mean of all others, in their standard
    deviations (of logarithms). The printed course is one more among the replicates: if it is a run like them, its
    distance is equally likely to be in any place of the order, whatever the distribution (a permutation test). It is
    refused where its place has a chance of 5 % or less, which takes 19 replicates.

    Parameters
    ----------
    printed
        Epoch → loss as printed.
    losses
        Epoch → ``[replicates]``, the same replicates in the same order; NaN where one has no such epoch.
    """
    findings = tuple(judge(number, Spread.of(losses.get(epoch, []), Scale.ERROR)) for epoch, number in printed.items())
    epochs = tuple(printed)
    if any(finding.outcome is PublishedOutcome.NOT_RUN for finding in findings):
        return Trajectory(epochs, findings, PublishedOutcome.NOT_RUN, None, None, "no replicate has all these epochs")
    course = Scale.ERROR.to(np.stack([losses[epoch] for epoch in epochs], axis=1))  # [replicates, epochs]
    course = course[np.isfinite(course).all(axis=1)]
    if len(course) < _FEWEST:
        return Trajectory(epochs, findings, PublishedOutcome.TOO_FEW, None, None, _counts(findings))
    nearest = _nearest(printed, course)
    deviation, *others = _left_out(np.vstack([nearest, course])).tolist()
    limit = _limit(others)
    if deviation > (max(others) if limit is None else limit):
        farthest = int(np.argmax(np.abs(_away(nearest, course))))
        outcome = PublishedOutcome.TOO_FEW if limit is None else _refused(findings[farthest], nearest, course)
    else:
        outcome = PublishedOutcome.REPRODUCED
    return Trajectory(epochs, findings, outcome, deviation, limit, _counts(findings))


def _limit(others: Sequence[float]) -> float | None:
    """The distance that one more course exceeds with a probability of 5 % at most; `None` with too few."""
    place = int(np.ceil(LEVEL * (len(others) + 1)))
    return sorted(others)[place - 1] if place <= len(others) else None


def _refused(farthest: PublishedFinding, printed: FloatArray, course: FloatArray) -> PublishedOutcome:
    """The verdict of the epoch that is `farthest` away; where that alone is within its interval, by its side."""
    if farthest.outcome in (PublishedOutcome.BETTER, PublishedOutcome.WORSE, PublishedOutcome.NOT_FROM_CODE):
        return farthest.outcome
    away = _away(printed, course)
    return PublishedOutcome.BETTER if away[np.argmax(np.abs(away))] > 0 else PublishedOutcome.WORSE


def _nearest(printed: Mapping[int, Printed], course: FloatArray) -> FloatArray:
    """``[epochs]``: of the values that would be printed so, the logarithm of the nearest to the mean."""
    middle = course.mean(axis=0)
    low = [np.log(max(number.low - number.tolerance, np.finfo(np.float64).tiny)) for number in printed.values()]
    high = [np.log(number.high + number.tolerance) for number in printed.values()]
    nearest: FloatArray = np.clip(middle, low, high)
    return nearest


def _away(one: FloatArray, others: FloatArray) -> FloatArray:
    """``[epochs]``: `one` less the mean of `others`, in their standard deviations."""
    spread = np.maximum(others.std(axis=0, ddof=1), np.finfo(np.float64).tiny)
    away: FloatArray = (one - others.mean(axis=0)) / spread
    return away


def _left_out(course: FloatArray) -> FloatArray:
    """``[replicates]``: the largest distance of each from the others."""
    others = (np.delete(course, place, axis=0) for place in range(len(course)))
    return np.array([np.max(np.abs(_away(one, rest))) for one, rest in zip(course, others, strict=True)])


def _counts(findings: tuple[PublishedFinding, ...]) -> str:
    """How many epochs have which verdict."""
    tally = Counter(finding.outcome for finding in findings)
    parts = [f"{tally[outcome]} {outcome}" for outcome in PublishedOutcome if tally[outcome]]
    return f"of {len(findings)} printed epochs " + ", ".join(parts)
