"""Closed forms and logistic regression on what is not a forecast of one's own channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from bench.array_types import FloatArray
from bench.errors import InputError
from bench.models import MODELS
from bench.models.base import Batches, Shape

DENOISE = Shape(6, 1, 2, "denoise", 2, every_step=True)


def once(x: FloatArray, y: FloatArray) -> Batches:
    """In two batches."""
    return lambda: iter([(x[:20], y[:20]), (x[20:], y[20:])])


def noisy() -> tuple[FloatArray, FloatArray]:
    random = np.random.default_rng(0)
    clean = random.normal(size=(80, 6, 2)).cumsum(axis=1)
    return clean + random.normal(size=clean.shape), clean


def test_persistence_answers_with_the_noisy_value() -> None:
    x, y = noisy()
    model = MODELS["persistence"].build(MODELS["persistence"].parameters(), DENOISE)
    model.fit(once(x, y))
    np.testing.assert_array_equal(model.predict(x), x)
    assert not np.shares_memory(model.predict(x), x)


def test_the_mean_of_clean_values() -> None:
    x, y = noisy()
    model = MODELS["mean"].build(MODELS["mean"].parameters(), DENOISE)
    model.fit(once(x, y))
    np.testing.assert_allclose(model.predict(x[:3]), np.broadcast_to(y.mean(axis=(0, 1)), (3, 6, 2)), rtol=1e-12)


def test_the_shares_of_classes() -> None:
    y = np.eye(3)[[0, 1, 1, 2, 1, 0] * 5][:, None]
    model = MODELS["mean"].build(MODELS["mean"].parameters(), Shape(4, 1, 2, "classify", 3))
    model.fit(once(np.zeros((30, 4, 2)), y))
    np.testing.assert_allclose(
        model.predict(np.zeros((2, 4, 2))), np.full((2, 1, 3), [1 / 3, 1 / 2, 1 / 6]), rtol=1e-12
    )
    assert model.parameter_count() == 3


@pytest.mark.parametrize("intercept", [True, False])
def test_a_causal_linear_filter_is_one_ridge_regression_for_each_step(intercept: bool) -> None:
    x, y = noisy()
    scale = x.std(axis=0) if intercept else np.sqrt((x**2).mean(axis=0))
    kind = MODELS["linear-ar"]
    model = kind.build(kind.parameters(alpha=0.1, intercept=intercept), DENOISE)
    model.fit(once(x, y))
    answers = model.predict(x)
    for step in range(6):
        z = (x / scale)[:, : step + 1].reshape(80, -1)
        truth = Ridge(alpha=0.1 * 80, fit_intercept=intercept).fit(z, y[:, step])
        np.testing.assert_allclose(answers[:, step], truth.predict(z), rtol=0, atol=1e-10)
    later = x.copy()
    later[:, 4:] += 10
    np.testing.assert_array_equal(model.predict(later)[:, :4], answers[:, :4])
    assert model.parameter_count() == sum(2 * (2 * (step + 1) + intercept) for step in range(6))


def test_a_linear_forecast_of_something_else_than_the_channels() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 5, 2))
    y = (x[:, :, 0] * [1, 2, 0, 0, 3]).sum(axis=1)[:, None, None] + 4
    kind = MODELS["linear-ar"]
    model = kind.build(kind.parameters(), Shape(5, 1, 2, outputs=1))
    model.fit(once(x, y))
    np.testing.assert_allclose(model.predict(x), y, rtol=1e-6)
    assert model.parameter_count() == 11


@pytest.mark.parametrize("name", ["persistence", "drift", "seasonal-naive"])
def test_what_repeats_the_window_needs_targets_of_its_channels(name: str) -> None:
    with pytest.raises(InputError, match=r"^expected targets of the window's own 2 channels, got 1 other"):
        MODELS[name].build(MODELS[name].parameters(), Shape(5, 1, 2, outputs=1))


@pytest.mark.parametrize("name", ["persistence", "drift", "seasonal-naive", "linear-ar", "logistic-regression"])
def test_what_reads_the_end_of_a_window_needs_one_length(name: str) -> None:
    with pytest.raises(InputError, match=r"^expected windows of one length, got some that end early"):
        MODELS[name].build(MODELS[name].parameters(), Shape(5, 1, 2, variable=True))


def test_logistic_regression_has_the_decision_function_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 4, 2)), random.integers(3, size=60)
    truth = LogisticRegression().fit(x.reshape(60, -1), y)
    model = MODELS["logistic-regression"].build(
        MODELS["logistic-regression"].parameters(), Shape(4, 1, 2, "classify", 3)
    )
    model.double().load_state_dict(
        {"head.weight": torch.from_numpy(truth.coef_), "head.bias": torch.from_numpy(truth.intercept_)}
    )
    with torch.no_grad():
        logits = model(torch.from_numpy(x))
    assert logits.shape == (60, 1, 3)
    np.testing.assert_allclose(logits[:, 0].numpy(), truth.decision_function(x.reshape(60, -1)), rtol=0, atol=1e-12)
