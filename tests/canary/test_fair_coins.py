"""The error rate of the canaries that leave something to chance: exact, and the same whatever the model does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom, chisquare

from bench.canary.base import CheckVerdict
from bench.canary.chance import ALPHA, ChanceRound, Fair, claims, judged, motion, permuted
from bench.canary.pieces import CheckBudget, Pieces
from bench.canary.watch import CANARIES
from bench.data.base import Provenance, Series

VALUES = np.random.default_rng(5).lognormal(size=(40, 1))
TIES = np.repeat([1.0, 1.0, 2.0, 3.0, 7.0], 8)[:, None]
DRAWS = 4000


def series_of(values: np.ndarray) -> Series:
    return Series(values, Provenance("by hand", ""))


def shuffled(values: np.ndarray) -> Callable[[np.random.Generator], Fair]:
    return lambda random: permuted(series_of(values), len(values), random)


FAIR = {"permuted": shuffled(VALUES), "ties": shuffled(TIES), "gbm": lambda random: motion(40, random)}


@pytest.mark.parametrize("name", FAIR)
def test_coins_are_even_and_independent(name: str):
    random = np.random.default_rng(0)
    coins = np.array([FAIR[name](random).coins[20:24, 0] for _ in range(DRAWS)])
    counts = np.bincount(coins @ [1, 2, 4, 8], minlength=16)
    assert chisquare(counts).pvalue > 1e-3


def test_a_permuted_series_holds_the_same_points():
    drawn = permuted(series_of(VALUES), 40, np.random.default_rng(1)).series.values
    assert sorted(drawn[:, 0]) == sorted(VALUES[:, 0])
    some = permuted(series_of(VALUES), 9, np.random.default_rng(1)).series.values
    assert len(set(some[:, 0])) == 9
    assert set(some[:, 0]) < set(VALUES[:, 0])


def test_coins_of_permuted_points_by_a_plain_loop():
    fair = permuted(series_of(VALUES), 40, np.random.default_rng(2))
    values = fair.series.values[:, 0]
    for i in range(0, 40, 2):  # an even number of points is left: the median lies between two
        assert fair.coins[i, 0] == (values[i] > np.median(values[i:]))
    for i in range(1, 39, 2):
        if values[i] != np.median(values[i:]):
            assert fair.coins[i, 0] == (values[i] > np.median(values[i:]))


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_best_forecast_of_permuted_points_by_a_plain_loop(horizon: int):
    fair = permuted(series_of(VALUES), 40, np.random.default_rng(2))
    best = fair.series.best(horizon)
    assert np.isnan(best[:horizon]).all()
    for i in range(horizon, 40):
        assert best[i, 0] == pytest.approx(fair.series.values[i - horizon + 1 :].mean(), rel=1e-12)


def test_coins_of_a_motion_tell_log_returns_above_their_median():
    fair = motion(500, np.random.default_rng(3))
    returns = np.diff(np.log(fair.series.values[:, 0]))
    np.testing.assert_array_equal(fair.coins[1:, 0], returns > 0.0003 - 0.015**2 / 2)


def mean_of_the_past(values: np.ndarray, i: int) -> float:
    return values[:i].mean()


def momentum(values: np.ndarray, i: int) -> float:
    return 2 * values[i - 1] - values[i - 2]


def reversal(values: np.ndarray, i: int) -> float:
    return values[i - 2]


@pytest.mark.parametrize("forecast", [mean_of_the_past, momentum, reversal])
@pytest.mark.parametrize("name", FAIR)
@pytest.mark.parametrize("horizon", [1, 2])
def test_honest_forecasts_are_right_as_often_as_a_coin(name: str, forecast: Callable[..., float], horizon: int):
    """Claims that depend on each other and on the past: their hits are binomial all the same."""
    random, start, count = np.random.default_rng(4), 20, 20
    hits = np.empty((DRAWS // 4, 2), np.int64)
    for draw in range(len(hits)):
        fair = FAIR[name](random)
        values, best = fair.series.values[:, 0], fair.series.best(horizon)
        made = np.array([forecast(values, i - horizon + 1) for i in range(start, start + count)])[:, None]
        right = claims(made, best[start : start + count]) == fair.coins[start : start + count]
        hits[draw] = np.count_nonzero(right, axis=0)
    expected = binom.pmf(np.arange(count + 1), count, 0.5)
    inner = slice(6, 15)  # classes that chi-square needs to be filled; the tails are pooled
    pooled = np.array([*expected[inner], 1 - expected[inner].sum()])
    for kind in hits.T:
        seen = np.bincount(kind, minlength=count + 1)[inner]
        assert chisquare([*seen, len(hits) - seen.sum()], pooled * len(hits)).pvalue > 1e-4


def test_claims_by_a_plain_loop():
    random = np.random.default_rng(6)
    prediction, best = random.normal(size=(2, 30, 1))
    found = claims(prediction, best)
    for column, read in enumerate([(prediction - best)[:, 0], prediction[:, 0]]):
        assert not found[0, column]
        for i in range(3, 30):
            assert found[i, column] == (read[i] > (read[i - 3] + read[i - 2] + read[i - 1]) / 3)


@pytest.mark.parametrize("name", ["permuted", "gbm"])
@pytest.mark.parametrize("weight", [1.0, 0.02])
def test_a_little_knowledge_shows_in_good_and_in_poor_forecasts(name: str, weight: float):
    """What is added to the best forecast, or to a constant, is a share of what nobody can know."""
    fair = {"permuted": shuffled(np.random.default_rng(7).normal(size=(900, 1))), "gbm": lambda r: motion(900, r)}[name]
    drawn = fair(np.random.default_rng(8))
    truth, best = drawn.series.values[1:], drawn.series.best(1)[1:]
    for forecast in (best + weight * (truth - best), 7 + weight * truth):
        hits = np.count_nonzero(claims(forecast, best) == drawn.coins[1:], axis=0)
        assert judged([ChanceRound(hits, len(truth), 1.0, 1.0)]).verdict is CheckVerdict.ALARM


@pytest.mark.parametrize("name", ["permuted", "gbm"])
@pytest.mark.parametrize("model", ["mean", "linear-ar"])
def test_the_false_alarm_rate_of_whole_checks(name: str, model: str, pieces: Callable[..., Pieces]):
    """At 5 %, where a simulation can see it; the canaries themselves request 0.01 %."""
    made = pieces(model=model)
    series = made.series
    made = dataclasses.replace(made, budget=CheckBudget(rounds=2, test_points=30), load=lambda: series)
    checks = 150
    p = [
        CANARIES[name].check(dataclasses.replace(made, cell=dataclasses.replace(made.cell, seed=seed))).statistic
        for seed in range(checks)
    ]
    alarms = np.count_nonzero(np.array(p) <= 0.05)
    assert binom.sf(alarms - 1, checks, 0.05) > 1e-3


def rounds_of(*hits: int, targets: int = 300) -> list[ChanceRound]:
    return [ChanceRound(np.array([each, 0]), targets, 1.0, 1.0) for each in hits]


def test_p_values_are_scipys_times_the_two_kinds_of_claims():
    outcome = judged(rounds_of(170, 160, 155))
    assert outcome.statistic == pytest.approx(2 * binom.sf(484, 900, 0.5))
    assert outcome.false_alarm_rate == ALPHA


def test_it_sings_exactly_where_chance_ends():
    critical = int(binom.isf(ALPHA / 2, 900, 0.5)) + 1
    assert binom.sf(critical - 1, 900, 0.5) <= ALPHA / 2 < binom.sf(critical - 2, 900, 0.5)
    assert judged(rounds_of(critical, 0, 0)).verdict is CheckVerdict.ALARM
    assert judged(rounds_of(critical - 1, 0, 0)).verdict is CheckVerdict.QUIET
    assert binom.sf(critical - 1, 900, 0.6) > 0.98  # as docs/protocol.md says


def test_channels_are_tests_of_one_family():
    one = judged([ChanceRound(np.array([200, 150]), 300, 1.0, 1.0)])
    two = judged([ChanceRound(np.array([200, 150, 150, 150]), 300, 1.0, 1.0)])
    assert two.statistic == pytest.approx(2 * one.statistic)


def test_too_few_targets_are_said_to_be_too_few():
    outcome = judged(rounds_of(14, targets=14))
    assert outcome.verdict is CheckVerdict.DOES_NOT_APPLY
    assert outcome.words == "14 test targets are too few to tell anything from chance"
    assert judged(rounds_of(15, targets=15)).verdict is CheckVerdict.ALARM
