"""Persistence, drift, mean, seasonal naive; and what holds for every model that is fitted in closed form."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from bench.array_types import FloatArray
from bench.errors import InputError
from bench.models import MODELS
from bench.models.base import Batches, ClosedForm, Shape

CLOSED_FORMS = [name for name, kind in MODELS.items() if not (kind.gradient or kind.forecaster)]
AFFINE = [name for name in CLOSED_FORMS if name not in ("echo-state", "sklearn")]  # units saturate, trees are drawn
ORDERLESS = [name for name in CLOSED_FORMS if name != "sklearn"]  # a tree is grown on rows drawn by their number

shapes = st.builds(Shape, sequence_length=st.integers(1, 6), horizon=st.integers(1, 4), channels=st.integers(1, 3))


def windows(series: FloatArray, shape: Shape) -> tuple[FloatArray, FloatArray]:
    """Every window of ``series`` ``[N, C]``, by a plain loop."""
    length, horizon = shape.sequence_length, shape.horizon
    starts = range(len(series) - length - horizon + 1)
    x = np.array([series[i : i + length] for i in starts])
    y = np.array([series[i + length : i + length + horizon] for i in starts])
    return x, y


def batches(x: FloatArray, y: FloatArray, size: int = 7) -> Batches:
    def one_pass() -> Iterator[tuple[FloatArray, FloatArray]]:
        for start in range(0, len(x), size):
            yield x[start : start + size], y[start : start + size]

    return one_pass


def fitted(name: str, series: FloatArray, shape: Shape, **parameters: object) -> ClosedForm:
    model = MODELS[name].build(MODELS[name].parameters(**parameters), shape)
    model.fit(batches(*windows(series, shape)))
    return model


@st.composite
def whole_number_series(draw: st.DrawFn) -> tuple[FloatArray, Shape]:
    shape = draw(shapes)
    size = 40 * shape.channels
    values = draw(st.lists(st.integers(-100, 100), min_size=size, max_size=size))
    return np.array(values, float).reshape(40, shape.channels), shape


def test_persistence_repeats_the_last_value():
    x = np.arange(24.0).reshape(2, 4, 3)
    model = fitted("persistence", np.zeros((20, 3)), Shape(4, 2, 3))
    assert model.predict(x).tolist() == [[[9, 10, 11]] * 2, [[21, 22, 23]] * 2]
    assert model.parameter_count() == 0


@given(whole_number_series())
@settings(deadline=None, max_examples=30)
def test_drift_continues_the_line_through_the_ends_of_train(case: tuple[FloatArray, Shape]):
    series, shape = case
    model = fitted("drift", series, shape)
    # Hyndman & Athanasopoulos' line, from the first window's last input to the last window's first target.
    first, last = shape.sequence_length - 1, len(series) - shape.horizon
    slope = (series[last] - series[first]) / (last - first)
    expected = series[-1] + np.arange(1, shape.horizon + 1)[:, None] * slope
    np.testing.assert_allclose(model.predict(series[None])[0], expected, rtol=1e-12, atol=1e-10)
    assert model.parameter_count() == shape.channels


@given(whole_number_series())
@settings(deadline=None, max_examples=30)
def test_no_constant_beats_the_mean_on_train(case: tuple[FloatArray, Shape]):
    series, shape = case
    x, y = windows(series, shape)
    prediction = fitted("mean", series, shape).predict(x)
    assert np.ptp(prediction, axis=(0, 1)).max() == 0
    constant = np.linalg.lstsq(np.ones((y[..., 0].size, 1)), y.reshape(-1, shape.channels))[0][0]
    np.testing.assert_allclose(prediction[0, 0], constant, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stated", [{"period": 5}, {}], ids=["stated", "found"])
def test_seasonal_naive_repeats_the_season_over_a_longer_horizon(stated: dict[str, int]):
    series = np.tile([3.0, 1.0, 4.0, 1.0, 5.0], 8)[:, None]
    shape = Shape(sequence_length=11, horizon=13, channels=1)
    model = fitted("seasonal-naive", series, shape, **stated)
    x, y = windows(series, shape)
    assert np.array_equal(model.predict(x), y)
    assert model.parameter_count() == (0 if stated else 1)


@given(whole_number_series())
@settings(deadline=None, max_examples=30)
def test_seasonal_naive_takes_the_lag_with_the_smallest_error(case: tuple[FloatArray, Shape]):
    series, shape = case
    x, y = windows(series, shape)

    def error(lag: int) -> float:
        total = 0.0
        for i, j in np.ndindex(y.shape[:2]):
            extended = list(x[i])
            for _ in range(j + 1):  # the season goes on
                extended.append(extended[-lag])
            total += float(np.sum((extended[-1] - y[i, j]) ** 2))
        return total

    errors = [error(lag) for lag in range(1, shape.sequence_length + 1)]
    model = fitted("seasonal-naive", series, shape)
    assert np.sum((model.predict(x) - y) ** 2) == min(errors)


def test_a_season_longer_than_the_window_is_refused():
    kind = MODELS["seasonal-naive"]
    with pytest.raises(InputError) as caught:
        kind.build(kind.parameters(period=24), Shape(sequence_length=10, horizon=1, channels=1))
    assert str(caught.value) == (
        "expected period ≤ sequence_length, got period 24 and sequence_length 10; "
        "lengthen the sequence, exclude it for this model, or leave period out"
    )


@pytest.mark.parametrize("name", AFFINE)
@given(case=whole_number_series(), power=st.integers(-3, 3), sign=st.sampled_from([-1, 1]), shift=st.integers(-50, 50))
@settings(deadline=None, max_examples=25)
def test_a_change_of_units_changes_the_forecast_alike(
    name: str, case: tuple[FloatArray, Shape], power: int, sign: int, shift: int
):
    series, shape = case
    scale = sign * 2.0**power
    x, _ = windows(series, shape)
    plain = fitted(name, series, shape).predict(x)
    changed = fitted(name, scale * series + shift, shape).predict(scale * x + shift)
    np.testing.assert_allclose(changed, scale * plain + shift, rtol=1e-7, atol=1e-5 * abs(scale))


@pytest.mark.parametrize("name", ORDERLESS)
@given(size=st.integers(1, 60), seed=st.integers(0, 100), shape=shapes)
@settings(deadline=None, max_examples=15)
def test_neither_the_size_nor_the_order_of_batches_matters(name: str, size: int, seed: int, shape: Shape):
    random = np.random.default_rng(seed)
    x, y = windows(random.normal(size=(60, shape.channels)).cumsum(axis=0), shape)
    order = random.permutation(len(x))
    models = [MODELS[name].build(MODELS[name].parameters(), shape) for _ in range(2)]
    models[0].fit(batches(x, y, len(x)))
    models[1].fit(batches(x[order], y[order], size))
    np.testing.assert_allclose(models[0].predict(x), models[1].predict(x), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", CLOSED_FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(shape=shapes, size=st.integers(1, 9))
@settings(deadline=None, max_examples=15)
def test_shapes_and_numbers(name: str, dtype: type[np.floating], shape: Shape, size: int):
    series = np.random.default_rng(0).normal(size=(30, shape.channels)).astype(dtype)
    x = np.random.default_rng(1).normal(size=(size, shape.sequence_length, shape.channels)).astype(dtype)
    before = x.copy()
    prediction = fitted(name, series, shape).predict(x)
    assert prediction.shape == (size, shape.horizon, shape.channels)
    assert prediction.dtype == np.float64
    assert not np.shares_memory(prediction, x)
    assert np.array_equal(x, before)
