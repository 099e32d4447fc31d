"""Published systems: the course of the training loss, the replicates' errors with what was printed, predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.published.values import Printed, Spread, Trajectory
from bench.report.drawing.layout import Panels, name_width, short
from bench.report.drawing.predictions import DRAWN
from bench.report.drawing.predictions import end as prediction_lines
from bench.report.drawing.scales import log, log_if_wide
from bench.report.drawing.style import INK, MUTED
from bench.report.drawing.svg import Picture, picture
from bench.report.drawn import Trace
from bench.report.text import number

_PUBLISHED, _PROTOCOL, _PRINTED = (sns.color_palette("colorblind").as_hex()[place] for place in (0, 2, 3))
_MOST_COURSES = 6  # panels of one picture
_MOST_TOLD = 6  # rows of one panel whose errors its text names one by one
_DOTS = (0, (1, 2))
_DASHES = (0, (5, 3))


@dataclass(frozen=True)
class Row:
    """One model's error on one dataset: the replicates, and what was printed of them, if anything was."""

    label: str
    spread: Spread
    published: bool
    printed: Printed | None = None


@dataclass(frozen=True)
class Group:
    """The rows of one dataset, with its references, where they are known."""

    dataset: str
    unit: str
    rows: tuple[Row, ...]
    persistence: float | None = None
    noise_floor: float | None = None


def courses(found: Sequence[tuple[str, Trajectory]], name: str) -> Picture | None:
    """The central 95 % of the replicates' training losses at the printed epochs, with what was printed."""
    drawn = [(label, course) for label, course in found if all(each.ours for each in course.findings)][:_MOST_COURSES]
    if not drawn:
        return None
    layout = Panels(count=len(drawn), columns=2, height=1.9, labels=["replicates: mean, central 95 %", "printed"])
    figure, panels = layout.figure()
    for axes, (label, course) in zip(panels, drawn, strict=True):
        _course(axes, course)
        axes.set_title(short(label, 40))
    handles: list[Artist] = [Line2D([], [], color=_PUBLISHED, linewidth=2), _printed_handle()]
    layout.legend(figure, handles)
    alt = "; ".join(f"{label}: {course.outcome}" for label, course in drawn)
    return picture(figure, name=f"courses-{name}", title="Training loss by epoch, printed and ours", alt=f"{alt}.")


def _course(axes: Axes, course: Trajectory) -> None:
    spreads = [finding.ours for finding in course.findings if finding.ours]
    printed = [finding.printed.low for finding in course.findings if finding.printed]
    epochs = np.array(course.epochs, dtype=np.float64)
    low, high = np.array([each.low for each in spreads]), np.array([each.high for each in spreads])
    axes.fill_between(epochs, low, high, color=_PUBLISHED, alpha=0.25, linewidth=0)
    axes.plot(epochs, [each.mean for each in spreads], color=_PUBLISHED, linewidth=1.5)
    axes.plot(epochs, printed, color=_PRINTED, marker="D", markersize=4, linewidth=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    values = [*low, *high, *printed]
    if min(values) > 0:
        log(axes, "y", values)


def distributions(groups: Sequence[Group], name: str) -> Picture | None:
    """Every replicate's error as a dot, its central 95 % as a bar, and the printed number where there is one."""
    drawn = [group for group in groups if group.rows]
    if not drawn:
        return None
    most = max(len(group.rows) for group in drawn)
    labels = [row.label for group in drawn for row in group.rows]
    legend = ["as published", "protocol", "printed", "persistence", "noise floor"]
    layout = Panels(
        count=len(drawn), columns=1, height=0.24 * most + 0.25, left=name_width(labels), labels=legend, below=0.5
    )
    figure, panels = layout.figure()
    for axes, group in zip(panels, drawn, strict=True):
        _group(axes, group)
    layout.legend(figure, _handles())
    return picture(figure, name=f"distributions-{name}", title="Errors over replicates", alt=_alt(drawn))


def _group(axes: Axes, group: Group) -> None:
    seen: list[float] = []
    for place, row in enumerate(group.rows):
        color = _PUBLISHED if row.published else _PROTOCOL
        values = row.spread.values
        axes.scatter(values, [place] * len(values), s=10, color=color, alpha=0.35, linewidth=0)
        axes.plot([row.spread.low, row.spread.high], [place, place], color=color, linewidth=2, alpha=0.8)
        seen += values
        if row.printed:
            ends = [row.printed.low, row.printed.high]
            axes.plot(ends, [place, place], color=_PRINTED, linewidth=2, marker="D", markersize=5, zorder=4)
            seen += ends
    for value, style in ((group.persistence, _DASHES), (group.noise_floor, _DOTS)):
        if value is not None and min(seen) / 30 < value < 30 * max(seen):
            axes.axvline(value, color=MUTED, linestyle=style, linewidth=1.2, zorder=1)
            seen.append(value)
    axes.set_yticks(range(len(group.rows)), [short(row.label) for row in group.rows])
    axes.set_ylim(len(group.rows) - 0.4, -0.6)
    axes.set_title(group.dataset)
    axes.set_xlabel(group.unit)
    log_if_wide(axes, "x", seen)


def _handles() -> list[Artist]:
    lines: list[Artist] = [Patch(color=_PUBLISHED, linewidth=0), Patch(color=_PROTOCOL, linewidth=0), _printed_handle()]
    return [*lines, *(Line2D([], [], color=MUTED, linestyle=style, linewidth=1.2) for style in (_DASHES, _DOTS))]


def _printed_handle() -> Line2D:
    return Line2D([], [], color=_PRINTED, marker="D", markersize=5, linewidth=0)


def _alt(groups: Sequence[Group]) -> str:
    return f"{'; '.join(f'{group.dataset}, {group.unit}: {_told(group.rows)}' for group in groups)}."


def _told(rows: Sequence[Row]) -> str:
    """Each row's error, or of many the smallest and the largest."""
    if len(rows) <= _MOST_TOLD:
        return ", ".join(f"{row.label} {number(row.spread.mean)}" for row in rows)
    ordered = sorted(rows, key=lambda row: row.spread.mean)
    ends = (f"{number(row.spread.mean)} ({row.label})" for row in (ordered[0], ordered[-1]))
    return f"{len(rows)} rows from {' to '.join(ends)}"


def overlay(trace: Trace, *, title: str, name: str, what: str = "") -> Picture:
    """Predictions over truth, persistence beside them."""
    what_of = "median" if trace.seed is None else f"seed {trace.seed}"
    layout = Panels(
        count=1, height=2.0, labels=["truth", "persistence", f"{short(trace.model, 40)}, {what_of}"], above=0.1
    )
    figure, (axes,) = layout.figure()
    prediction_lines(axes, trace, color=_PUBLISHED, band=bool((trace.high > trace.low).any()))
    if what:
        axes.set_xlabel(what)
    handles: list[Artist] = [
        Line2D([], [], color=INK, linewidth=1.4),
        Line2D([], [], color=MUTED, linewidth=1.0, linestyle=(0, (4, 2))),
        Line2D([], [], color=_PUBLISHED, linewidth=3.0),
    ]
    layout.legend(figure, handles)
    error = float(np.sqrt(np.mean((trace.median - trace.truth)[-DRAWN:] ** 2)))
    whose = "the median over replicates" if trace.seed is None else f"seed {trace.seed}"
    alt = f"The root mean squared error of {whose} is {number(error)} here."
    return picture(figure, name=f"overlay-{name}", title=title, alt=alt)
