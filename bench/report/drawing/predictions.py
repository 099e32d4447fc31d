"""The end of a test part: predictions over truth, with persistence beside them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.report.drawing.layout import Panels, short
from bench.report.drawing.style import INK, MUTED, Look
from bench.report.drawing.svg import Picture, picture
from bench.report.text import number, plural
from bench.report.values import Section, Trace

_DASHES = (0, (4, 2))


def predictions(section: Section, look: Mapping[str, Look], name: str) -> Picture | None:
    """Truth, persistence and the best model's median over seeds, with their extremes as a band."""
    trace = section.trace
    if trace is None:
        return None
    color = look[trace.model].color
    spread = bool((trace.high > trace.low).any())
    truth = Line2D([], [], color=INK, linewidth=1.4)
    handles: list[Artist] = [truth, Line2D([], [], color=MUTED, linewidth=1.0, linestyle=_DASHES)]
    labels = ["truth", "persistence"]
    if look[trace.model].color != MUTED:
        handles.append(Line2D([], [], color=color, linewidth=3.0))
        labels.append(f"{short(trace.model)}, median over seeds" if spread else short(trace.model))
    if spread:
        handles.append(Patch(color=color, alpha=0.25, linewidth=0))
        labels.append("its range over seeds")
    layout = Panels(count=1, height=2.3, labels=labels, above=0.1)
    figure, (axes,) = layout.figure()
    lines(axes, trace, color=color, band=spread)
    layout.legend(figure, handles)
    title = f"Predictions of {trace.model} over truth on {section.title}"
    return picture(figure, name=f"predictions-{name}", title=title, alt=_alt(trace))


def lines(axes: Axes, trace: Trace, *, color: str, band: bool) -> None:
    """Draw the model's median, the truth and persistence of `trace`."""
    dates = np.issubdtype(trace.time.dtype, np.datetime64)
    for values, line in (
        # The model lies under the others: it is seen where it meets them, the truth or the last value that it copies.
        (trace.median, {"color": color, "linewidth": 3.0}),
        (trace.truth, {"color": INK, "linewidth": 1.4}),
        (trace.persistence, {"color": MUTED, "linewidth": 1.0, "linestyle": _DASHES}),
    ):
        sns.lineplot(x=trace.time, y=values, ax=axes, estimator=None, legend=False, **line)
    if band:
        axes.fill_between(trace.time, trace.low, trace.high, color=color, alpha=0.25, linewidth=0)
    axes.margins(x=0.01)
    axes.set_ylabel("value (original units)")
    axes.set_xlabel("" if dates else "time" if trace.time.dtype.kind == "f" else "position in the series (points)")
    if dates:
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))  # type: ignore[no-untyped-call]


def _alt(trace: Trace) -> str:
    shown = f"The last {len(trace.truth)} of {plural(trace.points, 'test target')}"
    error = float(np.sqrt(np.mean((trace.median - trace.truth) ** 2)))
    reference = float(np.sqrt(np.mean((trace.persistence - trace.truth) ** 2)))
    return (
        f"{shown}. On these the root mean squared error of {trace.model}'s median over seeds is {number(error)}, "
        f"that of persistence {number(reference)}, in original units."
    )
