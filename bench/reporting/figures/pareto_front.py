"""Error against the time to fit, with the Pareto front over all datasets."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

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
    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.xaxis.set_minor_locator(NullLocator())
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
    axes.set_xlim(min(times) / span**0.05, max(times) * span**0.25)  # room for the names
    front = sorted((standing for standing in timed if standing.on_front), key=_time)
    _line(axes, front)
    for standing in timed:
        own = look[standing.model]
        if standing.error.interval:
            axes.plot([_time(standing)] * 2, standing.error.interval, color=own.color, linewidth=1.6)
        axes.plot([_time(standing)], [standing.error.value], marker=own.marker, color=own.color, markeredgecolor="none")
    log_if_wide(axes, "y", [standing.error.value for standing in timed])
    axes.margins(y=0.12)
    _names(axes, timed, front)
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


Box = tuple[float, float, float, float]
"""Left, bottom, right, top in inches."""

_LINE, _LETTER, _DOT = 0.14, 0.072, 0.06  # inches: a label's height, its width per character, half a dot
_NEAR = (0.1, 0.2, 0.35, 0.5, 0.7, 0.95)  # how far a label may be moved from its dot, inches
_LED = 0.3  # from this distance on a line leads to it
_SIDES = ((1, 0.35), (1, -0.35), (-1, 0.35), (-1, -0.35), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1))


def _names(axes: Axes, timed: Sequence[Standing], front: Sequence[Standing]) -> None:
    """Next to their dots, where they lie on no other name, no dot and not on the front; those of the front first.

    A name that finds its place farther away has a line that leads to it.
    """
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(axes.get_ylim())
    to_inches = axes.transData + axes.figure.dpi_scale_trans.inverted()
    at = {s.model: tuple(map(float, to_inches.transform((_time(s), s.error.value)))) for s in timed}
    frame: Box = axes.bbox.transformed(axes.figure.dpi_scale_trans.inverted()).extents
    ordered = sorted(timed, key=lambda standing: (not standing.on_front, _time(standing)))
    taken = [(x - _DOT, y - _DOT, x + _DOT, y + _DOT) for x, y in at.values()]
    taken += _steps([at[standing.model] for standing in front])
    for standing in ordered:
        name, (x, y) = short(standing.model, 18), at[standing.model]
        places = [_place((x, y), len(name) * _LETTER, side, far) for far in _NEAR for side in _SIDES]
        box, far = min(places, key=lambda place: (_overlap(place[0], taken) + _outside(place[0], frame), place[1]))
        taken.append(box)
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        color, weight = (INK, "bold") if standing.on_front else (MUTED, "normal")
        if far >= _LED:
            near = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
            axes.plot(*zip(*to_inches.inverted().transform([(x, y), near]), strict=True), color=MUTED, linewidth=0.6)
        left, low = to_inches.inverted().transform(middle)
        axes.text(
            left,
            low,
            name,
            color=color,
            weight=weight,
            fontsize=8.5,
            ha="center",
            va="center",
        )


def _place(dot: tuple[float, float], width: float, side: tuple[float, float], far: float) -> tuple[Box, float]:
    """A label's box on one side of its dot, so `far` from it."""
    x = dot[0] + side[0] * (far + width / 2)
    y = dot[1] + side[1] * (far + (_LINE / 2 if side[0] == 0 else 0))
    return (x - width / 2, y - _LINE / 2, x + width / 2, y + _LINE / 2), far


def _steps(front: Sequence[tuple[float, ...]]) -> list[Box]:
    """The step line through `front`, each of its parts a thin box."""
    level = [(x, y - 0.01, after, y + 0.01) for (x, y), (after, _) in pairwise(front)]
    down = [(x - 0.01, min(y, before), x + 0.01, max(y, before)) for (_, before), (x, y) in pairwise(front)]
    return level + down


def _overlap(box: Box, taken: Sequence[Box]) -> float:
    """The area of `box` that is taken, square inches."""
    left, bottom, right, top = box
    return sum(
        max(0.0, min(right, other[2]) - max(left, other[0])) * max(0.0, min(top, other[3]) - max(bottom, other[1]))
        for other in taken
    )


def _outside(box: Box, frame: Box) -> float:
    """How far `box` reaches out of `frame`, inches: worse than any overlap."""
    sides = (frame[0] - box[0], frame[1] - box[1], box[2] - frame[2], box[3] - frame[3])
    return sum(max(0.0, side) for side in sides)


def _front_alt(timed: Sequence[Standing]) -> str:
    dots = [f"{item.model} {number(item.error.value, 2)} in {seconds(item.fit_s)}" for item in timed]
    best = [item.model for item in timed if item.on_front]
    return (
        "Lower is better, further left is quicker. Error as a share of persistence's, over datasets: "
        f"{', '.join(dots)} ({_source(timed)}). On the front: {', '.join(best)}."
    )
