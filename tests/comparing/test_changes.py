"""Divisions against a plain loop, scipy's energy distance, and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from bench.comparing.changes import MINIMUM, _best, divisions


def by_loops(values: list[float]) -> float:
    """Eq. (9) of the paper, sum by sum."""
    best = 0.0
    for tau in range(MINIMUM, len(values) - MINIMUM + 1):
        for kappa in range(tau + MINIMUM, len(values) + 1):
            x, y = values[:tau], values[tau:kappa]
            between = sum(abs(a - b) for a in x for b in y) * 2 / (len(x) * len(y))
            own = [
                sum(abs(part[i] - part[j]) for i in range(len(part)) for j in range(i)) / math.comb(len(part), 2)
                for part in (x, y)
            ]
            best = max(best, len(x) * len(y) / (len(x) + len(y)) * (between - sum(own)))
    return best


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2 * MINIMUM, max_size=11))
def test_the_statistic_agrees_with_loops(values: list[float]) -> None:
    # Without a difference the statistic may be negative; a part without a division counts as 0.
    assert max(_best(np.array([values]))[0][0], 0.0) == pytest.approx(by_loops(values), abs=1e-9)


def test_the_statistic_of_two_levels_is_the_energy_distance() -> None:
    """Where both parts are constant, the unbiased and the biased sums agree."""
    values = np.array([0.0] * 4 + [3.0] * 5)
    energy = stats.energy_distance(values[:4], values[4:]) ** 2
    assert _best(values[None])[0][0] == pytest.approx(4 * 5 / 9 * energy)


def test_steps_are_found_where_they_are() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat([0.0, 1.0, 0.2], [14, 12, 14]) + rng.normal(0, 0.1, size=40)
    assert [each.index for each in divisions(values)] == [14, 26]


def test_equal_numbers_have_no_step_and_two_levels_have_one() -> None:
    assert divisions(np.full(20, 0.3)) == []
    (only,) = divisions(np.repeat([0.3, 0.31], [6, 5]))
    assert only.index == 6
    assert only.p <= 0.01


@pytest.mark.parametrize("length", [0, 1, 5, 8])
def test_too_few_points_show_nothing(length: int) -> None:
    assert divisions(np.arange(length) // max(1, length // 2) * 1.0) == []


def _hits(draw: Any, rounds: int) -> list[list[int]]:
    rng = np.random.default_rng(1)
    return [[each.index for each in divisions(draw(rng), level=0.05, permutations=99)] for _ in range(rounds)]


@pytest.mark.parametrize("law", ["normal", "cauchy"])
def test_the_rate_of_false_steps_is_the_level(law: str) -> None:
    draw = (lambda rng: rng.normal(size=16)) if law == "normal" else (lambda rng: rng.standard_cauchy(size=16))
    false = sum(bool(found) for found in _hits(draw, 200))
    low, high = stats.binom.ppf([0.001, 0.999], 200, 0.05)
    assert low <= false <= high


def test_a_step_of_three_deviations_is_found_near_its_place() -> None:
    step = np.repeat([0.0, 3.0], [12, 8])
    found = _hits(lambda rng: step + rng.normal(size=20), 60)
    assert sum(any(abs(index - 12) <= 1 for index in each) for each in found) >= 54
