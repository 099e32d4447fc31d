from __future__ import annotations

import sys

import numpy as np
import pytest

from bench.errors import InputError
from bench.stats.confidence_set import confidence_set
from bench.stats.window_tests import diebold_mariano


def losses(*scales: float, points: int = 300, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=points)
    return np.stack([(scale * (0.8 * shared + 0.6 * rng.normal(size=points))) ** 2 for scale in scales])


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arch.bootstrap", None)
    with pytest.raises(InputError, match=r'pip install "sequence-bench\[stats\]"'):
        confidence_set(losses(1.0, 2.0))


def test_too_few_targets_and_a_gap_have_no_set() -> None:
    assert confidence_set(losses(1.0, 2.0, points=10)) is None
    holed = losses(1.0, 2.0)
    holed[0, 3] = np.nan
    assert confidence_set(holed) is None


def test_copies_of_one_model_are_all_in_the_set() -> None:
    one = losses(1.0)
    found = confidence_set(np.concatenate([one, one]))
    assert found is not None
    assert (found.included, found.p) == ((0, 1), (1.0, 1.0))


def test_models_whose_losses_differ_by_a_constant_have_no_set() -> None:
    one = losses(1.0)
    assert confidence_set(np.concatenate([one, one + 0.3, losses(1.1)])) is None


class TestWithArch:
    @pytest.fixture(autouse=True)
    def _arch(self) -> None:
        pytest.importorskip("arch", reason="the extra `stats` is not installed")

    def test_worse_models_leave_and_alike_ones_stay(self) -> None:
        found = confidence_set(losses(1.5, 1.0, 1.01, 3.0))
        assert found is not None
        assert found.included == (1, 2)
        assert found.p[3] <= found.p[0] < 0.05 < min(found.p[1], found.p[2])
        assert max(found.p) == 1.0

    def test_of_two_models_it_says_what_diebold_and_mariano_say(self) -> None:
        for seed in range(6):
            pair = losses(1.0, 1.12, points=400, seed=seed)
            found = confidence_set(pair)
            assert found is not None
            assert min(found.p) == pytest.approx(float(diebold_mariano(*pair).p), abs=0.06)

    def test_copies_share_their_place_and_the_scale_does_not_matter(self) -> None:
        three = losses(1.0, 1.5, 1.02)
        found, again = confidence_set(three), confidence_set(np.concatenate([three, three[:1]]) * 1e-9)
        assert found is not None
        assert again is not None
        assert again.p[:3] == pytest.approx(found.p, abs=1e-12)
        assert again.p[3] == again.p[0]

    def test_the_best_model_is_in_the_set_as_often_as_stated(self) -> None:
        held = 0
        for seed in range(60):
            found = confidence_set(losses(1.0, 1.0, 1.0, points=100, seed=seed), resamples=200)
            assert found is not None
            held += 0 in found.included
        assert held / 60 >= 0.88  # 0.95, less 2.5 standard errors of 60 series

    def test_of_many_targets_the_means_of_neighbours_give_the_same_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        many = losses(1.0, 1.06, 1.01, 2.0, points=3990)
        found = confidence_set(many)
        monkeypatch.setattr("bench.stats.confidence_set._MOST", 1000)
        pooled = confidence_set(many)
        assert found is not None
        assert pooled is not None
        assert pooled.included == found.included
        assert pooled.p == pytest.approx(found.p, abs=0.05)
