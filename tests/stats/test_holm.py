from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.multitest import multipletests

from bench.stats.paired import holm


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1)))
def test_agrees_with_statsmodels(p: np.ndarray) -> None:
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12, atol=0)


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
