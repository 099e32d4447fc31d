"""The errors of a cell beside those of persistence, in numbers."""

from __future__ import annotations

import numpy as np

from bench.published.evidence import Evidence
from bench.stats.floors import skill


def ratio(cell: Evidence) -> float:
    """The RMSE of `cell` over that of persistence on the same targets, both pooled over replicates."""
    error, reference = pooled(cell)
    return error / reference if reference else float("inf")


def pooled(cell: Evidence) -> tuple[float, float]:
    """The RMSE of `cell` and that of persistence."""
    error, reference = (float(np.sqrt(np.nanmean(cell.numbers[name]))) for name in ("mse", "persistence_mse"))
    return error, reference


def in_numbers(cell: Evidence) -> str:
    """Both errors, and the skill with its interval over replicates."""
    error, reference = pooled(cell)
    found = skill(cell.numbers["mse"], cell.numbers["persistence_mse"])
    value, low, high = (float(number) for number in (found.value, found.low, found.high))
    over = f" [{low:.3g}, {high:.3g}]" if np.isfinite(low) else ""
    return f"RMSE {error:.4g}, persistence {reference:.4g}, skill {value:.3g}{over}"
