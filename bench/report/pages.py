"""Summary and pictures → the text of the HTML page and of the Markdown page, by templates."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import itables
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from bench import __version__
from bench.report import cost_table, tables, text
from bench.report.drawing.svg import Picture
from bench.report.error_table import errors
from bench.report.figures import Pictures
from bench.report.model_tables import model_table
from bench.report.reading import TERMS
from bench.report.row_table import cell_rows
from bench.report.tabular import Table
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
    script = _template("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            **_values(summary, pictures),
            style=Markup(_template("report.css")),  # noqa: S704 - a file of this package
            script=Markup(script),  # noqa: S704 - a file of this package
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            datatables=_datatables() if summary.sections else "",
            csv=base64.b64encode(csv.encode()).decode(),
        )
    )


def markdown(summary: Summary, pictures: Pictures) -> str:
    """The same content as Markdown; the pictures are the files in ``figures/``."""
    rendered = _environment().get_template("report.md.j2").render(**_values(summary, pictures))
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
        "first": [picture for picture in pictures.overview if picture.name in FIRST],
        "model_parts": _model_parts(summary),
        "costs": tables.costs(summary),
        "failures": tables.failures(summary),
        "terms": TERMS,
        "probes": cost_table.tables(summary.probes),
        "not_probed": cost_table.NOT_PROBED,
        "version": __version__,
    }


def _model_parts(summary: Summary) -> list[ModelPart]:
    parts = []
    for place, model in enumerate(summary.models, start=1):
        anchor = f"model-{place:02}-{text.slug(model.name)}"
        own = model_table(summary, model, name=f"cells-{anchor}")
        if own.rows:
            parts.append(ModelPart(anchor, model, own))
    return parts


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bench.report"),
        autoescape=select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "count": text.count,
        "significant": text.significant,
        "plural": text.plural,
        "md": text.markdown,
        "svg": lambda picture: Markup(picture.svg),  # noqa: S704 - drawn here; the texts in it are escaped
    }
    return environment


def _template(name: str) -> str:
    return resources.files("bench.report").joinpath("templates", name).read_text(encoding="utf-8")


def _datatables() -> str:
    """The table library of itables' offline bundle, packed: 0.24 MB instead of 0.8, unpacked by the browser.

    Its style sheet stays behind: the page's own has the few rules that are needed.
    """
    source = resources.files(itables).joinpath("html", "dt_bundle.js").read_bytes()
    return base64.b64encode(gzip.compress(source, mtime=0)).decode()
