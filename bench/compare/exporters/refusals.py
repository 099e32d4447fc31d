"""Two result sets that cannot be compared at all, in the forms of a comparison: what reads them learns that too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from bench.compare.exporters.annotations import command
from bench.compare.exporters.json_text import FORMAT
from bench.compare.exporters.junit import refused
from bench.compare.values import Verdict
from bench.report.text import markdown


def _markdown(why: str) -> str:
    lines = [f"# Comparison: {Verdict.NOT_COMPARABLE}", "", *(f"- {markdown(line)}" for line in why.splitlines())]
    return "\n".join(lines)


def _json(why: str) -> str:
    content = {"format": FORMAT, "verdict": Verdict.NOT_COMPARABLE, "problems": why.splitlines()}
    return json.dumps(content, ensure_ascii=False, indent=2)


def _annotations(why: str) -> str:
    return "\n".join(command("error", {"title": "bench compare"}, line) for line in why.splitlines())


REFUSALS: Mapping[str, Callable[[str], str]] = {
    "md": _markdown,
    "json": _json,
    "junit": refused,
    "annotations": _annotations,
    "benchmark-action": lambda _: "[]",
    "bencher": lambda _: "{}",
}
"""By the names that ``--format`` takes: what is wrong, one line for each problem, as a file of that form.

Trackers of values get none.
"""
