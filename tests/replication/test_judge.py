"""Verdicts on synthetic numbers whose place among the replicates is known."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from bench.replication.findings import PublishedOutcome, Scale, Spread
from bench.replication.judge import below_floor, exact, judge, not_stated, prediction
from bench.replication.printed import Printed, accuracy, decimals, errors_on_test, train_losses
from bench.replication.systems import Published

EVEN = Spread.of(np.linspace(0, 1, 41))
LOW, HIGH = stats.t.interval(0.95, 40, 0.5, np.std(EVEN.values, ddof=1) * np.sqrt(1 + 1 / 41))
"""Where one more of such values lies in 95 of 100 cases: from -0.112 to 1.112."""


def printed(value, places=3, high=None):
    return Printed("test RMSE", value, value if high is None else high, places)


@pytest.mark.parametrize("count", [2, 3, 20])
def test_the_interval_is_that_of_one_more_run_on_logarithms(count):
    values = np.exp(np.random.default_rng(0).normal(size=count))
    spread, logs = Spread.of(values, Scale.ERROR), np.log(values)
    ends = stats.t.interval(0.95, count - 1, logs.mean(), logs.std(ddof=1) * np.sqrt(1 + 1 / count))
    assert (spread.low, spread.high) == pytest.approx(tuple(np.exp(ends)))
    assert spread.mean == pytest.approx(values.mean())
    assert spread.count == count


def test_the_interval_of_an_accuracy_never_exceeds_1():
    spread = Spread.of([0.98, 0.99, 0.995], Scale.SHARE)
    logs = np.log([0.02, 0.01, 0.005])
    ends = stats.t.interval(0.95, 2, logs.mean(), logs.std(ddof=1) * np.sqrt(4 / 3))
    assert (spread.low, spread.high) == pytest.approx((1 - np.exp(ends[1]), 1 - np.exp(ends[0])))
    assert spread.high < 1


def test_an_error_of_0_has_no_logarithm_and_one_replicate_no_interval():
    assert Spread.of([0.0, 1.0], Scale.ERROR).scale is Scale.PLAIN
    assert np.isnan([Spread.of([1.0]).low, Spread.of([1.0]).high]).all()


def test_missing_replicates_are_left_out_and_none_is_no_spread():
    assert Spread.of([1.0, np.nan, 3.0]).values == (1.0, 3.0)
    assert Spread.of([np.nan]) is None


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (0.5, PublishedOutcome.REPRODUCED),
        (LOW, PublishedOutcome.REPRODUCED),
        (LOW - 0.0004, PublishedOutcome.REPRODUCED),  # within half of the last decimal of the end
        (LOW - 0.0006, PublishedOutcome.WORSE),  # a smaller loss was printed than any we get
        (HIGH + 0.0004, PublishedOutcome.REPRODUCED),
        (HIGH + 0.0006, PublishedOutcome.BETTER),
        (3.0, PublishedOutcome.NOT_FROM_CODE),  # 8.3 standard deviations
    ],
)
def test_a_loss_is_placed_against_the_interval(value, outcome):
    assert judge(printed(value), EVEN).outcome is outcome


def test_of_an_accuracy_higher_is_better():
    ours = Spread.of(0.99 + 0.0005 * np.linspace(-1, 1, 20), Scale.SHARE)
    verdicts = [
        judge(printed(low, places, high=high), ours, higher_is_better=True).outcome
        for low, high, places in ((0.97, 0.985, 3), (0.992, 0.995, 3), (0.97, 0.99, 2))
    ]
    assert verdicts == [PublishedOutcome.NOT_FROM_CODE, PublishedOutcome.WORSE, PublishedOutcome.REPRODUCED]
    assert judge(printed(0.9885, 4), ours, higher_is_better=True).outcome is PublishedOutcome.BETTER


def test_few_replicates_are_said():
    assert judge(printed(0.5), EVEN).note == ""
    assert judge(printed(0.5), Spread.of([0.4, 0.6])).note == "rests on 2 of the 20 replicates that a verdict requests"
    assert not_stated("test RMSE", Spread.of([1.0] * 20)).note == ""


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (0.990, PublishedOutcome.REPRODUCED),
        (0.980, PublishedOutcome.TOO_FEW),  # in the interval of three replicates alone
        (0.974, PublishedOutcome.TOO_FEW),
        (0.900, PublishedOutcome.BETTER),
    ],
)
def test_three_accuracies_are_too_few_to_tell_where_their_interval_is_wider_than_that_of_twenty(value, outcome):
    ours = Spread.of([0.9880, 0.9900, 0.9920], Scale.SHARE)  # mistakes 0.012, 0.010, 0.008
    logs = np.log([0.012, 0.010, 0.008])
    for count, t in ((3, 4.3027), (20, 2.0930)):
        reach = t * logs.std(ddof=1) * np.sqrt(1 + 1 / count)
        assert (np.log(1 - 0.980) < logs.mean() + reach) is np.bool_(count == 3)
    assert judge(printed(value, 4), ours, higher_is_better=True).outcome is outcome


def test_one_replicate_is_too_few_to_tell():
    assert judge(printed(0.5), Spread.of([0.5])).outcome is PublishedOutcome.TOO_FEW


@pytest.mark.parametrize("count", [2, 3, 20])
def test_a_faithful_number_is_refused_no_more_often_than_stated(count, prediction_interval):
    """5 % and less; the standard error of 1000 trials is 0.7 %."""
    for name in ("log-normal, log-sd 0.3", "log-normal, log-sd 1"):
        law = prediction_interval.LAWS[name]
        assert prediction_interval.refused(law, count, trials=1000, seed=1) < 0.05 + 2 * 0.007


def test_refusals_are_measured_for_each_law_and_for_courses(prediction_interval):
    shares = prediction_interval.refusals(trials=20, counts=(3, 20))
    assert [*shares] == [*prediction_interval.LAWS, "whole course of 10 epochs"]
    assert all(0 <= share <= 0.5 for row in shares.values() for share in row)
    assert shares["whole course of 10 epochs"][0] == 0


def test_without_a_replicate_there_is_no_verdict():
    assert judge(printed(0.5), None).outcome is PublishedOutcome.NOT_RUN
    assert not_stated("test RMSE", None).outcome is PublishedOutcome.NOT_RUN
    assert exact("parameters", "305", None).outcome is PublishedOutcome.NOT_RUN


@given(st.floats(-5, 5), st.lists(st.floats(-3, 3), min_size=1, max_size=40))
def test_better_and_worse_are_mirror_images(value, values):
    ours = Spread.of(values)
    mirrored = Spread.of([-each for each in values])
    swap = {
        PublishedOutcome.BETTER: PublishedOutcome.WORSE,
        PublishedOutcome.WORSE: PublishedOutcome.BETTER,
        **{same: same for same in PublishedOutcome if same not in (PublishedOutcome.BETTER, PublishedOutcome.WORSE)},
    }
    outcome = judge(Printed("", value, value, 3), ours).outcome
    assert judge(Printed("", -value, -value, 3), mirrored).outcome is swap[outcome]


def test_a_count_is_right_or_cannot_be():
    assert exact("parameters", "305", "305").outcome is PublishedOutcome.REPRODUCED
    wrong = exact("parameters", "304", "305", because="16 · (1 + 16 + 1) + 17")
    assert (wrong.outcome, wrong.exact, wrong.note) == (PublishedOutcome.IMPOSSIBLE, "305", "16 · (1 + 16 + 1) + 17")


def test_an_error_far_below_the_noise_floor_cannot_be():
    ours = Spread.of(0.11 + 0.004 * np.linspace(-1, 1, 20), Scale.ERROR)
    assert below_floor(judge(printed(0.05), ours), 0.01, 200).outcome is PublishedOutcome.IMPOSSIBLE
    assert (
        below_floor(judge(printed(0.095), ours), 0.01, 200).outcome is PublishedOutcome.WORSE
    )  # another draw of the noise
    assert below_floor(judge(printed(0.095), ours), 0.0, 200).outcome is PublishedOutcome.WORSE  # nothing lies below 0
    assert below_floor(judge(printed(0.095), ours), None, 200).outcome is PublishedOutcome.WORSE


def test_chance_takes_an_error_below_the_floor_as_often_as_simulated():
    rng = np.random.default_rng(1)
    ratios = rng.chisquare(5, 400_000) / rng.chisquare(5, 400_000)
    rare, common = np.quantile(ratios, [5e-4, 2e-3])
    below, above = (
        below_floor(judge(printed(edge**0.5, 9), EVEN), 1.0, 5, impossible=1e-3).outcome for edge in (rare, common)
    )
    assert below is PublishedOutcome.IMPOSSIBLE
    assert above is not PublishedOutcome.IMPOSSIBLE
    assert (
        below_floor(judge(printed(rare**0.5, 9), EVEN), 1.0, 5).outcome is not PublishedOutcome.IMPOSSIBLE
    )  # one in a million


def test_a_prediction_is_better_where_it_is_nearer_to_its_target():
    ours = Spread.of(0.48 + 0.1 * np.linspace(-1, 1, 20))
    at = Printed("prediction", 0.8714, 0.8714, 4)
    near = prediction(at, ours, printed_target=0.8749, target=0.4801)
    far = prediction(at, ours, printed_target=0.8749, target=0.60)
    assert (near.outcome, far.outcome) == (PublishedOutcome.BETTER, PublishedOutcome.WORSE)
    assert prediction(at, Spread.of(np.full(20, 0.87141)), printed_target=0.8749, target=0.5).outcome == "reproduced"


def test_decimals_are_those_written_and_shared_within_a_course():
    assert [decimals([value]) for value in (0.015, 1.0634, 1e-05, 3.0, 0.04158925637602806)] == [3, 4, 5, 1, 17]
    published = Published(train_loss={10: 0.0342, 20: 0.015}, test_rmse=0.1128, accuracy=(0.97, 0.98))
    losses = train_losses(published)
    assert losses[20].text == "0.0150"
    assert losses[20].tolerance == pytest.approx(5e-5)
    assert errors_on_test(published)["test_rmse"].text == "0.1128"
    assert accuracy(published).text == "0.97–0.98"
    assert accuracy(Published()) is None
