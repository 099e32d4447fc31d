"""The compact table of results that ends a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.cli.lines import columns
from bench.stats.table import Grid, grid


def results_table(runs: pa.Table, cell_ids: Sequence[str]) -> str:
    """RMSE by dataset, horizon, sequence length and model: the mean over the seeds that are ok.

    Parameters
    ----------
    runs
        Rows of `bench.schema.RUNS`.
    cell_ids
        The cells to show.
    """
    shown = grid(runs.filter(pc.is_in(runs["cell_id"], value_set=pa.array(cell_ids, pa.string()))))
    rmse = shown.values("rmse")  # [cells, models, seeds]
    order = _as_given(shown, cell_ids)
    rows = [["dataset", "L", "h", *(shown.models[m] for m in order)]]
    for case, values in zip(shown.cases, rmse[:, order], strict=True):
        rows.append([case.dataset, str(case.sequence_length), str(case.horizon), *_row(values)])
    return f"RMSE on test, mean over seeds, original units (* smallest of its row)\n{columns(rows)}"


def _as_given(shown: Grid, cell_ids: Sequence[str]) -> list[int]:
    """Positions of the models in the order of `cell_ids`."""
    model_of = dict(zip(shown.runs["cell_id"].to_pylist(), shown.runs["model"].to_pylist(), strict=True))
    names = dict.fromkeys(model_of[cell_id] for cell_id in cell_ids if cell_id in model_of)
    return [shown.models.index(name) for name in names]


def _row(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[str]:
    """The means of ``[models, seeds]``; a dash where no seed is ok."""
    means = [float(each[~np.isnan(each)].mean()) if (~np.isnan(each)).any() else None for each in values]
    known = [mean for mean in means if mean is not None]
    smallest = min(known) if len(known) > 1 else None
    return ["–" if mean is None else f"{mean:#.4g}{'*' if mean == smallest else ''}" for mean in means]
