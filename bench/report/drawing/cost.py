"""Error against the time that fitting takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

from bench.report.drawing.layout import Panels, short
from bench.report.drawing.scales import log_if_wide
from bench.report.drawing.style import Look
from bench.report.drawing.svg import Picture, picture
from bench.report.text import number, seconds
from bench.report.values import CellSummary, Section, Summary
from bench.tasks import words

_SHORTEST = 1e-4
"""Seconds: what takes less is drawn here, since a log scale has no zero."""


def cost(summary: Summary, look: Mapping[str, Look]) -> Picture | None:
    """One panel for each dataset, one dot for each model at its chosen sequence length."""
    sections = [section for section in summary.sections if _timed(section)]
    if not sections:
        return None
    timed = {cell.model for section in sections for cell in _timed(section)}
    names = [model.name for model in summary.models if model.name in timed]
    layout = Panels(count=len(sections), labels=[short(name) for name in names], height=1.8)
    figure, panels = layout.figure()
    times = [max(_SHORTEST, cell.cost.fit_s or 0.0) for section in sections for cell in _timed(section)]
    for place, (section, axes) in enumerate(zip(sections, panels, strict=True)):
        _panel(axes, _timed(section), look)
        axes.set_xlim(min(times) / 2, max(times) * 2)
        axes.set_title(short(section.title, 30))
        axes.set_xlabel("fit time of one seed")
        axes.set_ylabel("RMSE" if place % layout.columns == 0 else "")
    layout.legend(figure, [_handle(look[name]) for name in names])
    return picture(figure, name="cost", title="Error against time to fit", alt=_alt(sections))


def _timed(section: Section) -> list[CellSummary]:
    return [cell for cell in section.cells if cell.chosen and cell.rmse and cell.cost.fit_s is not None]


def _panel(axes: Axes, cells: Sequence[CellSummary], look: Mapping[str, Look]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.xaxis.set_minor_locator(LogLocator(numticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds(value)))
    for cell in cells:
        if cell.rmse is None:
            continue
        x = max(_SHORTEST, cell.cost.fit_s or 0.0)
        own = look[cell.model]
        if cell.rmse.interval:
            axes.plot([x, x], cell.rmse.interval, color=own.color, linewidth=1.6, solid_capstyle="butt")
        axes.plot([x], [cell.rmse.value], marker=own.marker, color=own.color, markeredgecolor="none", markersize=7)
    axes.margins(y=0.15)
    log_if_wide(axes, "y", [cell.rmse.value for cell in cells if cell.rmse])


def _handle(look: Look) -> Line2D:
    return Line2D([], [], color=look.color, marker=look.marker, linewidth=0, markeredgecolor="none", markersize=7)


def _alt(sections: Sequence[Section]) -> str:
    parts = []
    for section in sections:
        dots = [
            f"{cell.model} {number(cell.rmse.value if cell.rmse else None)} in {seconds(cell.cost.fit_s)}"
            for cell in _timed(section)
        ]
        parts.append(f"{section.title}: {', '.join(dots)}")
    unit = words(section.task for section in sections).axis
    return f"Lower is better, further left is quicker. {unit} and median fit time. {'; '.join(parts)}."
