"""Summary and pictures → the text of the HTML and Markdown pages, by templates.

Every page is one self-contained file. Pictures get their numbers from the summary only, so that pictures and tables
cannot differ.
"""

import base64
import gc
import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources

import itables
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from bench import __version__, registry, text
from bench.reporting import budget, cost_tables, every_pair, explorer, series_table, stability, tables
from bench.reporting.export import cell_commands, cell_rows
from bench.reporting.figures.error_panels import draw_errors, draw_steps
from bench.reporting.figures.pareto_front import draw_cost, draw_front
from bench.reporting.figures.prediction_panels import draw_predictions
from bench.reporting.figures.rank_diagram import draw_ranks
from bench.reporting.figures.skill import draw_skill
from bench.reporting.figures.style import looks, theme
from bench.reporting.figures.svg import Picture
from bench.reporting.figures.training_curves import draw_curves, draw_tuning
from bench.reporting.sentences import TERMS
from bench.reporting.tabular import Table
from bench.reporting.values import Model, Section, Summary


def shell(*, tables: bool, explored: str = "") -> dict[str, object]:
    """The style, the script with its hash and, where there are `tables`, what sorts them; what draws `explored`."""
    script = _file("report.js") + (_file("budget.js") + _file("explorer.js") if explored else "")
    return {
        "style": Markup(_file("report.css")),  # noqa: S704 - a file of this package
        "script": Markup(script),  # noqa: S704 - a file of this package
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "datatables": _datatables() if tables else "",
        "charts": explorer.library() if explored else "",
        "explored": explored,
        "version": __version__,
    }


def environment() -> Environment:
    """The templates of the package `bench.reporting`; those that make HTML escape what they show."""
    environment = Environment(
        loader=PackageLoader("bench.reporting"),
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
        "code": lambda said: Markup(_CODE.sub(r"<code>\1</code>", str(escape(said)))),  # noqa: S704 - escaped
        "svg": lambda picture: Markup(picture.svg),  # noqa: S704 - drawn here; the texts in it are escaped
    }
    return environment


_CODE = re.compile("`([^`]+)`")


def _file(name: str) -> str:
    return resources.files("bench.reporting").joinpath("templates", name).read_text(encoding="utf-8")


