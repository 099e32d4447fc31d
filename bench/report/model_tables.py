"""One table for each model: what it was trained with, and what that took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.report.drawn import Tuned
from bench.report.tabular import LENGTH, NO_TIME, NOT_TUNED, Column, Entry, Table, length, measured, nothing
from bench.report.text import count, number, percent, seconds, significant
from bench.report.values import CellSummary, Model, Summary

Tunings = Mapping[tuple[str, int], Tuned]
"""By dataset's title and sequence length."""

_MATTERED = "Hyperparameters whose values explain more of the validation error (its logarithm) than chance, at 5 %."


def model_table(summary: Summary, model: Model, *, name: str) -> Table:
    """Every finished cell of `model`."""
    cells = [
        (s.title, cell) for s in summary.sections for cell in s.cells if cell.model == model.name and cell.finished
    ]
    tunings = {(s.title, t.sequence_length): t for s in summary.sections for t in s.tuned if t.model == model.name}
    shared = _shared([cell for _, cell in cells])
    several = len(summary.sequence_lengths) > 1
    columns = [
        Column("Dataset", kind="text"),
        LENGTH,
        Column("RMSE", summary.words.unit),
        Column("Fit", "one seed, median"),
        Column("Tuning", "all trials"),
        Column("Epochs", "median"),
        Column("Parameters", "fitted numbers"),
        Column("Hyperparameters", kind="prose"),
        *([Column("Mattered", "of the trials' variance", kind="text", hint=_MATTERED)] if tunings else []),
    ]
    rows = (
        (
            Entry(title),
            length(cell, mark="✓" if several and cell.chosen else ""),
            *_numbers(cell),
            Entry(_settings(item for item in cell.hyperparameters if item not in shared) or "as below"),
            *([_mattered(tunings.get((title, cell.sequence_length)))] if tunings else []),
        )
        for title, cell in cells
    )
    notes = ["✓: the best length on validation."] if several else []
    notes += [f"The same in every cell: {_settings(shared)}."] if shared else []
    return Table(name, f"Cells of {model.name}", tuple(columns), tuple(rows), below=" ".join(notes))


def _shared(cells: Sequence[CellSummary]) -> list[tuple[str, str]]:
    """The hyperparameters that are the same in all of `cells`."""
    first = cells[0].hyperparameters if cells else ()
    return [item for item in first if all(item in cell.hyperparameters for cell in cells)]


def _settings(items: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in items)


def _numbers(cell: CellSummary) -> tuple[Entry, ...]:
    rmse = cell.rmse.value if cell.rmse else None
    return (
        nothing("no error is stored") if rmse is None else Entry(significant(rmse), rmse, cell=cell.cell_id),
        measured(cell.cost.fit_s, seconds, otherwise=NO_TIME),
        measured(cell.cost.tuning_s, seconds, otherwise=NOT_TUNED),
        measured(cell.cost.epochs, number),
        measured(cell.cost.parameters, count),
    )


def _mattered(tuned: Tuned | None) -> Entry:
    if tuned is None:
        return nothing("looked at where the length is best on validation, and tuned")
    shares = ", ".join(f"{name} {percent(share)}" for name, share in tuned.mattered)
    return Entry(shares or "none shown", hint=f"{len(tuned.trials)} trials")
