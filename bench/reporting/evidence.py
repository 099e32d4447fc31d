"""Stored predictions, curves and trials → evidence about the cells of one dataset.

Curves give the losses by epoch. Trials give the best validation error by budget, and which hyperparameters mattered.
Predictions give the tests over the test window, and the piece of it that is drawn.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.array_types import FloatArray, IntArray
from bench.reporting.values import Bounds, Curves, Trace, TuningSummary
from bench.stats.claims import ALPHA, BLOCK, TARGET
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
    return TuningSummary(
        model=rows["model"][0].as_py(),
        sequence_length=rows["sequence_length"][0].as_py(),
        trials=curve.trials.astype(np.float64),
        expected=curve.expected,
        low=curve.low,
        high=curve.high,
        mattered=_mattered(rows, errors),
    )


def _mattered(rows: pa.Table, errors: FloatArray) -> tuple[tuple[str, float], ...]:
    """The hyperparameters that explain more of the error than chance, with their shares of its variance."""
    chosen: list[dict[str, Any]] = [json.loads(text or "{}") for text in rows["parameters"].to_pylist()]
    names = dict.fromkeys(name for own in chosen for name in own)
    with np.errstate(divide="ignore", invalid="ignore"):
        importances = importance({name: [own.get(name) for own in chosen] for name in names}, np.log(errors))
    return tuple((name, item.share) for name, item in importances.items() if item.p < ALPHA)


@dataclass(frozen=True, eq=False)
class Losses:
    """The squared errors of one cell at each test target, original units, in the order of the series.

    Where points are forecast from several origins, the errors are those of blocks: as many origins in a row as share a
    target with the first of them. Neighbouring blocks share some targets, others none, so that the blocks' losses
    depend on each other as those of single targets do; origins one by one resemble each other too much for a test.

    Parameters
    ----------
    index
        ``[T]``: positions in the series, of targets or of the first origin of each block.
    model, persistence
        ``[T]``: means over replicates and channels; in a block, over its origins and the steps ahead.
    horizon
        Steps ahead; 1 for blocks.
    unit
        What they are the losses of, in words.
    """

    index: IntArray
    model: FloatArray
    persistence: FloatArray
    horizon: int
    unit: str = TARGET


def origins(predictions: pa.Table) -> IntArray | None:
    """``[rows]``: the position of the last point that each forecast sees; `None` where no point is forecast twice."""
    horizon, seed, channel = (predictions[name].to_numpy() for name in ("horizon", "seed", "channel"))
    index = predictions["index"].to_numpy()
    one = index[(seed == seed[0]) & (channel == channel[0])]
    if horizon[0] == 1 or len(np.unique(one)) == len(one):
        return None
    return np.asarray(index - predictions["step"].to_numpy(), np.int64)


def losses(predictions: pa.Table) -> Losses | None:
    """The losses of one cell; `None` where a stored value or its squared error is not finite."""
    rolling = origins(predictions)
    place_of = predictions["index"].to_numpy() if rolling is None else rolling
    truth = predictions["truth"].to_numpy()
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and is refused below
        model = (predictions["prediction"].to_numpy() - truth) ** 2
        persistence = (predictions["persistence"].to_numpy() - truth) ** 2
    if not (np.isfinite(model).all() and np.isfinite(persistence).all()):
        return None
    points, place, count = np.unique(place_of, return_inverse=True, return_counts=True)
    points, model, persistence = (
        points.astype(np.int64),
        *(np.bincount(place, own) / count for own in (model, persistence)),
    )
    horizon = predictions["horizon"][0].as_py()
    if rolling is None:
        return Losses(points, model, persistence, horizon)
    first, size = _blocks(points, horizon)
    model, persistence = (np.add.reduceat(own, first) / size for own in (model, persistence))
    return Losses(points[first], model, persistence, 1, BLOCK)


def _blocks(rolling: IntArray, horizon: int) -> tuple[IntArray, IntArray]:
    """The place of the first origin of each block, and how many it has; some have one more than others."""
    share = -(-horizon // int(np.diff(rolling).min(initial=horizon)))
    count = max(1, len(rolling) // share)
    ends = np.arange(count + 1) * len(rolling) // count
    return ends[:-1], np.diff(ends)


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
    """The test targets of one cell, first channel: of origins that share points, as many as share none, the last first.

    Parameters
    ----------
    predictions
        Its rows.
    alone
        Each replicate has data of its own: the first one is shown, and no other.
    """
    seed = pc.min(predictions["seed"]).as_py() if alone else None
    shown = predictions if seed is None else predictions.filter(pc.equal(predictions["seed"], seed))
    if (rolling := origins(shown)) is not None:
        shown = shown.filter(pa.array(np.isin(rolling, _apart(rolling, shown["horizon"][0].as_py()))))
    first = shown.filter(pc.equal(shown["channel"], 0)).sort_by([("seed", "ascending")])
    index, place = np.unique(first["index"].to_numpy(), return_inverse=True)
    seeds, replicate = np.unique(first["seed"].to_numpy(), return_inverse=True)
    by_seed = np.full((len(seeds), len(index)), np.nan)
    by_seed[replicate, place] = first["prediction"].to_numpy()
    one = np.unique(place, return_index=True)[1]  # a row for each target: what is the same for every replicate
    truth, median = first["truth"].to_numpy()[one], np.nanmedian(by_seed, axis=0)
    # Windows laid end to end lag by as much as they are long, all of them; moves need a forecast of every point.
    one_step = first["horizon"][0].as_py() == 1 and bool((np.diff(index) == 1).any())
    return Trace(
        model=first["model"][0].as_py(),
        sequence_length=first["sequence_length"][0].as_py(),
        time=_times(first["time"], index, one),
        truth=truth,
        persistence=first["persistence"].to_numpy()[one],
        median=median,
        low=np.nanmin(by_seed, axis=0),
        high=np.nanmax(by_seed, axis=0),
        delay=delay(truth, median) if one_step else None,
        seed=seed,
    )


def _apart(rolling: IntArray, horizon: int) -> list[int]:
    """Origins that are a horizon apart, or more: from the last one back, the next that shares no target."""
    chosen: list[int] = []
    for origin in np.unique(rolling)[::-1].tolist():
        if not chosen or chosen[-1] - origin >= horizon:
            chosen.append(origin)
    return chosen


def _times(column: pa.ChunkedArray, index: IntArray, one: IntArray) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
    """The stored times as datetime64 or numbers; positions in the series where there are none."""
    if column.null_count:
        return index
    text = np.asarray([each.removesuffix("Z") for each in column.to_pylist()], dtype=np.str_)[
        one
    ]  # all in UTC, or none
    for kind in (np.float64, "datetime64[us]"):
        try:
            return text.astype(kind)
        except ValueError:
            continue
    return index
