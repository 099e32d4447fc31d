"""The numbers of a verdict in words, alike in every form."""

from __future__ import annotations

from bench.compare.decision import MOST
from bench.compare.values import ALARMS, CellChange, MetricChange, Verdict
from bench.report.text import bounds, count, number, plural


def effect(metric: MetricChange) -> str:
    """The effect with its interval: ``+3.1 % [+1.0, +5.2]``."""
    scale, unit, places = (100, "\u202f%", 1) if metric.relative else (1, "", 4)
    value, interval = scale * metric.effect.value, metric.effect.interval
    sign = "+" if value > 0 else ""
    spread = f" {bounds((scale * interval[0], scale * interval[1]), places)}" if interval else ""
    return f"{sign}{number(value, places)}{unit}{spread}"


def effect_of(cell: CellChange) -> str:
    """After a cell's verdict: the metrics that it comes from, or what is noted of the cell."""
    told = [f"{metric.metric} {effect(metric)}" for metric in cell.metrics if metric.verdict is cell.verdict]
    if cell.losses() and cell.verdict not in ALARMS:
        told = []
    if cell.losses() or cell.verdict is Verdict.NOT_COMPARABLE:
        told += cell.notes
    return f": {'; '.join(told)}" if told else ""


def p_value(metric: MetricChange) -> str:
    """The corrected p-value; a dash where nothing was tested."""
    if metric.p_value is not None and metric.p_value < 0.001:
        return "< 0.001"
    return number(metric.p_value, 3)


def further(cell: CellChange) -> str:
    """What would decide an undecided cell; empty for the others."""
    if cell.verdict is not Verdict.UNDECIDED:
        return ""
    wanted = [metric.further for metric in cell.metrics if metric.verdict is Verdict.UNDECIDED]
    known = [amount for amount in wanted if amount is not None]
    if len(known) < len(wanted):
        return f"more than {count(MOST)} more replicates would decide"
    return f"about {plural(max(known), 'more replicate')} would decide"
