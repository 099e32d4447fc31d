from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.stats.ranks import cliques, ranks


def drawn(datasets: int, models: int, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.gamma(3.0, size=(datasets, models)) + 0.5 * np.arange(models)


def test_friedman_agrees_with_scipy_ties_included() -> None:
    for errors in (drawn(12, 5), np.round(drawn(20, 4, seed=1))):
        found, theirs = ranks(errors), stats.friedmanchisquare(*errors.T)
        assert found.statistic == pytest.approx(theirs.statistic)
        assert found.friedman_p == pytest.approx(theirs.pvalue)


def test_average_ranks_agree_with_a_plain_loop() -> None:
    errors = np.array([[1.0, 2.0, 2.0], [3.0, 1.0, 2.0], [5.0, 5.0, 5.0]])
    assert ranks(errors).average.tolist() == pytest.approx([(1 + 3 + 2) / 3, (2.5 + 1 + 2) / 3, (2.5 + 2 + 2) / 3])


def test_pairs_are_tested_as_scikit_posthocs_and_statsmodels_would() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import scikit_posthocs

    errors = drawn(14, 4)
    theirs = scikit_posthocs.posthoc_wilcoxon(list(errors.T), p_adjust="holm").to_numpy()
    np.testing.assert_allclose(ranks(errors).p, theirs)
    pairs = list(itertools.combinations(range(4), 2))
    raw = [stats.wilcoxon(errors[:, a], errors[:, b]).pvalue for a, b in pairs]
    np.testing.assert_allclose([ranks(errors).p[pair] for pair in pairs], multipletests(raw, method="holm")[1])


def test_a_pair_is_tested_against_every_flip_of_its_signs() -> None:
    errors = drawn(8, 2, seed=3)
    gap = errors[:, 0] - errors[:, 1]
    place = stats.rankdata(np.abs(gap))
    seen = abs((np.sign(gap) * place).sum())
    flips = np.array(list(itertools.product([-1, 1], repeat=8)))
    assert ranks(errors).p[0, 1] == pytest.approx(np.mean(np.abs(flips @ place) >= seen - 1e-9))


def test_only_datasets_that_every_model_finished_count() -> None:
    errors = drawn(10, 3)
    holed = np.vstack([errors, [[1.0, np.nan, 2.0], [np.inf, 1.0, 1.0]]])
    found, whole = ranks(holed), ranks(errors)
    assert found.datasets == 10
    np.testing.assert_array_equal(found.p, whole.p)
    np.testing.assert_array_equal(found.average, whole.average)


def test_few_datasets_separate_nothing_and_say_so() -> None:
    ahead = np.arange(5.0)[:, None] + np.array([0.0, 0.1, 0.3])
    found = ranks(ahead + 0.01 * np.arange(5)[:, None] * np.arange(3))
    assert found.smallest_p == pytest.approx(3 * 2 / 2**5)
    assert found.p[0, 2] == pytest.approx(found.smallest_p)
    one = ranks(ahead[:1])
    assert np.isnan([one.friedman_p, one.p[0, 1]]).all()
    assert one.average.tolist() == [1, 2, 3]
    assert cliques(one.average, one.p) == [(0, 1, 2)]
    assert np.isnan(ranks(np.empty((0, 3))).average).all()


def test_models_without_a_difference_are_alike() -> None:
    found = ranks(np.ones((6, 3)))
    assert found.p.tolist() == np.ones((3, 3)).tolist()
    assert np.isnan(found.friedman_p)


def test_cliques_are_the_longest_runs_that_are_not_separated() -> None:
    p = np.ones((5, 5))
    for a, b in [(0, 2), (0, 3), (0, 4), (1, 4), (2, 4)]:
        p[a, b] = p[b, a] = 0.001
    assert cliques([1.0, 2.0, 3.0, 4.0, 5.0], p) == [(0, 1), (1, 2, 3), (3, 4)]
    assert cliques([5.0, 4.0, 3.0, 2.0, 1.0], p) == [(4, 3), (3, 2, 1), (1, 0)]
    assert cliques([1.0, 2.0, 3.0], np.where(np.eye(3) == 1, 1.0, 0.0)) == []


@settings(deadline=None)
@given(st.data(), st.integers(1, 6))
def test_a_clique_holds_no_separated_pair_and_none_lies_in_another(data: st.DataObject, models: int) -> None:
    half = data.draw(arrays(np.float64, (models, models), elements=st.sampled_from([0.01, 0.5])))
    p = np.maximum(half, half.T)
    average = data.draw(arrays(np.float64, models, elements=st.integers(1, models).map(float)))
    found = cliques(average, p)
    for one in found:
        assert all(p[a, b] >= 0.05 for a, b in itertools.combinations(one, 2))
        assert not any(set(one) < set(other) for other in found)
    order = np.argsort(average, kind="stable").tolist()
    covered = {pair for one in found for pair in itertools.combinations(one, 2)}
    near = {(a, b) for a, b in itertools.pairwise(order) if p[a, b] >= 0.05}
    assert near <= covered


def test_alike_models_are_separated_by_friedman_one_time_in_twenty() -> None:
    rng = np.random.default_rng(6)
    false = np.mean([ranks(rng.normal(size=(20, 3))).friedman_p < 0.05 for _ in range(300)])
    assert 0.015 < false < 0.09
