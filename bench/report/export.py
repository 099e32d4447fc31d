"""Values as CSV: full precision, units in the names of the columns, and nothing that a spreadsheet would calculate."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import pyarrow as pa

from bench.report.estimate import Bounds, Estimate
from bench.report.text import csv_safe
from bench.report.values import CellSummary, Summary

COLUMNS = (
    *("dataset", "model", "sequence_length", "horizon", "cell_id", "state", "seeds_finished", "seeds", "chosen"),
    *("rmse", "rmse_low", "rmse_high", "rmse_scaled", "mae", "skill", "skill_low", "skill_high"),
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
    return _written(COLUMNS, (_values(cell) for section in summary.sections for cell in section.cells))


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


def _values(cell: CellSummary) -> list[object]:
    cost = cell.cost
    return [
        *(cell.dataset, cell.model, cell.sequence_length, cell.horizon, cell.cell_id, cell.state.value),
        *(cell.finished, cell.replicates, cell.chosen),
        *(*_estimate(cell.rmse), cell.rmse_scaled, cell.mae, *_estimate(cell.skill)),
        *(*_bounds(cell.skill_in_window), *_estimate(cell.learnable_fraction)),
        *(cell.directional_accuracy, cell.accuracy, cell.log_loss, cell.verdict.value),
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
