"""The references of forecasts of the test part: persistence, noise floors, clean sequences, classes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.array_types import FloatArray
from bench.data.base import Sequences, Series
from bench.data.covariance import linear_floor
from bench.protocol import metrics
from bench.protocol.examples import Selection
from bench.protocol.seasons import naive_scale, one_season_ago
from bench.protocol.several import ArrangedSeries, range_of_each
from bench.protocol.windows import Parts, Scaler, Windows
from bench.store.schema import ADVICE, Status

SHOWN = 100
"""How many test sequences `predictions` holds, which are there to be looked at; `sequences` has the sums of all."""


@dataclass(frozen=True, eq=False)
class SequenceScorer:
    """The truth on the test part and the answers that need no model, in original units.

    Parameters
    ----------
    sequences, cut, test
        All sequences, their parts, and the test part of them.
    """

    sequences: Sequences
    cut: Parts
    test: Selection

    @cached_property
    def truth(self) -> FloatArray:
        """``[points, D]``; of classes, one-hot."""
        return self._rows(self.sequences.targets)

    @cached_property
    def persistence(self) -> FloatArray:
        """``[points, D]``, the answer that a model must beat.

        To denoise, the noisy value itself; to classify or forecast, the mean of the train part, which for classes
        is their shares (the climatology of Brier's score).
        """
        if self.sequences.task == "denoise":
            return self._rows(self.sequences.inputs)
        mean = self.sequences.targets[self.cut.train].mean(axis=0, dtype=np.float64)
        return np.broadcast_to(mean, (self.test.points, mean.shape[-1]))

    @cached_property
    def best(self) -> FloatArray | None:
        """``[points, D]``: the best possible answer; `None` where the world made the data."""
        return None if self.sequences.best is None else self._rows(self.sequences.best())

    def _rows(self, array: Any) -> FloatArray:
        """The test part of ``[N, U, D]`` as ``[points, D]``."""
        return np.asarray(array[self.cut.test], np.float64).reshape(-1, array.shape[-1])

    @cached_property
    def scaler(self) -> Scaler:
        """The unit of scaled errors: 1 for probabilities, else the range of the targets before the test part."""
        known = self.sequences.targets[self.cut.known].reshape(-1, self.sequences.targets.shape[-1])
        return Scaler.fit("none" if self.sequences.task == "classify" else "minmax", known.astype(np.float64))

    def errors(self, prediction: FloatArray) -> dict[str, Any]:
        """The error columns of `runs` for a finite ``prediction`` ``[points, D]``; empty is `None`."""
        with np.errstate(over="ignore"):  # what overflows is said in the row
            values = pooled(self.truth, prediction, self.persistence, best=self.best, scaler=self.scaler)
        if self.sequences.task == "classify":
            values["accuracy"] = metrics.accuracy(self.truth, prediction)
            values["log_loss"] = metrics.log_loss(self.truth, prediction)
        return as_columns(values)

    def columns(self, prediction: FloatArray) -> dict[str, Any]:
        """The columns of `predictions`, for the first `SHOWN` test sequences."""
        steps, values = self.sequences.targets.shape[1:]
        shown = min(len(self.test), SHOWN)
        first = shown * steps
        return {
            "index": np.repeat(np.arange(self.cut.validation_end, self.cut.validation_end + shown), steps * values),
            "series": pa.nulls(first * values, pa.string()),
            "time": pa.nulls(first * values, pa.string()),
            "channel": np.tile(np.arange(values), first),
            "step": np.repeat(self.test.steps()[:first], values),
            "truth": flat(self.truth[:first]),
            "prediction": flat(prediction[:first]),
            "persistence": flat(self.persistence[:first]),
        }

    def sums(self, prediction: FloatArray) -> dict[str, Any]:
        """The columns of `sequences`, for every test sequence, from a finite ``prediction`` ``[points, D]``."""
        steps, values = self.sequences.targets.shape[1:]
        by_sequence = (len(self.test), steps * values)
        errors, reference = (
            (guess - self.truth).reshape(by_sequence) for guess in (prediction, np.asarray(self.persistence))
        )
        start = self.cut.validation_end
        columns = {
            "index": np.arange(start, start + len(errors)),
            "targets": np.full(len(errors), steps * values),
            "squared_error": (errors**2).sum(axis=1),
            "absolute_error": np.abs(errors).sum(axis=1),
            "persistence_squared_error": (reference**2).sum(axis=1),
        }
        return {**columns, **self._classes(prediction)}

    def _classes(self, prediction: FloatArray) -> dict[str, Any]:
        """Of each test sequence the class, the predicted one and the loss; null for other tasks."""
        if self.sequences.task != "classify":
            nothing = pa.nulls(len(self.test), pa.int32())
            return {"true_class": nothing, "predicted_class": nothing, "log_loss": nothing.cast(pa.float64())}
        given = np.maximum((self.truth * prediction).sum(axis=1), np.finfo(np.float64).tiny)
        classes = (np.argmax(each, axis=1).astype(np.int32) for each in (self.truth, prediction))
        return {**dict(zip(("true_class", "predicted_class"), classes, strict=True)), "log_loss": -np.log(given)}


@dataclass(frozen=True, eq=False)
class SeriesScorer:
    """The truth on the test part and the forecasts that need no model, in original units.

    Parameters
    ----------
    series, cut, test
        The series, its parts, and the test windows over it.
    teacher_forced
        Whether the model is shown the true value before each target; then persistence is shown it too.
    season
        Points in one season, for the second reference; `None` for no season.
    """

    series: Series
    cut: Parts
    test: Windows
    teacher_forced: bool = False
    season: int | None = None

    @property
    def truth(self) -> FloatArray:
        """``[points, C]``."""
        return self.series.values[self.test.index]

    @cached_property
    def persistence(self) -> FloatArray:
        """``[points, C]``: the last value that the model was shown, again."""
        back = 1 if self.teacher_forced else self.test.steps()
        last: FloatArray = self.series.values[self.test.index - back]
        return last

    @cached_property
    def seasonal(self) -> FloatArray | None:
        """``[points, C]``: the value one season ago, or as many seasons as the model is not shown."""
        if self.season is None:
            return None
        steps = np.ones_like(self.test.steps()) if self.teacher_forced else self.test.steps()
        return one_season_ago(self.series.values, self.test.index, steps, self.season)

    @cached_property
    def unit(self) -> FloatArray:
        """``[C]``: the mean absolute error of the (seasonal) naive forecast of the train part, the unit of MASE."""
        breaks = np.asarray(self.series.breaks, np.int64)
        return naive_scale(self.series.values[self.cut.train], self.season or 1, breaks)

    @cached_property
    def best(self) -> FloatArray | None:
        """``[points, C]``: the best possible forecast; `None` where the world made the data."""
        if self.series.best is None:
            return None
        steps = np.ones_like(self.test.steps()) if self.teacher_forced else self.test.steps()
        forecast = np.empty_like(self.truth)
        for step in np.unique(steps):
            chosen = steps == step
            forecast[chosen] = self.series.best(int(step))[self.test.index][chosen]
        return forecast

    @cached_property
    def linear(self) -> float | None:
        """The expected squared error of the best linear forecast; `None` where the covariance is not known.

        It sees what the model sees: where true values are shown within the horizon, it is shown them too.
        """
        if self.series.autocovariance is None:
            return None
        length, horizon = self.test.sequence_length, self.test.horizon
        if self.teacher_forced:  # each target is one step after the window and the true values that follow it
            seen = range(length, length + horizon)
            by_step = np.array([linear_floor(self.series.autocovariance, points, 1)[0] for points in seen])
        else:
            by_step = linear_floor(self.series.autocovariance, length, horizon)
        return float(by_step[self.test.steps() - 1].mean())

    @cached_property
    def scaler(self) -> Scaler:
        """The unit of scaled errors: the range of all points before the test part.

        It takes train and validation together, so that scaled errors of two suites compare whatever their
        validation part; the models' inputs are scaled by the train part alone.
        """
        return Scaler.fit("minmax", self.series.values[self.cut.known])

    def errors(self, prediction: FloatArray) -> dict[str, Any]:
        """The error columns of `runs` for a finite ``prediction`` ``[points, C]``; empty is `None`."""
        truth, persistence = self.truth, self.persistence
        with np.errstate(over="ignore"):  # what overflows is said in the row
            direction = metrics.directional_accuracy(truth, prediction, persistence)
            repeats = len(truth) / len(np.unique(self.test.index))
            values = pooled(truth, prediction, persistence, best=self.best, scaler=self.scaler, repeats=repeats)
            more = {} if self.linear is None else {"linear_floor_mse": self.linear}
            more["mase"] = metrics.mase(truth, prediction, self.unit)
            if self.seasonal is not None:
                more["seasonal_mse"] = metrics.mse(truth, self.seasonal)
        season = {} if self.season is None else {"season": self.season}
        return season | as_columns({**values, **more, "directional_accuracy": direction})

    def sums(self, prediction: FloatArray) -> None:
        """Nothing: `predictions` holds the whole test part of a series."""

    def columns(self, prediction: FloatArray) -> dict[str, Any]:
        """The columns of `predictions`."""
        channels = prediction.shape[1]
        index = self.test.index
        return {
            "index": np.repeat(index, channels),
            "series": pa.nulls(len(index) * channels, pa.string()),
            "time": as_text(self.series.time, np.repeat(index, channels), utc=self.series.utc),
            "channel": np.tile(np.arange(channels), len(index)),
            "step": np.repeat(self.test.steps(), channels),
            "truth": flat(self.truth),
            "prediction": flat(prediction),
            "persistence": flat(self.persistence),
        }


@dataclass(frozen=True, eq=False)
class SeveralScorer(SeriesScorer):
    """The same of several series: each is measured in its own units, and by its own past."""

    series: ArrangedSeries

    @cached_property
    def seasonal(self) -> FloatArray | None:
        """``[points, C]``: of the same series."""
        if self.season is None:
            return None
        steps = np.ones_like(self.test.steps()) if self.teacher_forced else self.test.steps()
        return one_season_ago(self.series.whole, self.series.origin[self.test.index], steps, self.season)

    @cached_property
    def unit(self) -> FloatArray:
        """``[points, C]``: that of the series of each target."""
        breaks = np.asarray(self.series.breaks, np.int64)
        units = []
        for own in self.series.each(self.cut.train):
            inside = breaks[(breaks > own[0]) & (breaks <= own[-1])] - own[0]
            units.append(naive_scale(self.series.values[own], self.season or 1, inside))
        return np.stack(units)[self.series.member[self.test.index]]

    @cached_property
    def scaler(self) -> Scaler:
        """The unit of scaled errors: the range of the series of each target before its test part."""
        return range_of_each(self.series, self.test.index)

    def columns(self, prediction: FloatArray) -> dict[str, Any]:
        """The columns of `predictions`, with the names of the series and the places in these."""
        index, channels = self.test.index, prediction.shape[1]
        names = [name for name, _ in self.series.several]
        return {
            **super().columns(prediction),
            "index": np.repeat(self.series.origin[index], channels),
            "series": pa.array([names[k] for k in np.repeat(self.series.member[index], channels)], pa.string()),
        }


def pooled(
    truth: FloatArray,
    prediction: FloatArray,
    persistence: FloatArray,
    *,
    best: FloatArray | None,
    scaler: Scaler,
    repeats: float = 1.0,
) -> dict[str, float]:
    """Errors over all targets, each ``[points, D]`` in original units; NaN is empty; `repeats` as in `metrics`."""
    scaled = scaler.transform(truth), scaler.transform(prediction)
    values = {
        "rmse": metrics.rmse(truth, prediction),
        "mse": metrics.mse(truth, prediction),
        "mae": metrics.mae(truth, prediction),
        "r2": metrics.r2(truth, prediction),
        "rmse_scaled": metrics.rmse(*scaled),
        "mse_scaled": metrics.mse(*scaled),
        "error_scale": scaler.scale.item() if scaler.scale.size == 1 else math.nan,
        "persistence_mse": metrics.mse(truth, persistence),
        "skill": metrics.skill(truth, prediction, persistence),
    }
    if best is not None:
        values["noise_floor_mse"] = metrics.mse(truth, best)
        values["learnable_fraction"] = metrics.learnable_fraction(
            truth, prediction, persistence, best=best, repeats=repeats
        )
    return values


def as_columns(values: Mapping[str, float]) -> dict[str, Any]:
    """`values` as columns of `runs`; where one exceeds float64, the columns `status` and `reason` instead."""
    if infinite := [name for name, value in values.items() if math.isinf(value)]:
        reason = f"{infinite[0]} of the test predictions exceeds float64; {ADVICE[Status.DIVERGED]}"
        return {"status": Status.DIVERGED.value, "reason": reason}
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def as_text(time: NDArray[Any] | None, index: NDArray[np.int64], *, utc: bool = False) -> pa.Array:
    """The `time` column at `index`: ISO 8601 for dates (of moments in UTC with ``Z``), numbers, null where none is."""
    if time is None:
        return pa.nulls(len(index), pa.string())
    chosen = time[index]
    if np.issubdtype(chosen.dtype, np.datetime64):
        texts = np.datetime_as_string(chosen, timezone="UTC" if utc else "naive")
        return pa.array(texts, pa.string())
    if np.issubdtype(chosen.dtype, np.integer):  # too large for float64
        return pa.array([str(value) for value in chosen], pa.string())
    return pa.array([repr(float(value)) for value in chosen], pa.string())


def flat(values: FloatArray) -> FloatArray:
    """``[points, C]`` as one column, point by point."""
    return np.ascontiguousarray(values).reshape(-1)
