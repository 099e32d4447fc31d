"""What was compared of the new result set, in the Bencher Metric Format (https://bencher.dev/docs/reference/bencher-metric-format)."""

from __future__ import annotations

import json

from bench.compare.values import Comparison, MetricChange

LONGEST = 1024
"""Characters of a benchmark's name."""


def to_bencher(comparison: Comparison) -> str:
    """One benchmark for each cell that was compared, one measure for each metric, with its interval if it has one."""
    content = {
        f"{comparison.suite}: {cell.place}"[:LONGEST]: {
            metric.metric.replace("_", "-"): _values(metric) for metric in cell.metrics
        }
        for cell in comparison.cells
        if cell.metrics
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2)


def _values(metric: MetricChange) -> dict[str, float]:
    bounds = metric.new.interval
    return {"value": metric.new.value, **({"lower_value": bounds[0], "upper_value": bounds[1]} if bounds else {})}
