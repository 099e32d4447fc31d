"""The noise floor of every generated dataset, against a closed form and against what the past could still add."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from bench.data import DATASETS
from bench.data.base import Series
from bench.data.processes import ThresholdAr

POINTS = 40_000
CHAOS = ["logistic-map", "henon", "lorenz", "rossler", "mackey-glass"]
SETTINGS: Mapping[str, dict[str, Any]] = {
    "damped-multisine": {"noise": 0.1},
    "oscillator": {},
    "gbm": {"drift": 0.0, "volatility": 0.002},
    "garch": {"of": "returns", "alpha": 0.05},
    **{name: {"length": 500} for name in CHAOS},
}
"""What differs from the defaults; a long price that drifts would be all scale, and tails make a variance uncertain."""


def _of_pairs_of_paths(parameters: ThresholdAr, horizon: int) -> float:
    """Half the mean squared difference of two paths from one start is the variance of what cannot be known."""
    dice = np.random.default_rng(0)
    paths = np.zeros((2, 400_000))
    for step in range(40 + horizon):
        shocks = dice.standard_normal(paths.shape if step >= 40 else paths.shape[1:])
        paths = np.where(paths < 0, 1 + 0.6 * paths, -1 + 0.4 * paths) + parameters.sigma * shocks
    return float(np.mean((paths[0] - paths[1]) ** 2) / 2)


FLOORS: Mapping[str, Callable[[Any, int], float]] = {
    "random": lambda p, _h: p.sigma**2,
    "sine": lambda _p, _h: 0.0,
    "noisy-sine": lambda p, _h: p.noise**2,
    "damped-multisine": lambda p, _h: p.noise**2,
    "oscillator": lambda _p, _h: 0.0,
    "gbm": lambda p, h: math.expm1(p.volatility**2 * h),
    "two-tone": lambda p, _h: p.noise**2,
    "recall": lambda p, h: 1 - p.correlation ** (2 * math.ceil(h / p.lag)),
    "arma": lambda p, h: p.sigma**2 * sum(p.ar[0] ** (2 * j) for j in range(h)),
    "threshold-ar": _of_pairs_of_paths,
    "garch": lambda p, _h: p.omega / (1 - p.alpha - p.beta),
    "level-shifts": lambda p, _h: p.noise**2,
    **dict.fromkeys(CHAOS, lambda p, _h: p.noise**2),
}
"""The variance of what is left, of each point; relative to the squared forecast for prices."""


def _made() -> list[str]:
    return [name for name, kind in DATASETS.items() if kind.fingerprint is None and kind.steps is None]


def _series(name: str) -> tuple[Any, Series]:
    kind = DATASETS[name]
    length = {"length": POINTS} if "length" in kind.parameters.model_fields else {}
    parameters = kind.parameters.model_validate({**length, **SETTINGS.get(name, {})})
    return parameters, kind.load(parameters, 3)


def _left(name: str, horizon: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """What the best forecast leaves, and the values, ``[N]`` each, from the first forecast on."""
    parameters, series = _series(name)
    assert series.best is not None, f"{name}: a generated dataset knows its best forecast"
    best = series.best(horizon)[horizon:, 0]
    left = series.values[horizon:, 0] - best
    return parameters, left / best if name == "gbm" else left, series.values[:, 0]


def test_every_generated_dataset_has_a_closed_form_here() -> None:
    assert set(_made()) == set(FLOORS)


@pytest.mark.parametrize("horizon", [1, 4])
@pytest.mark.parametrize("name", _made())
def test_the_error_of_the_best_forecast_is_the_closed_form(name: str, horizon: int) -> None:
    parameters, left, _ = _left(name, horizon)
    floor = FLOORS[name](parameters, horizon)
    # A variance of n / h independent draws is known to 5 standard errors.
    assert np.mean(left**2) == pytest.approx(floor, rel=5 * math.sqrt(2 * horizon / POINTS), abs=1e-20)


@pytest.mark.parametrize("horizon", [1, 4])
@pytest.mark.parametrize("name", _made())
def test_nothing_in_the_past_says_what_the_best_forecast_leaves(name: str, horizon: int) -> None:
    _, left, values = _left(name, horizon)
    if not left.any():
        return  # nothing is left
    recent = values[: len(left)]
    scale = recent.std()
    for feature in (
        np.ones_like(left),
        recent / scale,
        np.roll(recent, 1) / scale,
        np.sign(np.diff(recent, prepend=0)),
    ):
        gain = np.mean(left[8:] * feature[8:])  # what rolled round is left out
        error = left.std() * np.sqrt(np.mean(feature[8:] ** 2) * horizon / len(left))
        assert abs(gain) < 5 * error
