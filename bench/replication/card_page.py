"""Cards → the page of published systems, as HTML and Markdown files.

Each card has its verdicts, its pictures and the results under the protocol.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.replication import card_tables
from bench.replication.card_pictures import draw
from bench.replication.card_tables import TERMS, Verdicts, answer, results
from bench.replication.cards import Card, cards
from bench.replication.evidence_rows import Tables
from bench.replication.headlines import headlines
from bench.replication.systems import Statement, System, parsed, systems_of
from bench.reporting import render as report_render, tables as report_tables
from bench.reporting.export import cell_commands, cell_rows
from bench.reporting.figures.svg import Picture
from bench.reporting.folder import Files
from bench.reporting.page import environment, shell
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.tabular import Table
from bench.reporting.values import Summary
from bench.stats.claims import ClaimOutcome
from bench.text import slug


@dataclass(frozen=True)
class View:
    """One card as it is shown; `anchor` is its name within the page."""

    anchor: str
    card: Card
    short: str
    departures: list[tuple[str, str, str]]
    statements: tuple[Statement, ...]
    remarks: tuple[str, ...]
    findings: Table
    results: Table
    claims: Table | None
    pictures: tuple[Picture, ...]


def files(
    all_cards: Sequence[Card], rows: Tables, summary: Summary, *, names: tuple[str, str], left_out: Sequence[str] = ()
) -> Files:
    """The files of the page: path within its folder → content; the HTML page itself comes last.

    Parameters
    ----------
    all_cards
        The cards.
    rows
        What they were made from.
    summary
        Of the same rows: verdicts against persistence, provenance.
    names
        Of the HTML page and of the Markdown page.
    left_out
        The cards of which nothing was run.
    """
    verdicts = {cell.cell_id: cell for section in summary.sections for cell in section.cells if cell.cell_id}
    views = [_view(card, rows, verdicts) for card in all_cards]
    values = _values(views, all_cards, summary, left_out=left_out)
    page, text = names
    markdown = environment().get_template("published.md.j2").render(**values)
    return {
        **{f"figures/{picture.name}.svg": picture.file() for view in views for picture in view.pictures},
        **{f"figures/{picture.name}.pdf": picture.pdf for view in views for picture in view.pictures},
        text: re.sub(r"\n{3,}", "\n\n", markdown),
        page: environment().get_template("published.html.j2").render(**values, **shell(tables=True)),
    }


def _view(card: Card, rows: Tables, verdicts: Verdicts) -> View:
    anchor = slug(card.id)
    return View(
        anchor=anchor,
        card=card,
        short=card_tables.in_short(card),
        departures=card_tables.departures(card),
        statements=tuple(statement for system in card.systems for statement in system.published.statements),
        remarks=tuple(f"{system.id}: {system.remark}" for system in card.systems if system.remark),
        findings=card_tables.findings(card, anchor),
        results=results(card, anchor, verdicts),
        claims=card_tables.claims(card, anchor),
        pictures=draw(card, rows),
    )


def _values(
    views: Sequence[View], all_cards: Sequence[Card], summary: Summary, *, left_out: Sequence[str]
) -> Mapping[str, object]:
    return {
        "summary": summary,
        "views": views,
        "answer": answer(all_cards, left_out),
        "headlines": headlines(all_cards),
        "overview": card_tables.overview(all_cards),
        "failures": report_tables.failures(summary),
        "kept": report_tables.kept(summary),
        "rows": cell_rows(summary),
        "cell_commands": cell_commands(summary),
        "terms": TERMS,
        "commands": (f"bench run suites/{summary.suite}.yaml", *summary.commands[1:]),
    }


def write(results: Path, reports: Path) -> Path:
    """Write the report of the folder `results`, with a page of its published systems, into a folder in `reports`.

    Parameters, result and errors are those of `bench.reporting.render.write`.
    """
    return report_render.write(results, reports, parse=parsed, pages=pages)


def pages(source: Source) -> Files:
    """The files of the page of published systems, and of that on what belongs to none; either may be empty."""
    own, others = parted(source)
    if not own.rows["runs"].num_rows:
        return report_render.pages(others)
    alone = not others.rows["runs"].num_rows
    names = ("index.html", "report.md") if alone else ("published.html", "published.md")
    published = render(own, names=names)
    return published if alone else {**published, **report_render.pages(others)}


def parted(source: Source) -> tuple[Source, Source]:
    """What belongs to the published systems, and all else."""
    return source.parted(_datasets(systems_of(source.suite)))


def render(source: Source, *, names: tuple[str, str]) -> Files:
    """The files of the page: path within its folder → content.

    A card is a report of its own: it is there if something of it was run, and its claims are corrected together, so
    that it says the same whether or not others stand next to it.

    Parameters
    ----------
    source
        What belongs to its published systems.
    names
        Of the HTML page and of the Markdown page.
    """
    here = set(source.rows["runs"]["dataset"].unique().to_pylist())
    every = systems_of(source.suite)
    run = {system.card for system in every if here.intersection(_datasets([system]))}
    systems = [system for system in every if system.card in run]
    left_out = list(dict.fromkeys(system.card for system in every if system.card not in run))
    families = {dataset: system.card for system in systems for dataset in _datasets([system])}
    summary = summarise(source.parted(_datasets(systems))[0], families)
    tables = Tables(source.rows, dict(_better(summary)))
    return files(cards(systems, tables), tables, summary, names=names, left_out=left_out)


def _datasets(systems: Sequence[System]) -> list[str]:
    return [dataset.id for system in systems for dataset in system.named_datasets]


def _better(summary: Summary) -> Iterator[tuple[str, ClaimOutcome]]:
    """Of each cell: whether it is shown to err less than persistence (a leak is not), or more."""
    for section in summary.sections:
        for cell in section.cells:
            if cell.cell_id:
                yield cell.cell_id, cell.beats_persistence
