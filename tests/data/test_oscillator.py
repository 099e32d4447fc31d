from __future__ import annotations

from math import ceil, cos

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.integrate import solve_ivp

from bench.data.formulas import OSCILLATOR, Oscillator, solve

Signal = NDArray[np.float64]


def _textbook(parameters: Oscillator) -> tuple[Signal, Signal]:
    """The classical scheme, one call of the right-hand side per stage."""
    h = parameters.step
    n = ceil(parameters.duration / h)
    t, x, v = np.zeros(n), np.zeros(n), np.zeros(n)
    x[0], v[0] = parameters.position, parameters.velocity

    def acceleration(t: float, x: float, v: float) -> float:
        return -2 * parameters.damping * v - x + parameters.force * cos(t * parameters.frequency)

    for i in range(n - 1):
        k1x, k1v = h * v[i], h * acceleration(t[i], x[i], v[i])
        k2x, k2v = h * (v[i] + k1v * 0.5), h * acceleration(t[i] + h * 0.5, x[i] + k1x * 0.5, v[i] + k1v * 0.5)
        k3x, k3v = h * (v[i] + k2v * 0.5), h * acceleration(t[i] + h * 0.5, x[i] + k2x * 0.5, v[i] + k2v * 0.5)
        k4x, k4v = h * (v[i] + k3v), h * acceleration(t[i] + h, x[i] + k3x, v[i] + k3v)
        x[i + 1] = x[i] + (k1x + 2 * k2x + 2 * k3x + k4x) / 6
        v[i + 1] = v[i] + (k1v + 2 * k2v + 2 * k3v + k4v) / 6
        t[i + 1] = t[i] + h
    return t, x


def _closed_form(parameters: Oscillator, t: Signal) -> Signal:
    """The under-damped solution: a decaying free oscillation next to the forced one."""
    g, w = parameters.damping, parameters.frequency
    amplitude = parameters.force / (1 - w * w + 2j * g * w)
    free = np.sqrt(1 - g * g)
    c = parameters.position - amplitude.real
    s = (parameters.velocity - (1j * w * amplitude).real + g * c) / free
    forced: Signal = (amplitude * np.exp(1j * w * t)).real
    return forced + np.exp(-g * t) * (c * np.cos(free * t) + s * np.sin(free * t))


OTHER = Oscillator(damping=0.05, frequency=1.3, force=-0.7, position=-2.0, velocity=0.5, step=0.002, duration=5.0)


@pytest.mark.parametrize("parameters", [Oscillator(), OTHER])
def test_equal_to_the_textbook_loop_to_the_last_bit(parameters: Oscillator) -> None:
    for ours, textbook in zip(solve(parameters), _textbook(parameters), strict=True):
        np.testing.assert_array_equal(ours, textbook)


def _textbook_in_single_precision(parameters: Oscillator) -> NDArray[np.float32]:
    """The same loop over arrays of float32."""
    f = np.float32
    h, drag, force, omega = (f(value) for value in (parameters.step, -2 * parameters.damping, parameters.force, 0.5))
    n = ceil(parameters.duration / parameters.step)
    t, x, v = np.zeros(n, f), np.zeros(n, f), np.zeros(n, f)
    x[0], v[0] = parameters.position, parameters.velocity

    def acceleration(t: np.float32, x: np.float32, v: np.float32) -> np.float32:
        return f(drag * v - x + force * f(cos(t * omega)))

    half, six = f(0.5), f(6)
    for i in range(n - 1):
        k1x, k1v = h * v[i], h * acceleration(t[i], x[i], v[i])
        k2x, k2v = h * (v[i] + k1v * half), h * acceleration(t[i] + h * half, x[i] + k1x * half, v[i] + k1v * half)
        k3x, k3v = h * (v[i] + k2v * half), h * acceleration(t[i] + h * half, x[i] + k2x * half, v[i] + k2v * half)
        k4x, k4v = h * (v[i] + k3v), h * acceleration(t[i] + h, x[i] + k3x, v[i] + k3v)
        x[i + 1] = x[i] + (k1x + f(2) * k2x + f(2) * k3x + k4x) / six
        v[i + 1] = v[i] + (k1v + f(2) * k2v + f(2) * k3v + k4v) / six
        t[i + 1] = t[i] + h
    return x


def test_in_single_precision_every_operation_is_rounded() -> None:
    single = Oscillator(every=1, precision="float32")
    series = OSCILLATOR.load(single, 0)
    np.testing.assert_array_equal(series.values[:, 0], _textbook_in_single_precision(single))
    away = np.abs(series.values - OSCILLATOR.load(Oscillator(every=1), 0).values).max()
    assert 1e-3 < away < 3e-3  # 20 000 rounded additions of the step: the clock is 6e-4 ahead
    assert series.provenance.source.endswith("20000 points, in float32")
    assert (single.departures(), Oscillator().departures()) == (("precision: float32",), ())


def test_the_published_solution_is_as_close_to_the_closed_form_as_stated() -> None:
    time, position = solve(Oscillator())
    assert len(time) == 20_000
    assert np.abs(position - _closed_form(Oscillator(), time)).max() < 1.3e-12


@pytest.mark.parametrize("parameters", [Oscillator(), OTHER])
def test_agrees_with_another_solver(parameters: Oscillator) -> None:
    def state(t: float, y: Signal) -> tuple[float, float]:
        force = parameters.force * np.cos(parameters.frequency * t)
        return y[1], -2 * parameters.damping * y[1] - y[0] + force

    time, position = solve(parameters)
    start = (parameters.position, parameters.velocity)
    truth = solve_ivp(state, (0, time[-1]), start, method="DOP853", rtol=1e-12, atol=1e-13, t_eval=time)
    np.testing.assert_allclose(position, truth.y[0], rtol=0, atol=1e-10)


def test_the_scheme_is_of_fourth_order() -> None:
    def error(step: float) -> float:
        time, position = solve(Oscillator(step=step))
        return float(np.abs(position - _closed_form(Oscillator(), time)).max())

    assert error(0.1) / error(0.05) == pytest.approx(16, rel=0.05)
    assert error(0.1) < 1e-6
    assert error(0.01) < 1e-10


def test_subsampling_keeps_every_kth_point_of_the_published_series() -> None:
    published = OSCILLATOR.load(Oscillator(every=1), 0)
    default = OSCILLATOR.load(Oscillator(), 0)
    assert len(published) == 20_000
    assert len(default) == 1000
    np.testing.assert_array_equal(default.values, published.values[::20])
    assert default.time is not None
    np.testing.assert_allclose(default.time, np.arange(1000) * 0.02, rtol=0, atol=1e-11)


def test_nothing_is_random_and_the_floor_is_zero() -> None:
    series = OSCILLATOR.load(Oscillator(), 0)
    assert series.provenance == OSCILLATOR.load(Oscillator(), 99).provenance
    assert series.provenance.seed is None
    assert series.best is not None
    np.testing.assert_array_equal(series.best(5), series.values)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"step": 1e-300}, "duration 20 takes more than 10000000 steps of 1e-300: shorten duration, or lengthen step"),
        (
            {"step": 1e-320},
            "duration 20 takes more than 10000000 steps of 9.99989e-321: shorten duration, or lengthen step",
        ),
        ({"duration": 1e300}, "duration 1e+300 takes more than 10000000 steps of 0.001: shorten duration"),
        ({"every": 10**20}, "less than or equal to 10000000"),
    ],
)
def test_what_cannot_be_solved_is_refused(given: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Oscillator.model_validate(given)
    (problem,) = caught.value.errors()
    assert said in problem["msg"]
