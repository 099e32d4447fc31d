"""The sequential test on log ratios: its numbers, and its two errors by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.ab.speed import Speed, Target, concluded, is_look, judged

TARGET = Target()


def test_one_work_is_student_s_t_at_the_share_of_its_look() -> None:
    values = np.array([0.11, 0.08, 0.12, 0.09, 0.1])
    for look in (1, 2, 3):
        p = stats.ttest_1samp(values, 0, alternative="greater").pvalue
        (found,) = judged({"a": values}, Target(alpha=p * 2**look * 1.001), look=look).values()
        assert found.verdict == Speed.SLOWER
        (found,) = judged({"a": values}, Target(alpha=p * 2**look * 0.999), look=look).values()
        assert found.verdict != Speed.SLOWER
        level = 1 - 2 * 0.05 / 2**look
        bounds = stats.ttest_1samp(values, 0).confidence_interval(level)
        assert np.log([found.low, found.high]) == pytest.approx([bounds.low, bounds.high])
        assert found.value == pytest.approx(math.exp(0.1))


def test_works_share_the_level_by_holm() -> None:
    values = np.array([0.11, 0.08, 0.12, 0.09, 0.1])
    p = 2 * stats.ttest_1samp(values, 0, alternative="greater").pvalue
    two = {"a": values, "b": np.array([0.01, -0.01, 0.02, -0.02, 0.0])}
    assert judged(two, Target(alpha=2.001 * p), look=1)["a"].verdict == Speed.SLOWER
    assert judged(two, Target(alpha=1.999 * p), look=1)["a"].verdict != Speed.SLOWER


@pytest.mark.parametrize(
    ("centre", "spread", "verdict"),
    [
        (0.0, 0.01, Speed.FINE),
        (0.03, 0.002, Speed.FINE),  # it is slower, by less than what was requested about
        (0.0953, 0.002, Speed.SLOWER),
        (-0.2, 0.01, Speed.FASTER),
        (0.0, 0.2, Speed.UNDECIDED),
        (0.06, 0.1, Speed.UNDECIDED),
    ],
)
def test_verdicts(centre: float, spread: float, verdict: Speed) -> None:
    values = centre + spread * stats.norm.ppf((np.arange(9) + 0.5) / 9)
    assert judged({"a": values}, TARGET, look=1)["a"].verdict == verdict


def test_equal_values_are_a_sure_thing() -> None:
    found = judged({"a": [0.0] * 4, "b": [0.2] * 4}, TARGET, look=1)
    assert [each.verdict for each in found.values()] == [Speed.FINE, Speed.SLOWER]


def test_looks_are_half_as_many_pairs_again_each_time() -> None:
    assert [count for count in range(30) if is_look(count)] == [4, 6, 9, 13, 19, 28]


def test_no_verdict_holds_where_the_calibration_differs() -> None:
    slower = {"a": [0.2, 0.21, 0.19, 0.2, 0.2, 0.21]}
    moved = concluded(slower, [0.1, 0.101, 0.099, 0.1, 0.1, 0.1], TARGET, look=1)
    assert (moved.unequal, moved.settled, moved.having(Speed.SLOWER)) == (True, False, ["a"])
    still = concluded(slower, [0.001, -0.002, 0.0, 0.001, 0.0, -0.001], TARGET, look=1)
    assert (still.unequal, still.settled) == (False, True)


def simulated(draw, *, comparisons: int, most: int = 19) -> list[tuple[list[str], int]]:
    """Comparisons of `draw()`, ``[works, most]``: the names that raised an alarm, and the pairs until the end."""
    ended = []
    for _ in range(comparisons):
        values = draw()
        for look, count in enumerate(filter(is_look, range(most + 1)), 1):
            samples = {f"work {k}": row[:count] for k, row in enumerate(values)}
            found = concluded(samples, np.zeros(count), TARGET, look=look)
            if found.settled:
                break
        ended.append((found.having(Speed.SLOWER), count))
    return ended


@pytest.mark.parametrize("freedom", [2, 1e6], ids=["long tails", "normal"])
@pytest.mark.parametrize("spread", [0.02, 0.1])
def test_equal_sides_raise_an_alarm_in_at_most_one_comparison_of_a_hundred(freedom: float, spread: float) -> None:
    rng = np.random.default_rng(1)
    ended = simulated(lambda: spread * stats.t.rvs(freedom, size=(6, 19), random_state=rng), comparisons=400)
    alarms = sum(bool(names) for names, _ in ended)
    assert stats.binomtest(alarms, 400, 0.01, alternative="greater").pvalue > 1e-3


def test_a_slowdown_of_ten_percent_is_caught_and_the_others_are_left_alone() -> None:
    rng = np.random.default_rng(2)
    slower = np.array([[math.log(1.1)], [0], [0], [0]])
    ended = simulated(lambda: slower + rng.normal(0, 0.025, size=(4, 19)), comparisons=400)
    assert sum(names == ["work 0"] for names, _ in ended) >= 0.95 * 400
    assert np.median([count for _, count in ended]) <= 9


def test_equal_sides_are_soon_known_to_be_on_a_quiet_machine() -> None:
    rng = np.random.default_rng(3)
    ended = simulated(lambda: rng.normal(0, 0.015, size=(8, 19)), comparisons=100)
    assert {count for _, count in ended} == {4}


def test_the_pairs_that_are_said_to_be_needed_are_about_enough() -> None:
    rng = np.random.default_rng(4)
    needed = judged({"a": rng.normal(0, 0.1, 200)}, TARGET, look=1)["a"].pairs
    assert needed == 201  # it has what it takes
    few = [judged({"a": rng.normal(0, 0.1, 6)}, TARGET, look=1)["a"].pairs for _ in range(200)]
    theory = ((stats.norm.ppf(0.99) + stats.norm.ppf(0.95)) * 0.1 / math.log(1.1)) ** 2
    assert theory / 2 < np.median(few) < theory * 1.5
