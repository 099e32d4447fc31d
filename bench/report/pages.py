"""Summary and pictures → the text of the HTML page and of the Markdown page, by templates."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from bench.report import cost_table, tables, text
from bench.report.drawing.svg import Picture
from bench.report.error_table import errors
from bench.report.figures import Pictures
from bench.report.model_tables import model_table
from bench.report.reading import TERMS
from bench.report.row_table import cell_commands, cell_rows
from bench.report.tabular import Table
from bench.report.templating import environment, shell
from bench.report.values import Model, Section, Summary


@dataclass(frozen=True)
class Part:
    """One dataset's part of a page; `anchor` is its name within the page."""

    anchor: str
    section: Section
    table: Table
    pictures: tuple[Picture, ...]

    @property
    def tests(self) -> list[str]:
        """What was tested on this dataset, in words."""
        chosen = [cell for cell in self.section.cells if cell.chosen]
        return [text for cell in chosen for text in (cell.why, cell.why_not_best) if text]


@dataclass(frozen=True)
class ModelPart:
    """One model's part of a page."""

    anchor: str
    model: Model
    table: Table


FIRST = ("ranks", "front")
"""The pictures beside the ranking."""


def html(summary: Summary, pictures: Pictures, *, csv: str) -> str:
    """The page: one file that asks for nothing from outside, which its content security policy makes sure of."""
    template = environment().get_template("report.html.j2")
    return template.render(**_values(summary, pictures), **shell(tables=bool(summary.sections)), csv=_encoded(csv))


def markdown(summary: Summary, pictures: Pictures) -> str:
    """The same content as Markdown; the pictures are the files in ``figures/``."""
    rendered = environment().get_template("report.md.j2").render(**_values(summary, pictures))
    return re.sub(r"\n{3,}", "\n\n", rendered)


def _values(summary: Summary, pictures: Pictures) -> dict[str, object]:
    parts = []
    for place, (section, own) in enumerate(zip(summary.sections, pictures.sections, strict=True), start=1):
        anchor = f"{place:02}-{text.slug(section.title)}"
        parts.append(Part(anchor, section, errors(section, name=f"errors-{anchor}"), own))
    return {
        "summary": summary,
        "pictures": pictures.overview,
        "parts": parts,
        "overview": tables.overview(summary),
        "ranking": tables.ranking(summary),
        "choice": tables.by_dataset(summary),
        "rows": cell_rows(summary),
        "cell_commands": cell_commands(summary),
        "first": [picture for picture in pictures.overview if picture.name in FIRST],
        "model_parts": _model_parts(summary),
        "costs": tables.costs(summary),
        "failures": tables.failures(summary),
        "terms": TERMS,
        "probes": cost_table.tables(summary.probes),
        "not_probed": cost_table.NOT_PROBED,
    }


def _model_parts(summary: Summary) -> list[ModelPart]:
    parts = []
    for place, model in enumerate(summary.models, start=1):
        anchor = f"model-{place:02}-{text.slug(model.name)}"
        own = model_table(summary, model, name=f"cells-{anchor}")
        if own.rows:
            parts.append(ModelPart(anchor, model, own))
    return parts


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
