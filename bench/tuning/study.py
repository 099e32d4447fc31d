"""One Optuna study: trials are requested in batches and trained together as banks.

A trial's hyperparameters are resolved into a candidate; a finished trial becomes a row of `trials`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import Trial, TrialState

from bench import seeds
from bench.cells import Cell
from bench.models.base import Choice, FloatRange, ModelKind, SearchRange
from bench.protocol.windows import TrainingData
from bench.spec import Tuning
from bench.store.schema import Status
from bench.training.fit import train
from bench.training.members import Fit, Member, group
from bench.tuning.candidates import Candidate, defaults, resolve, space, winner
from bench.work_clock import work_s


def trial_row(trial: FinishedTrial) -> dict[str, Any]:
    """The columns of `trials` that the trial decides."""
    fit = trial.fit
    distributions = {name: distribution_to_json(value) for name, value in trial.distributions.items()}
    return {
        "trial": trial.number,
        "state": trial.state,
        "validation_mse_scaled": fit.validation_mse if trial.state != "failed" else None,
        "epochs": fit.epochs,
        "parameters": json.dumps(trial.overrides, sort_keys=True),
        "distributions": json.dumps(distributions, sort_keys=True),
        "validation_curve": fit.validation_mses,
        "duration_s": fit.fit_s,
    }


STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class FinishedTrial:
    """One trial: what was tried, and how its training went."""

    number: int
    state: str
    overrides: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    fit: Fit


@dataclass(frozen=True)
class Tuned:
    """What a study found: the best candidate, `None` where every trial diverged."""

    best: Candidate | None
    trials: list[FinishedTrial]
    tuning_s: float


@dataclass(frozen=True)
class StudyLog:
    """What is known of a study while it goes on.

    Parameters
    ----------
    on_batch
        Receives each finished batch.
    earlier
        Rows of `trials` of an attempt that was ended: where the study asks for the very same, they are its answers.
    """

    on_batch: Callable[[Sequence[FinishedTrial]], None] = lambda _trials: None
    earlier: Sequence[Mapping[str, Any]] = ()


def tune(
    kind: ModelKind,
    cell: Cell,
    data: TrainingData,
    *,
    device: str = "cpu",
    deadline: float = math.inf,
    log: StudyLog = StudyLog(),
) -> Tuned:
    """Search the cell's space with its budget of trials; trials see the train and validation parts only.

    The first trial is the cell's own values, so tuning never does worse on validation than not tuning.
    What `log` receives survives an `OutOfTime`.

    Raises
    ------
    OutOfTime
        `deadline` passed.
    """
    if not cell.tuning:
        raise ValueError("this cell is not to be tuned: cell.tuning is None")
    started = work_s()
    study = _study(cell, cell.tuning)
    distributions = {name: _distribution(choices) for name, choices in space(kind, cell).items()}
    study.enqueue_trial(defaults(kind, cell))
    finished: list[FinishedTrial] = []
    known_s = 0.0
    while len(finished) < cell.tuning.trials:
        size = min(cell.tuning.batch, cell.tuning.trials - len(finished))
        trials = [study.ask(distributions) for _ in range(size)]
        fits = _known_fits(kind, cell, trials, log.earlier)
        known_s += sum(fit.fit_s for fit in fits)
        fits = fits or _fit_trials(kind, cell, trials, data=data, device=device, deadline=deadline)
        batch = [_finish(study, trial, fit) for trial, fit in zip(trials, fits, strict=True)]
        log.on_batch(batch)
        finished += batch
    best = winner(kind, cell, map(trial_row, finished))
    return Tuned(best, finished, known_s + work_s() - started)


def _known_fits(
    kind: ModelKind, cell: Cell, trials: Sequence[Trial], earlier: Sequence[Mapping[str, Any]]
) -> list[Fit]:
    """The fits of an earlier attempt at the very same `trials`, reported to the pruner as they were; or none.

    The pruner hears of them epoch by epoch, as from a bank: what it allows later trials depends on that.
    """
    rows = {row["trial"]: row for row in earlier}
    known = [rows.get(trial.number) for trial in trials]
    fits = [
        _known_fit(row)
        for row, trial in zip(known, trials, strict=True)
        if row is not None and json.loads(row["parameters"]) == trial.params
    ]
    if len(fits) < len(trials):
        return []
    for positions in group([_member(kind, cell, trial) for trial in trials]) if kind.gradient else ():
        for epoch in range(max(fits[position].epochs for position in positions)):
            for position in positions:
                fit = fits[position]
                if epoch < fit.epochs and (fit.status is Status.OK or epoch + 1 < fit.epochs):
                    trials[position].report(fit.validation_mses[epoch], epoch + 1)
                    trials[position].should_prune()
    return fits


def _known_fit(row: Mapping[str, Any]) -> Fit:
    failed, error = row["state"] == "failed", row["validation_mse_scaled"]
    return Fit(
        status=Status.DIVERGED if failed else Status.OK,
        epochs=row["epochs"],
        validation_mse=math.inf if error is None else error,
        validation_mses=list(row["validation_curve"]),
        pruned=row["state"] == "pruned",
        fit_s=row["duration_s"],
    )


def _fit_trials(
    kind: ModelKind, cell: Cell, trials: Sequence[Trial], *, data: TrainingData, device: str, deadline: float
) -> list[Fit]:
    members = [_member(kind, cell, trial) for trial in trials]
    fits: dict[int, Fit] = {}
    for positions in group(members):
        bank = [members[position] for position in positions]

        def prune(k: int, number: int, validation_mse: float, positions: list[int] = positions) -> bool:
            trial = trials[positions[k]]
            trial.report(validation_mse, number)
            return trial.should_prune()

        trained = train(kind, bank, data, device=device, deadline=deadline, observer=prune)
        fits |= dict(zip(positions, trained.fits, strict=True))
    return [fits[position] for position in range(len(trials))]


def _member(kind: ModelKind, cell: Cell, trial: Trial) -> Member:
    candidate = resolve(kind, cell, trial.params)
    training = cell.tuning.trial(candidate.training) if cell.tuning else candidate.training
    return Member(candidate.parameters, training, cell.seed, ("trial", trial.number))


def _finish(study: optuna.Study, trial: Trial, fit: Fit) -> FinishedTrial:
    state = _state(fit)
    study.tell(trial, fit.validation_mse if state is TrialState.COMPLETE else None, state)
    return FinishedTrial(trial.number, STATES[state], dict(trial.params), dict(trial.distributions), fit)


def _state(fit: Fit) -> TrialState:
    if fit.status is not Status.OK:
        return TrialState.FAIL
    return TrialState.PRUNED if fit.pruned else TrialState.COMPLETE


def _study(cell: Cell, settings: Tuning) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Hyperband deals trials to brackets by a hash of the study's name: a fixed name keeps a cell reproducible.
    return optuna.create_study(
        study_name=cell.id, direction="minimize", sampler=_sampler(cell, settings), pruner=_pruner(cell, settings)
    )


def _sampler(cell: Cell, settings: Tuning) -> optuna.samplers.BaseSampler:
    seed = seeds.integer(cell.seed, "tuning") % 2**32
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    startup = max(4, min(10, settings.trials // 3))
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)


def _pruner(cell: Cell, settings: Tuning) -> optuna.pruners.BasePruner:
    rounds = settings.trial(cell.training).rounds
    if settings.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=rounds, reduction_factor=3)
    if settings.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, rounds // 10))
    return optuna.pruners.NopPruner()


def _distribution(choices: SearchRange) -> BaseDistribution:
    if isinstance(choices, Choice):
        return CategoricalDistribution(choices.options)
    if isinstance(choices, FloatRange):
        return FloatDistribution(choices.low, choices.high, log=choices.log)
    return IntDistribution(choices.low, choices.high, log=choices.log)
