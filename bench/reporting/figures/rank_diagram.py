"""The critical-difference diagram: average ranks over datasets, bars over models that are not separated."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from bench.reporting.figures.layout import HALF, Panels, short
from bench.reporting.figures.style import INK, MUTED, Look
from bench.reporting.figures.svg import Picture, picture
from bench.reporting.values import Rank, Summary
from bench.text import number

FEWEST = 6
"""Datasets: over fewer, Wilcoxon's test with Holm's correction can hardly separate two models, and bars join all."""

_STEP = 0.2  # inches between two names, and between two bars
_BAR = 0.12


def draw_ranks(summary: Summary, look: Mapping[str, Look]) -> Picture | None:
    """The best rank on the left; names hang from their place on the axis, half of them at each side.

    `None` over fewer than `FEWEST` datasets.
    """
    ranking = summary.ranking
    rows = [row for row in ranking.ranks if row.average is not None]
    if len(rows) < 2 or ranking.sections < FEWEST:
        return None
    bars = 0.1 + _BAR * len(ranking.groups)
    height = bars + _STEP * math.ceil(len(rows) / 2) + 0.1
    layout = Panels(count=1, height=height, left=1.25, gap=0, above=0.45, below=0.05, width=HALF)
    figure, (axes,) = layout.figure()
    position = axes.get_position()
    axes.set_position((position.x0, position.y0, 1 - 2 * position.x0, position.height))
    axes.set_xlim(1, len(rows))
    axes.set_ylim(height, 0)  # inches below the axis
    _scale(axes, len(rows))
    for place, group in enumerate(ranking.groups):
        own = [row.average for row in rows if row.model in group and row.average is not None]
        y = 0.1 + _BAR * place
        axes.plot([min(own) - 0.05, max(own) + 0.05], [y, y], color=INK, linewidth=3.2, solid_capstyle="round")
    _hang(axes, rows, look, top=bars)
    return picture(figure, name="ranks", title=f"Average rank over {ranking.over}", alt=_alt(rows, ranking.groups))


def _scale(axes: Axes, models: int) -> None:
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.spines["top"].set_color(MUTED)
    axes.xaxis.set_ticks_position("top")
    axes.set_xticks(range(1, models + 1))


def _hang(axes: Axes, rows: Sequence[Rank], look: Mapping[str, Look], *, top: float) -> None:
    """The better half to the left, from the best down; the others to the right, from the worst down."""
    half = math.ceil(len(rows) / 2)
    left, right = rows[:half], rows[half:][::-1]
    low, high = axes.get_xlim()
    for own, edge, side, sign in ((left, low, "right", -1), (right, high, "left", 1)):
        for place, row in enumerate(own):
            y = top + _STEP * (place + 0.5)
            x = row.average or 0.0
            axes.plot([x, x, edge], [0, y, y], color=MUTED, linewidth=0.8, clip_on=False)
            color, marker = look[row.model].color, look[row.model].marker
            axes.plot([x], [0], marker=marker, color=color, markeredgecolor="none", clip_on=False, zorder=5)
            text = f"{short(row.model, 17)} {number(row.average, 1)}"
            axes.annotate(
                text, (edge, y), xytext=(4 * sign, 0), textcoords="offset points", ha=side, va="center", fontsize=8.5
            )


def _alt(rows: Sequence[Rank], groups: Sequence[Sequence[str]]) -> str:
    values = ", ".join(f"{row.model} {number(row.average, 1)}" for row in rows)
    joined = "; ".join(", ".join(group) for group in groups)
    return f"Critical-difference diagram, 1 is the best rank: {values}. " + (
        f"Not separated over datasets: {joined}." if groups else "Every pair of models is separated over datasets."
    )
