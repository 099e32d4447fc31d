"""The compact table of results that ends a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.cli.lines import columns
from bench.stats.table import Grid, grid
from bench.tasks import words


def results_table(runs: pa.Table, cell_ids: Sequence[str]) -> str:
    """RMSE by dataset, horizon, sequence length and model, pooled over the seeds that are ok.

    Parameters
    ----------
    runs
        Rows of `bench.schema.RUNS`.
    cell_ids
        The cells to show.
    """
    shown = grid(runs.filter(pc.is_in(runs["cell_id"], value_set=pa.array(cell_ids, pa.string()))))
    mse = shown.values("mse")  # [cells, models, seeds]
    order = _as_given(shown, cell_ids)
    rows = [["dataset", "L", "h", *(shown.models[m] for m in order)]]
    for case, values in zip(shown.cases, mse[:, order], strict=True):
        rows.append([case.dataset, str(case.sequence_length), str(case.horizon), *_row(values)])
    unit = words(shown.runs["task"].unique().to_pylist()).unit
    return (
        f"RMSE on test, pooled over seeds, {unit} (* smallest of its row)\n{columns(rows)}{_accuracies(shown, order)}"
    )


def _accuracies(shown: Grid, order: Sequence[int]) -> str:
    """The same table of accuracies, for the cases that have them; empty where none does."""
    accuracy = shown.values("accuracy")[:, order]
    rows = [
        [case.dataset, str(case.sequence_length), *map(_mean, values)]
        for case, values in zip(shown.cases, accuracy, strict=True)
        if np.isfinite(values).any()
    ]
    names = ["dataset", "L", *(shown.models[m] for m in order)]
    return f"\n\nAccuracy on test, mean over seeds\n{columns([names, *rows])}" if rows else ""


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
