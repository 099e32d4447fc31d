"""A comparison as Markdown, for people, and as JSON, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from bench.compare.settings import WORDS
from bench.compare.values import CellChange, Change, Comparison
from bench.report.text import NOTHING, bounds, decimals, listed, markdown, number, plural, seconds
from bench.report.values import Estimate

FORMAT = 1
"""Raise it when a key of the JSON changes its name, type or meaning."""

_MARKS = {
    Change.WORSE: "▲",
    Change.BETTER: "▼",
    Change.NONE_SHOWN: "○",
    Change.NOT_TESTED: "–",
    Change.UNCHANGED: "=",
    Change.NOT_COMPARABLE: "?",
}
_HEADER = (
    "| Cell | RMSE before (original units) | RMSE now (original units) | Now / before | Pairs | "
    "Fit before | Fit now | Now / before | Error |"
)
_RULE = "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"


def to_json(comparison: Comparison) -> str:
    """Everything in `comparison`; a missing value is null, an interval a pair."""
    content = {"format": FORMAT, "same_machines": comparison.same_machines, **asdict(comparison)}
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2)


def to_markdown(comparison: Comparison) -> str:
    """What changed in words, then a table of every cell: the changed ones first."""
    order = list(_MARKS)
    cells = sorted(comparison.cells, key=lambda cell: (order.index(cell.change), cell.place))
    lines = ["# Comparison", "", _statement(comparison), "", *_lists(comparison), *_cautions(comparison)]
    lines += ["## Cells", "", _HEADER, _RULE, *map(_row, cells), "", _LEGEND]
    return "\n".join([*lines, *_notes(cells)])


_LEGEND = (
    "In brackets: 95 % bootstrap intervals over seeds; that of the ratio pairs the replicates. An error is larger or "
    "smaller where the interval of the paired difference excludes 0; no correction is made for the number of cells. "
    "A model that draws no random number has one fit for every seed: it has no interval, and the sign decides. "
    "A trained model with one pair is not tested. "
    "Times come from two sessions: they are no test of speed."
)


def _statement(comparison: Comparison) -> str:
    counted = {change: len(comparison.having(change)) for change in _MARKS}
    parts = [f"{amount} {change}" for change, amount in counted.items() if amount]
    only = [
        f"{len(places)} {word}"
        for word, places in (("vanished", comparison.vanished), ("appeared", comparison.appeared))
        if places
    ]
    more = f" {listed(only).capitalize()}." if only else ""
    return f"{plural(len(comparison.cells), 'cell')} in both: {listed(parts)}.{more}"


def _lists(comparison: Comparison) -> list[str]:
    lines: list[str] = []
    for title, places in (
        ("Vanished", comparison.vanished),
        ("No longer finish", comparison.failed),
        ("Tested on other data", comparison.changed_data),
        ("Appeared", comparison.appeared),
        ("Finish again", comparison.mended),
    ):
        if places:
            lines += [f"## {title}", "", *(f"- {markdown(place)}" for place in places), ""]
    return lines


def _cautions(comparison: Comparison) -> list[str]:
    """What differs besides the errors: one line for each kind."""
    total = len(comparison.cells)
    lines = _machines(comparison)
    for word in WORDS.values():
        if found := sum(word in cell.other_settings for cell in comparison.cells):
            lines += [f"Other {word} in {found} of {plural(total, 'cell')}: a change there may come from it.", ""]
    return lines


def _machines(comparison: Comparison) -> list[str]:
    if comparison.same_machines:
        return []
    old, new = (
        listed([markdown(name) for name in names]) for names in (comparison.old_machines, comparison.new_machines)
    )
    return [f"Times compare within one machine only. Before: {old}. Now: {new}.", ""]


def _row(cell: CellChange) -> str:
    places = decimals([*_values(cell.old.rmse), *_values(cell.new.rmse)])
    entries = [
        markdown(cell.place),
        _estimate(cell.old.rmse, places),
        _estimate(cell.new.rmse, places),
        _estimate(cell.ratio, 4),
        _pairs(cell),
        seconds(cell.old.fit_s),
        seconds(cell.new.fit_s),
        number(cell.fit_ratio, 2),
        f"{_MARKS[cell.change]} {cell.change}",
    ]
    return f"| {' | '.join(entries)} |"


def _pairs(cell: CellChange) -> str:
    total = max(cell.old.replicates, cell.new.replicates)
    return str(cell.paired) if cell.paired == total else f"{cell.paired} of {total}"


def _values(estimate: Estimate | None) -> list[float]:
    return [estimate.value, *(estimate.interval or ())] if estimate else []


def _estimate(estimate: Estimate | None, places: int | None) -> str:
    if estimate is None:
        return NOTHING
    spread = f" {markdown(bounds(estimate.interval, places))}" if estimate.interval else ""
    return f"{number(estimate.value, places)}{spread}"


def _notes(cells: Sequence[CellChange]) -> list[str]:
    noted = [f"- {markdown(cell.place)}: {markdown('; '.join(cell.notes))}" for cell in cells if cell.notes]
    return ["", "## Notes", "", *noted] if noted else []
