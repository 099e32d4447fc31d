from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bench.store.schema import table

Row = dict[str, Any]
Tables = Mapping[str, pa.Table]


def _replicates(dataset: str, model: str, *, seeds: int = 8, scale: float = 1.0, **columns: Any) -> list[Row]:
    """One cell: errors of a gamma law, the same ones for the same names; `scale` multiplies its MSE."""
    rng = np.random.default_rng(len(dataset) * 100 + len(model))
    deterministic = model == "persistence"
    draws = np.ones(seeds) if deterministic else rng.gamma(50.0, 1 / 50, size=seeds)
    return [
        {
            "cell_id": f"{dataset}-{model}",
            "suite": "s",
            "dataset": dataset,
            "model": model,
            "sequence_length": 10,
            "horizon": 1,
            "seed": seed,
            "status": "ok",
            "reason": "",
            "mse": 4.0 * scale * draws[seed],
            "rmse": (4.0 * scale * draws[seed]) ** 0.5,
            "deterministic": deterministic,
            "fit_s": 2.0,
            "predict_s": 0.5,
            "data_sha256": "a" * 64,
            "host": "one",
            **columns,
        }
        for seed in range(seeds)
    ]


def _tables(*groups: list[Row]) -> Tables:
    return {"runs": table("runs", [row for group in groups for row in group])}


@pytest.fixture(scope="session")
def replicates() -> Callable[..., list[Row]]:
    """The rows of one cell."""
    return _replicates


@pytest.fixture(scope="session")
def tables() -> Callable[..., Tables]:
    """A result set out of such rows."""
    return _tables
