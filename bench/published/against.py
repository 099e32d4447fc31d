"""The errors of a cell beside those of persistence on the same targets, both pooled over replicates."""

from __future__ import annotations

import numpy as np

from bench.published.evidence import Evidence
from bench.stats.floors import skill


def ratio(cell: Evidence) -> float | None:
    """The RMSE of `cell` over that of persistence; `None` where one is not known, or persistence makes no error."""
    mse, persistence = cell.mean("mse"), cell.mean("persistence_mse")
    return float(np.sqrt(mse / persistence)) if mse is not None and persistence else None


def skill_of(cell: Evidence) -> float | None:
    """``1 - MSE / MSE(persistence)``."""
    found = ratio(cell)
    return None if found is None else 1 - found**2


def in_numbers(cell: Evidence) -> str:
    """Both errors, and the skill with its interval over replicates."""
    mse, persistence = cell.numbers["mse"], cell.numbers["persistence_mse"]
    error, reference = (f"{float(np.sqrt(np.mean(numbers))):.4g}" for numbers in (mse, persistence))
    found = skill(mse, persistence)
    value, low, high = (float(number) for number in (found.value, found.low, found.high))
    over = f" [{low:.3g}, {high:.3g}]" if np.isfinite(low) else ""
    return f"RMSE {error}, persistence {reference}, skill {value:.3g}{over}"
