"""A comparison as text: one file for each form, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.compare.exporters.annotations import to_annotations
from bench.compare.exporters.bencher import to_bencher
from bench.compare.exporters.benchmark_action import to_benchmark_action
from bench.compare.exporters.json_text import to_json
from bench.compare.exporters.junit import to_junit
from bench.compare.exporters.markdown import to_markdown
from bench.compare.exporters.refusals import REFUSALS
from bench.compare.values import Comparison

FORMATS: Mapping[str, Callable[[Comparison], str]] = {
    "md": to_markdown,
    "json": to_json,
    "junit": to_junit,
    "annotations": to_annotations,
    "benchmark-action": to_benchmark_action,
    "bencher": to_bencher,
}
"""By the names that ``--format`` takes."""

__all__ = [
    "FORMATS",
    "REFUSALS",
    "to_annotations",
    "to_bencher",
    "to_benchmark_action",
    "to_json",
    "to_junit",
    "to_markdown",
]
