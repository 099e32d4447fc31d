"""The verdict on a whole course of the training loss, against simulation."""

import numpy as np
import pytest

from bench.replication.findings import PublishedOutcome
from bench.replication.judge import follow
from bench.replication.printed import Printed

EPOCHS = (10, 20, 30, 40, 50)
MIDDLE = np.array([0.5, 0.2, 0.1, 0.05, 0.02])


def courses(rng, count, spread=0.2):
    """Losses whose logarithms wander together, as those of neighbouring epochs do."""
    shared = rng.normal(size=(count, 1))
    return MIDDLE * np.exp(spread * (0.7 * shared + 0.7 * rng.normal(size=(count, len(EPOCHS)))))


def verdict(printed, ours, places=9):
    losses = {epoch: ours[:, place] for place, epoch in enumerate(EPOCHS)}
    numbers = {epoch: Printed("", value, value, places) for epoch, value in zip(EPOCHS, printed, strict=True)}
    return follow(numbers, losses)


@pytest.mark.parametrize(("count", "refused"), [(19, 1 / 20), (20, 1 / 21), (10, 0.0)])
def test_a_course_like_the_others_is_refused_as_often_as_its_place_in_the_order_has_it(count, refused):
    rng = np.random.default_rng(0)
    outcomes = [verdict(courses(rng, 1)[0], courses(rng, count)).outcome for _ in range(300)]
    share = np.mean([outcome in (PublishedOutcome.BETTER, PublishedOutcome.WORSE) for outcome in outcomes])
    assert share <= refused + 2.5 * (refused * (1 - refused) / 300) ** 0.5
    assert (share > 0) == (refused > 0)


def test_a_course_below_is_worse_than_published_and_one_above_better():
    ours = courses(np.random.default_rng(1), 20)
    below, above = verdict(MIDDLE / 2, ours), verdict(MIDDLE * 2, ours)
    assert (below.outcome, above.outcome) == (PublishedOutcome.WORSE, PublishedOutcome.BETTER)
    assert below.deviation > below.limit
    assert {finding.outcome for finding in below.findings} == {PublishedOutcome.WORSE}
    assert below.note == "of 5 printed epochs 5 worse than published"


def test_a_course_a_hundred_times_above_is_not_from_this_code():
    """Ours near 7e-5 where 0.0069 was printed."""
    ours = courses(np.random.default_rng(1), 20, spread=0.27)
    found = verdict(MIDDLE * 100, ours)
    assert found.outcome is PublishedOutcome.NOT_FROM_CODE
    assert {finding.outcome for finding in found.findings} == {PublishedOutcome.NOT_FROM_CODE}


def test_one_epoch_far_outside_refuses_the_course():
    ours = courses(np.random.default_rng(2), 20)
    printed = MIDDLE.copy()
    printed[3] *= 3
    found = verdict(printed, ours)
    assert found.outcome is PublishedOutcome.BETTER
    assert found.note == "of 5 printed epochs 4 reproduced, 1 better than published"


def test_coarse_printing_is_no_deviation():
    ours = courses(np.random.default_rng(3), 20, spread=1e-6)
    assert verdict(np.round(MIDDLE + 0.004, 2), ours, places=2).outcome is PublishedOutcome.REPRODUCED
    assert verdict(MIDDLE + 0.004, ours).outcome is PublishedOutcome.NOT_FROM_CODE


@pytest.mark.parametrize("count", [2, 4, 10, 18])
def test_fewer_than_nineteen_replicates_refuse_no_course(count):
    """The largest of 19 courses has a chance of 1/19, more than 5 %."""
    found = verdict(MIDDLE * 4, courses(np.random.default_rng(4), count))
    assert (found.outcome, found.limit) == (PublishedOutcome.TOO_FEW, None)


def test_an_epoch_that_no_replicate_has_is_not_judged():
    found = follow({10: Printed("", 1.0, 1.0, 1)}, {10: np.array([np.nan])})
    assert found.outcome is PublishedOutcome.NOT_RUN


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_scale_does_not_matter(factor):
    ours = courses(np.random.default_rng(5), 20)
    one = verdict(MIDDLE * 1.3, ours)
    other = verdict(MIDDLE * 1.3 * factor, ours * factor)
    assert other.deviation == pytest.approx(one.deviation, rel=1e-6)
