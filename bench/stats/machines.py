"""Which rows were measured on the same machine: times from different ones are never merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.stats.table import BoolArray, Grid, IntArray

MACHINE = ("host", "cpu", "gpu", "device", "threads")
"""The columns that make a machine: rows that differ in one of them have times that do not compare."""


_TIMES = ("fit_s", "predict_s", "tuning_s")


def timed(runs: pa.Table) -> BoolArray:
    """``[rows]``: which rows hold a time; one that was never started was measured on no machine."""
    return np.asarray(np.any([pc.is_valid(runs[name]).to_numpy() for name in _TIMES], axis=0))


def several(grid: Grid) -> BoolArray:
    """Which cells have times from more than one machine, ``[cells, models]``."""
    code = np.append(codes(grid.runs), 0)[grid.row]
    present = np.append(timed(grid.runs), False)[grid.row]  # -1 picks the value appended
    highest = np.max(np.where(present, code, -1), axis=2, initial=-1)
    return np.asarray((present & (code != highest[..., None])).any(axis=2))


def codes(runs: pa.Table) -> IntArray:
    """``[rows]``: equal numbers where the machine is the same."""
    combined = np.zeros(runs.num_rows, dtype=np.int64)
    for name in MACHINE:
        values = pc.unique(runs[name])
        place = pc.index_in(runs[name], value_set=values)  # finds null as well
        combined = combined * max(1, len(values)) + np.asarray(place, dtype=np.int64)
    return combined


def label(row: Mapping[str, Any]) -> str:
    """One line for the machine of a row."""
    threads = row["threads"]
    parts = [
        row["host"] or "unnamed host",
        row["cpu"],
        row["gpu"],
        row["device"] and f"device {row['device']}",
        threads and f"{threads} thread{'s' if threads > 1 else ''}",
    ]
    return ", ".join(part for part in parts if part)
