"""Every metric of every cell that two result sets have in common → what became of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bench.compare.decision import Decision, Family, decide
from bench.compare.metrics import MEASURES
from bench.compare.pairs import Pairs
from bench.compare.values import MetricChange, Verdict
from bench.report.values import Estimate
from bench.stats.intervals import Interval, mean
from bench.stats.table import FloatArray
from bench.suite.spec import Gate

_Values = Mapping[str, tuple[FloatArray, FloatArray]]
"""For each metric ``[places, seeds]`` before and now."""


def judged(pairs: Pairs, gate: Gate) -> list[tuple[MetricChange, ...]]:
    """The metrics of each place, those that `gate` looks at and both sides have.

    All tests of all metrics and places are one family.
    """
    values = {metric: pairs.values(metric) for metric in gate.thresholds.stated()}
    decisions = _decisions(pairs, values, gate)
    means = {metric: (mean(old), mean(new)) for metric, (old, new) in values.items()}
    found: list[tuple[MetricChange, ...]] = []
    for at, (old, new) in enumerate(pairs.sides()):
        present = [metric for metric in values if means[metric][0].count[at]]
        alone = old.deterministic and new.deterministic
        changes = (
            _change(
                metric,
                decisions[metric][at],
                [_estimate(interval, at, deterministic=alone) for interval in means[metric]],
                threshold=gate.thresholds.stated()[metric],
                pairs=int(means[metric][0].count[at]),
            )
            for metric in present
        )
        found.append(tuple(_unless_leak(change, new.noise_floor_mse) for change in changes))
    return found


def _decisions(pairs: Pairs, values: _Values, gate: Gate) -> dict[str, list[Decision]]:
    thresholds, scale, cells = gate.thresholds.stated(), pairs.scale(), len(pairs.places)
    old, new = (
        np.concatenate([MEASURES[name].comparable(both[side], scale) for name, both in values.items()])
        for side in (0, 1)
    )
    tests = Family(
        new=new,
        old=old,
        worse=np.repeat([MEASURES[name].worse for name in values], cells),
        margin=np.repeat([MEASURES[name].margin(thresholds[name]) for name in values], cells),
        deterministic=np.tile(pairs.deterministic(), len(values)),
    )
    decided = decide(tests, alpha=gate.alpha)
    return {name: decided[k * cells : (k + 1) * cells] for k, name in enumerate(values)}


def _change(
    metric: str, decision: Decision, values: Sequence[Estimate], *, threshold: float, pairs: int
) -> MetricChange:
    measure, bounds = MEASURES[metric], decision.interval
    return MetricChange(
        metric=metric,
        threshold=threshold,
        pairs=pairs,
        relative=measure.relative,
        old=values[0],
        new=values[1],
        effect=Estimate(
            measure.effect(decision.difference), bounds and (measure.effect(bounds[0]), measure.effect(bounds[1]))
        ),
        p_value=decision.p_value,
        further=decision.further,
        verdict=decision.verdict,
    )


def _estimate(interval: Interval, at: int, *, deterministic: bool) -> Estimate:
    """Copies of one fit have no spread over seeds, hence no interval."""
    low, high = float(interval.low[at]), float(interval.high[at])
    return Estimate(float(interval.value[at]), None if deterministic or math.isnan(low) else (low, high))


def _unless_leak(change: MetricChange, noise_floor_mse: float | None) -> MetricChange:
    """An RMSE that improved to less than that of the noise floor, by more than the threshold, is a suspected leak."""
    if change.metric != "rmse" or change.verdict is not Verdict.IMPROVED or not noise_floor_mse:
        return change
    beats_the_best = change.new.value * (1 + change.threshold) < math.sqrt(noise_floor_mse)
    return replace(change, verdict=Verdict.LEAK) if beats_the_best else change
