"""One printed number, or a printed loss curve, compared with the replicates → a verdict."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.stats import f as f_ratio

from bench.array_types import FloatArray
from bench.replication.findings import LEAST, Printed, PublishedFinding, PublishedOutcome, Spread, Trajectory

IMPOSSIBLE = 1e-6
"""A chance below which a number is said to be one that cannot be."""


def judge(
    printed: Printed, ours: Spread | None, *, higher_is_better: bool = False, least: int = LEAST
) -> PublishedFinding:
    """The verdict on `printed`.

    Reproduced where the printed number, or some of the printed range, give or take its printing tolerance, lies in
    the central 95 % of the replicates; else better or worse, by what we get.

    Parameters
    ----------
    printed
        What was printed.
    ours
        What the replicates give; `None` where none finished.
    higher_is_better
        As for accuracies; of losses and errors the lower is better.
    least
        Replicates that a verdict requests; with fewer it is given, and said to rest on few.
    """
    base = PublishedFinding(printed.quantity, printed.text, PublishedOutcome.NOT_RUN, ours=ours, printed=printed)
    if ours is None:
        return replace(base, note="no replicate finished")
    if printed.low - printed.tolerance > ours.high:
        outcome = PublishedOutcome.WORSE if higher_is_better else PublishedOutcome.BETTER
    elif printed.high + printed.tolerance < ours.low:
        outcome = PublishedOutcome.BETTER if higher_is_better else PublishedOutcome.WORSE
    else:
        outcome = PublishedOutcome.REPRODUCED
    return replace(base, outcome=outcome, note=few(ours, least))


def few(ours: Spread, least: int) -> str:
    """What to keep in mind where there are fewer than `least` replicates; else nothing."""
    return "" if ours.count >= least else f"rests on {ours.count} of the {least} replicates that a verdict requests"


def not_stated(quantity: str, ours: Spread | None, *, least: int = LEAST) -> PublishedFinding:
    """Nothing was printed: ours is given."""
    if ours is None:
        return PublishedFinding(quantity, "", PublishedOutcome.NOT_RUN, note="no replicate finished")
    return PublishedFinding(quantity, "", PublishedOutcome.NOT_STATED, ours=ours, note=few(ours, least))


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
    if f_ratio.cdf(upper**2 / floor_mse, points, points) >= impossible:
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
    if ours is None or finding.outcome is PublishedOutcome.REPRODUCED or target is None:
        return finding
    theirs = abs(printed.low - (target if printed_target is None else printed_target))
    off = abs(ours.mean - target)
    note = f"our mean is {off:.4g} from the target, the printed one {theirs:.4g} from the printed target"
    outcome = PublishedOutcome.BETTER if off < theirs else PublishedOutcome.WORSE
    return replace(finding, outcome=outcome, note="; ".join(filter(None, [note, finding.note])))


_COVERAGE = 0.95
_FEWEST = 5  # replicates from which a spread and its quantiles are taken


def follow(printed: Mapping[int, Printed], losses: Mapping[int, FloatArray], *, least: int = LEAST) -> Trajectory:
    """The verdict on each printed epoch, and one on the whole course.

    Ten intervals of 95 % that a course must all meet would refuse a good one too often. The whole is therefore judged
    by one number, its largest distance over the epochs from the mean of the replicates, in their standard deviations
    (of logarithms); the course is reproduced where that is no more than 95 % of the replicates have, each measured
    against the others.

    Parameters
    ----------
    printed
        Epoch → loss as printed.
    losses
        Epoch → ``[replicates]``, the same replicates in the same order; NaN where one has no such epoch.
    least
        As in `judge`.
    """
    findings = tuple(judge(number, Spread.of(losses.get(epoch, [])), least=least) for epoch, number in printed.items())
    epochs = tuple(printed)
    if any(finding.outcome is PublishedOutcome.NOT_RUN for finding in findings):
        return Trajectory(epochs, findings, PublishedOutcome.NOT_RUN, None, None, "no replicate has all these epochs")
    course = np.log(np.stack([losses[epoch] for epoch in epochs], axis=1))  # [replicates, epochs]
    course = course[np.isfinite(course).all(axis=1)]
    if len(course) < _FEWEST:
        return Trajectory(epochs, findings, _direction(findings), None, None, _counts(findings))
    limit = float(np.quantile(_left_out(course), _COVERAGE))
    away = _away(_nearest(printed, course), course)
    deviation = float(np.max(np.abs(away)))
    outcome = PublishedOutcome.REPRODUCED if deviation <= limit else _farthest(away)
    return Trajectory(epochs, findings, outcome, deviation, limit, _counts(findings))


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


def _direction(findings: tuple[PublishedFinding, ...]) -> PublishedOutcome:
    """Better or worse, by the last printed epoch that is outside; reproduced where none is."""
    outside = [finding.outcome for finding in findings if finding.outcome is not PublishedOutcome.REPRODUCED]
    return outside[-1] if outside else PublishedOutcome.REPRODUCED


def _farthest(away: FloatArray) -> PublishedOutcome:
    """Better or worse, by the epoch that is farthest away: `away` ``[epochs]`` is what was printed less ours."""
    return PublishedOutcome.BETTER if away[np.argmax(np.abs(away))] > 0 else PublishedOutcome.WORSE


def _counts(findings: tuple[PublishedFinding, ...]) -> str:
    """How many epochs have which verdict."""
    tally = Counter(finding.outcome for finding in findings)
    parts = [f"{tally[outcome]} {outcome}" for outcome in PublishedOutcome if tally[outcome]]
    return f"of {len(findings)} printed epochs " + ", ".join(parts)
