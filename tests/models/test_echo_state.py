"""The echo-state network against an independent loop, NumPy's least squares and scikit-learn's ridge regression."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from bench.array_types import FloatArray
from bench.errors import InputError
from bench.models import MODELS
from bench.models.base import Batches, Shape
from bench.models.echo_state import EchoState
from bench.spec import Training
from bench.training.fit import train
from bench.training.members import Member

T, C, HORIZON = 6, 2, 3
SHAPE = Shape(T, HORIZON, C)
KIND = MODELS["echo-state"]


def windows(count: int = 90) -> tuple[FloatArray, FloatArray]:
    random = np.random.default_rng(0)
    series = np.sin(np.arange(count + T + HORIZON) / 4)[:, None] * [1, 0.5] + random.normal(0, 0.1, (1, C))
    series = series + random.normal(0, 0.1, series.shape)
    return (
        np.array([series[k : k + T] for k in range(count)]),
        np.array([series[k + T : k + T + HORIZON] for k in range(count)]),
    )


def batches(x: FloatArray, y: FloatArray) -> Batches:
    def one_pass() -> Iterator[tuple[FloatArray, FloatArray]]:
        for start in range(0, len(x), 40):
            yield x[start : start + 40], y[start : start + 40]

    return one_pass


def fitted(seed: int = 3, **parameters: Any) -> EchoState:
    model: EchoState = KIND.build(KIND.parameters(**{"reservoir_size": 12, **parameters}), SHAPE)
    model.seed(seed)
    model.fit(batches(*windows()))
    return model


def last_states(model: EchoState, x: FloatArray, leak: float) -> FloatArray:
    """Window after window and step after step."""
    inward, inner = model.reservoir
    states = []
    for window in x:
        state = np.zeros(len(inner))
        for value in window:
            state = (1 - leak) * state + leak * np.tanh(inward @ np.concatenate([[1.0], value]) + inner @ state)
        states.append(np.concatenate([window[-1], state]))
    return np.array(states)


@pytest.mark.parametrize("leak", [1.0, 0.3])
def test_without_a_penalty_the_readout_is_least_squares_on_the_states_of_a_loop(leak: float) -> None:
    model = fitted(alpha=0.0, leaking_rate=leak)
    x, y = windows()
    inputs = np.column_stack([np.ones(len(x)), last_states(model, x, leak)])
    coefficients = np.linalg.lstsq(inputs, y.reshape(len(y), -1))[0]
    np.testing.assert_allclose(model.predict(x).reshape(len(x), -1), inputs @ coefficients, rtol=0, atol=1e-8)


def test_with_a_penalty_it_is_ridge_regression_on_standardised_states() -> None:
    model, alpha = fitted(alpha=0.1), 0.1
    x, y = windows()
    inputs = last_states(model, x, 1.0)
    z = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    expected = Ridge(alpha=alpha * len(x)).fit(z, y.reshape(len(y), -1)).predict(z)
    np.testing.assert_allclose(model.predict(x).reshape(len(x), -1), expected, rtol=0, atol=1e-9)
    assert model.parameter_count() == (1 + C + 12) * HORIZON * C


@pytest.mark.parametrize("radius", [0.0, 0.5, 1.3])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_reservoir_has_the_spectral_radius_and_the_input_scaling_that_are_set(radius: float, seed: int) -> None:
    model: EchoState = KIND.build(KIND.parameters(reservoir_size=80, spectral_radius=radius, input_scaling=0.2), SHAPE)
    model.seed(seed)
    inward, inner = model.reservoir
    vector = np.random.default_rng(0).normal(size=80)
    growth = np.linalg.norm(np.linalg.matrix_power(inner, 2000) @ vector) if radius < 1 else None
    assert np.abs(np.linalg.eigvals(inner)).max() == pytest.approx(radius, rel=1e-9)
    assert growth is None or growth < 1e-100  # the state of a reservoir without input dies away
    assert inward.shape == (80, 1 + C)
    assert 0.19 < np.abs(inward).max() <= 0.2


def test_the_state_forgets_where_the_radius_is_below_one() -> None:
    """The echo state property: after a long window, what it began with is gone."""
    shape = Shape(400, 1, 1)
    model: EchoState = KIND.build(KIND.parameters(reservoir_size=30, spectral_radius=0.5), shape)
    x = np.random.default_rng(0).normal(size=(2, 400, 1))
    x[1, 100:] = x[0, 100:]
    first, second = model.features(x)
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-14)
    x[1, 399] += 1e-3
    assert (model.features(x)[1] != second).all()


def test_the_receptive_field_is_the_whole_window() -> None:
    model, (x, _) = fitted(), windows()
    before = model.predict(x[:1])
    for step in range(T):
        moved = x[:1].copy()
        moved[0, step] += 0.5
        assert (model.predict(moved) != before).all()


def test_each_seed_draws_its_own_reservoir_and_the_same_seed_the_same() -> None:
    x, _ = windows()
    np.testing.assert_array_equal(fitted(seed=1).predict(x), fitted(seed=1).predict(x))
    assert not np.isclose(fitted(seed=1).predict(x), fitted(seed=2).predict(x)).all()


def test_replicates_are_networks_of_their_own() -> None:
    from bench.protocol.examples import TrainingData
    from bench.protocol.windows import Parts, evaluation_windows, train_windows

    values = np.sin(np.arange(160) / 5)[:, None] + np.random.default_rng(0).normal(0, 0.1, (160, 1))
    cut = Parts(100, 130, 160)
    data = TrainingData(train_windows(values, cut, 8, 2), evaluation_windows(values, cut.validation, 8, 2))
    members = [Member(KIND.parameters(reservoir_size=20), Training(), 5, ("replicate", k)) for k in range(2)]
    first, second = train(KIND, members, data).predict(data.validation)
    again = train(KIND, members[1:], data).predict(data.validation)[0]
    assert not np.allclose(first, second, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(second, again)


def test_windows_that_end_early_are_refused() -> None:
    with pytest.raises(InputError, match=r"^expected windows of one length, got some that end early"):
        KIND.build(KIND.parameters(), Shape(5, 1, 2, variable=True))
