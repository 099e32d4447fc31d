"""Verdicts on synthetic numbers whose place among the replicates is known."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench.replication.findings import Printed, PublishedOutcome, Spread
from bench.replication.judge import below_floor, exact, judge, not_stated, prediction
from bench.replication.printed import accuracy, decimals, errors_on_test, train_losses
from bench.replication.systems import Published

EVEN = Spread.of(np.linspace(0, 1, 41))  # its central 95 % is [0.025, 0.975]


def printed(value, places=3, high=None):
    return Printed("test RMSE", value, value if high is None else high, places)


def test_the_central_interval_is_that_of_numpy_percentiles():
    values = np.random.default_rng(0).normal(size=37)
    spread = Spread.of(values)
    assert (spread.low, spread.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))
    assert spread.mean == pytest.approx(values.mean())
    assert spread.count == 37


def test_missing_replicates_are_left_out_and_none_is_no_spread():
    assert Spread.of([1.0, np.nan, 3.0]).values == (1.0, 3.0)
    assert Spread.of([np.nan]) is None


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (0.5, PublishedOutcome.REPRODUCED),
        (0.0250, PublishedOutcome.REPRODUCED),
        (0.0246, PublishedOutcome.REPRODUCED),  # within half of the last decimal of the end
        (0.024, PublishedOutcome.WORSE),  # a smaller loss was printed than any we get
        (0.9754, PublishedOutcome.REPRODUCED),
        (0.976, PublishedOutcome.BETTER),
    ],
)
def test_a_loss_is_placed_against_the_central_interval(value, outcome):
    assert judge(printed(value), EVEN).outcome is outcome


def test_of_an_accuracy_higher_is_better():
    ours = Spread.of([0.99, 0.991, 0.992])
    assert judge(printed(0.97, 2, high=0.98), ours, higher_is_better=True, least=3).outcome is PublishedOutcome.BETTER
    assert judge(printed(0.995, 3), ours, higher_is_better=True, least=3).outcome is PublishedOutcome.WORSE
    assert (
        judge(printed(0.97, 2, high=0.99), ours, higher_is_better=True, least=3).outcome is PublishedOutcome.REPRODUCED
    )


def test_few_replicates_are_said():
    assert judge(printed(0.5), EVEN).note == ""
    assert judge(printed(0.5), Spread.of([0.4, 0.6])).note == "rests on 2 of the 20 replicates that a verdict requests"
    assert not_stated("test RMSE", Spread.of([1.0] * 20)).note == ""


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
        PublishedOutcome.REPRODUCED: PublishedOutcome.REPRODUCED,
    }
    outcome = judge(Printed("", value, value, 3), ours).outcome
    assert judge(Printed("", -value, -value, 3), mirrored).outcome is swap[outcome]


def test_a_count_is_right_or_cannot_be():
    assert exact("parameters", "305", "305").outcome is PublishedOutcome.REPRODUCED
    wrong = exact("parameters", "304", "305", because="16 · (1 + 16 + 1) + 17")
    assert (wrong.outcome, wrong.exact, wrong.note) == (PublishedOutcome.IMPOSSIBLE, "305", "16 · (1 + 16 + 1) + 17")


def test_an_error_far_below_the_noise_floor_cannot_be():
    ours = Spread.of(np.full(20, 0.11))
    assert below_floor(judge(printed(0.05), ours), 0.01, 200).outcome is PublishedOutcome.IMPOSSIBLE
    assert (
        below_floor(judge(printed(0.095), ours), 0.01, 200).outcome is PublishedOutcome.WORSE
    )  # another draw of the noise
    assert below_floor(judge(printed(0.05), ours), 0.0, 200).outcome is PublishedOutcome.WORSE  # nothing lies below 0
    assert below_floor(judge(printed(0.05), ours), None, 200).outcome is PublishedOutcome.WORSE


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
    ours = Spread.of(np.full(20, 0.48))
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
