from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.tuning import importance


def test_the_shares_of_the_ishigami_function_are_the_known_ones() -> None:
    # First-order Sobol indices at a = 7, b = 0.1: 0.3139, 0.4424 and 0 (T. Ishigami and T. Homma, 1990).
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, size=(3, 4000))
    y = np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])
    found = importance({"c": x[2].tolist(), "a": x[0].tolist(), "b": x[1].tolist()}, y, permutations=99)
    assert list(found) == ["b", "a", "c"]
    assert [found[name].share for name in "abc"] == pytest.approx([0.3139, 0.4424, 0.0], abs=0.03)
    assert found["b"].p == 0.01


def test_a_planted_choice_stands_out_among_thirty_trials() -> None:
    rng = np.random.default_rng(1)
    rate, size, cell = 10 ** rng.uniform(-4, -1, 30), rng.choice([16, 32, 64], 30), rng.choice(["a", "b"], 30)
    errors = (np.log10(rate) + 2.5) ** 2 + 0.1 * rng.normal(size=30)
    found = importance({"size": size.tolist(), "cell": cell.tolist(), "rate": rate.tolist()}, errors)
    assert next(iter(found)) == "rate"
    assert found["rate"].share > 0.5
    assert found["rate"].p < 0.01
    assert min(found["size"].p, found["cell"].p) > 0.05


def test_what_does_not_matter_has_a_share_around_zero_and_a_uniform_p() -> None:
    rng = np.random.default_rng(2)
    found = [
        importance({"x": rng.normal(size=40).tolist()}, rng.normal(size=40), permutations=99)["x"] for _ in range(300)
    ]
    assert 0.02 < np.mean([one.p <= 0.05 for one in found]) < 0.09
    assert np.mean([one.share for one in found]) < 0.1


def test_two_classes_agree_with_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(3)
    names = ["lstm"] * 12 + ["gru"] * 8
    y = rng.normal(size=20) + np.repeat([0.0, 1.0], [12, 8])
    within = sum(((part - part.mean()) ** 2).sum() for part in (y[:12], y[12:]))
    total = ((y - y.mean()) ** 2).sum()
    assert importance({"cell": names}, y)["cell"].share == pytest.approx(1 - (within / 18) / (total / 19))


def test_trials_without_an_error_or_a_value_are_left_out() -> None:
    values = [1, 1, 2, 2, None, 1, 2]
    errors = np.array([0.1, 0.2, 1.1, 1.0, 5.0, np.nan, np.inf])
    found = importance({"x": values}, errors)["x"]
    assert found == importance({"x": values[:4]}, errors[:4])["x"]
    assert found.trials == 4


def test_what_was_not_varied_tells_nothing() -> None:
    found = importance({"fixed": [1] * 9, "free": list(range(9))}, np.zeros(9))
    assert all(math.isnan(one.share) and math.isnan(one.p) for one in found.values())
    assert importance({"x": []}, np.array([]))["x"].trials == 0
