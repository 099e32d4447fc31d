"""A comparison as Markdown, for people: gate failures first, short enough for a step summary of GitHub.

The functions that write the numbers of a verdict are used by every format.
"""

from collections.abc import Sequence

from bench.comparing.decision import MOST
from bench.comparing.outcomes import ALARMS, TOO_GOOD, WORST_FIRST, CellChange, ChangeVerdict, Comparison, MetricChange
from bench.comparing.pairs import WORDS
from bench.stats.ratios import Estimate
from bench.text import NOTHING, bounds, count, decimals, listed, markdown, number, plural, seconds


def effect(metric: MetricChange) -> str:
    """The effect with its interval: ``+3.1 % [+1.0, +5.2]``."""
    scale, unit, places = (100, "\u202f%", 1) if metric.relative else (1, "", 4)
    value, interval = scale * metric.effect.value, metric.effect.interval
    sign = "+" if value > 0 else ""
    spread = f" {bounds((scale * interval[0], scale * interval[1]), places)}" if interval else ""
    return f"{sign}{number(value, places)}{unit}{spread}"


def effect_of(cell: CellChange) -> str:
    """After a cell's verdict: the metrics that it comes from, or what is noted of the cell."""
    reported = [f"{metric.metric} {effect(metric)}" for metric in cell.metrics if metric.verdict is cell.verdict]
    if cell.losses() and cell.verdict not in ALARMS:
        reported = []
    if cell.losses() or cell.verdict in (ChangeVerdict.NOT_COMPARABLE, ChangeVerdict.LEAK):
        reported += cell.notes
    return f": {'; '.join(reported)}" if reported else ""


def p_value(metric: MetricChange) -> str:
    """The corrected p-value; a dash where nothing was tested."""
    if metric.p_value is not None and metric.p_value < 0.001:
        return "< 0.001"
    return number(metric.p_value, 3)


def further(cell: CellChange) -> str:
    """What would decide an undecided cell; empty for the others."""
    if cell.verdict is not ChangeVerdict.UNDECIDED:
        return ""
    wanted = [metric.further for metric in cell.metrics if metric.verdict is ChangeVerdict.UNDECIDED]
    known = [amount for amount in wanted if amount is not None]
    if len(known) < len(wanted):
        return f"more than {count(MOST)} more replicates would decide"
    return f"about {plural(max(known), 'more replicate')} would decide"


LIMIT = 1024 * 1024
"""Bytes of a step summary (https://docs.github.com/actions/reference/workflow-commands-for-github-actions)."""

_MARKS = {
    ChangeVerdict.REGRESSED: "▲",
    ChangeVerdict.LEAK: "⚠",
    ChangeVerdict.NOT_COMPARABLE: "✕",
    ChangeVerdict.UNDECIDED: "?",
    ChangeVerdict.IMPROVED: "▼",
    ChangeVerdict.EQUIVALENT: "=",
}
_HEADER = "| Cell | Metric | Before | Now | Change | p (Holm) | Pairs | Fit before | Fit now | Verdict |"
_RULE = "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"


def to_markdown(comparison: Comparison) -> str:
    """What changed in words, then a table of every cell: the worst first."""
    cells = sorted(comparison.cells, key=lambda cell: (WORST_FIRST.index(cell.verdict), cell.key))
    lines = [f"# Comparison: {comparison.verdict}", "", _statement(comparison), ""]
    lines += [*_too_good(comparison), *_lists(comparison), *_cautions(comparison), "## Cells", "", _HEADER, _RULE]
    lines += [row for cell in cells for row in _rows(cell)]
    return _fitted([*lines, "", _legend(comparison), *_notes(cells)])


def _statement(comparison: Comparison) -> str:
    counted = {verdict: len(comparison.having(verdict)) for verdict in WORST_FIRST}
    parts = [f"{amount} {verdict}" for verdict, amount in counted.items() if amount]
    only = [
        f"{len(keys)} {word}"
        for word, keys in (("vanished", comparison.vanished), ("appeared", comparison.appeared))
        if keys
    ]
    more = f" {listed(only).capitalize()}." if only else ""
    return f"{plural(len(comparison.cells), 'cell')} in both: {listed(parts)}.{more}"


def _lists(comparison: Comparison) -> list[str]:
    lines: list[str] = []
    alarms = comparison.alarms()
    for title, keys in (
        ("Vanished", comparison.vanished),
        ("No longer finish", comparison.failed),
        ("Replicates vanished", comparison.thinned),
        ("Tested on other data", comparison.changed_data),
        ("Appeared", comparison.appeared),
        ("Finish again", comparison.fixed),
    ):
        if keys:
            lines += [
                f"## {title}",
                "",
                *(f"- {markdown(key.title)}{_why(alarms.get(key))}" for key in keys),
                "",
            ]
    return lines


