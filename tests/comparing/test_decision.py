"""Verdicts against independent truths: scipy and statsmodels, closed forms, and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from bench.comparing.decision import MOST, Decision, Family, decide
from bench.comparing.outcomes import ChangeVerdict

MARGIN = math.log(1.02)


def family(samples: Any, *, alpha: float = 0.01, worse: int = 1, deterministic: bool = False) -> list[Decision]:
    new = np.asarray(samples, float)
    count = len(new)
    tests = Family(
        new=new,
        old=np.zeros_like(new),
        worse=np.full(count, worse),
        margin=np.full(count, MARGIN),
        deterministic=np.full(count, deterministic),
    )
    return decide(tests, alpha=alpha)


def one(sample: Any, **options: Any) -> Decision:
    (found,) = family([sample], **options)
    return found


def test_an_equivalence_agrees_with_two_one_sided_tests_of_scipy() -> None:
    rng = np.random.default_rng(0)
    found = {ChangeVerdict.EQUIVALENT: 0, ChangeVerdict.UNDECIDED: 0}
    for _ in range(200):
        sample = rng.normal(0.003, 0.014, size=9)
        low = stats.ttest_1samp(sample, -MARGIN, alternative="greater").pvalue
        high = stats.ttest_1samp(sample, MARGIN, alternative="less").pvalue
        decision = one(sample)
        if decision.verdict in found:
            found[decision.verdict] += 1
            assert (decision.verdict is ChangeVerdict.EQUIVALENT) == (max(low, high) <= 0.01)
    assert min(found.values()) > 20


def test_an_effect_needs_size_and_significance() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=10)
    noise -= noise.mean()
    assert one(0.05 + 0.001 * noise).verdict is ChangeVerdict.REGRESSED
    assert one(0.05 + 0.001 * noise, worse=-1).verdict is ChangeVerdict.IMPROVED
    assert one(-0.05 + 0.001 * noise).verdict is ChangeVerdict.IMPROVED
    small_but_sure = one(0.015 + 0.001 * noise)
    assert (small_but_sure.verdict, small_but_sure.p_value < 1e-6) == (ChangeVerdict.EQUIVALENT, True)
    large_but_unsure = one(0.05 + 0.2 * noise)
    assert large_but_unsure.verdict is ChangeVerdict.UNDECIDED
    assert large_but_unsure.interval[0] < 0 < large_but_unsure.interval[1]


def test_one_test_in_a_large_family_must_be_surer() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=10)
    sample = 0.05 + 0.03 * (noise - noise.mean()) / noise.std(ddof=1)
    p_value = stats.ttest_1samp(sample, 0).pvalue
    assert 0.0001 < p_value < 0.01
    assert one(sample).verdict is ChangeVerdict.REGRESSED
    others = [rng.normal(0, 0.03, size=10) for _ in range(99)]
    assert family([sample, *others])[0].verdict is ChangeVerdict.UNDECIDED
    assert family([sample, *others])[0].p_value == pytest.approx(min(1.0, 100 * p_value), rel=0.2)


def test_as_many_further_replicates_as_are_asked_for_decide_with_the_stated_power() -> None:
    rng = np.random.default_rng(3)
    for mean, wanted in ((0.06, ChangeVerdict.REGRESSED), (0.0, ChangeVerdict.EQUIVALENT)):
        noise = rng.normal(size=6)
        first = mean + 0.06 * (noise - noise.mean()) / noise.std(ddof=1)
        decision = one(first)
        assert decision.verdict is ChangeVerdict.UNDECIDED
        total = 6 + decision.further
        decided = [one(rng.normal(mean, 0.06, size=total)).verdict is wanted for _ in range(400)]
        assert 0.7 < np.mean(decided) < 0.97


def test_one_pair_asks_for_enough_to_find_an_effect_as_large_as_its_spread() -> None:
    rng = np.random.default_rng(5)
    total = 1 + one([0.3]).further
    assert (
        np.mean([one(rng.normal(0.3, 0.3, size=total)).verdict is ChangeVerdict.REGRESSED for _ in range(400)]) > 0.75
    )


def test_next_to_the_margin_no_number_of_replicates_is_promised() -> None:
    noise = np.array([-1.0, 1.0, -1.0, 1.0])
    assert one(MARGIN + 0.5 * noise).further is None
    assert 0 < one(0.1 * noise).further <= MOST


def test_false_alarms_of_a_family_keep_to_alpha() -> None:
    """Heavy-tailed, symmetric noise, as the difference of two exchangeable draws is."""
    rng = np.random.default_rng(4)
    rounds, alarms = 400, 0
    for _ in range(rounds):
        samples = 0.1 * (rng.exponential(size=(12, 10)) - rng.exponential(size=(12, 10)))
        alarms += any(
            found.verdict in (ChangeVerdict.REGRESSED, ChangeVerdict.IMPROVED) for found in family(samples, alpha=0.05)
        )
    assert alarms <= stats.binom.ppf(0.999, rounds, 0.05)


def test_equal_numbers_are_equivalent_whatever_their_count() -> None:
    for sample in ([0.0], [0.0, 1e-13, -1e-13], [0.0] * 9):
        assert one(sample).verdict is ChangeVerdict.EQUIVALENT
    shifted = one([0.05] * 9)
    assert (shifted.verdict, shifted.p_value, shifted.interval) == (ChangeVerdict.REGRESSED, None, None)


@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=12))
def test_turning_a_sample_over_turns_its_verdict_over(sample: list[float]) -> None:
    turned = {ChangeVerdict.REGRESSED: ChangeVerdict.IMPROVED, ChangeVerdict.IMPROVED: ChangeVerdict.REGRESSED}
    there, back = one(sample), one([-value for value in sample])
    assert back.verdict is turned.get(there.verdict, there.verdict)
    assert back.further == there.further


def test_missing_pairs_are_left_out() -> None:
    full, gaps = [0.03, 0.04, 0.05, 0.045], [math.nan, 0.03, 0.04, math.nan, 0.05, 0.045]
    assert one(full) == one(gaps)
    assert one([math.nan, math.nan]).verdict is ChangeVerdict.NOT_COMPARABLE
    assert one([math.nan], deterministic=True).verdict is ChangeVerdict.NOT_COMPARABLE
