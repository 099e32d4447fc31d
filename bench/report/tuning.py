"""Stored trials → what tuning was worth: the best validation error by budget, and which hyperparameters mattered."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from bench.report.drawn import Tuned
from bench.stats.budget import budget
from bench.stats.importance import importance
from bench.stats.table import FloatArray
from bench.stats.verdicts import ALPHA


def tuned(rows: pa.Table) -> Tuned:
    """The trials of one cell, of which there is at least one; those that failed or were pruned count as paid for."""
    complete = np.array([state == "complete" for state in rows["state"].to_pylist()], dtype=np.bool_)
    errors = np.where(complete, rows["validation_mse_scaled"].to_numpy(), np.nan)
    found = budget(errors)
    return Tuned(
        model=rows["model"][0].as_py(),
        sequence_length=rows["sequence_length"][0].as_py(),
        trials=found.trials.astype(np.float64),
        expected=found.expected,
        low=found.low,
        high=found.high,
        mattered=_mattered(rows, errors),
    )


def _mattered(rows: pa.Table, errors: FloatArray) -> tuple[tuple[str, float], ...]:
    """The hyperparameters that explain more of the error than chance, with their shares of its variance."""
    chosen: list[dict[str, Any]] = [json.loads(text or "{}") for text in rows["parameters"].to_pylist()]
    names = dict.fromkeys(name for own in chosen for name in own)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = importance({name: [own.get(name) for own in chosen] for name in names}, np.log(errors))
    return tuple((name, item.share) for name, item in found.items() if item.p < ALPHA)
