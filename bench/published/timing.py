"""Which of two cells takes longer to train, by the probe's samples."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from bench.published.evidence import Evidence
from bench.published.values import Held
from bench.stats.medians import Median, median

QUANTITY = "step_s"
"""What the probe calls the seconds of one step of training."""


def slower(one: Median, other: Median) -> Held:
    """Whether `one` takes longer than `other`: their intervals lie apart. Without both it cannot be told."""
    if one.bounds is None or other.bounds is None:
        return Held.OPEN
    apart, reverse = one.bounds[0] > other.bounds[1], one.bounds[1] < other.bounds[0]
    return Held.HOLDS if apart else Held.FAILS if reverse else Held.OPEN


def in_milliseconds(found: Median) -> str:
    """The median with its interval, or with the number of samples, which are too few for one."""
    if found.bounds is None:
        return f"{1e3 * found.value:.3g} ms (samples: {found.count}, too few for an interval)"
    low, high = found.bounds
    return f"{1e3 * found.value:.3g} ms [{1e3 * low:.3g}, {1e3 * high:.3g}]"


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
    return median(samples) if len(samples) else None
