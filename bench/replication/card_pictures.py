"""A card → its pictures: loss curves, errors of replicates with the printed numbers, predictions and truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.replication.card_tables import AS_DESCRIBED, AS_PUBLISHED, label
from bench.replication.cards import Card, Run
from bench.replication.evidence_rows import Evidence, Tables
from bench.replication.findings import Spread, Trajectory
from bench.replication.printed import Printed
from bench.replication.systems import DESCRIBED
from bench.reporting.evidence import trace
from bench.reporting.figures.layout import LONGEST, Panels, distinct, name_width, short
from bench.reporting.figures.prediction_panels import DETAIL_POINTS, draw_end as prediction_lines
from bench.reporting.figures.style import INK, MUTED, log, log_if_wide, theme
from bench.reporting.figures.svg import Picture, picture
from bench.reporting.values import Trace
from bench.text import number, plural, slug

_PUBLISHED, _PROTOCOL, _PRINTED = "#0173b2", "#029e73", "#d55e00"
_MOST_COURSES = 6  # panels of one picture
_MOST_SHOWN = 6  # rows of one panel whose errors its text names one by one
_DOTS = (0, (1, 2))
_DASHES = (0, (5, 3))


@dataclass(frozen=True)
class Row:
    """One model's error on one dataset: the replicates, what was printed, and its references; where they are known."""

    label: str
    spread: Spread
    published: bool
    printed: Printed | None = None
    persistence: float | None = None
    noise_floor: float | None = None


@dataclass(frozen=True)
class Group:
    """The rows of one dataset."""

    dataset: str
    unit: str
    rows: tuple[Row, ...]


def courses(trajectories: Sequence[tuple[str, Trajectory]], name: str) -> Picture | None:
    """Where the training loss of one more run would lie at the printed epochs, with what was printed."""
    complete = [(label, course) for label, course in trajectories if all(each.ours for each in course.findings)]
    shown = complete[:_MOST_COURSES]
    if not shown:
        return None
    layout = Panels(count=len(shown), columns=2, height=1.9, labels=["ours: mean, 95 % for one more run", "printed"])
    figure, panels = layout.figure()
    for axes, (name_of_run, course) in zip(panels, shown, strict=True):
        _course(axes, course)
        axes.set_title(short(name_of_run, 40))
    handles: list[Artist] = [Line2D([], [], color=_PUBLISHED, linewidth=2), _printed_handle()]
    layout.legend(figure, handles)
    alt = "; ".join(f"{label}: {course.outcome}" for label, course in shown)
    return picture(figure, name=f"courses-{name}", title="Training loss by epoch, printed and ours", alt=f"{alt}.")


