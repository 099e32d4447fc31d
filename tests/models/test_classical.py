"""ETS, Theta and auto-ARIMA against recursions by hand, published formulas, and the predictors of known series."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import pytest

from bench.errors import InputError, LibraryUnavailable
from bench.models import MODELS, classical
from bench.models.base import Shape
from bench.models.forecaster import FitBudget, refuse_peeking

pytest.importorskip("statsmodels")

TRAIN, POINTS, HORIZON = 300, 400, 5
ORIGINS = np.arange(TRAIN, POINTS - HORIZON)


def series(seed: int = 0, *, period: int = 12, slope: float = 0.02) -> np.ndarray:
    random, steps = np.random.default_rng(seed), np.arange(POINTS)
    walk = np.cumsum(random.normal(0, 0.1, POINTS))
    return slope * steps + walk + np.sin(2 * np.pi * steps / period) + random.normal(0, 0.1, POINTS)


def built(kind: str, values: np.ndarray, **given: Any) -> Any:
    """A forecaster that is fitted on the train part of ``values`` ``[N]`` or ``[N, D]``."""
    columns = values.reshape(len(values), -1)
    model = MODELS[kind].build(MODELS[kind].parameters(**given), Shape(24, HORIZON, columns.shape[1]))
    model.fit(columns[:TRAIN], None, seed=0, budget=FitBudget())
    return model


def forecast(model: Any, values: np.ndarray, origins: np.ndarray = ORIGINS) -> np.ndarray:
    return model.predict(values[: origins[-1], None], origins, HORIZON)[..., 0]


def holt_winters(values: np.ndarray, parameters: dict[str, float], period: int) -> np.ndarray:
    """``[N, H]`` by the equations of Hyndman et al. 2008, table 2.1, of additive errors, one point after another."""
    alpha, beta, gamma = (parameters.get(f"smoothing_{name}", 0.0) for name in ("level", "trend", "seasonal"))
    phi = parameters.get("damping_trend", 1.0)
    level, trend = parameters["initial_level"], parameters.get("initial_trend", 0.0)
    # Of the points -1, -2, … -period, as statsmodels names them.
    seasons = {-1 - i: parameters.get(f"initial_seasonal.{i}", 0.0) for i in range(period)}
    rows = []
    for t, value in enumerate(values):
        if t in ORIGINS:
            damped = [sum(phi**i for i in range(1, h + 1)) for h in range(1, HORIZON + 1)]
            rows.append([level + damped[h] * trend + seasons[t - period + h % period] for h in range(HORIZON)])
        error = value - level - phi * trend - seasons[t - period]
        level, trend = level + phi * trend + alpha * error, phi * trend + beta * error
        seasons[t] = seasons[t - period] + gamma * error
    return np.array(rows)


@pytest.mark.parametrize("trend", ["none", "additive", "damped"])
@pytest.mark.parametrize("period", [None, 4])
def test_ets_is_its_recursion_by_hand_from_every_origin(trend: str, period: int | None) -> None:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    values = series(period=period or 12)
    model = built("ets", values, trend=trend, period=period)
    form = {"trend": None if trend == "none" else "add", "damped_trend": trend == "damped"}
    seasonal = {"seasonal": "add", "seasonal_periods": period} if period else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = ETSModel(values[:TRAIN], error="add", **form, **seasonal)
        estimated = reference.fit(disp=False)
    parameters = dict(zip(reference.param_names, estimated.params, strict=True))
    found = forecast(model, values)
    np.testing.assert_allclose(found, holt_winters(values, parameters, period or 1)[: len(found)], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found[0], estimated.forecast(HORIZON), rtol=1e-8, atol=1e-8)
    assert model.parameter_count() == len(parameters)


def test_ets_without_trend_and_seasons_is_simple_exponential_smoothing() -> None:
    random = np.random.default_rng(3)
    values = np.cumsum(random.normal(0, 0.3, POINTS)) + random.normal(0, 1, POINTS)  # its best weight is below 1
    found = forecast(built("ets", values, trend="none"), values)
    assert np.ptp(found, axis=1).max() == 0  # flat
    weights = (found[1:, 0] - found[:-1, 0]) / (values[ORIGINS[:-1]] - found[:-1, 0])
    assert weights == pytest.approx(weights[0], abs=1e-6)  # level ← level + α (value − level), with one α
    # Muth 1960: the steady gain of a random walk (0.3²) in noise (1) solves α² / (1 − α) = 0.09.
    assert weights[0] == pytest.approx(0.258, abs=0.1)


def test_auto_takes_the_trend_with_the_smallest_criterion() -> None:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    values = 0.5 * np.arange(POINTS) + np.random.default_rng(0).normal(size=POINTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        criteria = {
            name: ETSModel(values[:TRAIN], trend=trend, damped_trend=name == "damped").fit(disp=False).aicc
            for name, trend in {"none": None, "additive": "add", "damped": "add"}.items()
        }
    best = min(criteria, key=lambda name: criteria[name])
    assert best != "none"
    chosen, stated = (forecast(built("ets", values, trend=trend), values) for trend in ("auto", best))
    np.testing.assert_array_equal(chosen, stated)


@pytest.mark.parametrize("period", [None, 12])
def test_theta_is_exponential_smoothing_with_half_the_slope_as_drift(period: int | None) -> None:
    """Hyndman & Billah 2003, equation 6, by hand; its first forecast is that of statsmodels."""
    from statsmodels.tsa.forecasting.theta import ThetaModel

    values = series()
    model = built("theta", values, period=period)
    seasonal = {"period": period, "method": "additive"} if period else {"deseasonalize": False}
    reference = ThetaModel(values[:TRAIN], **seasonal).fit()
    found = forecast(model, values)
    np.testing.assert_allclose(found[0], reference.forecast(HORIZON), rtol=1e-9)
    alpha, slope = reference.params["alpha"], reference.params["b0"]
    seasons = np.zeros(POINTS + 12)
    if period:
        coming = reference.forecast_components(period)["seasonal"].to_numpy()  # of the points 300 … 311
        seasons = np.array([coming[(t - TRAIN) % period] for t in range(POINTS + 12)])
        assert np.ptp(seasons) > 1
    level = values[0] - seasons[0]
    for t in range(POINTS - HORIZON):
        if t in ORIGINS:
            drift = np.array([h - 1 + 1 / alpha - (1 - alpha) ** t / alpha for h in range(1, HORIZON + 1)])
            expected = level + slope / 2 * drift + seasons[t : t + HORIZON]
            np.testing.assert_allclose(found[t - TRAIN], expected, rtol=1e-9)
        level += alpha * (values[t] - seasons[t] - level)


def autoregression(coefficient: float, points: int = 5000) -> np.ndarray:
    random, values = np.random.default_rng(1), np.zeros(points)
    for t in range(1, points):
        values[t] = coefficient * values[t - 1] + random.normal()
    return values


def test_an_autoregression_is_forecast_as_who_knows_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """E[y_{o+h-1} | the past] = 0.8^h y_{o-1}; over 4000 points the estimate is within 0.01 of 0.8."""
    values, known = autoregression(0.8), 4000
    model = MODELS["auto-arima"].build(MODELS["auto-arima"].parameters(max_p=1, max_q=0), Shape(24, HORIZON, 1))
    model.fit(values[:known, None], None, seed=0, budget=FitBudget())
    assert model.channels[0].order == (1, 0, 0)
    origins = np.arange(known, len(values) - HORIZON)
    found = forecast(model, values, origins)
    np.testing.assert_allclose(found, 0.8 ** np.arange(1, HORIZON + 1) * values[origins - 1, None], atol=0.1)
    slopes = np.polyfit(values[origins - 1], found, 1)[0]  # of each step on the last value
    np.testing.assert_allclose(slopes, slopes[0] ** np.arange(1, HORIZON + 1), rtol=1e-6)
    assert slopes[0] == pytest.approx(
        np.linalg.lstsq(values[: known - 1, None], values[1:known], rcond=None)[0][0], abs=5e-3
    )


@pytest.mark.parametrize("d", [0, 1, 2])
def test_arima_forecasts_as_the_whole_model_of_statsmodels_from_every_origin(d: int) -> None:
    """The same parameters in one state space with its differences, filtered up to each origin by itself."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    values = autoregression(0.6, POINTS)
    for _ in range(d):
        values = np.cumsum(values)
    model = built("auto-arima", values, max_p=1, max_q=1, d=d)
    chosen = model.channels[0]
    found = forecast(model, values)
    scaled = [*chosen._parameters[:-1], chosen._parameters[-1] * chosen._scale**2]
    for row, origin in list(zip(found, ORIGINS, strict=True))[::30]:
        trend = chosen._mean * np.arange(origin + HORIZON) ** d  # of two differences no mean is estimated: it is 0
        whole = SARIMAX(values[:origin] - trend[:origin], order=(chosen.order[0], d, chosen.order[2])).filter(scaled)
        expected = whole.forecast(HORIZON) + trend[origin:]
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-4 * np.ptp(values))


