"""How trials are chosen: a scrambled Sobol sequence over every kind of search range."""

import math
from collections import Counter

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import qmc

from bench.models import MODELS
from bench.models.base import Choice, FloatRange, IntegerRange
from bench.tuning.search import Sobol, distribution_of, placed

SPACE = {
    "hidden_size": CategoricalDistribution((8, 16, 32, 64)),
    "layers": CategoricalDistribution((1, 2)),
    "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
}


def asked(trials, seed=3, space=SPACE):
    """The values of all trials of a study but the first, which is enqueued as the suite's own."""
    study = optuna.create_study(sampler=Sobol(space, trials, seed=seed))
    study.enqueue_trial({"hidden_size": 32, "layers": 1, "learning_rate": 1e-3})
    return [study.ask(space).params for _ in range(trials)]


class TestPlaced:
    @pytest.mark.parametrize(
        ("space", "low", "high"),
        [(FloatRange(0.25, 4.0, log=True), 0.25, 4), (IntegerRange(1, 50, log=True), 0.5, 50.5)],
    )
    def test_on_a_log_scale_half_of_the_axis_lies_below_the_geometric_mean(self, space, low, high):
        """Whole numbers stand for what rounds to them."""
        distribution = distribution_of(space)
        values = [placed(u, distribution) for u in (np.arange(1000) + 0.5) / 1000]
        assert np.mean([value < math.sqrt(low * high) for value in values]) == pytest.approx(0.5, abs=0.03)

    @pytest.mark.parametrize("log", [False, True])
    def test_every_value_lies_within_and_both_ends_occur(self, log):
        values = {placed(u, IntDistribution(1, 9, log=log)) for u in np.linspace(0, 1 - 2**-53, 400)}
        assert values == set(range(1, 10))

    def test_whole_numbers_are_equally_likely(self):
        values = [placed(u, IntDistribution(3, 7)) for u in (np.arange(1000) + 0.5) / 1000]
        assert Counter(values) == dict.fromkeys(range(3, 8), 200)

    def test_choices_may_be_of_any_type(self):
        choices = distribution_of(Choice(("a", None)))
        assert [placed(u, choices) for u in (0.0, 0.49, 0.5)] == ["a", "a", None]


class TestSobol:
    def test_the_first_trial_stays_the_suites_own_and_the_others_are_the_sequence(self):
        trials = asked(9)
        assert trials[0] == {"hidden_size": 32, "layers": 1, "learning_rate": 1e-3}
        points = qmc.Sobol(3, scramble=True, rng=3).random_base2(4)
        rates = [math.log10(trial["learning_rate"]) for trial in trials[1:]]
        assert rates == pytest.approx(-4 + 2 * points[:8, 2])
        assert [trial["layers"] for trial in trials[1:]] == [1 + (u >= 0.5) for u in points[:8, 1]]

    def test_sixteen_trials_have_each_combination_of_choices_in_nearly_equal_numbers(self):
        """A net in base 2: any 16 points have 4 in each quarter of an axis, and 8 in each half."""
        for seed in range(20):
            trials = asked(17, seed)[1:]
            assert Counter(trial["hidden_size"] for trial in trials) == {8: 4, 16: 4, 32: 4, 64: 4}
            assert Counter(trial["layers"] for trial in trials) == {1: 8, 2: 8}
            quarters = Counter(int((math.log10(trial["learning_rate"]) + 4) * 2) for trial in trials)
            assert quarters == dict.fromkeys(range(4), 4)

    def test_other_seeds_give_other_trials_and_the_same_seed_the_same(self):
        assert asked(5, 1) == asked(5, 1) != asked(5, 2)

    def test_a_name_outside_the_space_is_refused(self):
        study = optuna.create_study(sampler=Sobol(SPACE, 3, seed=0))
        with pytest.raises(KeyError, match="dropout"):
            study.ask().suggest_float("dropout", 0, 1)


@pytest.mark.parametrize("kind", [name for name, kind in MODELS.items() if kind.search])
def test_every_space_of_a_model_can_be_sampled(kind):
    space = {name: distribution_of(choices) for name, choices in MODELS[kind].search.items()}
    study = optuna.create_study(sampler=Sobol(space, 20, seed=0))
    for _ in range(20):
        for name, value in study.ask(space).params.items():
            assert space[name]._contains(space[name].to_internal_repr(value))