def _datatables() -> str:
    """The table library of itables' offline bundle, packed: 0.24 MB instead of 0.8, unpacked by the browser.

    Its style sheet stays behind: the page's own has the few rules that are needed.
    """
    return explorer.packed(resources.files(itables).joinpath("html", "dt_bundle.js").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Pictures:
    """All pictures of a report; those of `sections` in the order of the summary's sections, none of further ones."""

    overview: tuple[Picture, ...]
    sections: tuple[tuple[Picture, ...], ...]

    def __iter__(self) -> Iterator[Picture]:
        """Every picture, in reading order."""
        yield from self.overview
        for own in self.sections:
            yield from own


def draw(summary: Summary) -> Pictures:
    """Every picture for which the summary holds something to show; of many cells, of the first sections."""
    every, summary = len(summary.sections), summary.on_page
    look = looks(summary.models)
    with theme(), _frozen():
        overview = _present(
            drawer(summary, look) for drawer in (draw_ranks, draw_front, draw_skill, draw_tuning, draw_cost)
        )
        sections = tuple(
            _present(
                drawer(section, look, f"{place:02}-{text.slug(section.title)}")
                for drawer in (draw_errors, draw_steps, draw_predictions, draw_curves)
            )
            for place, section in enumerate(summary.sections, start=1)
        )
    return Pictures(overview, sections + ((),) * (every - len(sections)))


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


@dataclass(frozen=True)
class Part:
    """One dataset's part of a page; `anchor` is its name within the page."""

    anchor: str
    section: Section
    table: Table
    pictures: tuple[Picture, ...]
    by_step: Table | None
    by_series: Table | None
    recoveries: Table | None
    pairs: Table | None
    every_pair: Table | None

    @property
    def tests(self) -> list[str]:
        """What was tested on this dataset, in words."""
        chosen = [cell for cell in self.section.cells if cell.chosen]
        said = (text for cell in chosen for text in (cell.why, cell.why_not_best) if text)
        return list(dict.fromkeys(said))


@dataclass(frozen=True)
class ModelPart:
    """One model's part of a page."""

    anchor: str
    model: Model
    table: Table


TABS = (
    ("errors", "Errors"),
    ("forecasts", "Forecasts"),
    ("residuals", "Residuals"),
    ("steps", "By step"),
    ("against", "A against B"),
    ("curves", "Learning curves"),
    ("hyperparameters", "Hyperparameters"),
    ("wins", "Wins"),
)
"""The interactive charts: their names in ``explorer.js``, and their titles."""

FIRST = ("front",)
"""The pictures next to the ranking."""


def html(summary: Summary, pictures: Pictures, *, csv: str) -> str:
    """The page: one file that requests nothing from outside, which its content security policy makes sure of.

    Of many cells it shows the first sections, and does not hold `csv`.
    """
    template = environment().get_template("report.html.j2")
    shown = summary.on_page
    whole, summary = shown is summary, shown
    explored = (
        explorer.written(summary) if any(cell.rmse for section in summary.sections for cell in section.cells) else ""
    )
    page = shell(tables=bool(summary.sections), explored=explored)
    return template.render(
        **_values(summary, pictures),
        **page,
        rows=cell_rows(summary),
        budget=budget.page_budget(summary, tables.ranking(summary)),
        csv=_encoded(csv) if whole else "",
    )


def markdown(summary: Summary, pictures: Pictures) -> str:
    """The same content as Markdown; the pictures are the files in ``figures/``."""
    rendered = environment().get_template("report.md.j2").render(**_values(summary, pictures))
    return re.sub(r"\n{3,}", "\n\n", rendered)


def _values(summary: Summary, pictures: Pictures) -> dict[str, object]:
    parts, ranking = [], tables.ranking(summary)
    for place, (section, own) in enumerate(zip(summary.sections, pictures.sections, strict=False), start=1):
        anchor = f"{place:02}-{text.slug(section.title)}"
        steps = tables.by_step(section, name=f"steps-{anchor}")
        recoveries = tables.recoveries(section, name=f"recovery-{anchor}")
        series = series_table.by_series(section, name=f"series-{anchor}")
        own_errors = tables.errors(section, name=f"errors-{anchor}")
        two = [every_pair.table(section, name=f"pairs-{anchor}", lengths=lengths) for lengths in (False, True)]
        parts.append(Part(anchor, section, own_errors, own, steps, series, recoveries, *two))
    return {
        "summary": summary,
        "pictures": pictures.overview,
        "parts": parts,
        "overview": tables.overview(summary),
        "local_fits": [
            series_table.of_local_fits(each, name=f"local-{place:02}") for place, each in enumerate(summary.local_fits)
        ],
        "ranking": ranking,
        "stable": (stable := stability.stability_of(summary.sections, summary.ranking)),
        "stability": stability.stability_table(stable),
        "choice": tables.by_dataset(summary),
        "cell_commands": cell_commands(summary),
        "first": [picture for picture in pictures.overview if picture.name in FIRST],
        "model_parts": _model_parts(summary),
        "costs": tables.costs(summary),
        "failures": tables.failures(summary),
        "kept": tables.kept(summary),
        "charts_tabs": TABS,
        "terms": TERMS,
        "probes": cost_tables.tables(summary.probes),
        "not_probed": cost_tables.NOT_PROBED.format(
            place=shlex.quote(summary.folder) + registry.flag_of(model.kind for model in summary.models)
        ),
    }


def _model_parts(summary: Summary) -> list[ModelPart]:
    parts = []
    for place, model in enumerate(summary.models, start=1):
        anchor = f"model-{place:02}-{text.slug(model.name)}"
        own = cost_tables.model_table(summary, model, name=f"cells-{anchor}")
        if own.rows:
            parts.append(ModelPart(anchor, model, own))
    return parts


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
