from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.data.formulas import GBM, Gbm
from bench.errors import DataError
from bench.seeds import generator


def test_log_returns_are_normal_with_the_drift_less_half_the_variance() -> None:
    values = GBM.load(Gbm(length=100_001, drift=0.001, volatility=0.02), 0).values[:, 0]
    scaled = (np.diff(np.log(values)) - (0.001 - 0.02**2 / 2)) / 0.02
    assert stats.kstest(scaled, "norm").pvalue > 1e-4
    assert abs(scaled.mean()) < 5 / math.sqrt(scaled.size)


def test_each_price_follows_from_the_one_before() -> None:
    parameters = Gbm(length=500, start=50.0, drift=0.01, volatility=0.1)
    prices = [50.0]
    for z in generator(3, "data", "gbm").standard_normal(499):
        prices.append(prices[-1] * math.exp((0.01 - 0.1**2 / 2) + 0.1 * z))
    np.testing.assert_allclose(GBM.load(parameters, 3).values[:, 0], prices, rtol=1e-12)


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_best_forecast_is_persistence_with_drift(horizon: int) -> None:
    series = GBM.load(Gbm(length=60, drift=0.02), 1)
    assert series.best is not None
    best = series.best(horizon)
    assert best.shape == series.values.shape
    assert np.isnan(best[:horizon]).all()
    for i in range(horizon, 60):
        assert best[i, 0] == pytest.approx(series.values[i - horizon, 0] * math.exp(0.02 * horizon), rel=1e-14)


def test_a_horizon_beyond_the_series_leaves_nothing_to_condition_on() -> None:
    series = GBM.load(Gbm(length=5), 1)
    assert series.best is not None
    assert np.isnan(series.best(9)).all()


def test_the_noise_floor_is_the_variance_of_a_log_normal() -> None:
    series = GBM.load(Gbm(length=200_001, drift=0.0, volatility=0.05), 2)
    assert series.best is not None
    relative = series.values[1:] / series.best(1)[1:] - 1  # mean 0, variance exp(σ²) − 1
    variance = math.expm1(0.05**2)
    assert abs(relative.mean()) < 5 * math.sqrt(variance / relative.size)
    assert float(np.mean(relative**2)) == pytest.approx(variance, rel=5 * math.sqrt(2.5 / relative.size))


def test_prices_that_overflow_are_refused_with_their_place() -> None:
    with pytest.raises(DataError, match=r"expected finite values within ±1e\+150, got \S+ at point \d+, channel 1; "):
        GBM.load(Gbm(length=2000, drift=1.0), 0)


def test_seeds() -> None:
    assert GBM.load(Gbm(), 1).provenance == GBM.load(Gbm(seed=1), 2).provenance
    assert GBM.load(Gbm(), 1).provenance.sha256 != GBM.load(Gbm(), 2).provenance.sha256
