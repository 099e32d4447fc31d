"""Metrics against scikit-learn, against numbers by hand, and at the edges of float64."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score, root_mean_squared_error

from bench.protocol import metrics
from bench.protocol.metrics import METRICS
from bench.store import schema

NORMAL = np.random.default_rng(0).normal


def test_every_metric_is_a_column_of_runs():
    assert set(METRICS) <= set(schema.RUNS.names)


@given(
    st.tuples(st.integers(2, 20), st.integers(1, 3)).flatmap(
        lambda shape: st.tuples(*[arrays(np.float64, shape, elements=st.floats(-1e6, 1e6))] * 2)
    )
)
@settings(deadline=None, max_examples=100)
def test_errors_equal_scikit_learns(pair: tuple[np.ndarray, np.ndarray]):
    truth, prediction = pair
    flat = truth.ravel(), prediction.ravel()
    assert metrics.mse(truth, prediction) == pytest.approx(mean_squared_error(*flat), rel=1e-12)
    assert metrics.rmse(truth, prediction) == pytest.approx(root_mean_squared_error(*flat), rel=1e-12)
    assert metrics.mae(truth, prediction) == pytest.approx(mean_absolute_error(*flat), rel=1e-12)


def test_r2_equals_scikit_learns():
    truth, prediction = NORMAL(size=(50, 3)) * [1, 10, 100], NORMAL(size=(50, 3))
    expected = r2_score(truth, prediction, multioutput="variance_weighted")
    assert metrics.r2(truth, prediction) == pytest.approx(expected, rel=1e-12)
    assert metrics.r2(truth[:, 0], prediction[:, 0]) == pytest.approx(r2_score(truth[:, 0], prediction[:, 0]))
    blocks = truth.reshape(10, 5, 3), prediction.reshape(10, 5, 3)
    assert metrics.r2(*blocks) == pytest.approx(expected, rel=1e-12)


def test_numbers_by_hand():
    truth, prediction, persistence = [1.0, 2.0, 4.0, 4.0], [1.0, 3.0, 2.0, 4.0], [0.0, 1.0, 2.0, 4.0]
    assert metrics.mse(truth, prediction) == 5 / 4
    assert metrics.rmse(truth, prediction) == math.sqrt(5) / 2
    assert metrics.mae(truth, prediction) == 3 / 4
    assert metrics.r2(truth, prediction) == pytest.approx(1 - 5 / 6.75)
    assert metrics.skill(truth, prediction, persistence) == pytest.approx(1 - 5 / 6)


def test_r2_of_a_constant_truth_is_undefined():
    assert math.isnan(metrics.r2([0.1] * 7, [0.1] * 7))
    assert math.isnan(metrics.r2(np.full((5, 2), [1.0, 2.0]), np.zeros((5, 2))))
    assert metrics.r2([[1.0, 5.0], [2.0, 5.0]], [[1.0, 5.0], [2.0, 5.0]]) == 1


def test_skill_at_its_landmarks():
    truth, persistence = NORMAL(size=(9, 2)), NORMAL(size=(9, 2))
    assert metrics.skill(truth, truth, persistence) == 1
    assert metrics.skill(truth, persistence, persistence) == 0
    assert math.isnan(metrics.skill(truth, persistence, truth))


def test_learnable_fraction_at_its_landmarks():
    best, noise = NORMAL(size=400), NORMAL(size=400)
    truth, persistence = best + noise, best + 3.0
    halfway = truth + math.sqrt((metrics.mse(truth, best) + metrics.mse(truth, persistence)) / 2)
    for prediction, expected in [(persistence, 0), (best, 1), (halfway, 0.5)]:
        fraction = metrics.learnable_fraction(truth, prediction, persistence, best=best)
        assert fraction == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("gap", "clear"), [(0.0, False), (0.02, False), (0.5, True)])
def test_learnable_fraction_is_empty_where_persistence_is_at_the_floor(gap: float, clear: bool):
    best = np.zeros(400)
    truth = NORMAL(size=400)
    truth -= truth.mean()
    # (truth - gap)² - truth² has mean gap² and deviation 2 gap, so gap 0.02 lies 0.2 standard errors above 0.
    fraction = metrics.learnable_fraction(truth, truth, best + gap, best=best)
    assert math.isfinite(fraction) is clear


def test_direction_by_every_case():
    moves = {-1.0: "down", 0.0: "still", 1.0: "up"}
    for moved, forecast in product(moves, moves):
        score = metrics.directional_accuracy([5 + moved], [5 + forecast], [5.0])
        if moved == 0:
            assert math.isnan(score)
        else:
            assert score == (1.0 if moved == forecast else 0.5 if forecast == 0 else 0.0)
    last = np.zeros(5)
    assert metrics.directional_accuracy([1, 2, -1, 0, 3], [9, -1, -2, 5, 0], last) == (1 + 0 + 1 + 0.5) / 4


@given(scale=st.integers(-400, 400), size=st.integers(1, 20), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_nothing_overflows_before_its_result_does(scale: int, size: int, seed: int):
    random = np.random.default_rng(seed)
    truth, prediction, persistence, best = random.normal(size=(4, size))
    unit = 2.0**scale  # exact: every result must scale exactly
    scaled = unit * truth, unit * prediction, unit * persistence
    assert metrics.rmse(*scaled[:2]) == unit * metrics.rmse(truth, prediction)
    assert metrics.mae(*scaled[:2]) == unit * metrics.mae(truth, prediction)
    assert metrics.skill(*scaled) == metrics.skill(truth, prediction, persistence)
    assert metrics.r2(*scaled[:2]) == pytest.approx(metrics.r2(truth, prediction), nan_ok=True)
    fraction = metrics.learnable_fraction(truth, prediction, persistence, best=best)
    assert metrics.learnable_fraction(*scaled, best=unit * best) == pytest.approx(fraction, nan_ok=True)


def test_an_error_beyond_float64_is_infinite():
    assert metrics.mse([1e200], [0.0]) == math.inf
    assert metrics.rmse([1e200], [0.0]) == 1e200


def test_millions_of_float32_values_are_summed_in_float64():
    truth = np.full(5_000_000, 0.1, np.float32)
    prediction = np.zeros_like(truth)
    value = float(np.float32(0.1))
    assert metrics.mse(truth, prediction) == pytest.approx(value**2, rel=1e-13)
    assert metrics.mae(truth, prediction) == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", ["truth", "prediction", "persistence", "best"])
def test_values_that_are_not_finite_are_named(wrong: float, place: str):
    given_arrays = {name: np.ones((3, 2)) for name in ("truth", "prediction", "persistence", "best")}
    given_arrays[place][1, 1] = wrong
    message = f"^{place}: expected finite values, got 1 of 6 that are not$"
    with pytest.raises(ValueError, match=message):
        metrics.learnable_fraction(**given_arrays)
    del given_arrays["best"]
    if place != "best":
        for metric in (metrics.skill, metrics.directional_accuracy):
            with pytest.raises(ValueError, match=message):
                metric(**given_arrays)
    del given_arrays["persistence"]
    if place in given_arrays:
        for metric in (metrics.mse, metrics.rmse, metrics.mae, metrics.r2):
            with pytest.raises(ValueError, match=message):
                metric(**given_arrays)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"truth \(3, 1\) and prediction \(3,\): expected one shape"):
        metrics.mse(np.ones((3, 1)), np.ones(3))
    with pytest.raises(ValueError, match=r"truth: expected at least one value, got shape \(0, 2\)"):
        metrics.mse(np.ones((0, 2)), np.ones((0, 2)))
