from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from bench.stats.confidence_set import confidence_set
from bench.stats.window_tests import over_window


def losses(*scales: float, points: int = 300, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=points)
    return np.stack([(scale * (0.8 * shared + 0.6 * rng.normal(size=points))) ** 2 for scale in scales])


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


def test_worse_models_leave_and_equal_ones_stay() -> None:
    found = confidence_set(losses(1.5, 1.0, 1.01, 3.0))
    assert found is not None
    assert found.included == (1, 2)
    assert found.p[3] <= found.p[0] < 0.05 < min(found.p[1], found.p[2])
    assert max(found.p) == 1.0


def test_of_two_models_it_says_what_the_test_of_the_window_says() -> None:
    for seed in range(6):
        pair = losses(1.0, 1.12, points=400, seed=seed)
        found = confidence_set(pair)
        assert found is not None
        assert min(found.p) == pytest.approx(float(over_window(*pair).p))


def test_copies_share_their_place_and_the_scale_does_not_matter() -> None:
    three = losses(1.0, 1.5, 1.02)
    found, again = confidence_set(three), confidence_set(three * 1e-9)
    assert found is not None
    assert again is not None
    assert again.p == pytest.approx(found.p, abs=1e-9)
    with_copy = confidence_set(np.concatenate([three, three[:1]]))
    assert with_copy is not None
    assert (0 in with_copy.included) == (3 in with_copy.included)


@pytest.mark.parametrize("persistence", [0.0, 0.9])
def test_both_of_two_tied_models_are_kept_as_often_as_stated(persistence: float) -> None:
    rng = np.random.default_rng(4)
    noise = lfilter([1], [1, -persistence], rng.normal(size=(300, 2, 300)), axis=-1)[..., 200:]
    kept = [confidence_set(20 + own / own.std()) for own in noise]
    assert np.mean([found is not None and len(found.included) == 2 for found in kept]) >= 0.93 - 0.03
