"""Log scales with ticks that read as plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bench.report.text import number

WIDE = 30.0
"""Values further apart than this factor go on a log scale."""


def wide(values: Sequence[float]) -> bool:
    """Whether `values` are all positive and far apart."""
    return min(values) > 0 and max(values) > WIDE * min(values)


def log_if_wide(axes: Axes, side: Literal["x", "y"], values: Sequence[float]) -> None:
    """A log scale where the `values` are `wide`."""
    if wide(values):
        log(axes, side, values)
    else:
        _axis(axes, side).set_major_locator(MaxNLocator(6))


def log(axes: Axes, side: Literal["x", "y"], values: Sequence[float]) -> None:
    """A log scale for positive `values`; with under two decades also 2 and 5 are marked."""
    axes.set(**{f"{side}scale": "log"})
    axis = _axis(axes, side)
    steps = (1.0, 2.0, 5.0) if max(values) < 100 * min(values) else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axis.set_minor_locator(NullLocator())  # a tick that nobody sees takes as long to draw
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _axis(axes: Axes, side: Literal["x", "y"]) -> Axis:
    return axes.xaxis if side == "x" else axes.yaxis
