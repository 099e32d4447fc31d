from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from bench.data.sequences import DENOISE_SINE, DenoiseSine, posterior_mean


def test_the_defaults_are_the_published_sequences() -> None:
    sequences = DENOISE_SINE.load(DenoiseSine(), 0)
    assert sequences.inputs.shape == sequences.targets.shape == (12_000, 100, 1)
    assert sequences.task == "denoise"
    clean, noise = sequences.targets, sequences.inputs - sequences.targets
    # Each clean sequence is the sine of some offset: its first two values tell which.
    phase = np.arctan2(clean[:, 0, 0], (clean[:, 15, 0])) * 60 / (2 * np.pi) % 60  # a quarter cycle is 15 steps
    offsets = np.round(phase).astype(int) % 60
    expected = np.sin(2 * np.pi * (offsets[:, None] + np.arange(100)) / 60)
    np.testing.assert_allclose(clean[:, :, 0], expected, rtol=0, atol=1e-6)
    # 101 offsets on 60 phases: those of 0 … 40 are twice as likely.
    shares = np.bincount(offsets, minlength=60) / 12_000
    np.testing.assert_allclose(shares[:41].sum(), 82 / 101, rtol=0, atol=0.02)
    assert np.abs(noise).max() <= 0.35 + 1e-6
    assert noise.std() == pytest.approx(0.35 / math.sqrt(3), rel=0.01)
    assert abs(np.corrcoef(noise[:, 0, 0], noise[:, 1, 0])[0, 1]) < 5 / math.sqrt(12_000)


def test_the_best_estimate_is_that_of_a_plain_enumeration() -> None:
    parameters = DenoiseSine(count=25, length=12, period=9.5, last_offset=13, spread=0.6)
    sequences = DENOISE_SINE.load(parameters, 3)
    best = sequences.best()
    for row in range(25):
        for step in range(12):
            left = [
                offset
                for offset in range(14)
                if all(
                    abs(float(sequences.inputs[row, n, 0]) - math.sin(2 * math.pi * (n + offset) / 9.5)) <= 0.6
                    for n in range(step + 1)
                )
            ]
            expected = sum(math.sin(2 * math.pi * (step + offset) / 9.5) for offset in left) / len(left)
            assert best[row, step, 0] == pytest.approx(expected, abs=1e-12)


def test_the_best_estimate_is_causal_and_unbiased_and_no_other_is_better() -> None:
    sequences = DENOISE_SINE.load(DenoiseSine(count=4000, length=30), 1)
    best, clean, noisy = sequences.best(), sequences.targets.astype(float), sequences.inputs.astype(float)
    error = best - clean
    # Conditional on what was seen, the error is orthogonal to any function of it: here, to some of them.
    for seen in (np.ones_like(best), best, noisy, noisy**3):
        products = (error * seen)[:, :, 0]
        z = products.mean(axis=0) / (products.std(axis=0) / math.sqrt(len(products)) + 1e-9)
        assert np.abs(z[:5]).max() < 4.5
    assert np.mean(error[:, -1] ** 2) < np.mean(error[:, 4] ** 2) < np.mean(error[:, 0] ** 2) < 0.35**2 / 3
    later = sequences.inputs.copy()
    waves = np.sin(2 * np.pi * (np.arange(101)[:, None] + np.arange(30)) / 60)
    later[:, 20:] = sequences.targets[:, 20:]
    changed = posterior_mean(later[:, :, 0], waves, 0.35)
    np.testing.assert_array_equal(changed[:, :20], best[:, :20, 0])


def test_the_true_offset_is_never_ruled_out() -> None:
    sequences = DENOISE_SINE.load(DenoiseSine(count=20_000, length=60, spread=1e-3), 2)
    np.testing.assert_allclose(sequences.best()[:, 8:], sequences.targets[:, 8:], rtol=0, atol=5e-4)
    assert np.isfinite(sequences.best()).all()


def test_a_seed_gives_one_set_whatever_was_drawn_before() -> None:
    small = DenoiseSine(count=10, length=10)
    first, again, other = (DENOISE_SINE.load(small, seed) for seed in (5, 5, 6))
    assert first.provenance == again.provenance
    assert first.provenance.sha256 != other.provenance.sha256
    assert DENOISE_SINE.load(DenoiseSine(count=10, length=10, seed=6), 5).provenance == other.provenance


@pytest.mark.parametrize("wrong", [{"count": 2}, {"spread": 0.0}, {"period": 0.0}, {"last_offset": -1}, {"length": 1}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        DenoiseSine(**wrong)
