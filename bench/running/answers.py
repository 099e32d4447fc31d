"""What answers about independent sequences are measured against: clean sequences, classes, values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from bench.data.base import FloatArray, Sequences
from bench.data.examples import Selection
from bench.data.windows import Parts, Scaler
from bench.running.reference import as_columns, pooled
from bench.running.rows import flat
from bench.training import metrics

SHOWN = 100
"""How many test sequences `predictions` holds: they are there to be looked at."""


@dataclass(frozen=True, eq=False)
class Answers:
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
            "time": pa.nulls(first * values, pa.string()),
            "channel": np.tile(np.arange(values), first),
            "step": np.repeat(self.test.steps()[:first], values),
            "truth": flat(self.truth[:first]),
            "prediction": flat(prediction[:first]),
            "persistence": flat(self.persistence[:first]),
        }
