"""Random processes: their laws, against loops, statsmodels and simulation, and their best forecasts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from statsmodels.tsa.arima_process import ArmaProcess

from bench.data.processes import (
    ARMA,
    GARCH,
    LEVEL_SHIFTS,
    THRESHOLD_AR,
    Arma,
    Garch,
    LevelShifts,
    ThresholdAr,
    expectation,
    impulses,
)

LAWS = [
    {},
    {"ar": (), "ma": (0.7,)},
    {"ar": (1.2, -0.5), "ma": (0.4, 0.2)},
    {"ar": (0.5,), "ma": (-0.3,), "sigma": 2.0},
]


@pytest.mark.parametrize("law", LAWS)
def test_arma_is_the_process_of_statsmodels(law: dict[str, Any]) -> None:
    parameters = Arma(length=50_000, **law)
    series = ARMA.load(parameters, 0)
    known = ArmaProcess([1, *(-phi for phi in parameters.ar)], [1, *parameters.ma])
    assert series.autocovariance is not None
    expected = known.acovf(8) * parameters.sigma**2
    np.testing.assert_allclose(series.autocovariance(np.arange(8)), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(impulses(parameters, 12), known.arma2ma(12), rtol=0, atol=1e-12)
    assert np.var(series.values) == pytest.approx(expected[0], rel=0.1)


def test_the_best_forecast_of_an_autoregression_is_its_recursion() -> None:
    series = ARMA.load(Arma(length=200, ar=(1.2, -0.5)), 5)
    x = series.values[:, 0]
    assert series.best is not None
    for t in (50, 120):
        ahead = [x[t - 1], x[t]]
        for horizon in range(1, 6):
            ahead.append(1.2 * ahead[-1] - 0.5 * ahead[-2])
            assert series.best(horizon)[t + horizon, 0] == pytest.approx(ahead[-1], abs=1e-9)


def test_a_stationary_beginning() -> None:
    """The first point is spread over seeds as any other is."""
    firsts = [ARMA.load(Arma(length=2, ar=(0.9,)), seed).values[0, 0] for seed in range(2000)]
    assert np.var(firsts) == pytest.approx(1 / (1 - 0.81), rel=0.15)


def test_threshold_ar_is_its_formula() -> None:
    parameters = ThresholdAr(sigma=0.5, threshold=0.2)
    x = THRESHOLD_AR.load(parameters, 2).values[:, 0]
    mean = np.where(x[:-1] < 0.2, 1 + 0.6 * x[:-1], -1 + 0.4 * x[:-1])
    shocks = (x[1:] - mean) / 0.5
    assert (shocks.mean(), shocks.std()) == (pytest.approx(0, abs=0.1), pytest.approx(1, rel=0.05))
    assert abs(np.corrcoef(shocks[1:], shocks[:-1])[0, 1]) < 0.1


@pytest.mark.parametrize("horizon", [1, 2, 3, 5, 9])
def test_the_expectation_of_two_regimes_is_that_of_many_paths(horizon: int) -> None:
    parameters = ThresholdAr(sigma=0.7, threshold=-0.3, lower=(1.0, 0.9), upper=(-0.5, -0.6))
    starts = np.array([-3.0, -0.31, -0.3, 0.4, 2.5])
    dice = np.random.default_rng(horizon)
    paths = np.repeat(starts[:, None], 200_000, axis=1)
    for _ in range(horizon):
        mean = np.where(paths < -0.3, 1.0 + 0.9 * paths, -0.5 - 0.6 * paths)
        paths = mean + 0.7 * dice.standard_normal(paths.shape)
    error = 5 * paths.std(axis=1) / math.sqrt(200_000)
    assert (np.abs(expectation(parameters, starts, horizon) - paths.mean(axis=1)) < error).all()


def test_garch_is_its_formula_and_returns_cannot_be_predicted() -> None:
    r, squares = (GARCH.load(Garch(of=of), 1) for of in ("returns", "squares"))
    np.testing.assert_allclose(r.values**2, squares.values, rtol=1e-14)
    assert squares.best is not None
    assert r.best is not None
    variance = squares.best(1)[1:, 0]
    x = r.values[1:, 0]
    np.testing.assert_allclose(variance[1:], 0.1 + 0.1 * x[:-1] ** 2 + 0.8 * variance[:-1], rtol=1e-12)
    shocks = x / np.sqrt(variance)
    assert (shocks.std(), np.mean(shocks**4)) == (pytest.approx(1, rel=0.06), pytest.approx(3, rel=0.2))
    assert not r.best(3).any()


def test_the_floor_of_squared_returns() -> None:
    """``2 E[v²]``, of which the fourth moment of Bollerslev's process has a closed form."""
    alpha, beta, omega = 0.1, 0.8, 0.1
    mean = omega / (1 - alpha - beta)
    second = omega * (omega + 2 * (alpha + beta) * mean) / (1 - 3 * alpha**2 - 2 * alpha * beta - beta**2)
    series = GARCH.load(Garch(length=400_000), 3)
    assert series.best is not None
    left = (series.values - series.best(1))[1:]
    assert np.mean(left**2) == pytest.approx(2 * second, rel=0.1)
    assert abs(left.mean()) < 5 * left.std() / math.sqrt(len(left))
    further = (series.values - series.best(6))[6:]
    lagged = series.values[:-6] - mean
    assert abs(np.mean(further * lagged)) < 6 * np.std(further * lagged) / math.sqrt(len(lagged) / 6)


def test_levels_shift_when_stated() -> None:
    series = LEVEL_SHIFTS.load(LevelShifts(length=11, every=3, levels=(5.0, -5.0), noise=0.01), 0)
    assert series.best is not None
    assert series.best(1)[:, 0].tolist() == [5, 5, 5, -5, -5, -5, 5, 5, 5, -5, -5]
    assert np.abs(series.values - series.best(1)).max() < 0.05


@pytest.mark.parametrize(
    ("parameters", "wrong", "said"),
    [
        (Arma, {"ar": (1.0,)}, "expected ar with roots below 1, got one of 1: make it smaller"),
        (Arma, {"ma": (0.0, 1.5)}, "expected ma with roots below 1"),
        (Arma, {"ar": (0.9999999,)}, "expected a process that forgets within 100000 points"),
        (ThresholdAr, {"upper": (0.0, 1.0)}, "less than 1"),
        (ThresholdAr, {"lower": (1e5, 0.5)}, "expected constants within 1000 sigma"),
        (Garch, {"alpha": 0.5, "beta": 0.5}, "expected alpha \\+ beta below 1, got 1: make one of them smaller"),
        (LevelShifts, {"levels": (1.0,)}, "at least 2"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: type, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        parameters(**wrong)
