"""Chaotic series: their laws, their Lyapunov exponents, and how soon an error of the state has grown to everything."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.integrate import solve_ivp

from bench.data import DATASETS
from bench.data.chaos import Chaotic, Henon, LogisticMap, Lorenz, MackeyGlass, Rossler, _solved

KINDS = {
    "logistic-map": LogisticMap,
    "henon": Henon,
    "lorenz": Lorenz,
    "rossler": Rossler,
    "mackey-glass": MackeyGlass,
}


def test_maps_are_their_formulas() -> None:
    x = DATASETS["logistic-map"].load(LogisticMap(growth=3.9), 1).values[:, 0]
    np.testing.assert_allclose(x[1:], 3.9 * x[:-1] * (1 - x[:-1]), rtol=1e-15)
    x = DATASETS["henon"].load(Henon(), 1).values[:, 0]
    np.testing.assert_allclose(x[2:], 1 - 1.4 * x[1:-1] ** 2 + 0.3 * x[:-2], atol=1e-14)


def _lorenz(_t: float, s: np.ndarray) -> list[float]:
    return [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]


def _rossler(_t: float, s: np.ndarray) -> list[float]:
    return [-s[1] - s[2], s[0] + 0.2 * s[1], 0.2 + s[2] * (s[0] - 5.7)]


@pytest.mark.parametrize(("parameters", "slope"), [(Lorenz(), _lorenz), (Rossler(), _rossler)])
def test_flows_follow_another_solver_for_a_while(parameters: Chaotic, slope: Callable[..., list[float]]) -> None:
    states = list(islice(parameters.states(np.array([0.3, -0.2, 0.1])), 41))
    times = np.arange(41) * parameters.between
    exact = solve_ivp(slope, (0, times[-1]), states[0], "DOP853", times, rtol=1e-12, atol=1e-12).y
    np.testing.assert_allclose(np.array(states).T, exact, rtol=0, atol=1e-3)


def test_mackey_and_glass_follow_the_equation_with_a_finer_step() -> None:
    start = np.zeros(3)
    coarse, fine = (
        np.array([x for (x,) in islice(MackeyGlass(step=step, every=every).states(start), 60)])
        for step, every in ((0.1, 10), (0.01, 100))
    )
    np.testing.assert_allclose(coarse, fine, rtol=0, atol=1e-4)  # at t = 17 the slope has a kink
    # Up to t = 17 what is made is constant: x relaxes to made / γ, which can be written down.
    made = 0.2 * 1.2 / (1 + 1.2**10)
    relaxed = made / 0.1 + (1.2 - made / 0.1) * np.exp(-0.1 * np.arange(17))
    np.testing.assert_allclose(fine[:17], relaxed, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["logistic-map", "henon", "lorenz", "rossler"])
def test_errors_grow_by_the_stated_exponent(name: str) -> None:
    """The mean growth of small errors over many starts (G. Benettin et al., 1980, without the tangent)."""
    parameters, error = KINDS[name](), 1e-9
    usual = {"logistic-map": 12, "henon": 20, "lorenz": 120, "rossler": 160}[name]
    grown = []
    for state in islice(parameters.states(np.zeros(3)), 1000, 1600, 10):
        near = (state[0] + error, *state[1:])
        pair = [_advanced(parameters, each, usual) for each in (state, near)]
        grown.append(math.log(math.dist(*pair) / error))
    exponent = np.mean(grown) / (usual * parameters.between)
    assert exponent == pytest.approx(parameters.exponent, rel=0.15)


def _advanced(parameters: Chaotic, state: tuple[float, ...], points: int) -> tuple[float, ...]:
    """The state so many points later."""
    if isinstance(parameters, LogisticMap):
        for _ in range(points):
            state = (4 * state[0] * (1 - state[0]),)
        return state
    if isinstance(parameters, Henon):
        for _ in range(points):
            state = (1 - 1.4 * state[0] ** 2 + state[1], 0.3 * state[0])
        return state
    assert isinstance(parameters, Lorenz | Rossler)
    return next(islice(_solved(parameters.slope, state, parameters.step), points * parameters.every, None))


def test_what_is_rounded_to_single_precision_is_lost_when_stated() -> None:
    parameters = LogisticMap(length=60, discard=0)
    points = parameters.lost_after(2.0**-24)
    gaps = []
    for seed in range(200):
        x = DATASETS["logistic-map"].load(parameters, seed).values[:, 0]
        other = [float(np.float32(x[0]))]
        for _ in range(59):
            other.append(4 * other[-1] * (1 - other[-1]))
        gaps.append((np.array(other) - x) ** 2)
    error = np.mean(gaps, axis=0) / 0.25  # 1 is that of an independent state: the variance is 1/8
    assert error[int(points) // 2] < 1e-3
    assert error[int(points) + 6 :].mean() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("name", KINDS)
def test_a_seed_chooses_the_start_and_noise_is_added(name: str) -> None:
    kind = DATASETS[name]
    first, same, other = (kind.load(KINDS[name](length=300), seed).values for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.1
    noisy = kind.load(KINDS[name](length=300, noise=0.05), 0)
    assert noisy.best is not None
    np.testing.assert_array_equal(noisy.best(3), first)
    assert np.std(noisy.values - first) == pytest.approx(0.05, rel=0.2)


def test_the_exponent_is_stated_for_the_usual_parameters_alone() -> None:
    def source(parameters: Chaotic) -> str:
        return DATASETS["logistic-map"].load(parameters, 0).provenance.source

    assert "largest Lyapunov exponent 0.693 per unit of t" in source(LogisticMap())
    assert "is lost after about 24 points" in source(LogisticMap(length=50))
    assert "known to 0.03 of its spread is lost after about 5 points" in source(LogisticMap(noise=0.01))
    assert "Lyapunov" not in source(LogisticMap(growth=3.9))


@pytest.mark.parametrize(
    ("parameters", "wrong", "said"),
    [
        (LogisticMap, {"growth": 4.1}, "growth"),
        (Lorenz, {"length": 900_000, "every": 100}, "expected at most 10000000 steps of the solver"),
        (MackeyGlass, {"delay": 17.05}, "expected a delay of 3 or more whole steps of 0.1, got 170.5: change step"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: type, wrong: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        parameters(**wrong)
