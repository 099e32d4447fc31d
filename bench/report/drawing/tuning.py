"""What a tuning budget buys: the expected best validation error by the number of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bench.report.drawing.layout import Panels, short
from bench.report.drawing.scales import log_if_wide
from bench.report.drawing.style import Look
from bench.report.drawing.svg import Picture, picture
from bench.report.drawn import Tuned
from bench.report.text import number
from bench.report.values import Section, Summary


def tuning(summary: Summary, look: Mapping[str, Look]) -> Picture | None:
    """One panel for each dataset, one line for each tuned model at its chosen sequence length."""
    sections = [section for section in summary.sections if any(_drawable(own) for own in section.tuned)]
    if not sections:
        return None
    drawn = {own.model for section in sections for own in section.tuned if _drawable(own)}
    names = [model.name for model in summary.models if model.name in drawn]
    layout = Panels(count=len(sections), labels=[short(name) for name in names], height=1.8)
    figure, panels = layout.figure()
    for place, (section, axes) in enumerate(zip(sections, panels, strict=True)):
        own = [item for item in section.tuned if _drawable(item)]
        _panel(axes, own, look)
        axes.set_title(short(section.title, 30))
        axes.set_xlabel("trials")
        axes.set_ylabel("validation MSE (scaled)" if place % layout.columns == 0 else "")
    layout.legend(figure, [Line2D([], [], color=look[n].color, marker=look[n].marker, markersize=4) for n in names])
    title = "What a tuning budget buys: the expected best validation error"
    return picture(figure, name="tuning", title=title, alt=_alt(sections))


def _drawable(own: Tuned) -> bool:
    return len(own.trials) > 1 and bool(np.isfinite(own.expected).any())


def _panel(axes: Axes, own: Sequence[Tuned], look: Mapping[str, Look]) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for item in own:
        color, marker = look[item.model].color, look[item.model].marker
        axes.fill_between(item.trials, item.low, item.high, color=color, alpha=0.12, linewidth=0)
        last = [len(item.trials) - 1]
        axes.plot(item.trials, item.expected, color=color, linewidth=1.5, marker=marker, markevery=last, markersize=4)
    log_if_wide(axes, "y", [value for item in own for value in item.expected[np.isfinite(item.expected)].tolist()])


def _alt(sections: Sequence[Section]) -> str:
    parts = []
    for section in sections:
        ends = [
            f"{own.model} {number(_first(own))} at first and {number(float(np.nanmin(own.expected)))} at the end"
            for own in section.tuned
            if _drawable(own)
        ]
        parts.append(f"{section.title}: {'; '.join(ends)}")
    return f"Mean over all orders of the trials, scaled units; bands are 95 % intervals. {'. '.join(parts)}."


def _first(own: Tuned) -> float:
    return float(own.expected[np.isfinite(own.expected)][0])
