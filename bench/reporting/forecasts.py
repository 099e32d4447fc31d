"""Stored predictions of one cell → its forecasts over the test part, and its losses there.

The static picture shows the forecasts of the best model, the explorer those of every cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.array_types import FloatArray, IntArray
from bench.tasks import BLOCK, MOMENT, TARGET

LAGS = 40
"""Lags of the autocorrelation of residuals, at most."""


@dataclass(frozen=True, eq=False)
class CellForecasts:
    """One cell's forecasts at its test targets, first channel, original units; ``[T]`` each.

    Parameters
    ----------
    index
        Positions in the series, ascending.
    time
        datetime64, or numbers; the positions where the series has no time.
    median, low, high
        Over replicates; low and high are the extremes.
    every
        Whether these are all test targets; not where origins share targets, and only some are shown.
    seed
        The one replicate that is shown, where each has data of its own; else `None`.
    """

    index: IntArray
    time: NDArray[Any]
    truth: FloatArray
    persistence: FloatArray
    median: FloatArray
    low: FloatArray
    high: FloatArray
    every: bool
    seed: int | None = None

    def autocorrelation(self) -> FloatArray:
        """``[lags]``: of the residuals of the median at lags 1, 2, …; empty where they do not vary."""
        return autocorrelation(self.median - self.truth)


def forecasts(predictions: pa.Table, *, alone: bool = False) -> CellForecasts:
    """The forecasts of one cell: of origins that share points, as many as share none, the last first.

    Parameters
    ----------
    predictions
        Its rows, of which there is at least one.
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
    truth = first["truth"].to_numpy()[one]
    return CellForecasts(
        index=index,
        time=_times(first["time"], index, one, several=is_of_several(first)),
        truth=truth,
        persistence=first["persistence"].to_numpy()[one],
        median=np.nanmedian(by_seed, axis=0),
        low=np.nanmin(by_seed, axis=0),
        high=np.nanmax(by_seed, axis=0),
        every=rolling is None,
        seed=seed,
    )


def origins(predictions: pa.Table) -> IntArray | None:
    """``[rows]``: the position of the last point that each forecast sees; `None` where no point is forecast twice."""
    horizon, seed, channel = (predictions[name].to_numpy() for name in ("horizon", "seed", "channel"))
    index = predictions["index"].to_numpy()
    one = index[(seed == seed[0]) & (channel == channel[0])]
    if horizon[0] == 1 or len(np.unique(one)) == len(one):
        return None
    return np.asarray(index - predictions["step"].to_numpy(), np.int64)


@dataclass(frozen=True, eq=False)
class Losses:
    """The squared errors of one cell at each test target, original units, in the order of the series.

    Where points are forecast from several origins, the errors are those of blocks: as many origins in a row as share a
    target with the first of them. Neighbouring blocks share some targets, others none, so that the blocks' losses
    depend on each other as those of single targets do; origins one by one resemble each other too much for a test.

    Of several series, the errors are those of moments: what happens to all of them at once is seen once, however many
    they are. A moment is a time, or, where there are none, a place counted back from the end of each series. One that
    fewer series have counts less, so that the mean over moments is that over all targets.

    Parameters
    ----------
    index
        ``[T]``: positions in the series, of targets, of the first origin of each block or of one target of each moment.
    model, persistence
        ``[T]``: means over replicates and channels; in a block, over its origins and the steps ahead; of a moment, over
        its series, weighted by their number.
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
    if (moment := _moments(predictions)) is not None:
        return _of_moments(predictions, moment, model, persistence)
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


def _of_moments(predictions: pa.Table, moment: IntArray, model: FloatArray, persistence: FloatArray) -> Losses:
    index, count = predictions["index"].to_numpy(), moment.max() + 1
    first = np.full(count, index.max() + 1)
    np.minimum.at(first, moment, index)
    each = len(moment) / count
    model, persistence = (np.bincount(moment, own) / each for own in (model, persistence))
    return Losses(first.astype(np.int64), model, persistence, predictions["horizon"][0].as_py(), MOMENT)


def is_of_several(predictions: pa.Table) -> bool:
    """Whether the rows of one cell are of several series."""
    return "series" in predictions.column_names and not predictions["series"].null_count


def _moments(predictions: pa.Table) -> IntArray | None:
    """``[rows]``: the number of the moment that each row of several series is about; `None` of one series."""
    if not is_of_several(predictions):
        return None
    time = predictions["time"].combine_chunks().dictionary_encode()
    if not time.null_count and (known := _read_times(time.dictionary.to_pylist())) is not None:
        return np.asarray(np.unique(known, return_inverse=True)[1][time.indices.to_numpy()], np.int64)
    index = predictions["index"].to_numpy()
    series = predictions["series"].combine_chunks().dictionary_encode().indices.to_numpy()
    last = np.full(series.max() + 1, -1)
    np.maximum.at(last, series, index)
    return np.asarray(np.unique(index - last[series], return_inverse=True)[1], np.int64)


def _blocks(rolling: IntArray, horizon: int) -> tuple[IntArray, IntArray]:
    """The place of the first origin of each block, and how many it has; some have one more than others."""
    share = -(-horizon // int(np.diff(rolling).min(initial=horizon)))
    count = max(1, len(rolling) // share)
    ends = np.arange(count + 1) * len(rolling) // count
    return ends[:-1], np.diff(ends)


def autocorrelation(values: FloatArray, lags: int = LAGS) -> FloatArray:
    """``[lags]``: the sample autocorrelation of ``[T]`` `values` at lags 1, 2, …; fewer for a short series.

    With the whole sum of squares below every lag, so that each lies within ±1 (Box, Jenkins and Reinsel, "Time Series
    Analysis", eq. 2.1.11). Empty where the values do not vary or are not finite.
    """
    centred = values - values.mean()
    total = float(centred @ centred)
    if not np.isfinite(total) or total <= 0:
        return np.empty(0)
    most = min(lags, len(values) // 4)
    return np.array([float(centred[lag:] @ centred[:-lag]) / total for lag in range(1, most + 1)])


def _apart(rolling: IntArray, horizon: int) -> list[int]:
    """Origins that are a horizon apart, or more: from the last one back, the next that shares no target."""
    chosen: list[int] = []
    for origin in np.unique(rolling)[::-1].tolist():
        if not chosen or chosen[-1] - origin >= horizon:
            chosen.append(origin)
    return chosen


def _times(
    column: pa.ChunkedArray, index: IntArray, one: IntArray, *, several: bool
) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
    """The stored times as datetime64 or numbers; positions where there are none, or of several series."""
    if column.null_count or several:
        return index
    stored = column.take(pa.array(one)).to_pylist()
    known = _read_times(stored)
    return index if known is None else known


def _read_times(stored: Sequence[str]) -> NDArray[Any] | None:
    """Texts as datetime64 or numbers; `None` where they are neither."""
    text = np.asarray([each.removesuffix("Z") for each in stored], dtype=np.str_)  # all in UTC, or none
    for kind in (np.float64, "datetime64[us]"):
        try:
            return np.asarray(text.astype(kind))
        except ValueError:
            continue
    return None
