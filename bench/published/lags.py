"""The delay of the stored predictions of one cell."""

from __future__ import annotations

import numpy as np

from bench.published.delay import Delay, delay
from bench.published.evidence import Evidence, Tables
from bench.published.values import FloatArray


def delay_of(cell: Evidence, tables: Tables) -> Delay | None:
    """Of the replicate in the middle; `None` for data that we make, whose noise floor says more."""
    rows = tables.predictions(cell)
    if cell.task != "forecast" or cell.mean("noise_floor_mse") is not None or rows is None or not rows.num_rows:
        return None
    first = rows["channel"].to_numpy() == 0
    seeds, truth, predicted = (rows[name].to_numpy()[first] for name in ("seed", "truth", "prediction"))
    found = [delay(_of(truth, seeds == seed), _of(predicted, seeds == seed)) for seed in cell.seeds]
    known = sorted((each for each in found if each is not None), key=lambda each: (each.steps, each.correlation))
    return known[len(known) // 2] if known else None


def _of(values: FloatArray, own: FloatArray) -> FloatArray:
    return np.asarray(values[own.astype(bool)], dtype=np.float64)
