"""Which of two cells takes longer to train, by the probe's samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import binom

from bench.published.evidence import Evidence
from bench.published.values import FloatArray, Held

QUANTITY = "step_s"
"""What the probe calls the seconds of one step of training."""

_LEVEL = 0.95


@dataclass(frozen=True)
class Median:
    """A median of samples and the interval that holds that of their distribution with 95 %, seconds."""

    value: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """In milliseconds."""
        return f"{1e3 * self.value:.3g} ms [{1e3 * self.low:.3g}, {1e3 * self.high:.3g}]"

    @classmethod
    def of(cls, samples: FloatArray) -> Median:
        """By order statistics: how many of n samples lie below the median is binomial."""
        ordered = np.sort(samples)
        outside = int(binom.ppf((1 - _LEVEL) / 2, len(ordered), 0.5))
        lowest = max(outside - 1, 0)
        return cls(float(np.median(ordered)), float(ordered[lowest]), float(ordered[-1 - lowest]))


def slower(one: Median, other: Median) -> Held:
    """Whether `one` takes longer than `other`: their intervals lie apart."""
    return Held.HOLDS if one.low > other.high else Held.FAILS if one.high < other.low else Held.OPEN


def step_times(probes: pa.Table, cell: Evidence) -> Median | None:
    """The seconds of one step of training of the model of `cell`; `None` where they were not measured."""
    wanted = {
        "dataset": cell.dataset,
        "model": cell.model,
        "sequence_length": cell.sequence_length,
        "quantity": QUANTITY,
    }
    own = probes
    for name, value in wanted.items():
        own = own.filter(pc.equal(own[name], value))
    samples = own["value"].drop_null().to_numpy()
    return Median.of(samples) if len(samples) else None
