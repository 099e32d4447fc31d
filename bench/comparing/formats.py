"""A comparison in the formats that programs read: annotations, JUnit, JSON, trackers.

Annotations are GitHub's workflow commands ``::error file=…::…`` for what fails the gate, see
https://docs.github.com/actions/reference/workflow-commands-for-github-actions. GitHub shows ten of a kind for each
step, so the tenth says how many more there are. JUnit XML has one test case for each cell, including cells that
vanished or appeared. JSON contains everything.

Trackers get the new values of the compared cells, in the Bencher Metric Format
(https://bencher.dev/docs/reference/bencher-metric-format) or as ``customSmallerIsBetter`` of github-action-benchmark
(https://github.com/benchmark-action/github-action-benchmark): a list of objects with `name`, `unit`, `value` and, as
text, `range` and `extra`.

Two result sets that cannot be compared at all are written in the same formats, so that their readers learn that too.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from xml.etree import ElementTree as ET

from bench.cells import CellKey
from bench.choices import Format
from bench.comparing.decision import MEASURES
from bench.comparing.markdown import effect_of, further, to_markdown
from bench.comparing.outcomes import CellChange, ChangeVerdict, Comparison, MetricChange
from bench.text import markdown

SHOWN = 10

_IN_MESSAGES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTIES = {**_IN_MESSAGES, ":": "%3A", ",": "%2C"}


def to_annotations(comparison: Comparison) -> str:
    """One line for each alarm or cell that cannot be compared; a notice where there is none."""
    problems = _problems(comparison)
    lines = [_reported("error", comparison, key.title, why) for key, why in problems.items()]
    warnings = [_reported("warning", comparison, comparison.suite, caution) for caution in comparison.all_cautions]
    if len(lines) > SHOWN:
        more = f"{len(lines) - SHOWN + 1} more cells got worse or cannot be compared; the summary lists them"
        lines = [*lines[: SHOWN - 1], _reported("error", comparison, "and more", more)]
    quiet = [_reported("notice", comparison, comparison.suite, f"nothing got worse: {comparison.verdict}")]
    return "\n".join([*(lines or quiet), *warnings])


def _problems(comparison: Comparison) -> dict[CellKey, str]:
    cells = {cell.key: cell for cell in comparison.cells}
    alarms = {
        key: f"{what}{effect_of(cells[key]) if key in cells else ''}" for key, what in comparison.alarms().items()
    }
    return alarms | {
        cell.key: f"not comparable: {'; '.join(cell.notes)}"
        for cell in comparison.incomparable()
        if cell.key not in alarms
    }


def _reported(kind: str, comparison: Comparison, title: str, message: str) -> str:
    return command(kind, {"file": comparison.gate_file, "title": title}, message)


def command(kind: str, properties: Mapping[str, str], message: str) -> str:
    """One workflow command; properties that are empty are left out."""
    given = ",".join(f"{key}={_escaped(value, _IN_PROPERTIES)}" for key, value in properties.items() if value)
    return f"::{kind} {given}::{_escaped(message, _IN_MESSAGES)}"


def _escaped(text: str, rules: Mapping[str, str]) -> str:
    return "".join(rules.get(character, character) for character in text)


LONGEST = 1024
"""Characters of a benchmark's name."""


def to_bencher(comparison: Comparison) -> str:
    """One benchmark for each cell that was compared, one measure for each metric, with its interval if it has one."""
    content = {
        f"{comparison.suite}: {cell.key.title}"[:LONGEST]: {
            metric.metric.replace("_", "-"): _values(metric) for metric in cell.metrics
        }
        for cell in comparison.cells
        if cell.metrics
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2)


def _values(metric: MetricChange) -> dict[str, float]:
    bounds = metric.new.interval
    return {"value": metric.new.value, **({"lower_value": bounds[0], "upper_value": bounds[1]} if bounds else {})}


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
        "name": f"{suite}: {cell.key.title} ({metric.metric})",
        "unit": "original units",
        "value": metric.new.value,
        **spread,
        "extra": f"{metric.verdict}, {metric.pairs} replicates, was {metric.old.value:.4g}",
    }


