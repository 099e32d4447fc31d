"""Recall and adding: what they are, and what is the best that can be done."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from bench.data.formulas import RECALL, Recall
from bench.data.sequences import ADDING, Adding
from bench.seeds import generator


@pytest.mark.parametrize(("lag", "length"), [(1, 50), (7, 50), (10, 200), (60, 50)])
def test_recall_is_its_formula(lag: int, length: int) -> None:
    series = RECALL.load(Recall(lag=lag, length=length, correlation=-0.8), 3)
    e = generator(3, "data", "recall").standard_normal(-(-length // lag) * lag)
    x: list[float] = []
    for t in range(length):
        x.append(e[t] if t < lag else -0.8 * x[t - lag] + 0.6 * e[t])
    np.testing.assert_allclose(series.values[:, 0], x, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("horizon", "floor"), [(1, 1 - 0.9**2), (10, 1 - 0.9**2), (11, 1 - 0.9**4), (25, 1 - 0.9**6)])
def test_the_floor_of_recall(horizon: int, floor: float) -> None:
    series = RECALL.load(Recall(length=100_000, correlation=0.9), 0)
    assert series.best is not None
    best = series.best(horizon)
    assert np.isnan(best[:horizon]).all()
    assert np.isfinite(best[horizon:]).all()
    times = -(-horizon // 10)
    assert not best[horizon : 10 * times].any()
    error = (series.values - best)[10 * times :]
    assert np.mean(error**2) == pytest.approx(floor, rel=0.03)
    # What is left cannot be predicted from anything seen up to then, in any of the interleaved series.
    seen = np.stack(
        [
            series.values[10 * times - horizon - k : len(series) - horizon - k, 0]
            for k in range(10 * times - horizon + 1)
        ]
    )
    correlations = np.corrcoef(np.concatenate([error.T, seen]))[0, 1:]
    assert np.abs(correlations).max() < 5 / math.sqrt(len(error))


def test_nothing_nearer_than_the_lag_helps_and_persistence_is_twice_as_bad_as_the_mean() -> None:
    values = RECALL.load(Recall(length=100_000, lag=10), 1).values[:, 0]
    assert np.var(values) == pytest.approx(1, rel=0.05)
    assert np.mean(np.diff(values) ** 2) == pytest.approx(2, rel=0.05)
    nearer = [np.corrcoef(values[10:], values[10 - k : -k])[0, 1] for k in range(1, 11)]
    assert np.abs(nearer[:9]).max() < 0.05
    assert nearer[9] == pytest.approx(0.95, abs=0.01)


def test_a_series_shorter_than_its_lag_has_no_best_but_zero() -> None:
    series = RECALL.load(Recall(length=5, lag=9), 0)
    assert series.best is not None
    np.testing.assert_array_equal(series.best(2)[:, 0], [np.nan, np.nan, 0, 0, 0])


@pytest.mark.parametrize("shortest", [None, 2, 9])
def test_adding_marks_one_number_in_each_half(shortest: int | None) -> None:
    sequences = ADDING.load(Adding(count=500, length=20, shortest=shortest), 0)
    assert sequences.inputs.shape == (500, 20, 2)
    assert sequences.targets.shape == (500, 1, 1)
    lengths = []
    for inputs, target in zip(sequences.inputs, sequences.targets, strict=True):
        end = 20 if not np.isnan(inputs).any() else int(np.argmax(np.isnan(inputs[:, 0])))
        assert np.isnan(inputs[end:]).all()
        assert np.isfinite(inputs[:end]).all()
        numbers, markers = inputs[:end].T
        assert (markers[: end // 2].sum(), markers[end // 2 :].sum()) == (1, 1)
        assert set(markers.tolist()) <= {0.0, 1.0}
        assert target.item() == pytest.approx(float(numbers @ markers), abs=1e-6)
        assert 0 <= numbers.min() <= numbers.max() <= 1
        lengths.append(end)
    assert (min(lengths), max(lengths)) == (shortest or 20, 20)
    np.testing.assert_array_equal(sequences.best(), sequences.targets)


def test_to_say_one_has_the_variance_of_the_sum() -> None:
    sequences = ADDING.load(Adding(count=50_000, length=10), 0)
    assert np.mean((sequences.targets - 1) ** 2) == pytest.approx(1 / 6, rel=0.02)
    places = sequences.inputs[:, :, 1].mean(axis=0)
    np.testing.assert_allclose(places, np.full(10, 0.2), rtol=0, atol=0.01)  # each place of a half equally often


def test_the_shortest_is_not_longer_than_the_longest() -> None:
    with pytest.raises(ValidationError, match="expected shortest ≤ length, got 11 and 10: lower shortest"):
        Adding(length=10, shortest=11)


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [(Recall, {"correlation": 1.0}), (Recall, {"lag": 0}), (Adding, {"length": 1}), (Adding, {"shortest": 1})],
)
def test_parameters_out_of_range_are_refused(parameters: type, wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        parameters(**wrong)
