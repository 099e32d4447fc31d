"""Error against the time to fit, with the Pareto front over all datasets."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from bench.reporting.figures.layout import HALF, Panels, short
from bench.reporting.figures.style import INK, MUTED, Look, log_if_wide
from bench.reporting.figures.svg import Picture, picture
from bench.reporting.values import CellSummary, Section, Standing, Summary
from bench.tasks import together
from bench.text import number, seconds

_SHORTEST = 1e-4
"""Seconds: what takes less is drawn here, since a log scale has no zero."""


def draw_cost(summary: Summary, look: Mapping[str, Look]) -> Picture | None:
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
    return picture(figure, name="cost", title="Error against time to fit", alt=_cost_alt(sections))


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


def _cost_alt(sections: Sequence[Section]) -> str:
    parts = []
    for section in sections:
        dots = [
            f"{cell.model} {number(cell.rmse.value if cell.rmse else None)} in {seconds(cell.cost.fit_s)}"
            for cell in _timed(section)
        ]
        parts.append(f"{section.title}: {', '.join(dots)}")
    unit = together(section.words for section in sections).axis
    return f"Lower is better, further left is quicker. {unit} and median fit time. {'; '.join(parts)}."


_SHORTEST = 1e-4
"""Seconds: what takes less is drawn here, since a log scale has no zero."""


def draw_front(summary: Summary, look: Mapping[str, Look]) -> Picture | None:
    """One dot for each model; a step line joins those that no other beats in both."""
    timed = [standing for standing in summary.standings if standing.fit_s is not None]
    if len(timed) < 2:
        return None
    layout = Panels(count=1, height=1.95, left=0.65, above=0.1, width=HALF)
    figure, (axes,) = layout.figure()
    times = [_time(standing) for standing in timed]
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(_decades(times)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds(value)))
    span = max(10.0, max(times) / min(times))
    axes.set_xlim(min(times) / span**0.05, max(times) * span**0.32)  # room for the names, which stand to the right
    _line(axes, [standing for standing in timed if standing.on_front])
    for standing in timed:
        own = look[standing.model]
        if standing.error.interval:
            axes.plot([_time(standing)] * 2, standing.error.interval, color=own.color, linewidth=1.6)
        axes.plot([_time(standing)], [standing.error.value], marker=own.marker, color=own.color, markeredgecolor="none")
    log_if_wide(axes, "y", [standing.error.value for standing in timed])
    axes.margins(y=0.12)
    _names(axes, timed)
    axes.set_xlabel(f"time to fit one model, {_source(timed)}")
    axes.set_ylabel("error (share of persistence's)")
    return picture(figure, name="front", title="Error against time to fit, over all datasets", alt=_front_alt(timed))


def _source(timed: Sequence[Standing]) -> str:
    return "by the probe" if timed[0].probed else "as it was run"


def _decades(times: Sequence[float]) -> list[float]:
    """Powers of ten among the times, and the one below: where names stand there is no need for any."""
    low, high = (math.floor(math.log10(pick(times))) for pick in (min, max))
    step = max(1, (high - low) // 5)
    return [10.0**power for power in range(low, high + 1, step)]


def _time(standing: Standing) -> float:
    return max(_SHORTEST, standing.fit_s or 0.0)


def _line(axes: Axes, own: Sequence[Standing]) -> None:
    times, errors = [_time(standing) for standing in own], [standing.error.value for standing in own]
    axes.plot(times, errors, color=INK, linewidth=1.0, drawstyle="steps-post", zorder=1)


def _names(axes: Axes, timed: Sequence[Standing]) -> None:
    """Next to their dots, and moved apart where they would lie on each other."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    to_share, to_data = axes.transData + axes.transAxes.inverted(), axes.transAxes + axes.transData.inverted()
    places = sorted(((*to_share.transform((_time(s), s.error.value)), s) for s in timed), key=lambda place: place[1])
    below = -1.0
    for x, y, standing in places:
        at = max(float(y) + 0.03, below + 0.065)
        below = at
        color, weight = (INK, "bold") if standing.on_front else (MUTED, "normal")
        right, level = to_data.transform((float(x) + 0.025, at))
        axes.text(right, level, short(standing.model, 18), color=color, weight=weight, fontsize=8.5, va="center")


def _front_alt(timed: Sequence[Standing]) -> str:
    dots = [f"{item.model} {number(item.error.value, 2)} in {seconds(item.fit_s)}" for item in timed]
    best = [item.model for item in timed if item.on_front]
    return (
        "Lower is better, further left is quicker. Error as a share of persistence's, over datasets: "
        f"{', '.join(dots)} ({_source(timed)}). On the front: {', '.join(best)}."
    )