FORMAT = 4
"""Raise it when a key changes its name, type or meaning."""


def to_json(comparison: Comparison) -> str:
    """Everything in `comparison`; a missing value is null, an interval a pair."""
    summary = {"format": FORMAT, "verdict": comparison.verdict, "same_machines": comparison.same_machines}
    return json.dumps({**summary, **asdict(comparison)}, ensure_ascii=False, allow_nan=False, indent=2)


_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML has no way to write these


def to_junit(comparison: Comparison) -> str:
    """Alarms are failures, what cannot be compared is an error, what is undecided or new is skipped."""
    suite = ET.Element("testsuite", name=_text(f"bench compare: {comparison.suite}"))
    for cell in comparison.cells:
        _of_cell(_case(suite, cell.key), cell, comparison)
    for key in comparison.vanished:
        _outcome(_case(suite, key), "failure", "vanished", "the cell is not in the new result set")
    for key in comparison.appeared:
        _outcome(_case(suite, key), "skipped", "appeared", "the cell is not in the old result set")
    return _document(suite)


def refused(why: str) -> str:
    """One test case, which is an error: nothing could be compared."""
    suite = ET.Element("testsuite", name="bench compare")
    case = ET.SubElement(suite, "testcase", classname="bench", name="compare", time="0")
    _outcome(case, "error", "not comparable", why)
    return _document(suite)


def _document(suite: ET.Element) -> str:
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(len(suite)))
    for attribute, kind in kinds.items():
        suite.set(attribute, str(len(suite.findall(f"testcase/{kind}"))))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _case(suite: ET.Element, key: CellKey) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_text(key.dataset), name=_text(key.title), time="0")


def _of_cell(case: ET.Element, cell: CellChange, comparison: Comparison) -> None:
    reported = f"{cell.verdict}{effect_of(cell)}"
    if alarms := "; ".join(cell.alarms()):
        _outcome(case, "failure", alarms, f"{alarms}{effect_of(cell)}")
    elif cell in comparison.incomparable():
        _outcome(case, "error", "not comparable", reported)
    elif cell.verdict is ChangeVerdict.UNDECIDED:
        _outcome(case, "skipped", "undecided", f"{reported}; {further(cell)}")
    else:
        ET.SubElement(case, "system-out").text = _text(reported)


def _outcome(case: ET.Element, kind: str, short: str, message: str) -> None:
    element = ET.SubElement(case, kind, message=_text(message))
    if kind != "skipped":
        element.set("type", short)


def _text(value: object) -> str:
    return _UNWRITABLE.sub("\ufffd", str(value))


def _markdown(why: str) -> str:
    lines = [f"# Comparison: {ChangeVerdict.NOT_COMPARABLE}", "", *(f"- {markdown(line)}" for line in why.splitlines())]
    return "\n".join(lines)


def _json(why: str) -> str:
    content = {"format": FORMAT, "verdict": ChangeVerdict.NOT_COMPARABLE, "problems": why.splitlines()}
    return json.dumps(content, ensure_ascii=False, indent=2)


def _annotations(why: str) -> str:
    return "\n".join(command("error", {"title": "bench compare"}, line) for line in why.splitlines())


REFUSALS: Mapping[str, Callable[[str], str]] = {
    Format.MD: _markdown,
    Format.JSON: _json,
    Format.JUNIT: refused,
    Format.ANNOTATIONS: _annotations,
    Format.BENCHMARK_ACTION: lambda _: "[]",
    Format.BENCHER: lambda _: "{}",
}
"""By the names that ``--format`` takes: what is wrong, one line for each problem, as a file of that form.

Trackers of values get none.
"""


FORMATS: Mapping[str, Callable[[Comparison], str]] = {
    Format.MD: to_markdown,
    Format.JSON: to_json,
    Format.JUNIT: to_junit,
    Format.ANNOTATIONS: to_annotations,
    Format.BENCHMARK_ACTION: to_benchmark_action,
    Format.BENCHER: to_bencher,
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
