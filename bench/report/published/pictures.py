"""A card → its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.published.cards import Card, Run
from bench.published.evidence import Evidence, Tables
from bench.published.values import Printed
from bench.report.drawing.published import Group, Row, courses, distributions, overlay
from bench.report.drawing.style import theme
from bench.report.drawing.svg import Picture
from bench.report.losses import trace
from bench.report.published.tables import label
from bench.report.text import plural, slug

_ERRORS = {"test accuracy": "accuracy", "test L1": "mae", "test RMSE": "rmse"}
"""The quantities with a picture, and their columns."""

_UNITS = {"accuracy": "accuracy", "mae": "mean absolute error (original units)", "rmse": "RMSE (original units)"}
_MOST_OVERLAYS = 3  # of one card


def draw(card: Card, tables: Tables) -> tuple[Picture, ...]:
    """Every picture for which there is something to show."""
    name = slug(card.id)
    courses_of = [(label(run), run.trajectory) for run in card.runs if run.trajectory]
    with theme():
        found = [courses(courses_of, name), distributions(_groups(card), name), *_overlays(card, tables, name)]
    return tuple(each for each in found if each is not None)


def _groups(card: Card) -> list[Group]:
    datasets = dict.fromkeys(run.dataset for run in card.runs)
    return [
        _group(dataset, [run for run in card.runs if run.dataset == dataset], card.protocol) for dataset in datasets
    ]


def _group(dataset: str, runs: Sequence[Run], protocol: Sequence[Evidence]) -> Group:
    column, own = _column(runs), {run.model for run in runs}
    published = [row for run in runs if (row := _row(run, column))]
    others = [
        Row(f"{cell.model}, protocol", spread, published=False)
        for cell in protocol
        if cell.dataset == dataset and cell.model in own and (spread := cell.spread(column))
    ]
    persistence, floor = (
        _root(runs, name) if column == "rmse" else None for name in ("persistence_mse", "noise_floor_mse")
    )
    return Group(dataset, _UNITS[column], (*published, *others), persistence, floor)


def _column(runs: Sequence[Run]) -> str:
    """Of the errors that were printed; else of what the task is measured by."""
    printed = (_ERRORS.get(finding.quantity) for run in runs for finding in run.findings if finding.printed)
    usual = "accuracy" if any(run.evidence and run.evidence.task == "classify" for run in runs) else "rmse"
    return next((column for column in printed if column), usual)


def _row(run: Run, column: str) -> Row | None:
    spread = run.evidence.spread(column) if run.evidence else None
    printed: Printed | None = next(
        (finding.printed for finding in run.findings if _ERRORS.get(finding.quantity) == column), None
    )
    return Row(run.model, spread, published=True, printed=printed) if spread else None


def _root(runs: Sequence[Run], column: str) -> float | None:
    values = [value for run in runs if run.evidence and (value := run.evidence.mean(column)) is not None]
    return float(np.sqrt(values[0])) if values else None


def _overlays(card: Card, tables: Tables, name: str) -> Iterator[Picture]:
    """For each dataset, of the model with the smallest error as published."""
    datasets = list(dict.fromkeys(run.dataset for run in card.runs))[:_MOST_OVERLAYS]
    for place, dataset in enumerate(datasets, start=1):
        own = [(run, run.evidence) for run in card.runs if run.dataset == dataset and run.evidence]
        finished = [(run, cell) for run, cell in own if cell.seeds and cell.task != "classify"]
        if not finished:
            continue
        run, cell = min(finished, key=lambda pair: float(np.mean(pair[1].numbers["mse"])))
        rows = tables.predictions(cell)
        if rows is not None and rows.num_rows:
            one, what = (
                (_one_sequence(rows), "step of the first test sequence") if cell.task == "denoise" else (rows, "")
            )
            late = f", {plural(run.delay.steps, 'step')} late" if run.delay and run.delay.late else ""
            drawn = trace(one, alone=cell.own_data)
            title = f"Predictions of {run.model} as published over truth on {dataset}{late}{drawn.alone}"
            yield overlay(drawn, title=title, name=f"{name}-{place}", what=what)


def _one_sequence(rows: pa.Table) -> pa.Table:
    """The first test sequence alone, its steps as positions."""
    first = rows.filter(pc.equal(rows["index"], pc.min(rows["index"])))
    place = first.schema.get_field_index("index")
    return first.set_column(place, "index", first["step"].cast(pa.int64()))
