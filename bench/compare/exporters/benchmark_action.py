"""What was compared of the new result set for github-action-benchmark, as its tool ``customSmallerIsBetter``.

See https://github.com/benchmark-action/github-action-benchmark: a list of objects with `name`, `unit`, `value` and,
as text, `range` and `extra`.
"""

from __future__ import annotations

import json

from bench.compare.metrics import MEASURES
from bench.compare.values import CellChange, Comparison, MetricChange


def to_benchmark_action(comparison: Comparison) -> str:
    """One entry for each cell that was compared and each metric of which smaller is better."""
    entries = [
        _entry(comparison.suite, cell, metric)
        for cell in comparison.cells
        for metric in cell.metrics
        if MEASURES[metric.metric].worse > 0
    ]
    return json.dumps(entries, ensure_ascii=False, allow_nan=False, indent=2)


def _entry(suite: str, cell: CellChange, metric: MetricChange) -> dict[str, str | float]:
    bounds = metric.new.interval
    spread = {"range": f"± {(bounds[1] - bounds[0]) / 2:.4g}"} if bounds else {}
    return {
        "name": f"{suite}: {cell.place} ({metric.metric})",
        "unit": "original units",
        "value": metric.new.value,
        **spread,
        "extra": f"{metric.verdict}, {metric.pairs} replicates, was {metric.old.value:.4g}",
    }
