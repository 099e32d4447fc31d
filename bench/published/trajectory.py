"""A printed course of the training loss against those of the replicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from bench.published.judge import judge
from bench.published.values import LEAST, Finding, FloatArray, Outcome, Printed, Spread, Trajectory

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
    if any(finding.outcome is Outcome.NOT_RUN for finding in findings):
        return Trajectory(epochs, findings, Outcome.NOT_RUN, None, None, "no replicate has all these epochs")
    course = np.log(np.stack([losses[epoch] for epoch in epochs], axis=1))  # [replicates, epochs]
    course = course[np.isfinite(course).all(axis=1)]
    if len(course) < _FEWEST:
        return Trajectory(epochs, findings, _direction(findings), None, None, _counts(findings))
    limit = float(np.quantile(_left_out(course), _COVERAGE))
    away = _away(_nearest(printed, course), course)
    deviation = float(np.max(np.abs(away)))
    outcome = Outcome.REPRODUCED if deviation <= limit else _farthest(away)
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


def _direction(findings: tuple[Finding, ...]) -> Outcome:
    """Better or worse, by the last printed epoch that is outside; reproduced where none is."""
    outside = [finding.outcome for finding in findings if finding.outcome is not Outcome.REPRODUCED]
    return outside[-1] if outside else Outcome.REPRODUCED


def _farthest(away: FloatArray) -> Outcome:
    """Better or worse, by the epoch that is farthest away: `away` ``[epochs]`` is what was printed less ours."""
    return Outcome.BETTER if away[np.argmax(np.abs(away))] > 0 else Outcome.WORSE


def _counts(findings: tuple[Finding, ...]) -> str:
    """How many epochs have which verdict."""
    tally = Counter(finding.outcome for finding in findings)
    parts = [f"{tally[outcome]} {outcome}" for outcome in Outcome if tally[outcome]]
    return f"of {len(findings)} printed epochs " + ", ".join(parts)
