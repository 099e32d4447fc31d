from __future__ import annotations

import hashlib
import math
import struct

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from bench.data.formulas import DAMPED_MULTISINE, NOISY_SINE, RANDOM, SINE, DampedMultisine, NoisySine, Random, Sine
from bench.seeds import generator


def _assert_variance(errors: np.ndarray, variance: float) -> None:
    """The mean square of `errors` is `variance` within the range that a χ² law leaves in all but 1 of 10⁵ cases."""
    low, high = stats.chi2.interval(1 - 1e-5, errors.size) / np.array(errors.size)
    assert low * variance < float(np.mean(errors**2)) < high * variance


def test_random_is_a_standard_normal_sample() -> None:
    values = RANDOM.load(Random(length=200_000), 0).values[:, 0]
    assert stats.kstest(values, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 5 / math.sqrt(values.size)


@pytest.mark.parametrize("horizon", [1, 7])
def test_the_noise_floor_of_random_is_its_variance(horizon: int) -> None:
    series = RANDOM.load(Random(length=50_000, sigma=3.0), 1)
    assert series.best is not None
    assert not series.best(horizon).any()
    _assert_variance(series.values - series.best(horizon), 9.0)


def test_defaults_are_the_published_grids() -> None:
    noisy, damped = NOISY_SINE.load(NoisySine(), 0), DAMPED_MULTISINE.load(DampedMultisine(), 0)
    assert noisy.time is not None
    assert damped.time is not None
    np.testing.assert_array_equal(noisy.time, np.arange(0, 100, 0.1))
    np.testing.assert_array_equal(damped.time, np.arange(0, 200, 0.1))
    assert len(RANDOM.load(Random(), 0)) == 1000


def test_sine_is_a_sine_and_predicts_itself() -> None:
    series = SINE.load(Sine(length=40, step=0.25), 0)
    np.testing.assert_allclose(series.values[:, 0], [math.sin(i * 0.25) for i in range(40)], rtol=0, atol=1e-15)
    assert series.best is not None
    np.testing.assert_array_equal(series.best(3), series.values)
    assert series.provenance.seed is None


@pytest.mark.parametrize("horizon", [1, 30])
def test_the_best_forecast_of_a_noisy_sine_is_the_sine(horizon: int) -> None:
    series = NOISY_SINE.load(NoisySine(length=50_000, noise=0.3), 2)
    assert series.best is not None
    np.testing.assert_allclose(series.best(horizon)[:, 0], np.sin(np.arange(50_000) * 0.1), rtol=0, atol=1e-12)
    _assert_variance(series.values - series.best(horizon), 0.09)


def test_damped_multisine_is_the_published_formula() -> None:
    def term(t: float) -> float:
        slow = 0.5 * math.sin(t / 10) + 0.5 * math.sin(t / 20) * math.sin(t / 15)
        fast = math.sin(t) + 0.25 * math.sin(2 * t) + 0.1 * math.sin(3 * t)
        rest = 0.1 * math.sin(t / 5) ** 2 + 0.15 * math.sin(t / 8) * math.sin(t / 12) * math.sin(t / 20)
        return math.exp(-t / 100) * (slow + fast + rest)

    series = DAMPED_MULTISINE.load(DampedMultisine(), 0)
    np.testing.assert_allclose(series.values[:, 0], [term(0.1 * i) for i in range(2000)], rtol=0, atol=1e-14)


def test_the_noise_of_damped_multisine_is_its_floor() -> None:
    clean = DAMPED_MULTISINE.load(DampedMultisine(length=20_000), 3)
    noisy = DAMPED_MULTISINE.load(DampedMultisine(length=20_000, noise=0.1), 3)
    assert noisy.best is not None
    np.testing.assert_array_equal(noisy.best(1), clean.values)
    _assert_variance(noisy.values - clean.values, 0.01)


@pytest.mark.parametrize(("kind", "parameters"), [(RANDOM, Random), (NOISY_SINE, NoisySine)])
def test_a_seed_gives_one_series_whatever_was_drawn_before(kind, parameters) -> None:
    first = kind.load(parameters(), 5)
    np.random.default_rng(5).normal(size=10)
    again, other = kind.load(parameters(), 5), kind.load(parameters(), 6)
    assert first.provenance == again.provenance
    np.testing.assert_array_equal(first.values, again.values)
    assert first.provenance.sha256 != other.provenance.sha256
    assert abs(np.corrcoef(first.values[:, 0], other.values[:, 0])[0, 1]) < 1 - 1e-6


def test_a_dataset_s_own_seed_comes_before_the_suite_s() -> None:
    own = RANDOM.load(Random(seed=8), 5)
    assert own.provenance.seed == 8
    np.testing.assert_array_equal(own.values, RANDOM.load(Random(), 8).values)


def test_kinds_draw_from_streams_of_their_own() -> None:
    length = 20_000
    random = RANDOM.load(Random(length=length), 0)
    noisy = NOISY_SINE.load(NoisySine(length=length), 0)
    assert noisy.best is not None
    noise = (noisy.values - noisy.best(1))[:, 0]
    assert abs(np.corrcoef(random.values[:, 0], noise)[0, 1]) < 5 / math.sqrt(length)
    np.testing.assert_array_equal(random.values[:, 0], generator(0, "data", "random").standard_normal(length))


def test_datasets_of_one_kind_are_paired() -> None:
    quiet, loud = (NOISY_SINE.load(NoisySine(noise=noise), 0) for noise in (0.1, 0.3))
    assert quiet.best is not None
    clean = quiet.best(1)
    np.testing.assert_allclose(loud.values - clean, 3 * (quiet.values - clean), rtol=0, atol=1e-14)


def test_provenance_names_the_formula_and_hashes_little_endian_doubles() -> None:
    series = NOISY_SINE.load(NoisySine(length=10, noise=0.25), 4)
    packed = struct.pack("<10d", *series.values[:, 0])
    assert series.provenance.sha256 == hashlib.sha256(packed).hexdigest()
    assert series.provenance.source == "sin t + N(0, 0.25²), t = 0, 0.1, …, 10 points"
    assert series.provenance.seed == 4


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        (Random, {"sigma": 0.0}),
        (Random, {"length": 1}),
        (Random, {"length": 10.0}),
        (Random, {"length": 10**12}),
        (Random, {"seed": -1}),
        (Random, {"seed": 2**63}),
        (Random, {"sigma": 1e300}),
        (NoisySine, {"noise": 1e300}),
        (Sine, {"step": 1e308}),
        (Sine, {"noise": 0.1}),
        (NoisySine, {"noise": -0.1}),
        (NoisySine, {"step": 0.0}),
        (DampedMultisine, {"noise": "0.1"}),
    ],
)
def test_parameters_out_of_range_or_unknown_are_refused(parameters, wrong) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        parameters(**wrong)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        (RANDOM, Random(sigma=1e100, seed=2**63 - 1)),
        (SINE, Sine(step=1e6)),
        (NOISY_SINE, NoisySine(step=1e6, noise=1e100)),
        (DAMPED_MULTISINE, DampedMultisine(step=1e6, noise=1e100)),
    ],
)
def test_the_largest_parameters_give_a_series_without_a_warning(kind, parameters) -> None:
    assert np.isfinite(np.square(kind.load(parameters, 0).values)).all()
