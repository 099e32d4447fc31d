"""Summary → pictures. Numbers come from the summary alone, so that pictures and tables cannot differ."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.report.drawing.cost import cost
from bench.report.drawing.curves import curves
from bench.report.drawing.errors import errors
from bench.report.drawing.front import front
from bench.report.drawing.predictions import predictions
from bench.report.drawing.ranks import ranks
from bench.report.drawing.skill import skill
from bench.report.drawing.style import looks, theme
from bench.report.drawing.svg import Picture
from bench.report.drawing.tuning import tuning
from bench.report.text import slug
from bench.report.values import Summary


@dataclass(frozen=True)
class Pictures:
    """All pictures of a report; those of `sections` in the order of the summary's sections."""

    overview: tuple[Picture, ...]
    sections: tuple[tuple[Picture, ...], ...]

    def __iter__(self) -> Iterator[Picture]:
        """Every picture, in reading order."""
        yield from self.overview
        for own in self.sections:
            yield from own


def draw(summary: Summary) -> Pictures:
    """Every picture for which the summary holds something to show."""
    look = looks(summary.models)
    with theme(), _frozen():
        overview = _present(drawer(summary, look) for drawer in (ranks, front, skill, tuning, cost))
        sections = tuple(
            _present(
                drawer(section, look, f"{place:02}-{slug(section.title)}") for drawer in (errors, predictions, curves)
            )
            for place, section in enumerate(summary.sections, start=1)
        )
    return Pictures(overview, sections)


def _present(pictures: Iterable[Picture | None]) -> tuple[Picture, ...]:
    return tuple(picture for picture in pictures if picture is not None)


@contextmanager
def _frozen() -> Iterator[None]:
    """Keep the collector from what was read before.

    Every figure is many thousand short-lived objects, and each of its rounds would look at the whole summary again:
    a quarter of the time of all pictures.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
