"""One Optuna study: trials are requested in batches and trained together as banks.

A trial's hyperparameters are resolved into a candidate; a finished trial becomes a row of `trials`.

By successive halving all trials of a batch start at once, and at each rung the better half of them goes on: K. Jamieson
& A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016. They are compared after
the same round of training, so nothing depends on the order in which banks are trained, and the trials of one shape
share a bank from the first round on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import Trial, TrialState

from bench.cells import Cell
from bench.models.base import ModelKind
from bench.protocol.windows import TrainingData, shape_of
from bench.store.schema import Status
from bench.training.fit import Fitting, train
from bench.training.members import Fit, Member, group, retried_smaller
from bench.tuning.candidates import Candidate, defaults, resolve, space, winner
from bench.tuning.search import distribution_of, new_study
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
    distributions = {name: distribution_of(choices) for name, choices in space(kind, cell).items()}
    study = new_study(cell, cell.tuning, distributions)
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
    if kind.gradient:
        _report(trials, fits, group([_member(kind, cell, trial) for trial in trials]))
    return fits


def _report(trials: Sequence[Trial], fits: Sequence[Fit], groups: Sequence[Sequence[int]]) -> None:
    """Let the study hear of `fits` in the order in which the banks of `groups` went through their epochs."""
    for positions in groups:
        for epoch in range(max(fits[position].epochs for position in positions)):
            for position in positions:
                fit = fits[position]
                if epoch < fit.epochs and (fit.status is Status.OK or epoch + 1 < fit.epochs):
                    trials[position].report(fit.validation_mses[epoch], epoch + 1)
                    trials[position].should_prune()


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
    groups = group(members)
    if kind.gradient and cell.tuning and cell.tuning.pruner == "halving":
        own = {position for position, trial in enumerate(trials) if trial.number == 0}
        halved = retried_smaller(
            lambda: fit_by_halving(kind, members, data, kept=own, device=device, deadline=deadline), len(members)
        )
        _report(trials, halved, groups)
        return halved
    fits: dict[int, Fit] = {}
    for positions in groups:
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


HALVINGS = 4
"""The first rung is after a 16th of the rounds: with a learning rate that rises first, earlier errors say little."""


def rungs(rounds: int) -> list[int]:
    """The rounds of training after which trials of so many `rounds` are compared, ascending.

    >>> rungs(100), rungs(5)
    ([6, 12, 25, 50], [1, 2])
    """
    return sorted({rounds // 2**power for power in range(1, HALVINGS + 1)} - {0})


def better_half(fits: Sequence[Fit], contenders: Sequence[int]) -> list[int]:
    """Of the numbers of `contenders`, those of the smaller best validation errors so far, of an odd number one more.

    One that has diverged is none of them; of equal ones the first is the better.
    """
    sound = [number for number in contenders if fits[number].status is Status.OK]
    ranked = sorted(sound, key=lambda number: (fits[number].validation_mse, number))
    return ranked[: math.ceil(len(sound) / 2)]


def fit_by_halving(
    kind: ModelKind,
    members: Sequence[Member],
    data: TrainingData,
    *,
    kept: Collection[int],
    device: str,
    deadline: float,
) -> list[Fit]:
    """Train `members`, of a kind with gradients and of any shapes, and prune the worse half of them at each rung.

    One that has spent its budget by a rung, or has stopped early, is still compared, and takes a place. Those
    with the numbers `kept` are compared too, and never pruned.

    Raises
    ------
    OutOfTime
        `deadline` (`work_s()`) passed.
    """
    from bench.training.bank import split_bank  # torch: only where a gradient is needed

    fits: dict[int, Fit] = {}
    banks: list[tuple[Fitting, list[int]]] = []  # with the numbers of its members
    shape = shape_of(data, members[0].training)
    for numbers in group(members):
        left, own = iter(numbers), [members[number] for number in numbers]
        for bank in split_bank(kind, shape, own, data=data, device=device, deadline=deadline):
            fitting, inside = Fitting(bank), list(islice(left, len(bank)))
            banks.append((fitting, inside))
            fits |= dict(zip(inside, fitting.fits, strict=True))
    ordered = [fits[number] for number in range(len(members))]
    rounds = max(member.training.rounds for member in members)
    contenders = list(range(len(members)))
    for rung in rungs(rounds):
        for fitting, _ in banks:
            fitting.until(rung)
        contenders = better_half(ordered, contenders)
        for fitting, inside in banks:
            fitting.prune([k for k in fitting.live if inside[k] not in contenders and inside[k] not in kept])
    for fitting, _ in banks:
        fitting.until(rounds)
    return ordered
