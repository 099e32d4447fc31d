"""When a series changed its level, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bench.compare.history.series import Point, Series
from bench.compare.metrics import MEASURES
from bench.compare.settings import differences
from bench.stats.changes import LEVEL, divisions


@dataclass(frozen=True)
class Step:
    """One change of level.

    Parameters
    ----------
    series
        Of which cell.
    index
        The first point at the new level.
    before, after
        The levels: means over the points between this step and its neighbours, geometric for an error.
    effect
        after / before − 1 for an error, else after − before.
    p_value
        Of the division.
    other_settings
        What else changed at this point, in words.
    """

    series: Series
    index: int
    before: float
    after: float
    effect: float
    p_value: float
    other_settings: tuple[str, ...]

    @property
    def point(self) -> Point:
        """The first run at the new level."""
        return self.series.points[self.index]

    @property
    def worse(self) -> bool:
        """Whether it is a change for the worse."""
        return self.effect * MEASURES[self.series.metric].worse > 0


def steps(series: Series, *, level: float = LEVEL) -> list[Step]:
    """The changes of level of `series`; the chance of finding one where there is none is `level`."""
    if not series.points:
        return []
    measure = MEASURES[series.metric]
    values = np.array([point.value for point in series.points])
    known = np.full(1, np.nan)
    comparable = measure.comparable(values[None], known)[0]
    found = divisions(comparable, level=level)
    edges = [0, *(each.index for each in found), len(values)]
    levels = [float(comparable[start:end].mean()) for start, end in pairwise(edges)]
    return [
        Step(
            series=series,
            index=each.index,
            before=_value(levels[at], relative=measure.relative),
            after=_value(levels[at + 1], relative=measure.relative),
            effect=measure.effect(levels[at + 1] - levels[at]),
            p_value=each.p,
            other_settings=_changed(series.points, each.index),
        )
        for at, each in enumerate(found)
    ]


def _value(level: float, *, relative: bool) -> float:
    return float(np.exp(level)) if relative else level


def _changed(points: Sequence[Point], index: int) -> tuple[str, ...]:
    return differences(points[index - 1].settings, points[index].settings)
