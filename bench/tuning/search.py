"""How a study chooses its trials, and how poor ones end early.

Sampler and pruner are constructed explicitly, from the cell's own random stream: a study repeats itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from bench import seeds
from bench.cells import Cell
from bench.models.base import Choice, FloatRange, SearchRange
from bench.spec import Tuning


def new_study(cell: Cell, settings: Tuning, space: Mapping[str, BaseDistribution]) -> optuna.Study:
    """A study in memory of `cell`, whose trials vary what is in `space`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Hyperband deals trials to brackets by a hash of the study's name: a fixed name keeps a cell reproducible.
    return optuna.create_study(
        study_name=cell.id,
        direction="minimize",
        sampler=_sampler(cell, settings, space),
        pruner=_pruner(cell, settings),
    )


def _sampler(cell: Cell, settings: Tuning, space: Mapping[str, BaseDistribution]) -> optuna.samplers.BaseSampler:
    seed = seeds.integer(cell.seed, "tuning") % 2**32
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if settings.sampler == "qmc":
        return Sobol(space, settings.trials, seed=seed)
    startup = max(4, min(10, settings.trials // 3))
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)


def _pruner(cell: Cell, settings: Tuning) -> optuna.pruners.BasePruner:
    rounds = settings.trial(cell.training).rounds
    if settings.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=rounds, reduction_factor=3)
    if settings.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, rounds // 10))
    return optuna.pruners.NopPruner()  # also where trials are halved: Optuna compares one at a time


class Sobol(optuna.samplers.BaseSampler):
    """Trials spread evenly over the whole space, whatever earlier ones gave: a scrambled Sobol sequence.

    A. B. Owen, "Scrambling Sobol' and Niederreiter–Xing points", 1998. Optuna's own draws choices at random, and
    every value of the trials that are requested before one is complete. Each choice is one of equal parts of its axis,
    so the trials of a study are of all combinations of choices in nearly equal numbers.

    Parameters
    ----------
    space
        What trials vary.
    trials
        How many there are, with the first, which is the suite's own.
    seed
        Of the scrambling.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], trials: int, *, seed: int) -> None:
        self._space = dict(space)
        self._points = _sobol(len(self._space), trials, seed)  # [points, names]

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All of the space: a point has a value for each name."""
        del study, trial
        return self._space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The values of the point of this trial."""
        del study
        point = self._points[max(0, trial.number - 1)]
        return {name: placed(float(u), search_space[name]) for name, u in zip(self._space, point, strict=True)}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Refuse a name that is not in the space."""
        del study, trial, param_distribution
        raise KeyError(param_name)


def _sobol(dimensions: int, count: int, seed: int) -> NDArray[Any]:
    """At least `count` points in [0, 1), as many as the sequence is balanced for, ``[points, dimensions]``."""
    from scipy.stats.qmc import Sobol as Sequence  # half a second, which other samplers need not wait for

    points: NDArray[Any] = Sequence(dimensions, scramble=True, rng=seed).random_base2(math.ceil(math.log2(count + 1)))
    return points


def placed(u: float, distribution: BaseDistribution) -> Any:
    """The value at the quantile `u` in [0, 1) of a uniform or log-uniform distribution.

    >>> placed(0.75, CategoricalDistribution((8, 16, 32, 64))), placed(0.5, IntDistribution(1, 2))
    (64, 2)
    """
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(u * len(distribution.choices))]
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise TypeError(f"expected a distribution of choices or numbers, got {type(distribution).__name__}")
    whole = isinstance(distribution, IntDistribution)
    low, high = (distribution.low - 0.5, distribution.high + 0.5) if whole else (distribution.low, distribution.high)
    value = low * (high / low) ** u if distribution.log else low + u * (high - low)
    value = min(max(value, distribution.low), distribution.high)  # what rounding takes over the ends
    return round(value) if whole else value


def distribution_of(choices: SearchRange) -> BaseDistribution:
    """`choices` in Optuna's words."""
    if isinstance(choices, Choice):
        return CategoricalDistribution(choices.options)
    if isinstance(choices, FloatRange):
        return FloatDistribution(choices.low, choices.high, log=choices.log)
    return IntDistribution(choices.low, choices.high, log=choices.log)
