"""Stored predictions, curves and trials → evidence about the cells of one dataset.

Curves give the losses by epoch. Trials give the best validation error by budget, and which hyperparameters mattered.
Predictions give the interval over the test window, and the piece of it that is drawn.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bench.array_types import FloatArray
from bench.reporting.forecasts import Losses, forecasts, is_of_several
from bench.reporting.trained import Curves, TuningSummary
from bench.reporting.values import Bounds, Trace
from bench.stats.claims import ALPHA
from bench.stats.delay import delay
from bench.stats.ratios import ROUNDING
from bench.stats.tuning import budget, importance
from bench.stats.window_tests import over_window


def curves(rows: pa.Table, *, unit: str = "epoch") -> Curves:
    """The curves of one cell from its rows of `bench.store.schema.CURVES`, of which there is at least one."""
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
        unit=unit,
    )


def tuned(rows: pa.Table) -> TuningSummary:
    """The trials of one cell, of which there is at least one; those that failed or were pruned count as paid for."""
    complete = np.array([state == "complete" for state in rows["state"].to_pylist()], dtype=np.bool_)
    errors = np.where(complete, rows["validation_mse_scaled"].to_numpy(), np.nan)
    curve = budget(errors)
    chosen: list[dict[str, Any]] = [json.loads(text or "{}") for text in rows["parameters"].to_pylist()]
    return TuningSummary(
        model=rows["model"][0].as_py(),
        sequence_length=rows["sequence_length"][0].as_py(),
        trials=curve.trials.astype(np.float64),
        expected=curve.expected,
        low=curve.low,
        high=curve.high,
        mattered=_mattered(chosen, errors),
        tried=tuple((own, error) for own, error in zip(chosen, errors.tolist(), strict=True) if np.isfinite(error)),
    )


def _mattered(chosen: Sequence[Mapping[str, Any]], errors: FloatArray) -> tuple[tuple[str, float], ...]:
    """The hyperparameters that explain more of the error than chance, with their shares of its variance."""
    names = dict.fromkeys(name for own in chosen for name in own)
    with np.errstate(divide="ignore", invalid="ignore"):
        importances = importance({name: [own.get(name) for own in chosen] for name in names}, np.log(errors))
    return tuple((name, item.share) for name, item in importances.items() if item.p < ALPHA)


def skill_in_window(cell: Losses, *, level: float) -> Bounds | None:
    """The interval of the skill against persistence, by the test over the window that its verdict rests on."""
    test = over_window(cell.model, cell.persistence, horizon=cell.horizon, level=level)
    return (1 - float(test.high), 1 - float(test.low)) if np.isfinite(test.high) else None


def never_moves(predictions: pa.Table) -> bool:
    """Whether the truth is the same at every test target of a channel, but for rounding."""
    channel = predictions["channel"].to_numpy()
    truth = predictions["truth"].to_numpy()
    values = [truth[channel == each] for each in np.unique(channel)]
    return all(np.ptp(own) <= ROUNDING * np.abs(own).max() for own in values)


def trace(predictions: pa.Table, *, alone: bool = False) -> Trace:
    """The test targets of one cell as `bench.reporting.forecasts` shows them, with how late the median comes.

    Parameters
    ----------
    predictions
        Its rows.
    alone
        Each replicate has data of its own: the first one is shown, and no other.
    """
    shown = forecasts(predictions, alone=alone)
    # Windows laid end to end lag by as much as they are long, all of them; moves need a forecast of every point.
    # Where one of several series ends and the next begins, truth and forecast jump at once, which is no move.
    one_step = predictions["horizon"][0].as_py() == 1 and bool((np.diff(shown.index) == 1).any())
    one_step = one_step and not is_of_several(predictions)
    return Trace(
        model=predictions["model"][0].as_py(),
        sequence_length=predictions["sequence_length"][0].as_py(),
        time=shown.time,
        truth=shown.truth,
        persistence=shown.persistence,
        median=shown.median,
        low=shown.low,
        high=shown.high,
        delay=delay(shown.truth, shown.median) if one_step else None,
        seed=shown.seed,
    )
