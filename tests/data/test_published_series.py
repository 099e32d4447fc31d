"""Generated series of published systems, against the NumPy formulas that they were printed with."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from bench.data.formulas import OSCILLATOR, SINE, TWO_TONE, Oscillator, Sine, TwoTone


def test_sixteen_cycles() -> None:
    series = SINE.load(Sine(length=500, stop=100.0), 0)
    np.testing.assert_allclose(series.values[:, 0], np.sin(np.linspace(0, 100, 500)), rtol=3e-16, atol=0)
    np.testing.assert_array_equal(series.time, np.linspace(0, 100, 500))
    assert series.provenance.source == "sin t, t = 0 … 100.0, 500 points"


def test_two_cycles_in_single_precision() -> None:
    series = SINE.load(Sine(length=500, stop=4 * math.pi, precision="float32"), 0)
    t = np.linspace(0, 4 * np.pi, 500, dtype=np.float32)
    np.testing.assert_array_equal(series.values[:, 0], np.sin(t.astype(np.float64)).astype(np.float32))
    np.testing.assert_allclose(series.values[:, 0], np.sin(t), rtol=0, atol=6e-8)  # NumPy's own, within one unit
    np.testing.assert_array_equal(series.time, t)
    assert series.provenance.source.endswith("500 points, t and sin t rounded to float32")
    assert 4 * math.pi == 12.566370614359172  # as a suite file writes it


def test_the_printed_target_of_the_first_window_of_two_cycles_cannot_be() -> None:
    """It is printed as .8749; the formula gives .4826, and comes within .00005 of .8749 in no first window."""
    values = SINE.load(Sine(length=500, stop=12.566370614359172, precision="float32"), 0).values[:, 0]
    assert values[20] == np.float32(0.48263618)
    assert values[20] == pytest.approx(math.sin(20 * 4 * math.pi / 499), abs=1e-7)
    assert round(float(values[20]), 4) != 0.8749
    assert np.abs(values - 0.8749).min() > 5e-5


def test_step_or_stop() -> None:
    by_default, by_step = (SINE.load(parameters, 0) for parameters in (Sine(), Sine(step=0.1)))
    assert by_default.provenance == by_step.provenance
    with pytest.raises(ValidationError, match=r"expected step or stop, got both, 0\.1 and 100: leave one of them out"):
        Sine(step=0.1, stop=100.0)


def test_two_tones() -> None:
    series = TWO_TONE.load(TwoTone(length=20_000), 0)
    t = np.linspace(0.0, 80 * np.pi, 20_000)
    assert series.best is not None
    np.testing.assert_allclose(series.best(3)[:, 0], np.sin(2 * t) + 0.5 * np.cos(t), rtol=0, atol=1e-15)
    noise = series.values - series.best(1)
    assert noise.std() == pytest.approx(0.2, rel=0.03)
    assert abs(np.corrcoef(noise[1:, 0], noise[:-1, 0])[0, 1]) < 5 / math.sqrt(20_000)
    assert len(TWO_TONE.load(TwoTone(), 0)) == 2000
    assert TwoTone().stop == 251.32741228718345  # as a suite file writes it


def test_the_published_oscillator_has_twenty_thousand_points() -> None:
    series = OSCILLATOR.load(Oscillator(every=1), 0)
    assert (len(series), series.values[0, 0]) == (20_000, 1.0)
    assert Oscillator().model_dump() | {"every": 1} == {
        "damping": 0.2,
        "frequency": 0.5,
        "force": 1.0,
        "position": 1.0,
        "velocity": 0.0,
        "step": 0.001,
        "duration": 20.0,
        "every": 1,
        "precision": "float64",
    }
