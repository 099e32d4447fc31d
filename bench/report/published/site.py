"""Results → the files of the page of published systems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.published.cards import cards
from bench.published.evidence import Tables
from bench.published.values import Held
from bench.report.published.page import files
from bench.report.source import Source
from bench.report.summary import summarise
from bench.report.values import Summary
from bench.suite.spec import System


def parted(source: Source) -> tuple[Source, Source]:
    """What belongs to the published systems, and all else."""
    return source.parted(_datasets(source.systems))


def render(source: Source, *, names: tuple[str, str]) -> dict[str, str | bytes]:
    """The files of the page: path within its folder → content.

    A card is a report of its own: it is there if something of it was run, and its claims are corrected together, so
    that it says the same whether or not others stand beside it.

    Parameters
    ----------
    source
        What belongs to its published systems.
    names
        Of the HTML page and of the Markdown page.
    """
    here = set(source.rows["runs"]["dataset"].unique().to_pylist())
    run = {system.card for system in source.systems if here.intersection(_datasets([system]))}
    systems = [system for system in source.systems if system.card in run]
    left_out = list(dict.fromkeys(system.card for system in source.systems if system.card not in run))
    families = {dataset: system.card for system in systems for dataset in _datasets([system])}
    summary = summarise(source.parted(_datasets(systems))[0], families)
    found = Tables(source.rows, dict(_better(summary)))
    return files(cards(systems, found), found, summary, names=names, left_out=left_out)


def _datasets(systems: Sequence[System]) -> list[str]:
    return [dataset.id for system in systems for dataset in system.named_datasets]


def _better(summary: Summary) -> Iterator[tuple[str, Held]]:
    """Each cell that was tested: whether it is shown to err less than persistence (a leak is not), or more."""
    for section in summary.sections:
        for cell in section.cells:
            if cell.cell_id and (cell.worse or cell.skilled is not None):
                yield cell.cell_id, Held.FAILS if cell.worse else Held.HOLDS if cell.skilled else Held.OPEN
