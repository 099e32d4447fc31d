from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from bench.stats.paired import detection, paired, replicates, smallest_effect

EFFECTS = [0.1, 0.2, 0.5, 0.8, 1.0, 2.0, -0.5]


@pytest.mark.parametrize(("level", "power"), [(0.95, 0.8), (0.99, 0.9)])
def test_agrees_with_statsmodels(level: float, power: float) -> None:
    solver = TTestPower()
    theirs = [np.ceil(solver.solve_power(abs(d), alpha=1 - level, power=power)) for d in EFFECTS]
    assert replicates(EFFECTS, level=level, power=power).tolist() == theirs
    assert detection(0.7, 12) == pytest.approx(solver.power(0.7, 12, 0.05))


@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_that_many_replicates_find_the_effect_as_often_as_asked(effect: float) -> None:
    count = int(replicates(effect))
    gap = np.random.default_rng(count).normal(effect, 1.0, size=(10_000, count))
    found = np.mean(paired(10 + gap, np.full_like(gap, 10.0)).p < 0.05)
    fewer = stats.ttest_1samp(gap[:, :-1], 0, axis=1).pvalue
    assert found > 0.8 - 0.012
    assert np.mean(fewer < 0.05) < 0.8 + 0.012


@pytest.mark.parametrize(("effect", "level"), [(10.0, 1 - 0.05 / 1000), (3.0, 0.9999), (1.5, 0.999)])
def test_no_smaller_number_would_do_where_effects_are_large(effect: float, level: float) -> None:
    powers = detection(effect, np.arange(2, 60), level=level)
    assert replicates(effect, level=level) == 2 + int(np.argmax(powers >= 0.8))


def test_no_effect_is_never_found_and_an_unknown_one_takes_unknown_many() -> None:
    found = replicates([0.0, np.nan, 1e-4])
    assert np.isinf(found[0])
    assert np.isnan(found[1])
    assert found[2] == pytest.approx((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 * 1e8, rel=1e-6)
    assert np.isnan(detection(1.0, 1))


@pytest.mark.parametrize(("count", "level"), [(3, 0.95), (10, 0.95), (10, 1 - 0.05 / 100), (30, 0.99)])
def test_the_smallest_effect_is_the_one_that_is_found_as_often_as_meant(count: int, level: float) -> None:
    theirs = TTestPower().solve_power(nobs=count, alpha=1 - level, power=0.8)
    assert smallest_effect(count, level=level) == pytest.approx(theirs, rel=1e-4)
    assert np.isnan(smallest_effect(1))
