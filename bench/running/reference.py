"""What predictions on the test part are measured against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.data.base import FloatArray, Series
from bench.data.linear import linear_floor
from bench.data.windows import Parts, Scaler, Windows
from bench.schema import ADVICE, Status
from bench.training import metrics


@dataclass(frozen=True, eq=False)
class Reference:
    """The truth on the test part and the forecasts that need no model, in original units.

    Parameters
    ----------
    series, cut, test
        The series, its parts, and the test windows over it.
    teacher_forced
        Whether the model is shown the true value before each target; then persistence is shown it too.
    """

    series: Series
    cut: Parts
    test: Windows
    teacher_forced: bool = False

    @property
    def truth(self) -> FloatArray:
        """``[points, C]``."""
        return self.series.values[self.cut.test]

    @cached_property
    def persistence(self) -> FloatArray:
        """``[points, C]``: the last value that the model was shown, again."""
        back = 1 if self.teacher_forced else self.test.steps()
        last: FloatArray = self.series.values[np.arange(self.cut.validation_end, self.cut.n) - back]
        return last

    @cached_property
    def best(self) -> FloatArray | None:
        """``[points, C]``: the best possible forecast; `None` where the world made the data."""
        if self.series.best is None:
            return None
        steps = np.ones_like(self.test.steps()) if self.teacher_forced else self.test.steps()
        forecast = np.empty_like(self.truth)
        for step in np.unique(steps):
            chosen = steps == step
            forecast[chosen] = self.series.best(int(step))[self.cut.test][chosen]
        return forecast

    @cached_property
    def linear(self) -> float | None:
        """The expected squared error of the best linear forecast; `None` where the covariance is not known."""
        if self.series.autocovariance is None:
            return None
        by_step = linear_floor(self.series.autocovariance, self.test.sequence_length, self.test.horizon)
        return float(by_step[self.test.steps() - 1].mean())

    @cached_property
    def scaler(self) -> Scaler:
        """The unit of scaled errors: the range of all points before the test part.

        It takes train and validation together, so that scaled errors of two suites compare whatever their
        validation part; the models' inputs are scaled by the train part alone.
        """
        return Scaler.fit("minmax", self.series.values[: self.cut.validation_end])

    def errors(self, prediction: FloatArray) -> dict[str, Any]:
        """The error columns of `runs` for a finite ``prediction`` ``[points, C]``; empty is `None`.

        A prediction so far off that an error exceeds float64 gives the columns `status` and `reason` instead.
        """
        with np.errstate(over="ignore"):  # what overflows is said in the row
            values = self._errors(prediction)
        if infinite := [name for name, value in values.items() if math.isinf(value)]:
            reason = f"{infinite[0]} of the test predictions exceeds float64; {ADVICE[Status.DIVERGED]}"
            return {"status": Status.DIVERGED.value, "reason": reason}
        return {name: None if math.isnan(value) else value for name, value in values.items()}

    def _errors(self, prediction: FloatArray) -> dict[str, float]:
        truth, persistence, best = self.truth, self.persistence, self.best
        scaled = self.scaler.transform(truth), self.scaler.transform(prediction)
        values = {
            "rmse": metrics.rmse(truth, prediction),
            "mse": metrics.mse(truth, prediction),
            "mae": metrics.mae(truth, prediction),
            "r2": metrics.r2(truth, prediction),
            "rmse_scaled": metrics.rmse(*scaled),
            "mse_scaled": metrics.mse(*scaled),
            "error_scale": self.scaler.scale.item() if self.scaler.scale.size == 1 else math.nan,
            "persistence_mse": metrics.mse(truth, persistence),
            "skill": metrics.skill(truth, prediction, persistence),
            "directional_accuracy": metrics.directional_accuracy(truth, prediction, persistence),
        }
        if best is not None:
            values["noise_floor_mse"] = metrics.mse(truth, best)
            values["learnable_fraction"] = metrics.learnable_fraction(truth, prediction, persistence, best=best)
        if self.linear is not None:
            values["linear_floor_mse"] = self.linear
        return values
