from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.store.schema import Rows, table


def rows_of(cell_id: str, *, replicates: int = 2, curves: int = 3, **runs: Any) -> Rows:
    """The rows of an invented cell: `curves` epochs for each replicate, no trials."""
    key = {"cell_id": cell_id, "suite": "s", "dataset": "d", "model": "m", "sequence_length": 3, "horizon": 1}
    ok = {"status": "ok", "reason": "", "mse": 4.0, "rmse": 2.0, "fit_s": 2.0, "predict_s": 0.5, "tuning_s": 10.0}
    return {
        "runs": table("runs", [{**key, **ok, "seed": seed, **runs} for seed in range(replicates)]),
        "trials": table("trials", []),
        "curves": table(
            "curves",
            [
                {**key, "seed": seed, "epoch": epoch, "train_loss": 1.0 / epoch}
                for seed in range(replicates)
                for epoch in range(1, curves + 1)
            ],
        ),
        "predictions": table(
            "predictions", [{**key, "seed": 0, "index": 7, "channel": 0, "step": 1, "truth": 1.5, "prediction": 1.25}]
        ),
        "sequences": table("sequences", [{**key, "seed": 0, "index": 7, "targets": 2, "squared_error": 0.5}]),
    }


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., Rows]:
    return rows_of
