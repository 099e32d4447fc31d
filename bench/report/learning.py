"""Stored curves → the losses of one cell by epoch."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bench.report.drawn import Curves


def curves(rows: pa.Table) -> Curves:
    """The curves of one cell from its rows of `bench.schema.CURVES`, of which there is at least one."""
    _, seed = np.unique(rows["seed"].to_numpy(), return_inverse=True)
    epochs, place = np.unique(rows["epoch"].to_numpy(), return_inverse=True)
    losses = np.full((2, seed.max() + 1, len(epochs)), np.nan)
    for part, name in enumerate(("train_loss", "validation_mse_scaled")):
        losses[part, seed, place] = rows[name].to_numpy()
    return Curves(
        model=rows["model"][0].as_py(),
        sequence_length=rows["sequence_length"][0].as_py(),
        epoch=epochs.astype(np.float64),
        train=losses[0],
        validation=losses[1],
    )
