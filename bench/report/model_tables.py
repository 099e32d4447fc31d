"""One table for each model: what it was trained with, and what that took."""

from __future__ import annotations

from collections.abc import Mapping

from bench.report.tabular import LENGTH, NO_TIME, NOT_TUNED, Column, Entry, Table, length, measured, nothing
from bench.report.text import count, number, percent, seconds, significant
from bench.report.values import CellSummary, Model, Summary, Tuned


def model_table(summary: Summary, model: Model, *, name: str) -> Table:
    """Every finished cell of `model`."""
    own = ((section.title, cell) for section in summary.sections for cell in section.cells if cell.model == model.name)
    tuning = {
        (section.title, tuned.sequence_length): tuned
        for section in summary.sections
        for tuned in section.tuned
        if tuned.model == model.name
    }
    several = len(summary.sequence_lengths) > 1
    columns = (
        Column("Dataset", kind="text"),
        LENGTH,
        Column("RMSE", "original units"),
        Column("Fit", "one seed, median"),
        Column("Tuning", "all trials"),
        Column("Epochs", "median"),
        Column("Parameters", "fitted numbers"),
        Column("Hyperparameters", kind="prose"),
        Column("Mattered", "share of the trials' variance", kind="text", hint=_MATTERED) if tuning else None,
    )
    return Table(
        name,
        f"Cells of {model.name}",
        tuple(column for column in columns if column),
        tuple(
            (*_row(title, cell, several=several), *_trials(tuning, title, cell)) for title, cell in own if cell.finished
        ),
        below="✓: the best length on validation." if several else "",
    )


_MATTERED = "Hyperparameters whose values explain more of the validation error (its logarithm) than chance, at 5 %."


def _trials(tuning: Mapping[tuple[str, int], Tuned], title: str, cell: CellSummary) -> tuple[Entry, ...]:
    """The last column, where any cell of the model was tuned."""
    if not tuning:
        return ()
    tuned = tuning.get((title, cell.sequence_length))
    if tuned is None:
        return (nothing("looked at where the length is best on validation, and tuned"),)
    shares = ", ".join(f"{name} {percent(share)}" for name, share in tuned.mattered)
    return (Entry(shares or "none shown", hint=f"{len(tuned.trials)} trials"),)


def _row(title: str, cell: CellSummary, *, several: bool) -> tuple[Entry, ...]:
    rmse = cell.rmse.value if cell.rmse else None
    chosen = ", ".join(f"{name} {value}" for name, value in cell.hyperparameters)
    return (
        Entry(title),
        length(cell, mark="✓" if several and cell.chosen else ""),
        nothing("no error is stored") if rmse is None else Entry(significant(rmse), rmse, cell=cell.cell_id),
        measured(cell.cost.fit_s, seconds, otherwise=NO_TIME),
        measured(cell.cost.tuning_s, seconds, otherwise=NOT_TUNED),
        measured(cell.cost.epochs, number),
        measured(cell.cost.parameters, count),
        Entry(chosen or "none"),
    )
