"""The compact table of results that a run prints at its end."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.reporting.learning import LEARNING, learning_caution
from bench.store.grid import Grid, grid
from bench.tasks import words
from bench.text import columns

COLUMNS = ("cell_id", "seed", "task", "mse", "accuracy", *LEARNING)
"""The columns of `runs` that a table is made from."""

_HEAD = ("dataset", "L", "h")
_NEXT_TO = 10
"""Models next to each other, at most, so that a line fits on a screen."""


def results_table(runs: pa.Table, cell_ids: Sequence[str]) -> str:
    """RMSE by dataset, horizon, sequence length and model, pooled over the seeds that are ok.

    Parameters
    ----------
    runs
        Rows of `bench.store.schema.RUNS`, with `COLUMNS` at least.
    cell_ids
        The cells to show.
    """
    shown = grid(runs.filter(pc.is_in(runs["cell_id"], value_set=pa.array(cell_ids, pa.string()))))
    mse = shown.values("mse")  # [cells, models, seeds]
    order = _as_given(shown, cell_ids)
    unit = words(shown.runs["task"].unique().to_pylist()).unit
    errors = _table(shown, order, [_row(values) for values in mse[:, order]])
    return (
        f"RMSE on test, pooled over seeds, {unit} (* smallest of its dataset and length)\n{errors}"
        f"{_accuracies(shown, order)}{_caution(shown.runs)}"
    )


def _caution(runs: pa.Table) -> str:
    """Which models were stopped while they were still learning."""
    caution = learning_caution(runs)
    return f"\n\n{caution}" if caution else ""


def _accuracies(shown: Grid, order: Sequence[int]) -> str:
    """The same table of accuracies, for the cases that have them; empty where none does."""
    accuracy = shown.values("accuracy")[:, order]
    rows = [[*map(_mean, values)] if np.isfinite(values).any() else None for values in accuracy]
    return f"\n\nAccuracy on test, mean over seeds\n{_table(shown, order, rows)}" if any(rows) else ""


def _table(shown: Grid, order: Sequence[int], rows: Sequence[Sequence[str] | None]) -> str:
    """A line for each case, and a column for each model; of many models, a line for each cell that has a row."""
    models = [shown.models[m] for m in order]
    cases = [[case.dataset, str(case.sequence_length), str(case.horizon)] for case in shown.cases]
    there = np.any(shown.row[:, order] >= 0, axis=2)
    reported = [(case, row, own) for case, row, own in zip(cases, rows, there, strict=True) if row is not None]
    if len(models) <= _NEXT_TO:
        return columns([[*_HEAD, *models], *([*case, *row] for case, row, _ in reported)])
    lines = [
        [*case, model, entry]
        for case, row, own in reported
        for model, entry, stored in zip(models, row, own, strict=True)
        if stored
    ]
    return columns([[*_HEAD, "model", ""], *lines])


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.1%}" if known.size else "–"


def _as_given(shown: Grid, cell_ids: Sequence[str]) -> list[int]:
    """Positions of the models in the order of `cell_ids`."""
    model_of = dict(zip(shown.runs["cell_id"].to_pylist(), shown.runs["model"].to_pylist(), strict=True))
    names = dict.fromkeys(model_of[cell_id] for cell_id in cell_ids if cell_id in model_of)
    return [shown.models.index(name) for name in names]


def _row(mse: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[str]:
    """RMSE from ``[models, seeds]``, the square root of the mean; a dash where no seed is ok."""
    done = [each[~np.isnan(each)] for each in mse]
    pooled = [float(np.sqrt(each.mean())) if each.size else None for each in done]
    known = [rmse for rmse in pooled if rmse is not None]
    smallest = min(known) if len(known) > 1 else None
    return ["–" if rmse is None else f"{rmse:#.4g}{'*' if rmse == smallest else ''}" for rmse in pooled]
