"""Panels of equal size under one legend: margins in inches, known before anything is drawn.

matplotlib's own layout engines draw a figure several times to find its margins, which took longer than everything else.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 9.2  # inches: the width of a page's column, so that text keeps its size there
HALF = 5.2  # of a picture that stands next to another
_CHARACTER = 0.078  # of the theme's text, on average
_LEGEND_ROW = 0.22
_KEY = 0.42  # a legend's sample line, with its gaps


@dataclass(frozen=True)
class Panels:
    """Where panels go.

    Parameters
    ----------
    count
        Panels.
    columns
        Next to each other, at most.
    height
        Of one panel, inches.
    left, gap
        Room for what stands left of the first panel and between two, inches.
    labels
        The legend's texts; empty for no legend.
    above, below
        Room for what stands above and below each panel, inches.
    width
        Of the figure, inches.
    """

    count: int
    columns: int = 3
    height: float = 1.9
    left: float = 0.75
    gap: float = 0.65
    labels: Sequence[str] = ()
    above: float = 0.3
    below: float = 0.55
    width: float = WIDTH

    def figure(self) -> tuple[Figure, list[Axes]]:
        """The figure, and its panels in reading order."""
        columns = min(self.columns, self.count)
        rows = math.ceil(self.count / columns)
        legend = _LEGEND_ROW * math.ceil(len(self.labels) / self.legend_columns()) + 0.08 if self.labels else 0.0
        band = self.above + self.height + self.below
        total = legend + rows * band
        figure = Figure(figsize=(self.width, total))
        width = (self.width - self.left - 0.15 - (columns - 1) * self.gap) / columns
        panels = []
        for place in range(self.count):
            row, column = divmod(place, columns)
            x = self.left + column * (width + self.gap)
            y = total - legend - row * band - self.above - self.height
            panels.append(figure.add_axes((x / self.width, y / total, width / self.width, self.height / total)))
        return figure, panels

    def legend_columns(self) -> int:
        """How many entries of the legend stand next to each other: all of them, or as many as fit at equal widths."""
        widths = [len(label) * _CHARACTER + _KEY for label in self.labels]
        if sum(widths) < self.width:
            return max(1, len(widths))
        return max(1, int(self.width / max(widths)))

    def legend(self, figure: Figure, handles: Sequence[Artist]) -> None:
        """Put the legend on top, at the left."""
        figure.legend(
            handles=list(handles),
            labels=list(self.labels),
            loc="upper left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=self.legend_columns(),
            borderaxespad=0.1,
            handlelength=1.8,
            columnspacing=1.4,
            handletextpad=0.5,
        )


def short(name: str, longest: int = 24) -> str:
    """`name`, cut where it would not fit."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


LONGEST = 40
"""Characters of a name that must differ from others with the same beginning."""


def distinct(names: Sequence[str]) -> list[str]:
    """`names` as they fit next to a panel, none the same as another that is not.

    Options that a name spells out (``cell=lstm``) lose their keys; what is still too long is cut, and numbered where
    the cuts are the same.

    >>> distinct(["plain-cell=lstm-prediction=free-running", "plain-cell=gru-prediction=free-running"])
    ['plain lstm free-running', 'plain gru free-running']
    """
    plain = [re.sub(r"-\w+=", " ", name) for name in names]
    plain = plain if len(set(plain)) == len(set(names)) else list(names)
    cut = [short(name, LONGEST) for name in plain]
    if len(set(cut)) == len(set(plain)):
        return cut
    numbers = {name: number for number, name in enumerate(dict.fromkeys(plain), start=1)}
    return [f"{short(name, LONGEST - 5)} ({numbers[name]})" for name in plain]


def name_width(names: Sequence[str], longest: int = 24) -> float:
    """Inches that the longest of `names` takes next to a panel."""
    return max((len(short(name, longest)) for name in names), default=0) * _CHARACTER + 0.25