def _course(axes: Axes, course: Trajectory) -> None:
    spreads = [finding.ours for finding in course.findings if finding.ours]
    printed = [finding.printed.low for finding in course.findings if finding.printed]
    epochs = np.array(course.epochs, dtype=np.float64)
    low, high = np.array([each.low for each in spreads]), np.array([each.high for each in spreads])
    axes.fill_between(epochs, low, high, color=_PUBLISHED, alpha=0.25, linewidth=0)
    axes.plot(epochs, [each.mean for each in spreads], color=_PUBLISHED, linewidth=1.5)
    axes.plot(epochs, printed, color=_PRINTED, marker="D", markersize=4, linewidth=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    values = [value for value in (*low, *high, *printed) if np.isfinite(value)]
    if min(values) > 0:
        log(axes, "y", values)


def distributions(groups: Sequence[Group], name: str) -> Picture | None:
    """Every replicate's error as a dot, 95 % for one more run as a bar, and what was printed where anything was.

    Each row has its own references: what persistence and the noise floor err depends on what a model is shown.
    """
    shown = [group for group in groups if group.rows]
    if not shown:
        return None
    most = max(len(group.rows) for group in shown)
    labels = [label for group in shown for label in distinct([row.label for row in group.rows])]
    legend = ["as published or described", "protocol", "printed", "persistence", "noise floor"]
    layout = Panels(
        count=len(shown),
        columns=1,
        height=0.24 * most + 0.25,
        left=name_width(labels, longest=LONGEST),
        labels=legend,
        below=0.5,
    )
    figure, panels = layout.figure()
    for axes, group in zip(panels, shown, strict=True):
        _group(axes, group)
    layout.legend(figure, _handles())
    return picture(figure, name=f"distributions-{name}", title="Errors over replicates", alt=_alt(shown))


def _group(axes: Axes, group: Group) -> None:
    seen: list[float] = []
    for place, row in enumerate(group.rows):
        color = _PUBLISHED if row.published else _PROTOCOL
        values = row.spread.values
        axes.scatter(values, [place] * len(values), s=10, color=color, alpha=0.35, linewidth=0)
        axes.plot([row.spread.low, row.spread.high], [place, place], color=color, linewidth=2, alpha=0.8)
        seen += values
        if row.printed:
            ends = [row.printed.low, row.printed.high]
            axes.plot(ends, [place, place], color=_PRINTED, linewidth=2, marker="D", markersize=5, zorder=4)
            seen += ends
    for place, row in enumerate(group.rows):
        for value, style in ((row.persistence, _DASHES), (row.noise_floor, _DOTS)):
            if value is not None and min(seen) / 30 < value < 30 * max(seen):
                axes.plot([value, value], [place - 0.45, place + 0.45], color=MUTED, linestyle=style, linewidth=1.2)
    axes.set_yticks(range(len(group.rows)), distinct([row.label for row in group.rows]))
    axes.set_ylim(len(group.rows) - 0.4, -0.6)
    axes.set_title(group.dataset)
    axes.set_xlabel(group.unit)
    log_if_wide(axes, "x", seen)


def _handles() -> list[Artist]:
    lines: list[Artist] = [Patch(color=_PUBLISHED, linewidth=0), Patch(color=_PROTOCOL, linewidth=0), _printed_handle()]
    return [*lines, *(Line2D([], [], color=MUTED, linestyle=style, linewidth=1.2) for style in (_DASHES, _DOTS))]


def _printed_handle() -> Line2D:
    return Line2D([], [], color=_PRINTED, marker="D", markersize=5, linewidth=0)


def _alt(groups: Sequence[Group]) -> str:
    return f"{'; '.join(f'{group.dataset}, {group.unit}: {_reported(group.rows)}' for group in groups)}."


def _reported(rows: Sequence[Row]) -> str:
    """Each row's error, or of many the smallest and the largest."""
    if len(rows) <= _MOST_SHOWN:
        return ", ".join(f"{row.label} {number(row.spread.mean)}" for row in rows)
    ordered = sorted(rows, key=lambda row: row.spread.mean)
    ends = (f"{number(row.spread.mean)} ({row.label})" for row in (ordered[0], ordered[-1]))
    return f"{len(rows)} rows from {' to '.join(ends)}"


def overlay(trace: Trace, *, title: str, name: str, what: str = "") -> Picture:
    """Predictions over truth, persistence next to them."""
    what_of = "median" if trace.seed is None else f"seed {trace.seed}"
    layout = Panels(
        count=1, height=2.0, labels=["truth", "persistence", f"{short(trace.model, 40)}, {what_of}"], above=0.1
    )
    figure, (axes,) = layout.figure()
    prediction_lines(axes, trace, color=_PUBLISHED, band=bool((trace.high > trace.low).any()))
    if what:
        axes.set_xlabel(what)
    handles: list[Artist] = [
        Line2D([], [], color=INK, linewidth=1.4),
        Line2D([], [], color=MUTED, linewidth=1.0, linestyle=(0, (4, 2))),
        Line2D([], [], color=_PUBLISHED, linewidth=3.0),
    ]
    layout.legend(figure, handles)
    error = float(np.sqrt(np.mean((trace.median - trace.truth)[-DETAIL_POINTS:] ** 2)))
    whose = "the median over replicates" if trace.seed is None else f"seed {trace.seed}"
    alt = f"The root mean squared error of {whose} is {number(error)} here."
    return picture(figure, name=f"overlay-{name}", title=title, alt=alt)


_ERRORS = {"test accuracy": "accuracy", "test L1": "mae", "test RMSE": "rmse"}
"""The quantities with a picture, and their columns."""

_UNITS = {"accuracy": "accuracy", "mae": "mean absolute error (original units)", "rmse": "RMSE (original units)"}
_MOST_OVERLAYS = 3  # of one card


def draw(card: Card, tables: Tables) -> tuple[Picture, ...]:
    """Every picture for which there is something to show."""
    name = slug(card.id)
    courses_of = [(label(run), run.trajectory) for run in card.runs if run.trajectory]
    with theme():
        pictures = [courses(courses_of, name), distributions(_groups(card), name), *_overlays(card, tables, name)]
    return tuple(each for each in pictures if each is not None)


def _groups(card: Card) -> list[Group]:
    datasets = dict.fromkeys(run.dataset for run in card.runs)
    return [
        _picture_group(dataset, [run for run in card.runs if run.dataset == dataset], card.protocol)
        for dataset in datasets
    ]


def _picture_group(dataset: str, runs: Sequence[Run], protocol: Sequence[Evidence]) -> Group:
    column, own = _column(runs), {run.model for run in runs}
    published = [row for run in runs if (row := _row(run, column))]
    others = [
        _referred(Row(f"{cell.model}, protocol", spread, published=False), cell, column)
        for cell in protocol
        if cell.dataset == dataset and cell.model in own and (spread := cell.spread(column))
    ]
    return Group(dataset, _UNITS[column], (*published, *others))


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
    if run.evidence is None or spread is None:
        return None
    return _referred(Row(run.model, spread, published=True, printed=printed), run.evidence, column)


def _referred(row: Row, cell: Evidence, column: str) -> Row:
    """`row` with the RMSE of persistence and of the noise floor on its targets, given what its model is shown."""
    if column != "rmse":
        return row
    persistence, floor = (
        None if (mse := cell.mean(f"{name}_mse")) is None else float(np.sqrt(mse))
        for name in ("persistence", "noise_floor")
    )
    return replace(row, persistence=persistence, noise_floor=floor)


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
            traced = trace(one, alone=cell.own_data)
            how = AS_DESCRIBED if cell.model.endswith(DESCRIBED) else AS_PUBLISHED
            title = f"Predictions of {run.model} {how} over truth on {dataset}{late}{traced.alone}"
            yield overlay(traced, title=title, name=f"{name}-{place}", what=what)


def _one_sequence(rows: pa.Table) -> pa.Table:
    """The first test sequence alone, its steps as positions."""
    first = rows.filter(pc.equal(rows["index"], pc.min(rows["index"])))
    place = first.schema.get_field_index("index")
    return first.set_column(place, "index", first["step"].cast(pa.int64()))
