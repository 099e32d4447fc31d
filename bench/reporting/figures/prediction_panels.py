"""The test part of a series, and its end: predictions and truth, together with persistence."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.array_types import FloatArray
from bench.reporting.figures.layout import Panels, short
from bench.reporting.figures.style import GRID, INK, MUTED, Look
from bench.reporting.figures.svg import Picture, picture
from bench.reporting.values import Section, Trace
from bench.text import number, plural

DETAIL_POINTS = 80
"""Test targets with predictions: enough to see a pattern, few enough to see a delay of one step."""

_DASHES = (0, (4, 2))
_SERIES_POINTS = 800
"""Of the whole test part, at most: about two for each point of a page's width."""


def draw_predictions(section: Section, look: Mapping[str, Look], name: str) -> Picture | None:
    """Truth, persistence and the best model's median over seeds, with their extremes as a band."""
    trace = section.trace
    if trace is None:
        return None
    color = look[trace.model].color
    spread = bool((trace.high > trace.low).any())
    handles, labels = _legend(trace, color=color, spread=spread)
    longer = len(trace.truth) > DETAIL_POINTS
    layout = Panels(count=1 + longer, columns=1, height=2.3 - 0.5 * longer, labels=labels, above=0.3 if longer else 0.1)
    figure, panels = layout.figure()
    if longer:
        _series(panels[0], trace)
        panels[0].set_title("The test part")
        panels[1].set_title(f"Its last {DETAIL_POINTS} points")
    draw_end(panels[-1], trace, color=color, band=spread)
    layout.legend(figure, handles)
    title = f"Predictions of {trace.model} over truth on {section.title}{trace.alone}"
    return picture(figure, name=f"predictions-{name}", title=title, alt=_alt(trace))


def _legend(trace: Trace, *, color: str, spread: bool) -> tuple[list[Artist], list[str]]:
    truth = Line2D([], [], color=INK, linewidth=1.4)
    lines: list[Artist] = [truth, Line2D([], [], color=MUTED, linewidth=1.0, linestyle=_DASHES)]
    labels = ["truth", "persistence"]
    if color != MUTED:
        lines.append(Line2D([], [], color=color, linewidth=3.0))
        labels.append(f"{short(trace.model)}, median over seeds" if spread else short(trace.model))
    if spread:
        lines.append(Patch(color=color, alpha=0.25, linewidth=0))
        labels.append("its range over seeds")
    return lines, labels


def _series(axes: Axes, trace: Trace) -> None:
    """The truth as a whole; where the predictions are shown below is shaded."""
    kept = _outline(trace.truth)
    axes.axvspan(trace.time[-DETAIL_POINTS], trace.time[-1], color=GRID, alpha=0.6, linewidth=0)
    axes.plot(trace.time[kept], trace.truth[kept], color=INK, linewidth=0.8)
    _labels(axes, trace)
    axes.set_xlabel("")


def _outline(values: FloatArray) -> slice | list[int]:
    """Which of `values` draw its outline: of each stretch the smallest and the largest."""
    if len(values) <= _SERIES_POINTS:
        return slice(None)
    stretches = np.array_split(np.arange(len(values)), _SERIES_POINTS // 2)
    return sorted({int(own[pick(values[own])]) for own in stretches for pick in (np.argmin, np.argmax)})


def draw_end(axes: Axes, trace: Trace, *, color: str, band: bool) -> None:
    """Draw the last `DETAIL_POINTS` points of `trace`: the model's median, the truth and persistence."""
    kept = slice(-DETAIL_POINTS, None)
    time = trace.time[kept]
    # The model lies under the others: it is seen where it meets them, the truth or the last value that it copies.
    styles: list[dict[str, Any]] = [
        {"color": color, "linewidth": 3.0},
        {"color": INK, "linewidth": 1.4},
        {"color": MUTED, "linewidth": 1.0, "linestyle": _DASHES},
    ]
    for values, style in zip((trace.median, trace.truth, trace.persistence), styles, strict=True):
        axes.plot(time, values[kept], **style)
    if band:
        axes.fill_between(time, trace.low[kept], trace.high[kept], color=color, alpha=0.25, linewidth=0)
    _labels(axes, trace)


def _labels(axes: Axes, trace: Trace) -> None:
    dates = np.issubdtype(trace.time.dtype, np.datetime64)
    axes.margins(x=0.01)
    axes.set_ylabel(trace.unit)
    axes.set_xlabel("" if dates else "time" if trace.time.dtype.kind == "f" else "position in the series (points)")
    if dates:
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))  # type: ignore[no-untyped-call]


def _alt(trace: Trace) -> str:
    truth, median, persistence = (each[-DETAIL_POINTS:] for each in (trace.truth, trace.median, trace.persistence))
    error, reference = (float(np.sqrt(np.mean((each - truth) ** 2))) for each in (median, persistence))
    steps = trace.late_steps
    late = f"Their moves correlate best with those of the truth {plural(steps, 'point')} before: they come late. "
    whose = f"{trace.model}'s median over seeds" if trace.seed is None else f"{trace.model}'s seed {trace.seed}"
    return (
        f"The last {len(truth)} of {plural(len(trace.truth), 'test target')}. {late if steps else ''}"
        f"On these the root mean squared error of {whose} is {number(error)}, "
        f"that of persistence {number(reference)}, in {trace.unit}."
    )
