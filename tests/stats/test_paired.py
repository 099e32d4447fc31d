from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats.paired import paired

errors = arrays(np.float64, (3, 6), elements=st.floats(0.1, 10))


def test_difference_interval_and_p_agree_with_scipy_in_every_cell() -> None:
    new, old = np.random.default_rng(0).gamma(3.0, size=(2, 4, 5, 10))
    found = paired(new, old, level=0.9)
    theirs = stats.ttest_rel(new, old, axis=-1)
    ends = theirs.confidence_interval(0.9)
    np.testing.assert_allclose(found.difference, (new - old).mean(axis=-1))
    np.testing.assert_allclose([found.low, found.high], [ends.low, ends.high])
    np.testing.assert_allclose(found.statistic, theirs.statistic)
    np.testing.assert_allclose(found.p, theirs.pvalue)
    np.testing.assert_allclose(found.effect, (new - old).mean(axis=-1) / (new - old).std(axis=-1, ddof=1))
    np.testing.assert_allclose(found.ratio, new.mean(axis=-1) / old.mean(axis=-1))


def test_fiellers_interval_holds_the_ratios_that_the_t_test_does_not_refuse() -> None:
    rng = np.random.default_rng(1)
    old = rng.gamma(20.0, size=8)
    new = 1.3 * old + rng.normal(size=8)
    found = paired(new, old)
    for end in (found.ratio_low, found.ratio_high):
        assert stats.ttest_rel(new, end * old).pvalue == pytest.approx(0.05)
    inside = (found.ratio_low + found.ratio_high) / 2
    assert stats.ttest_rel(new, inside * old).pvalue > 0.05


@settings(deadline=None)
@given(errors, errors)
def test_the_two_intervals_and_the_p_value_say_the_same(new: np.ndarray, old: np.ndarray) -> None:
    found = paired(new, old)
    tested = ~np.isnan(found.p) & ~np.isnan(found.ratio_low) & (np.abs(found.p - 0.05) > 1e-6)
    shown = found.p < 0.05
    assert np.array_equal(((found.low > 0) | (found.high < 0))[tested], shown[tested])
    assert np.array_equal(((found.ratio_low > 1) | (found.ratio_high < 1))[tested], shown[tested])


@settings(deadline=None)
@given(errors, errors)
def test_turning_the_sides_round_turns_the_signs_round(new: np.ndarray, old: np.ndarray) -> None:
    one, other = paired(new, old), paired(old, new)
    np.testing.assert_allclose(one.difference, -other.difference)
    np.testing.assert_allclose(one.p, other.p)


@pytest.mark.parametrize("law", ["normal", "gamma", "student"])
@pytest.mark.parametrize("count", [5, 10])
def test_equal_errors_are_told_apart_at_most_one_time_in_twenty(law: str, count: int) -> None:
    rng = np.random.default_rng(count)
    draw = {
        "normal": lambda size: rng.normal(size=size),
        "gamma": lambda size: rng.gamma(0.5, size=size),
        "student": lambda size: rng.standard_t(2, size=size),
    }[law]
    new, old = draw((2, 10_000, count))
    false = np.mean(paired(new + 10, old + 10).p < 0.05)
    assert 0.02 < false < 0.0566  # 0.05 and 3 standard errors; long tails are distinguished less often


def test_a_skewed_difference_is_covered_almost_as_often_as_stated() -> None:
    gap = np.random.default_rng(2).gamma(2.0, size=(10_000, 10)) - 2.0
    found = paired(10 + gap, np.full_like(gap, 10.0))
    assert 0.90 < np.mean((found.low <= 0) & (found.high >= 0)) < 0.955


def test_a_pair_with_a_missing_side_is_left_out() -> None:
    nan, inf = np.nan, np.inf
    new, old = np.array([1.0, 2.0, nan, 4.0, 9.0, inf]), np.array([1.5, 2.2, 3.0, 4.9, nan, 1.0])
    found, alone = paired(new, old), paired(new[[0, 1, 3]], old[[0, 1, 3]])
    assert found.count == 3
    assert (found.p, found.low, found.ratio) == (alone.p, alone.low, alone.ratio)


def test_one_pair_has_a_difference_and_no_test_and_none_has_nothing() -> None:
    found = paired(np.array([[3.0, np.nan], [np.nan, np.nan]]), np.array([2.0, 5.0]))
    assert found.count.tolist() == [1, 0]
    assert (found.difference[0], found.ratio[0]) == (1.0, 1.5)
    assert np.isnan([found.low, found.high, found.p, found.statistic, found.ratio_low]).all()
    assert np.isnan(found.difference[1])
    assert paired(np.empty((2, 0)), np.empty((2, 0))).count.tolist() == [0, 0]


def test_copies_of_one_fit_tell_nothing_about_seeds() -> None:
    same, other = paired(np.full(5, 0.1), np.full(5, 0.1)), paired(np.full(5, 0.3), np.full(5, 0.1))
    assert same.p == 1.0
    assert np.isnan(other.p)
    assert np.isnan(other.statistic)
    assert other.ratio == pytest.approx(3)
    assert [other.low, other.high] == pytest.approx([0.2, 0.2])


def test_a_reference_near_zero_has_no_bounded_ratio() -> None:
    found = paired(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.1, 1.0]))
    assert np.isnan([found.ratio_low, found.ratio_high]).all()
    assert np.isnan(paired(np.ones(3), np.zeros(3)).ratio)


def test_close_errors_keep_their_digits() -> None:
    gap = np.array([1.0, 2.0, 4.0]) * 1e-9
    found = paired(1 + gap, np.ones(3))
    theirs = stats.ttest_1samp(gap, 0)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-5)
    assert (found.ratio_low - 1) * 1e9 == pytest.approx(theirs.confidence_interval().low * 1e9, rel=1e-5)
