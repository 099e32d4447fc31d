from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.multitest import multipletests

from bench.stats.paired import holm, holm_in_families


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1)))
def test_agrees_with_statsmodels(p: np.ndarray) -> None:
    with mock.patch("gc.collect"):  # which statsmodels calls each time: a minute of it, behind a thousand other tests
        expected = multipletests(p, method="holm")[1]
    np.testing.assert_allclose(holm(p), expected, rtol=1e-12, atol=0)


def test_a_claim_that_was_not_tested_is_no_member_of_the_family() -> None:
    found = holm(np.array([[0.01, np.nan], [0.04, 0.03]]))
    np.testing.assert_allclose(found, [[0.03, np.nan], [0.06, 0.06]])


def test_an_empty_family() -> None:
    assert holm(np.array([])).shape == (0,)
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_the_chance_of_any_false_claim_is_five_percent() -> None:
    p = np.random.default_rng(0).uniform(size=(4000, 10))
    false = np.mean([(holm(family) < 0.05).any() for family in p])
    assert 0.038 < false < 0.060  # 1 - 0.995^10 = 0.049, ± 3 standard errors of 4000 families


def test_families_are_selected_and_false_claims_stay_rare() -> None:
    """Benjamini and Bogomolov: the mean share of selected families with a false claim, and any of all nulls, ≤ 5 %."""
    rng = np.random.default_rng(11)
    families, size, rounds = 9, 8, 3000
    labels = np.repeat(np.arange(families), size)
    any_of_nulls, shares, power, whole = 0, [], 0, 0
    for _ in range(rounds):
        nulls = rng.uniform(size=families * size)
        any_of_nulls += bool((holm_in_families(nulls, labels, alpha=0.05).p < 0.05).any())
        mixed = nulls.copy()
        mixed[labels < 4] *= 0.02  # in four families everything differs, in five nothing
        found = holm_in_families(mixed, labels, alpha=0.05)
        false = [(found.p[labels == label] < 0.05).any() for label in range(4, families)]
        shares.append(sum(false) / max(found.selected, 1))
        power += int((found.p[labels < 4] < 0.05).sum())
        whole += int((holm(mixed)[labels < 4] < 0.05).sum())
    assert any_of_nulls / rounds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)
    assert np.mean(shares) <= 0.05
    assert power > 1.5 * whole, "that is what it is for"


def test_one_family_is_holms_method_and_what_is_missing_stays_missing() -> None:
    p = np.array([0.01, np.nan, 0.2, 0.03])
    found = holm_in_families(p, np.zeros(4, dtype=np.int64), alpha=0.05)
    assert found.p == pytest.approx(holm(p), nan_ok=True)
    assert (found.count.tolist(), found.selected, found.families) == ([3, 3, 3, 3], 1, 1)


def test_two_families_by_hand() -> None:
    # Simes: 0.004 · 2 / 1 = 0.008, and 0.5. Benjamini-Hochberg: 0.016 and 0.5. One of two is selected, so p doubles.
    found = holm_in_families(np.array([0.004, 0.02, 0.25, 0.6]), np.array([0, 0, 1, 1]), alpha=0.05)
    assert found.p == pytest.approx([0.016, 0.04, 1.0, 1.0])
    assert (found.selected, found.families) == (1, 2)
