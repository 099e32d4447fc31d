"""Cards → the text of the HTML page and of the Markdown page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.published.cards import Card
from bench.published.evidence import Tables
from bench.report import tables as report_tables
from bench.report.drawing.svg import Picture
from bench.report.published import tables
from bench.report.published.pictures import draw
from bench.report.published.results import Verdicts, results
from bench.report.published.wording import TERMS, answer
from bench.report.row_table import cell_commands, cell_rows
from bench.report.tabular import Table
from bench.report.templating import environment, shell
from bench.report.text import slug
from bench.report.values import Summary


@dataclass(frozen=True)
class View:
    """One card as it is shown; `anchor` is its name within the page."""

    anchor: str
    card: Card
    short: str
    departures: list[tuple[str, str]]
    statements: tuple[str, ...]
    findings: Table
    results: Table
    claims: Table | None
    pictures: tuple[Picture, ...]


def files(
    found: Sequence[Card], rows: Tables, summary: Summary, *, names: tuple[str, str], left_out: Sequence[str] = ()
) -> dict[str, str | bytes]:
    """The files of the page: path within its folder → content; the HTML page itself comes last.

    Parameters
    ----------
    found
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
    views = [_view(card, rows, verdicts) for card in found]
    values = _values(views, found, summary, left_out=left_out)
    page, text = names
    markdown = environment().get_template("published.md.j2").render(**values)
    return {
        **{f"figures/{picture.name}.svg": picture.file() for view in views for picture in view.pictures},
        text: re.sub(r"\n{3,}", "\n\n", markdown),
        page: environment().get_template("published.html.j2").render(**values, **shell(tables=True)),
    }


def _view(card: Card, rows: Tables, verdicts: Verdicts) -> View:
    anchor = slug(card.id)
    return View(
        anchor=anchor,
        card=card,
        short=tables.in_short(card),
        departures=tables.departures(card),
        statements=tuple(statement for system in card.systems for statement in system.published.statements),
        findings=tables.findings(card, anchor),
        results=results(card, anchor, verdicts),
        claims=tables.claims(card, anchor),
        pictures=draw(card, rows),
    )


def _values(
    views: Sequence[View], found: Sequence[Card], summary: Summary, *, left_out: Sequence[str]
) -> Mapping[str, object]:
    return {
        "summary": summary,
        "views": views,
        "answer": answer(found, left_out),
        "overview": tables.overview(found),
        "failures": report_tables.failures(summary),
        "rows": cell_rows(summary),
        "cell_commands": cell_commands(summary),
        "terms": TERMS,
        "commands": (f"bench run suites/{summary.suite}.yaml", *summary.commands[1:]),
    }
