"""Training times, ordered by the intervals of their medians."""

import numpy as np
import pyarrow as pa
import pytest

from bench.cells import CellSpec
from bench.replication.evidence_rows import Evidence
from bench.replication.statements import in_milliseconds, slower, step_times
from bench.stats.aggregates import median
from bench.stats.claims import ClaimOutcome


def around(middle, count=30):
    return median(middle + np.random.default_rng(0).normal(0, 0.01, count))


def test_intervals_that_lie_apart_are_ordered():
    assert slower(around(2.0), around(1.0)) is ClaimOutcome.HOLDS
    assert slower(around(1.0), around(2.0)) is ClaimOutcome.FAILS
    assert slower(around(1.0), around(1.0)) is ClaimOutcome.INCONCLUSIVE


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_samples_order_nothing_however_far_apart(count):
    assert slower(around(2.0, count), around(1.0)) is ClaimOutcome.INCONCLUSIVE
    assert slower(around(1.0), around(2.0, count)) is ClaimOutcome.INCONCLUSIVE
    assert slower(around(2.0, 6), around(1.0, 6)) is ClaimOutcome.HOLDS  # six are enough for 95 %


def test_the_text_names_the_interval_or_the_lack_of_samples():
    assert in_milliseconds(median(np.arange(1, 7) / 1000)) == "3.5 ms [1, 6]"
    assert in_milliseconds(median(np.array([0.003, 0.001]))) == "2 ms (samples: 2, too few for an interval)"


def cell():
    nothing = {
        "departures": "",
        "spec": CellSpec({}),
        "seeds": (),
        "requested": 0,
        "reason": "",
        "numbers": {},
        "shapes": {},
    }
    place = {"cell_id": "c", "dataset": "d", "model": "m", "sequence_length": 8, "horizon": 1, "task": "forecast"}
    return Evidence(**place, **nothing, deterministic=False)


def test_samples_are_those_of_the_cell_and_of_a_step():
    rows = [
        {"dataset": "d", "model": "m", "sequence_length": 8, "quantity": "step_s", "value": 0.001},
        {"dataset": "d", "model": "m", "sequence_length": 8, "quantity": "latency_s", "value": 9.0},
        {"dataset": "d", "model": "m", "sequence_length": 16, "quantity": "step_s", "value": 9.0},
        {"dataset": "d", "model": "other", "sequence_length": 8, "quantity": "step_s", "value": 9.0},
        {"dataset": "d", "model": "m", "sequence_length": 8, "quantity": "step_s", "value": None},
    ]
    assert step_times(pa.Table.from_pylist(rows), cell()) == median(np.array([0.001]))
    assert step_times(pa.Table.from_pylist(rows[1:2]), cell()) is None
