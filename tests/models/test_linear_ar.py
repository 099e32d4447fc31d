"""Linear autoregression against least squares and scikit-learn's ridge regression."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import Ridge

from bench.array_types import FloatArray
from bench.models.base import Shape
from bench.models.linear import LinearAR, moments
from bench.models.parameters import LinearARParameters

shapes = st.builds(Shape, sequence_length=st.integers(1, 5), horizon=st.integers(1, 3), channels=st.integers(1, 2))


def windows(series: FloatArray, shape: Shape) -> tuple[FloatArray, FloatArray]:
    both = sliding_window_view(series, shape.sequence_length + shape.horizon, axis=0).swapaxes(1, 2)
    return both[:, : shape.sequence_length], both[:, shape.sequence_length :]


def fitted(x: FloatArray, y: FloatArray, cuts: tuple[int, ...] = (), **parameters: object) -> LinearAR:
    shape = Shape(x.shape[1], y.shape[1], x.shape[2])
    model = LinearAR(LinearARParameters(**parameters), shape)
    edges = [0, *cuts, len(x)]
    model.fit(lambda: ((x[a:b], y[a:b]) for a, b in pairwise(edges)))
    return model


def walk(seed: int, channels: int, n: int = 80) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(n, channels)).cumsum(axis=0)


@pytest.mark.parametrize("intercept", [True, False])
@given(shape=shapes, seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_without_penalty_it_is_least_squares(intercept: bool, shape: Shape, seed: int):
    x, y = windows(walk(seed, shape.channels), shape)
    design = np.hstack([x.reshape(len(x), -1), np.ones((len(x), int(intercept)))])
    coefficients = np.linalg.lstsq(design, y.reshape(len(y), -1))[0]
    model = fitted(x, y, alpha=0.0, intercept=intercept)
    np.testing.assert_allclose(model.predict(x).reshape(len(y), -1), design @ coefficients, rtol=1e-8, atol=1e-8)
    assert model.parameter_count() == coefficients.size


@pytest.mark.parametrize("intercept", [True, False])
@given(shape=shapes, seed=st.integers(0, 1000), alpha=st.floats(1e-6, 10))
@settings(deadline=None, max_examples=20)
def test_with_penalty_it_is_ridge_on_standardised_inputs(intercept: bool, shape: Shape, seed: int, alpha: float):
    x, y = windows(walk(seed, shape.channels), shape)
    flat = x.reshape(len(x), -1)
    centre = flat.mean(axis=0) if intercept else 0
    standardised = (flat - centre) / np.sqrt(np.mean((flat - centre) ** 2, axis=0))
    reference = Ridge(alpha=alpha * len(x), fit_intercept=intercept).fit(standardised, y.reshape(len(y), -1))
    expected = reference.predict(standardised).reshape(y.shape)
    np.testing.assert_allclose(
        fitted(x, y, alpha=alpha, intercept=intercept).predict(x), expected, rtol=1e-7, atol=1e-8
    )


@given(cuts=st.sets(st.integers(1, 74), max_size=10), level=st.sampled_from([0.0, 1e3, 1e8]))
@settings(deadline=None, max_examples=30)
def test_moments_of_batches_are_moments_of_the_whole(cuts: set[int], level: float):
    x, y = windows(walk(0, 2) + level, Shape(4, 2, 2))
    edges = [0, *sorted(cuts), len(x)]
    mean, covariance = moments(lambda: ((x[a:b], y[a:b]) for a, b in pairwise(edges)), centred=True)
    whole = np.hstack([x.reshape(len(x), -1), y.reshape(len(y), -1)])
    np.testing.assert_allclose(mean, whole.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(covariance, np.cov(whole.T, bias=True), rtol=1e-6 if level > 1e6 else 1e-10, atol=1e-10)


@pytest.mark.parametrize("length", [2, 30])
def test_a_sine_without_noise_is_forecast_exactly(length: int):
    series = np.sin(0.3 * np.arange(400))[:, None]
    x, y = windows(series, Shape(length, 3, 1))
    np.testing.assert_allclose(fitted(x[:200], y[:200], (50,), alpha=0.0).predict(x[200:]), y[200:], atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 1e-8])
def test_inputs_that_never_change_are_left_out(alpha: float):
    series = np.hstack([walk(3, 1), np.full((80, 1), 0.1)])
    x, y = windows(series, Shape(3, 1, 2))
    prediction = fitted(x, y, (10, 33), alpha=alpha).predict(x)
    alone = fitted(x[..., :1], y[..., :1], alpha=alpha).predict(x[..., :1])
    np.testing.assert_allclose(prediction[..., 1], 0.1, rtol=1e-14)
    np.testing.assert_allclose(prediction[..., :1], alone, rtol=1e-10)


def test_fewer_windows_than_inputs_give_the_shortest_solution():
    x, y = windows(walk(5, 1, n=25), Shape(20, 1, 1))  # 5 windows
    flat = x.reshape(5, 20)
    standardised = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    shortest = np.linalg.lstsq(standardised, y[:, 0] - y[:, 0].mean(), rcond=1e-6)[0]
    model = fitted(x, y, alpha=0.0)
    np.testing.assert_allclose(model.coefficients * flat.std(axis=0)[:, None], shortest, atol=1e-9)
    np.testing.assert_allclose(model.predict(x), y, atol=1e-9)
