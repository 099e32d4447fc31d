"""Error of every model on one dataset: by sequence length where there are several, and by how far ahead it is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bench.reporting.by_step import StepErrors
from bench.reporting.figures.layout import Panels, name_width, short
from bench.reporting.figures.style import INK, MUTED, WIDE, Look, log_if_wide, wide
from bench.reporting.figures.svg import Picture, picture
from bench.reporting.values import Bounds, CellSummary, Section
from bench.stats.verdicts import Verdict
from bench.text import number, plural, significant

_PERSISTENCE_DASHES = (0, (5, 3))
_BELOW = 0.24  # of a row: where replicates are drawn, clear of the interval


def draw_errors(section: Section, look: Mapping[str, Look], name: str) -> Picture | None:
    """RMSE with its interval over seeds; persistence and the noise floor as lines."""
    cells = [cell for cell in section.cells if cell.rmse and cell.verdict is not Verdict.REFERENCE]
    if not cells:
        return None
    several = len({cell.sequence_length for cell in section.cells}) > 1
    figure = _by_length(section, cells, look) if several else _by_model(section, cells, look)
    title = f"Error on {section.title}" + (" by sequence length" if several else "")
    return picture(figure, name=f"errors-{name}", title=title, alt=_alt(section, cells))


def _by_length(section: Section, cells: Sequence[CellSummary], look: Mapping[str, Look]) -> Figure:
    """A line for each model; next to each other, so that intervals do not cover each other."""
    lengths = sorted({cell.sequence_length for cell in section.cells})
    models = list(dict.fromkeys(cell.model for cell in cells))
    lines = _lines(section, cells)
    layout = Panels(count=1, height=2.5, labels=[*map(short, models), *(line.label for line in lines)], above=0.1)
    figure, (axes,) = layout.figure()
    offsets = (np.arange(len(models)) - (len(models) - 1) / 2) * min(0.06, 0.5 / len(models))
    for name, offset in zip(models, offsets, strict=True):
        own = [cell for cell in cells if cell.model == name]
        x = [lengths.index(cell.sequence_length) + offset for cell in own]
        axes.plot(x, [_value(cell) for cell in own], color=look[name].color, linewidth=1, alpha=0.5)
        for place, cell in zip(x, own, strict=True):
            _estimate(axes, cell, look[name], at=place)
    for line in lines:
        if line.shown:
            axes.axhline(line.value, **line.dashes)
    axes.set_xticks(range(len(lengths)), [str(length) for length in lengths])
    axes.set_xlim(-0.5, len(lengths) - 0.5)
    axes.set_xlabel("sequence length (points)")
    axes.grid(visible=False, axis="x")
    axes.set_ylabel(section.words.axis)
    axes.margins(y=0.08)
    log_if_wide(axes, "y", _shown_errors(cells))
    layout.legend(figure, [*(_handle(look[name]) for name in models), *(line.handle() for line in lines)])
    return figure


def _by_model(section: Section, cells: Sequence[CellSummary], look: Mapping[str, Look]) -> Figure:
    """A row for each model, with the error of every replicate."""
    names = [cell.model for cell in cells]
    lines = _lines(section, cells)
    labels = [line.label for line in lines]
    layout = Panels(count=1, height=0.31 * len(cells) + 0.25, left=name_width(names), labels=labels, above=0.1)
    figure, (axes,) = layout.figure()
    for y, cell in enumerate(cells):
        below = [y + _BELOW] * len(cell.rmse_by_seed)
        axes.scatter(cell.rmse_by_seed, below, s=12, color=look[cell.model].color, alpha=0.35, linewidth=0)
        _estimate(axes, cell, look[cell.model], at=y, upright=False)
    for line in lines:
        if line.shown:
            axes.axvline(line.value, **line.dashes)
    axes.set_yticks(range(len(cells)), [short(name) for name in names])
    axes.set_ylim(len(cells) - 0.4, -0.6)
    axes.set_xlabel(section.words.axis)
    log_if_wide(axes, "x", _shown_errors(cells))
    if lines:
        layout.legend(figure, [line.handle() for line in lines])
    return figure


@dataclass(frozen=True)
class _Line:
    """A reference error; one too far away to be shown next to the others is reported in the legend alone."""

    label: str
    value: float
    shown: bool
    dashes: dict[str, Any]

    def handle(self) -> Line2D:
        return Line2D([], [], **self.dashes)


def _lines(section: Section, cells: Sequence[CellSummary]) -> list[_Line]:
    low, high = _shown_range(_shown_errors(cells))
    lines = []
    for name, value in _references(section).items():
        shown = low <= value <= high
        label = f"{name} {significant(value)}" + ("" if shown else ", off the scale")
        color, style = (INK, (0, (1, 2))) if name == "noise floor" else (MUTED, _PERSISTENCE_DASHES)
        style = (0, (1, 1)) if name.startswith("season") else style
        lines.append(_Line(label, value, shown, {"color": color, "linestyle": style, "linewidth": 1.2, "zorder": 1}))
    return lines


def _shown_range(errors: Sequence[float]) -> tuple[float, float]:
    """How far from the errors a reference may lie without pressing them together."""
    low, high = min(errors), max(errors)
    if wide(errors):
        return low / WIDE, high * WIDE
    margin = max(high - low, 0.05 * high)
    return low - margin, high + margin


def _references(section: Section) -> dict[str, float]:
    season = f"season {section.season}"
    values = {"persistence": section.persistence_rmse, "noise floor": section.noise_floor_rmse}
    values[season] = section.seasonal_rmse
    return {name: value for name, value in values.items() if value is not None}


def _shown_errors(cells: Sequence[CellSummary]) -> list[float]:
    """Every error that is shown."""
    return [value for cell in cells for value in (_value(cell), *cell.rmse_by_seed, *_interval(cell))]


def _value(cell: CellSummary) -> float:
    return cell.rmse.value if cell.rmse else float("nan")


def _interval(cell: CellSummary) -> Bounds | tuple[()]:
    return cell.rmse.interval or () if cell.rmse else ()


def _estimate(axes: Axes, cell: CellSummary, look: Look, *, at: float, upright: bool = True) -> None:
    """A marker at the value and a bar over its interval."""
    ends, place = list(_interval(cell)), [at] * len(_interval(cell))
    axes.plot(*((place, ends) if upright else (ends, place)), color=look.color, linewidth=2, solid_capstyle="butt")
    dot = (at, _value(cell)) if upright else (_value(cell), at)
    axes.plot(*([value] for value in dot), marker=look.marker, color=look.color, markeredgecolor="none")


def _handle(look: Look) -> Line2D:
    return Line2D([], [], color=look.color, marker=look.marker, linewidth=1, markeredgecolor="none")


def _alt(section: Section, cells: Sequence[CellSummary]) -> str:
    parts = []
    for name in dict.fromkeys(cell.model for cell in cells):
        values = [f"{number(_value(cell))} at {cell.sequence_length}" for cell in cells if cell.model == name]
        parts.append(f"{name} {', '.join(values)}")
    lines = [f"{name} {number(value)}" for name, value in _references(section).items()]
    return f"{section.words.axis} by model and sequence length. {'; '.join([*parts, *lines])}."


_MARKED = 12
"""Steps that are marked by a symbol, at most: more would run into a band."""


def draw_steps(section: Section, look: Mapping[str, Look], name: str) -> Picture | None:
    """A line for each model at its chosen length, and a dashed one for persistence; `None` for one step ahead."""
    if not section.by_step:
        return None
    models, reference = _without_reference(section, look), section.by_step[0]
    layout = Panels(count=1, height=2.5, labels=[*(short(own.model) for own in models), "persistence"], above=0.1)
    figure, (axes,) = layout.figure()
    handles = []
    for own in models:
        style = look[own.model]
        every = max(1, len(own.step) // _MARKED)
        line: dict[str, Any] = {
            "color": style.color,
            "marker": style.marker,
            "markeredgecolor": "none",
            "linewidth": 1.4,
        }
        axes.plot(own.step, own.rmse, markevery=every, **line)
        handles.append(Line2D([], [], **line))
    dashes: dict[str, Any] = {"color": MUTED, "linestyle": _PERSISTENCE_DASHES, "linewidth": 1.4, "zorder": 1}
    axes.plot(reference.step, reference.persistence, **dashes)
    axes.set_xlabel("steps ahead (points)")
    axes.set_ylabel(section.words.axis)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02, y=0.08)
    log_if_wide(axes, "y", [*reference.persistence, *(value for own in models for value in own.rmse)])
    layout.legend(figure, [*handles, Line2D([], [], **dashes)])
    alt = _steps_alt(models, reference, unit=section.words.unit)
    return picture(figure, name=f"steps-{name}", title=f"Error by step ahead on {section.title}", alt=alt)


def _without_reference(section: Section, look: Mapping[str, Look]) -> list[StepErrors]:
    """Those that are not persistence itself, which has its line anyway."""
    return [own for own in section.by_step if look[own.model].color != MUTED]


def _steps_alt(models: Sequence[StepErrors], reference: StepErrors, *, unit: str) -> str:
    first, last = reference.step[0], reference.step[-1]
    lines = [(own.model, own.rmse) for own in models] + [("persistence", reference.persistence)]
    said = "; ".join(f"{name} {number(float(rmse[0]))} and {number(float(rmse[-1]))}" for name, rmse in lines)
    return (
        f"Root mean squared error by steps ahead, from {plural(reference.origins, 'origin')}, in {unit}. "
        f"At step {first} and at step {last}: {said}."
    )
