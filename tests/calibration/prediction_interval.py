"""How often a faithful printed number is refused: "better", "worse" or "not from this code", by simulation.

A document prints the result of one run, rounded; we have n runs of the same program. Each law below is one of such
runs' results; the verdict that should come of it is never "better" or "worse".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bench.array_types import FloatArray
from bench.replication.findings import PublishedFinding, PublishedOutcome, Scale, Spread
from bench.replication.judge import follow, judge
from bench.replication.printed import Printed

COUNTS = (2, 3, 5, 10, 20)
"""Replicates; the whole course of a loss is judged from five on."""

REFUSALS = frozenset({PublishedOutcome.BETTER, PublishedOutcome.WORSE, PublishedOutcome.NOT_FROM_CODE})

Draw = Callable[[np.random.Generator, int], FloatArray]

LAWS: Mapping[str, Draw] = {
    "log-normal, log-sd 0.05": lambda rng, n: 0.01 * np.exp(0.05 * rng.standard_normal(n)),
    "log-normal, log-sd 0.3": lambda rng, n: 0.01 * np.exp(0.3 * rng.standard_normal(n)),
    "log-normal, log-sd 1": lambda rng, n: 0.01 * np.exp(rng.standard_normal(n)),
    "normal, sd a tenth of the mean": lambda rng, n: 0.01 * np.maximum(1 + 0.1 * rng.standard_normal(n), 0.01),
    "log of Student's t, 5 degrees": lambda rng, n: 0.01 * np.exp(0.3 * rng.standard_t(5, n)),
    "log of a skewed gamma, shape 4": lambda rng, n: 0.01 * np.exp(0.15 * (rng.gamma(4.0, size=n) - 4)),
}
"""Laws of losses near 0.01: those that the interval assumes, and others that it does not."""


def refused(law: Draw, count: int, *, trials: int, seed: int, decimals: int = 4) -> float:
    """The share of faithful printed losses that are refused, of `trials`, with `count` replicates."""
    rng = np.random.default_rng(seed)
    outcomes = (_verdict(law, count, rng, decimals).outcome for _ in range(trials))
    return sum(outcome in REFUSALS for outcome in outcomes) / trials


def _verdict(law: Draw, count: int, rng: np.random.Generator, decimals: int) -> PublishedFinding:
    *ours, printed = law(rng, count + 1)
    rounded = round(float(printed), decimals)
    return judge(Printed("loss", rounded, rounded, decimals), Spread.of(ours, Scale.ERROR))


def course_refused(count: int, *, trials: int, seed: int, epochs: int = 10) -> float:
    """The share of faithful printed courses that are refused: neighbouring epochs share most of their deviation."""
    rng = np.random.default_rng(seed)
    middle = 0.1 * 0.7 ** np.arange(epochs)
    refusals = 0
    for _ in range(trials):
        wander = 0.2 * rng.standard_normal((count + 1, 1)) + np.cumsum(
            0.1 * rng.standard_normal((count + 1, epochs)), 1
        )
        *ours, printed = middle * np.exp(wander)
        numbers = {epoch: Printed("loss", value, value, 9) for epoch, value in enumerate(printed.tolist())}
        losses = {epoch: np.array(ours)[:, epoch] for epoch in range(epochs)}
        refusals += follow(numbers, losses).outcome in REFUSALS
    return refusals / trials


def refusals(*, trials: int, counts: Sequence[int] = COUNTS, seed: int = 0) -> dict[str, list[float]]:
    """Law → the share of faithful printed numbers that are refused at each of `counts`; last, of whole courses.

    Parameters
    ----------
    trials
        Of each share; of courses a quarter.
    counts
        Replicates.
    seed
        Of the random numbers.
    """
    shares = {name: [refused(law, count, trials=trials, seed=seed) for count in counts] for name, law in LAWS.items()}
    courses = [course_refused(count, trials=trials // 4, seed=seed) for count in counts]
    return {**shares, "whole course of 10 epochs": courses}
