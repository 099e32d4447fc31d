"""Every stored cell with its replicates and the command that prints its rows, as a table and as CSV.

CSV has full precision and units in the column names. No text in it can be evaluated as a formula by a spreadsheet.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, takewhile
from pathlib import PurePath
from shlex import quote as shell
from urllib.parse import quote

import pyarrow as pa

from bench.reporting.tabular import LENGTH, Column, Table, TableEntry, length
from bench.reporting.values import Bounds, CellSummary, Section, Summary
from bench.stats.ratios import Estimate
from bench.store.grid import by_cell
from bench.text import count, csv_safe, number

ROW_COLUMNS = (
    *("seed", "status", "reason", "rmse", "mse", "mae", "skill", "learnable_fraction", "validation_mse_scaled"),
    *("epochs", "fit_s", "predict_s"),
)
"""Of `runs`, what the CSV of a cell repeats; ``bench show --csv`` prints all of them."""

_DIGITS = 10
_SHORTEST = 6


def cell_rows(summary: Summary) -> Table:
    """One row for each stored cell, whose anchor is ``cell-`` and its id, with the values of its replicates."""
    table = cell_commands(summary)
    rows = by_cell(summary.replicates)
    columns = (Column("RMSE of each seed", kind="prose"), Column("Values", kind="text"))
    values = [
        (
            TableEntry(_by_seed(cell) or cell.note),
            TableEntry("CSV", download=(f"{cell.cell_id}.csv", _data(rows[cell.cell_id or ""]))),
        )
        for _, cell in _stored(summary)
    ]
    extended = tuple((*row, *more) for row, more in zip(table.rows, values, strict=True))
    return replace(table, columns=(*table.columns, *columns), rows=extended)


def cell_commands(summary: Summary) -> Table:
    """One row for each stored cell, and the command that prints its replicates."""
    digits = _unique([cell.cell_id or "" for _, cell in _stored(summary)])
    rows = [
        (
            TableEntry(title, anchor=f"cell-{cell.cell_id}"),
            TableEntry(cell.model),
            length(cell),
            TableEntry(f"{count(cell.finished)} of {count(cell.replicates)}", cell.finished, hint=cell.note),
            TableEntry(f"bench show {(cell.cell_id or '')[:digits]}"),
        )
        for title, cell in _stored(summary)
    ]
    columns = (
        *(Column("Dataset", kind="text"), Column("Model", kind="text"), LENGTH),
        Column("Seeds", "ok"),
        Column("Command", kind="code"),
    )
    return Table("rows", "The rows of every cell", columns, tuple(rows), below=_where(summary))


def _stored(summary: Summary) -> list[tuple[str, CellSummary]]:
    """The cells that have rows, each with the title of its section."""
    return [(section.title, cell) for section in summary.sections for cell in section.cells if cell.cell_id]


def _unique(cell_ids: Sequence[str]) -> int:
    """How many characters tell the ids apart: two that share some are neighbours in order."""
    ordered = sorted(cell_ids)
    return max([_SHORTEST, *(_shared(one, other) + 1 for one, other in pairwise(ordered))])


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _by_seed(cell: CellSummary) -> str:
    if cell.deterministic and cell.rmse_by_seed:
        return f"{number(cell.rmse_by_seed[0])}, one fit for every seed"
    return ", ".join(number(value) for value in cell.rmse_by_seed)


def _data(rows: pa.Table) -> str:
    """The rows of one cell as the address of a CSV file."""
    ordered = rows.select(ROW_COLUMNS).sort_by("seed")
    shown = pa.table({name: _rounded(ordered[name]) for name in ROW_COLUMNS})
    return "data:text/csv;charset=utf-8," + quote(rows_csv(shown), safe=",.-_")


def _rounded(column: pa.ChunkedArray) -> Sequence[object]:
    return [float(f"{v:.{_DIGITS}g}") if isinstance(v, float) else v for v in column.to_pylist()]


def _where(summary: Summary) -> str:
    """Where the commands find the rows."""
    named: Mapping[bool, str] = {True: "", False: f" with --results {shell(summary.folder)}"}
    default = PurePath(summary.folder).parent == PurePath("results")
    return f"Run the commands where this report was made{named[default]}; --csv prints every column with every digit."


COLUMNS = (
    *("dataset", "model", "sequence_length", "horizon", "cell_id", "state", "seeds_finished", "seeds", "chosen"),
    *("rmse", "rmse_low", "rmse_high", "rmse_scaled", "mae", "mase", "skill", "skill_low", "skill_high"),
    *("seasonal_skill", "recovery_steps"),
    *("skill_window_low", "skill_window_high", "learnable_fraction", "learnable_low", "learnable_high"),
    *(
        "directional_accuracy",
        "accuracy",
        "log_loss",
        "verdict",
        "fit_s",
        "predict_s",
        "tuning_s",
        "peak_memory_bytes",
        "parameters",
    ),
    *("epochs", "hyperparameters", "note"),
)


def to_csv(summary: Summary) -> str:
    """Every cell of `summary`; an empty field is a value that is missing, and `note` says why."""
    return _written(COLUMNS, (row for section in summary.sections for row in _rows(section)))


def _rows(section: Section) -> Iterator[list[object]]:
    recovered = {own.cell_id: own.median for own in section.recoveries}
    for cell in section.cells:
        yield _values(cell, recovered.get(cell.cell_id or ""))


SERIES_COLUMNS = (
    *("dataset", "model", "sequence_length", "horizon", "cell_id", "series", "targets", "rmse", "persistence_rmse"),
    "skill",
)


def series_csv(summary: Summary) -> str | None:
    """The errors of every cell of `summary` on each of several series; `None` where there are none."""
    parts = [(each.dataset, each.horizon, each.by_series) for each in summary.sections]
    parts += [(each.dataset, each.horizon, each.errors) for each in summary.local_fits]
    rows = [
        [dataset, each.model, each.sequence_length, horizon, each.cell_id, name, *values]
        for dataset, horizon, errors in parts
        for each in errors
        for name, *values in zip(
            each.series,
            *(part.tolist() for part in (each.targets, each.rmse, each.persistence, each.skill)),
            strict=True,
        )
    ]
    known = [[None if value != value else value for value in row] for row in rows]  # noqa: PLR0124 - NaN
    return _written(SERIES_COLUMNS, known) if rows else None


def rows_csv(rows: pa.Table, names: Sequence[str] | None = None) -> str:
    """Rows of a results table: the columns `names`, or all of them."""
    names = names or rows.column_names
    return _written(names, zip(*(rows[name].to_pylist() for name in names), strict=True))


def _written(names: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    # A name in quotes stays one field also where a spreadsheet separates fields by semicolons.
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(names)
    writer.writerows([_field(value) for value in row] for row in rows)
    return text.getvalue()


def _values(cell: CellSummary, recovery_steps: float | None) -> list[object]:
    cost = cell.cost
    return [
        *(cell.dataset, cell.model, cell.sequence_length, cell.horizon, cell.cell_id, cell.state.value),
        *(cell.finished, cell.replicates, cell.chosen),
        *(*_estimate(cell.rmse), cell.rmse_scaled, cell.mae, cell.mase, *_estimate(cell.skill)),
        *(cell.seasonal_skill, recovery_steps),
        *(*_bounds(cell.skill_in_window), *_estimate(cell.learnable_fraction)),
        *(cell.directional_accuracy, cell.accuracy, cell.log_loss, cell.words),
        *(cost.fit_s, cost.predict_s, cost.tuning_s, cost.peak_memory_bytes, cost.parameters, cost.epochs),
        *("; ".join(f"{name}={value}" for name, value in cell.hyperparameters), cell.note),
    ]


def _estimate(estimate: Estimate | None) -> tuple[object, ...]:
    return (None, None, None) if estimate is None else (estimate.value, *_bounds(estimate.interval))


def _bounds(pair: Bounds | None) -> tuple[object, ...]:
    return pair or (None, None)


def _field(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    return csv_safe(str(value))