def test_the_order_has_the_smallest_criterion_of_the_grid() -> None:
    from statsmodels.tsa.arima.model import ARIMA

    random = np.random.default_rng(5)
    noise = random.normal(size=2000)
    values = noise[2:] + 0.6 * noise[1:-1] - 0.5 * noise[:-2]  # a moving average of order 2, with mean 0
    model = MODELS["auto-arima"].build(MODELS["auto-arima"].parameters(d=0), Shape(24, HORIZON, 1))
    model.fit(values[:, None], None, seed=0, budget=FitBudget())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        criteria = {
            (p, q, trend): ARIMA(values, order=(p, 0, q), trend=trend).fit().aicc
            for p in range(3)
            for q in range(3)
            for trend in "nc"
        }
    p, q, trend = min(criteria, key=lambda order: criteria[order])
    assert q == 2
    assert model.channels[0].order == (p, 0, q)
    assert (model.channels[0]._mean != 0) == (trend == "c")


def test_differences_are_as_many_as_make_it_stationary() -> None:
    noise = np.random.default_rng(0).normal(size=500)
    walk = np.cumsum(noise)
    assert [classical.differences(each) for each in (noise, walk, np.cumsum(walk))] == [0, 1, 2]
    assert classical.differences(np.ones(50)) == 0