def _too_good(comparison: Comparison) -> list[str]:
    """Each suspected leak with its reason, and what to do."""
    suspected = comparison.having(ChangeVerdict.LEAK)
    if not suspected:
        return []
    doubts = [(cell, dict.fromkeys(metric.doubt for metric in cell.metrics if metric.doubt)) for cell in suspected]
    return [
        f"## {TOO_GOOD.capitalize()}",
        "",
        *(f"- {markdown(cell.key.title)}: {markdown('; '.join(own))}" for cell, own in doubts),
        "",
        "`bench canary` looks for leaks at every stage. `bench baseline update` accepts an honest improvement.",
        "",
    ]


def _why(alarm: str | None) -> str:
    return f": {markdown(alarm)}" if alarm and alarm != "vanished" else ""


def _cautions(comparison: Comparison) -> list[str]:
    """What differs besides the errors: one line for each kind."""
    total = len(comparison.cells)
    lines = [line for caution in comparison.all_cautions for line in (f"**Caution:** {markdown(caution)}.", "")]
    lines += [*_commits(comparison), *_machines(comparison)]
    for word in WORDS.values():
        if affected := sum(word in cell.other_settings for cell in comparison.cells):
            lines += [f"Other {word} in {affected} of {plural(total, 'cell')}: a change there may come from it.", ""]
    return lines


def _commits(comparison: Comparison) -> list[str]:
    old, new = (listed(commits) or "not known" for commits in (comparison.old_commits, comparison.new_commits))
    return [f"Commit before: {markdown(old)}. Now: {markdown(new)}.", ""]


def _machines(comparison: Comparison) -> list[str]:
    if comparison.same_machines:
        return []
    old, new = (
        listed([markdown(name) for name in names]) for names in (comparison.old_machines, comparison.new_machines)
    )
    return [f"Times compare within one machine only. Before: {old}. Now: {new}.", ""]


def _rows(cell: CellChange) -> list[str]:
    if not cell.metrics:
        return [_row(cell, [*[NOTHING] * 5, _pairs(cell, cell.paired)], cell.verdict)]
    return [_row(cell, _numbers(cell, metric), metric.verdict) for metric in cell.metrics]


def _row(cell: CellChange, numbers: Sequence[str], verdict: ChangeVerdict) -> str:
    more = f", {further(cell)}" if verdict is ChangeVerdict.UNDECIDED else ""
    times = [seconds(cell.old.fit_s), seconds(cell.new.fit_s)]
    entries = [markdown(cell.key.title), *numbers, *times, f"{_MARKS[verdict]} {verdict}{more}"]
    return f"| {' | '.join(entries)} |"


def _numbers(cell: CellChange, metric: MetricChange) -> list[str]:
    places = decimals([*_values(metric.old), *_values(metric.new)])
    return [
        markdown(metric.metric),
        _estimate(metric.old, places),
        _estimate(metric.new, places),
        markdown(effect(metric)),
        markdown(p_value(metric)),
        _pairs(cell, metric.pairs),
    ]


def _pairs(cell: CellChange, paired: int) -> str:
    total = max(cell.old.replicates, cell.new.replicates)
    return str(paired) if paired == total else f"{paired} of {total}"


def _values(estimate: Estimate) -> list[float]:
    return [estimate.value, *(estimate.interval or ())]


def _estimate(estimate: Estimate, places: int | None) -> str:
    spread = f" {markdown(bounds(estimate.interval, places))}" if estimate.interval else ""
    return f"{number(estimate.value, places)}{spread}"


def _legend(comparison: Comparison) -> str:
    limits = listed([f"{markdown(name)} {value:g}" for name, value in comparison.thresholds.items()])
    origin = f"of {markdown(comparison.gate_file)}" if comparison.gate_file else "by default"
    return (
        f"A change counts from a threshold on ({limits}, {origin}), and only if a paired t-test over the replicates "
        f"finds it: the chance of any false alarm in this comparison is at most {comparison.alpha:g} (Holm). Errors "
        "compare by the geometric mean of their ratios, the others by the mean of their differences; in brackets, "
        f"after a change its {100 * (1 - comparison.alpha):g} % interval, uncorrected, and after a mean its 95 % "
        "interval over seeds. Equivalent: two one-sided tests show that the change is within the threshold. "
        "A suspected leak is an improvement that no honest change can bring: to less than the RMSE of the best "
        "possible forecast, of persistence, or by more on the test part than on the validation part than luck "
        "explains. A model that draws no random number has one fit for every seed: it has no interval, and its change "
        "alone decides. "
        "Times come from two sessions: they are no test of speed."
    )


def _notes(cells: Sequence[CellChange]) -> list[str]:
    noted = [f"- {markdown(cell.key.title)}: {markdown('; '.join(cell.notes))}" for cell in cells if cell.notes]
    return ["", "## Notes", "", *noted] if noted else []


def _fitted(lines: Sequence[str]) -> str:
    """`lines`, cut at the end where they would be more than `LIMIT` bytes."""
    bytes_left = LIMIT - 200
    for shown, line in enumerate(lines):
        bytes_left -= len(line.encode()) + 1
        if bytes_left < 0:
            return "\n".join([*lines[:shown], "", f"{plural(len(lines) - shown, 'more line')} left out."])
    return "\n".join(lines)
