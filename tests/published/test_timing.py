"""Training times, ordered by the intervals of their medians."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import bootstrap

from bench.published.evidence import Evidence
from bench.published.timing import Median, slower, step_times
from bench.published.values import Held


def median(middle, count=30):
    return Median.of(middle + np.random.default_rng(0).normal(0, 0.01, count))


def test_intervals_that_lie_apart_are_ordered():
    assert slower(median(2.0), median(1.0)) is Held.HOLDS
    assert slower(median(1.0), median(2.0)) is Held.FAILS
    assert slower(median(1.0), median(1.0)) is Held.OPEN


def test_the_interval_holds_the_median_as_often_as_stated():
    rng = np.random.default_rng(1)
    intervals = [Median.of(rng.exponential(size=25)) for _ in range(2000)]
    share = np.mean([each.low <= np.log(2) <= each.high for each in intervals])
    assert 0.94 <= share <= 0.985  # order statistics are discrete: never less than 95 %


def test_it_is_about_as_wide_as_that_of_a_bootstrap():
    samples = np.random.default_rng(2).lognormal(size=60)
    other = bootstrap((samples,), np.median, rng=np.random.default_rng(3), method="percentile").confidence_interval
    own = Median.of(samples)
    assert own.high - own.low == pytest.approx(other.high - other.low, rel=0.35)


def test_few_samples_give_their_extremes():
    found = Median.of(np.array([3.0, 1.0, 2.0]))
    assert (found.low, found.value, found.high) == (1.0, 2.0, 3.0)


def cell():
    nothing = {"departures": "", "spec": {}, "seeds": (), "asked": 0, "reason": "", "numbers": {}, "shapes": {}}
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
    assert step_times(pa.Table.from_pylist(rows), cell()).text == "1 ms [1, 1]"
    assert step_times(pa.Table.from_pylist(rows[1:2]), cell()) is None
