from __future__ import annotations

import math

import numpy as np
import pytest

from bench.data import DATASETS
from bench.data.covariance import linear_floor, tones, white


def test_an_autoregression_is_forecast_from_its_last_point() -> None:
    share, variance = 0.8, 1 / (1 - 0.8**2)
    floor = linear_floor(lambda lags: variance * share**lags, 20, 4)
    assert floor.tolist() == pytest.approx([variance * (1 - share ** (2 * h)) for h in range(1, 5)])


def test_white_noise_cannot_be_forecast() -> None:
    assert linear_floor(white(3.0), 7, 2).tolist() == pytest.approx([9.0, 9.0])


def test_a_sine_is_forecast_from_two_points() -> None:
    one, two, many = (linear_floor(tones((1.0, 1.0), step=0.1), length, 3) for length in (1, 2, 50))
    assert one.tolist() == pytest.approx([math.sin(0.1 * h) ** 2 / 2 for h in (1, 2, 3)])
    assert two.tolist() == pytest.approx([0.0] * 3, abs=1e-7)
    assert many.tolist() == pytest.approx([0.0] * 3, abs=1e-7)


@pytest.mark.parametrize("length", [1, 5, 60])
def test_it_agrees_with_the_inverse_of_the_covariance(length: int) -> None:
    known = tones((1.0, 2.0), (0.5, 1.0), step=0.13, noise=0.2)
    covariance = known(np.abs(np.subtract.outer(np.arange(length), np.arange(length))))
    for step, floor in enumerate(linear_floor(known, length, 3), start=1):
        r = known(np.arange(step, step + length))
        assert floor == pytest.approx(known(np.array([0]))[0] - r @ np.linalg.inv(covariance) @ r)


def test_more_points_never_hurt_and_the_noise_stays() -> None:
    floors = [linear_floor(tones((1.0, 1.0), step=0.1, noise=0.1), length, 1)[0] for length in (5, 20, 60, 200)]
    assert floors == sorted(floors, reverse=True)
    assert floors[-1] > 0.01
    assert floors[-1] == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("name", ["random", "sine", "noisy-sine"])
def test_least_squares_on_a_long_series_comes_to_the_floor(name: str) -> None:
    kind = DATASETS[name]
    series = kind.load(kind.parameters.model_validate({"length": 60_000}), 0)
    assert series.autocovariance is not None
    length, horizon = 8, 2
    windows = np.lib.stride_tricks.sliding_window_view(series.values[:, 0], length + horizon)
    inputs, target = windows[:, :length], windows[:, -1]
    weights = np.linalg.lstsq(inputs, target, rcond=None)[0]
    floor = linear_floor(series.autocovariance, length, horizon)[-1]
    assert np.mean((target - inputs @ weights) ** 2) == pytest.approx(floor, rel=0.02, abs=1e-7)
