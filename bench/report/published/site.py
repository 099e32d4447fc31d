"""Results → the files of the page of published systems."""

from __future__ import annotations

from bench.published.cards import cards
from bench.published.evidence import Tables
from bench.report.published.page import files
from bench.report.source import Source
from bench.report.summary import summarise


def parted(source: Source) -> tuple[Source, Source]:
    """What belongs to the published systems, and all else."""
    return source.parted([dataset.id for system in source.systems for dataset in system.named_datasets])


def render(source: Source, *, names: tuple[str, str]) -> dict[str, str | bytes]:
    """The files of the page: path within its folder → content.

    Parameters
    ----------
    source
        What belongs to its published systems.
    names
        Of the HTML page and of the Markdown page.
    """
    found = Tables(source.rows)
    return files(cards(source.systems, found), found, summarise(source), names=names)
