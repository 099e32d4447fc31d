"""Claims at every look while replicates are added: their error rates, by simulation, and what a look may spend."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from bench.stats.claims import ALPHA, EQUIVALENT, ClaimOutcome, Finding, ModelClaim, findings
from bench.stats.looks import Looks, next_look, schedule
from bench.stats.verdicts import Subject, against_persistence, at_floor, compared

PLAN = schedule(3, 30)
COMPARISONS = 1000


def lognormal(rng: np.random.Generator, spread: float, *, ratio: float = 1.0) -> np.ndarray:
    """``[comparisons, seeds]`` errors whose mean is `ratio`."""
    return ratio * np.exp(spread * rng.normal(size=(COMPARISONS, PLAN[-1])) - spread**2 / 2)


def looked(new: np.ndarray, old: np.ndarray, *, plan: bool = True, **others: object) -> list[tuple[Finding, ...]]:
    """The findings on all comparisons at each look; without the plan, as if each look were the only one."""
    return [
        findings(
            [
                ModelClaim(
                    *("one", "other", a[:count], b[:count]),
                    looks=Looks(PLAN[: place + 1], PLAN[-1]) if plan else None,
                    one_series="window" in others,
                    **{name: value(each, count) for name, value in others.items()},
                )
                for each, (a, b) in enumerate(zip(new, old, strict=True))
            ]
        )
        for place, count in enumerate(PLAN)
    ]


def at_any_look(looks: list[tuple[Finding, ...]], outcomes: set[ClaimOutcome]) -> float:
    """The share of comparisons that had one of `outcomes` at some look."""
    return float(np.mean([any(look[at].outcome in outcomes for look in looks) for at in range(COMPARISONS)]))


DIFFERENT = {ClaimOutcome.HOLDS, ClaimOutcome.FAILS}


@pytest.mark.parametrize(("one", "other"), [(0.05, 0.05), (0.3, 0.3), (1.0, 1.0), (1.0, 0.05)])
def test_equal_models_are_seldom_said_to_differ_at_any_look(one: float, other: float) -> None:
    rng = np.random.default_rng([1, int(100 * one), int(100 * other)])
    looks = looked(lognormal(rng, one), lognormal(rng, other))
    assert at_any_look(looks, DIFFERENT) <= 0.06
    for finding in (finding for look in looks for finding in look):
        excludes = finding.low > 1 or finding.high < 1
        assert excludes == (finding.outcome in DIFFERENT)
        assert finding.decided == (str(compared(finding)) in ("better", "worse", "equivalent within 5 %"))
        assert finding.low <= finding.ratio <= finding.high


def test_a_reference_without_spread_is_no_exception() -> None:
    rng = np.random.default_rng(2)
    assert at_any_look(looked(lognormal(rng, 0.3), np.ones((COMPARISONS, PLAN[-1]))), DIFFERENT) <= 0.06


def test_looks_that_spend_nothing_find_what_is_not_there() -> None:
    rng = np.random.default_rng(1)
    found = looked(lognormal(rng, 0.05), lognormal(rng, 0.05), plan=False)
    assert at_any_look(found, DIFFERENT) > 0.12


@pytest.mark.parametrize("spread", [0.005, 0.02, 0.08])
def test_models_that_differ_by_the_margin_are_seldom_called_equivalent(spread: float) -> None:
    rng = np.random.default_rng([3, int(1000 * spread)])
    looks = looked(lognormal(rng, spread, ratio=1 + EQUIVALENT), lognormal(rng, spread))
    assert np.mean([any(look[at].equivalent for look in looks) for at in range(COMPARISONS)]) <= 0.06


@pytest.mark.parametrize("own", [0.3, 3.0])
def test_nor_does_a_window_that_more_seeds_see_more_clearly_find_what_is_not_there(own: float) -> None:
    """Every seed has the smaller error in this window, by chance: another stretch of the series need not say so."""
    rng = np.random.default_rng([4, int(10 * own)])
    targets = 100
    common = rng.normal(size=(COMPARISONS, targets))
    sums = np.cumsum(rng.normal(size=(PLAN[-1], COMPARISONS, targets)), axis=0)

    def window(each: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        return 50 + common[each] + own * sums[count - 1, each] / count, np.full(targets, 50.0)

    better = 50 + np.array([window(each, PLAN[-1])[0].mean() - 50 for each in range(COMPARISONS)])[:, None]
    new = better * lognormal(rng, 1e-4)
    assert at_any_look(looked(new, np.full_like(new, 50.0), window=window), DIFFERENT) <= 0.06


@given(first=st.integers(1, 40), more=st.integers(0, 200))
def test_all_looks_together_spend_the_error_rate_once(first: int, more: int) -> None:
    looks = schedule(first, first + more)
    assert list(looks) == sorted(set(looks))
    assert (looks[0], looks[-1]) == (first, first + more)
    shares = [Looks(looks[: place + 1], first + more).share for place in range(len(looks))]
    assert sum(shares) == pytest.approx(1)
    assert all(next_look(one, looks[-1]) == other for one, other in pairwise(looks))


def test_replicates_that_were_not_planned_cost_as_much_as_if_they_had_been() -> None:
    assert Looks((10,), 10).share == Looks((10,), 5).share == 1
    assert Looks((3, 10), 3).share == Looks((3, 10), 10).share == pytest.approx(1 - 0.3**1.5)
    assert Looks((3,), 10).share == pytest.approx(0.3**1.5)


def test_a_pair_has_the_looks_of_both_up_to_what_both_have() -> None:
    assert Looks((3, 8), 30).together(Looks((3, 5, 12), 30)) == Looks((3, 5, 8), 30)
    assert Looks.once(10).together(Looks.once(10)) == Looks.once(10)


def power(effect: float, count: int, level: float) -> float:
    gap = np.random.default_rng(count).normal(effect, 1.0, size=(20_000, count))
    return float(np.mean(stats.ttest_1samp(gap, 0, axis=1).pvalue < level))


@pytest.mark.parametrize("effect", [0.7, 1.2, 4.0])
def test_the_look_that_would_decide_has_the_power_that_is_meant(effect: float) -> None:
    wanted = Looks((3,), 30).decided_at(effect, alpha=ALPHA)
    at = PLAN.index(wanted)
    assert power(effect, wanted, ALPHA * Looks(PLAN[: at + 1], 30).share) > 0.79
    assert power(effect, PLAN[at - 1], ALPHA * Looks(PLAN[:at], 30).share) < 0.81 or at == 1


@pytest.mark.parametrize("effect", [0.5, 1.0])
def test_after_the_plan_a_further_look_pays_for_the_earlier_ones(effect: float) -> None:
    wanted = Looks.once(10).decided_at(effect, alpha=ALPHA)
    for count, enough in ((wanted, True), (wanted - 1, False)):
        level = ALPHA * (1 - (10 / count) ** 1.5)
        assert (power(effect, count, level) > 0.8 - 0.01 * (1 if enough else -1)) == enough
    assert Looks.once(10).decided_at(0.01, alpha=ALPHA) is None


def test_the_look_that_would_show_equivalence_has_an_interval_within_the_margin() -> None:
    looks = Looks((3,), 30)
    wanted = looks.equivalent_at(0.01, 0.05, within=0.05, alpha=ALPHA)
    at = PLAN.index(wanted)

    def margin(place: int) -> float:
        level = ALPHA * Looks(PLAN[: place + 1], 30).share
        return float(stats.t.ppf(1 - level / 2, PLAN[place] - 1) * 0.05 / np.sqrt(PLAN[place]))

    assert margin(at) <= 0.04 < margin(at - 1)
    assert looks.equivalent_at(0.06, 0.05, within=0.05, alpha=ALPHA) is None


def test_a_verdict_says_which_looks_were_taken_and_what_more_time_would_buy() -> None:
    rng = np.random.default_rng(0)
    errors = 0.87 * np.exp(0.15 * rng.normal(size=8))
    claim = ModelClaim(
        *("lstm", "gru", errors, np.ones(8)), one_series=False, looks=Looks((3, 5, 8), 30), replicate_s=2.5
    )
    (judgement,) = against_persistence([Subject(claim)])
    more = judgement.finding.further_seeds
    assert more in {count - 8 for count in PLAN}
    assert judgement.words == f"undecided (about {more} more seeds, {more * 2.5:.1f} s, would decide)"
    assert "over 8 seeds (looked at before with 3 and 5, up to 30 planned)" in judgement.sentence


def test_the_noise_floor_pays_for_looks_as_well() -> None:
    errors = np.exp(0.02 * np.random.default_rng(0).normal(size=8))
    once = ModelClaim("a", "b", errors, np.ones(8), one_series=False)
    again = ModelClaim("a", "b", errors, np.ones(8), one_series=False, looks=Looks((3, 8), 8))
    p, later = (at_floor([Subject(claim, floor=np.ones(8))])[0] for claim in (once, again))
    assert later == pytest.approx(p / (1 - (3 / 8) ** 1.5))
