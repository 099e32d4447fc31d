"""Covariates: inputs that are not forecast. What of them a window holds, and what a reader has to know of them.

A past covariate is known once its point has passed: a window holds it at the same points as the values. What is known
in advance, such as the calendar or the prices of tomorrow's auction, is shifted ahead by the horizon: the last `H` of
the window's `T` steps hold what is known of the `H` points that are forecast, and the steps before hold what was known
of the points before these. So nothing but what is declared as known in advance comes from after the window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bench.array_types import FloatArray
from bench.data.base import Series
from bench.errors import DataError
from bench.protocol.several import ArrangedSeries

_DETERMINES = 0.999
"""The correlation from which a column that is known in advance is said to determine what is forecast."""


def inputs_of(series: Series, values: FloatArray) -> FloatArray:
    """``[N, C]``: ``values`` ``[N, D]``, in any units, and the covariates of `series`; `values` where it has none."""
    more = [each for each in (series.covariates, series.known_future) if each is not None]
    return np.hstack([values, *more]) if more else values


def shifted_ahead(series: Series, inputs: FloatArray, horizon: int) -> FloatArray:
    """``inputs`` ``[N, C]`` with what is known in advance `horizon` points earlier.

    The last points, of which nothing further is known, have what is known of the last one: such windows overrun the end
    of the series, and what they say of points beyond it is not counted. So have those of each of several series.
    """
    if series.known_future is None:
        return inputs
    count = series.known_future.shape[1]
    last = series.last if isinstance(series, ArrangedSeries) else len(inputs) - 1
    ahead = np.minimum(np.arange(len(inputs)) + horizon, last)
    return np.hstack([inputs[:, :-count], inputs[ahead, -count:]])


def check_reach(series: Series, sequence_length: int, horizon: int) -> None:
    """See that a window has a step for each point that it forecasts, where something is known of them.

    Raises
    ------
    DataError
        It is too short.
    """
    if series.known_future is not None and horizon > sequence_length:
        raise DataError(
            f"{series.provenance.source}: expected a horizon of at most sequence_length {sequence_length}, since the "
            f"last steps of a window hold what is known_future of the points that are forecast, got {horizon}; "
            "lengthen the sequence, shorten the horizon, or leave known_future out"
        )


def cautions(series: Series, train: slice) -> Iterator[str]:
    """Columns that are said to be known in advance and are what is forecast on the `train` part, but for a scale."""
    if series.known_future is None:
        return
    names = dict(enumerate(series.names))
    first = inputs_of(series, series.values).shape[1] - series.known_future.shape[1]
    for known, column in enumerate(series.known_future[train].T, start=first):
        for target, values in enumerate(series.values[train].T):
            size = abs(_correlation(column, values))
            if size > _DETERMINES:
                yield (
                    f"known_future: {names.get(known, known)!r} determines {names.get(target, target)!r} on the train "
                    f"part (correlation {size:.6f} in size): see that it is known before, and is no copy of it"
                )


def _correlation(one: FloatArray, other: FloatArray) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / size if size > 0 else 0.0


def unread(series: Series, models: Sequence[str]) -> Iterator[str]:
    """That `models`, which are made so, do not read the covariates that `series` has."""
    values = series.values.shape[1]
    if models and inputs_of(series, series.values).shape[1] > values:
        targets, others = (", ".join(names) for names in (series.names[:values], series.names[values:]))
        yield (
            f"the covariates {others} are not read by {', '.join(models)}, which forecast from the past of {targets} "
            "alone"
        )
