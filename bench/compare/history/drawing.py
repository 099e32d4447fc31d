"""Series as small multiples: every run a dot, every level a line, every step marked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Transform

from bench.compare.history.series import Series
from bench.compare.history.steps import Step
from bench.report.drawing.layout import Panels, short
from bench.report.drawing.style import INK, MUTED, theme
from bench.report.drawing.svg import Picture, picture
from bench.report.text import number, plural

SHOWN = 60
"""Panels, at most; those with a step come first."""

_BETTER, _WORSE = "#0173b2", "#d55e00"


def small_multiples(series: Sequence[Series], found: Sequence[Step]) -> Picture:
    """One panel for each of `series` that has points, at most `SHOWN`, in the order given."""
    shown = [one for one in series if one.points][:SHOWN]
    with theme():
        figure, panels = Panels(count=len(shown), columns=3, height=1.2, below=0.5).figure()
        for at, (one, axes) in enumerate(zip(shown, panels, strict=True)):
            _panel(axes, one, [step for step in found if step.series is one])
            axes.set_xlabel("run" if at >= len(shown) - 3 else "")
        title = f"{shown[0].metric} from run to run"
        return picture(figure, name="history", title=title, alt=_alt(shown, found))


def _panel(axes: Axes, series: Series, found: Sequence[Step]) -> None:
    values = [point.value for point in series.points]
    whole = np.array([not point.failed for point in series.points])
    for some, face in ((whole, MUTED), (~whole, "none")):
        axes.plot(np.flatnonzero(some), np.array(values)[some], "o", color=MUTED, markerfacecolor=face, markersize=2.5)
    edges = [0, *(step.index for step in found), len(values)]
    levels = [step.before for step in found] + [step.after for step in found[-1:]]
    for (start, end), level in zip(pairwise(edges), levels, strict=bool(levels)):
        axes.plot([start - 0.4, end - 0.6], [level, level], color=INK, linewidth=1.2)
    for step in found:
        color = _WORSE if step.worse else _BETTER
        axes.axvline(step.index - 0.5, color=color, linewidth=1.2, linestyle="-" if step.worse else "--")
    span = max(values) - min(values) or abs(values[0]) * 0.1 or 1.0
    axes.set_ylim(min(values) - 0.15 * span, max(values) + 0.15 * span)
    axes.plot(_between(series), [0.04] * len(series.failures), "x", color=_WORSE, markersize=4, transform=_low(axes))
    axes.locator_params(axis="both", nbins=4)
    place = series.place
    axes.set_title(short(f"{place.dataset} × {place.model}, L={place.sequence_length}, h={place.horizon}", 36))


def _between(series: Series) -> list[float]:
    """Where the failed runs lie: beside the last run before each."""
    times = [point.time for point in series.points]
    return [sum(1 for time in times if time and each.time and time < each.time) - 0.5 for each in series.failures]


def _low(axes: Axes) -> Transform:
    """Runs from left to right, and shares of the panel from below."""
    return axes.get_xaxis_transform()


def _alt(shown: Sequence[Series], found: Sequence[Step]) -> str:
    told = [f"{step.series.place} from {number(step.before)} to {number(step.after)}" for step in found]
    return f"{plural(len(shown), 'cell')}. " + ("; ".join(told) if told else "No step is seen") + "."