@pytest.mark.parametrize("kind", ["ets", "theta", "auto-arima"])
def test_each_channel_is_forecast_from_its_own_past_and_nothing_after_an_origin(kind: str) -> None:
    both = np.stack([series(0), 100 - series(1)], axis=1)
    model = built(kind, both)
    found = model.predict(both[: ORIGINS[-1]], ORIGINS, HORIZON)
    for channel in range(2):
        alone = forecast(built(kind, both[:, channel]), both[:, channel])
        np.testing.assert_allclose(found[..., channel], alone, rtol=1e-12)
    refuse_peeking(model, both, ORIGINS, HORIZON, found)
    cut = model.predict(both[: ORIGINS[7]], ORIGINS[:8], HORIZON)  # the history ends there
    np.testing.assert_allclose(cut, found[:8], rtol=1e-9)


@pytest.mark.parametrize("kind", ["ets", "theta"])
def test_a_train_part_shorter_than_two_seasons_is_refused(kind: str) -> None:
    with pytest.raises(InputError, match=f"{kind}: expected two seasons in the train part, of 402 points, got 300"):
        built(kind, series(), period=200)


def test_what_no_form_fits_is_refused() -> None:
    for kind in ("ets", "auto-arima"):
        model = MODELS[kind].build(MODELS[kind].parameters(), Shape(1, 1, 1))
        with pytest.raises(
            InputError, match=f"{kind}: expected a train part that it can be estimated on, got 2 points"
        ):
            model.fit(np.array([[0.0], [1.0]]), None, seed=0, budget=FitBudget())


@pytest.mark.parametrize("kind", ["ets", "theta", "auto-arima"])
def test_a_series_that_never_changes_is_forecast_as_it_is(kind: str) -> None:
    constant = np.full(POINTS, 3.0)
    np.testing.assert_allclose(forecast(built(kind, constant), constant), 3.0, rtol=1e-6)


def test_without_statsmodels_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    for kind in ("ets", "theta", "auto-arima"):
        MODELS[kind].check(MODELS[kind].parameters(), Shape(24, 1, 1))
        with pytest.raises(LibraryUnavailable) as caught:
            MODELS[kind].build(MODELS[kind].parameters(), Shape(24, 1, 1))
        assert str(caught.value) == 'statsmodels is not installed; pip install "sequence-bench[data]"'
