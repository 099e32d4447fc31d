"""Fit members of any kind: best weights by validation, early stopping and divergence for each member separately.

Gradient banks and closed forms return the same kind of value. The shapes of data and recurrent layers are recorded for
the `shapes` column of `runs`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.array_types import FloatArray
from bench.errors import InputError, OutOfTime
from bench.models.base import ClosedForm, ModelKind, Shape
from bench.models.forecaster import GAPS, ONE_SERIES, FitBudget, Forecaster, forecasts, parameter_count, refuse_peeking
from bench.protocol.examples import Examples, TrainingData, shape_of
from bench.protocol.origins import Refit
from bench.protocol.windows import Scaler, Windows
from bench.spec import Training
from bench.store.schema import ADVICE, Status
from bench.text import plural
from bench.training.bank import Bank
from bench.training.members import STAGES, Fit, Member, Observer, never_stop, real, retried_smaller
from bench.work_clock import work_s


def fit(bank: Bank, *, observer: Observer = never_stop) -> list[Fit]:
    """Train every member of `bank` and leave it with its best weights by validation.

    Where validation does not choose, as in some published systems, the last weights are kept.

    Training goes in rounds, each with a validation at its end: an epoch, or so many steps. A member ends when it has
    spent its budget, has gone `early_stopping` rounds without a better validation error, has diverged, or the
    `observer` says so; the others go on.

    Raises
    ------
    OutOfTime
        The bank's deadline passed.
    """
    fitting = Fitting(bank, observer)
    fitting.until(bank.settings.rounds)
    bank.restore()
    return fitting.fits


class Fitting:
    """The training of `bank`, which may pause after any round, as `fit` describes it.

    `fits` are those of its members so far, and `live` the numbers of those that go on.
    """

    def __init__(self, bank: Bank, observer: Observer = never_stop) -> None:
        self.bank = bank
        self.fits = [Fit() for _ in range(len(bank))]
        self.live = list(range(len(bank)))
        self._observer = observer
        self._rounds = 0

    def until(self, number: int) -> None:
        """Train the live members up to the end of this round, from 1.

        Raises
        ------
        OutOfTime
            The bank's deadline passed.
        """
        while self.live and self._rounds < min(number, self.bank.settings.rounds):
            self._rounds += 1
            self._train_round(self._rounds)
            STAGES.get()("round", self._rounds, self.bank.settings.rounds)

    def prune(self, members: Iterable[int]) -> None:
        """End these live members as poor."""
        for k in members:
            self.live.remove(k)
            self.fits[k].pruned = True

    def _train_round(self, number: int) -> None:
        bank, fits, live = self.bank, self.fits, self.live
        started = work_s()
        losses = bank.train_round(live)
        validation_errors = bank.validate()
        errors = [None] * len(live) if validation_errors is None else validation_errors.tolist()
        share_s = (work_s() - started) / len(live)
        for k, loss, error in zip(live, losses, errors, strict=True):
            fits[k].fit_s += share_s
            fits[k].steps = bank.steps
            _record(fits[k], number, float(loss), error, chooses=bank.validation_chooses)
        if better := [k for k in live if fits[k].best_epoch == number]:
            bank.keep(better)
        self.live = [k for k in live if _goes_on(k, fits[k], bank.settings, self._observer)]


def _record(fit: Fit, number: int, loss: float, error: float | None, *, chooses: bool) -> None:
    fit.epochs = number
    fit.train_losses.append(loss)
    fit.validation_mses.append(math.nan if error is None else error)
    if not all(math.isfinite(value) for value in (loss, error) if value is not None):
        fit.status = Status.DIVERGED
        came = "" if error is None else f", validation error {error:g}"
        fit.reason = f"diverged by step {fit.steps}: training loss {loss:g}{came}; {ADVICE[Status.DIVERGED]}"
    elif not chooses or (error is not None and error < fit.validation_mse):
        fit.validation_mse = math.inf if error is None else error
        fit.best_epoch = number


def _goes_on(k: int, fit: Fit, settings: Training, observer: Observer) -> bool:
    if fit.status is not Status.OK:
        return False
    stop = observer(k, fit.epochs, fit.validation_mses[-1])
    patience = settings.early_stopping
    out_of_patience = patience is not False and fit.epochs - fit.best_epoch >= patience
    done = out_of_patience or fit.epochs == settings.rounds
    fit.pruned = stop and not done  # who has finished is not pruned
    return not (done or stop)


CLOSED_FORM_BATCH = 8192


@dataclass(frozen=True)
class Trained:
    """Fitted members of one group.

    Parameters
    ----------
    fits
        One for each member, in order.
    predict
        ``predict(examples)`` gives ``[K, points, D]`` in scaled units.
    parameter_counts
        Fitted numbers in each member; `None` where that is not known.
    how
        How the members were stepped, for the `bank` column of `runs`.
    predict_s
        Seconds of the predictions that were made while fitting.
    teacher_forced
        Whether prediction is fed true past values inside the horizon.
    examine
        ``examine(examples, predictions)``, of models that are given more than windows, raises `InputError` where the
        first member's ``predictions`` ``[points, D]`` use values after their origin.
    """

    fits: list[Fit]
    predict: Callable[[Examples], FloatArray]
    parameter_counts: Sequence[int | None]
    how: str
    teacher_forced: bool = False
    examine: Callable[[Examples, FloatArray], None] | None = None
    predict_s: float = 0.0


def train(
    kind: ModelKind,
    members: Sequence[Member],
    data: TrainingData,
    *,
    device: str = "cpu",
    deadline: float = math.inf,
    observer: Observer = never_stop,
) -> Trained:
    """Train `members`, which must be of one group, on `data`.

    Raises
    ------
    OutOfTime
        `deadline` (`work_s()`) passed.
    """
    shape = shape_of(data, members[0].training)
    if kind.forecaster:
        return _forecasters(kind, shape, members, data=data, deadline=deadline)
    if not kind.gradient:
        return _closed_form(kind, shape, members, data)
    from bench.training.bank import split_bank  # torch: only where a gradient is needed

    def in_banks() -> Trained:
        banks: list[Bank] = []
        fits: list[Fit] = []
        for bank in split_bank(kind, shape, members, data=data, device=device, deadline=deadline):
            fits += fit(bank, observer=_shifted(observer, len(fits)))
            banks.append(bank)

        def predict(examples: Examples) -> FloatArray:
            return np.concatenate([bank.predict(examples) for bank in banks])

        counts = [bank.parameter_count] * len(fits)
        return Trained(fits, predict, counts, how=bank.how, teacher_forced=bank.teacher_forced_prediction)

    return retried_smaller(in_banks, len(members))


def refitted(
    kind: ModelKind,
    members: Sequence[Member],
    origins: Iterable[Refit],
    scaler: Scaler,
    *,
    device: str = "cpu",
    deadline: float = math.inf,
) -> Trained:
    """Fit `members` anew at each of `origins`, each time from the beginning, and forecast from there.

    Rounds, losses and the validation error are those of the first fit, the seconds those of all of them. `predict`
    gives what was forecast, in the units of `scaler`.

    Raises
    ------
    OutOfTime
        `deadline` (`work_s()`) passed.
    """
    first: Trained | None = None
    fits: list[list[Fit]] = []
    forecast: list[FloatArray] = []
    predict_s = 0.0
    for each in origins:
        if work_s() > deadline:
            raise OutOfTime(f"the cell's time limit passed after {plural(len(fits), 'fit')} of each replicate")
        trained = train(kind, members, each.data, device=device, deadline=deadline)
        started = work_s()
        own, common = (one.of_first(each.test.outputs) for one in (each.scaler, scaler))
        forecast.append(common.transform(own.inverse(trained.predict(each.test))))
        predict_s += work_s() - started
        fits.append([_at_origin(fit, each.origin) for fit in trained.fits])
        first = first or trained
    if first is None:
        raise InputError("expected at least one origin to fit before, got none; give a larger test part")
    joined = [_joined(own) for own in zip(*fits, strict=True)]
    predictions = np.concatenate(forecast, axis=1)  # [K, points, D]
    return replace(first, fits=joined, predict=lambda _test: predictions, examine=None, predict_s=predict_s)


def _at_origin(fit: Fit, origin: int) -> Fit:
    return fit if fit.reason is None else replace(fit, reason=f"before point {origin}: {fit.reason}")


def _joined(fits: Sequence[Fit]) -> Fit:
    """The first of one member's `fits`, with the time of all; it ends as the first of them that is not ok."""
    worst = next((fit for fit in fits if fit.status is not Status.OK), fits[0])
    return replace(fits[0], status=worst.status, reason=worst.reason, fit_s=sum(fit.fit_s for fit in fits))


def _shifted(observer: Observer, first: int) -> Observer:
    return lambda k, number, validation_mse: observer(first + k, number, validation_mse)


def _closed_form(kind: ModelKind, shape: Shape, members: Sequence[Member], data: TrainingData) -> Trained:
    models: list[ClosedForm] = [_built(kind, shape, member) for member in members]
    fits = [_fit_closed_form(model, data) for model in models]

    def predict(examples: Examples) -> FloatArray:
        return np.stack([predict_closed_form(model, examples) for model in models])

    how = str(getattr(models[0], "how", "closed form"))
    return Trained(fits, predict, [model.parameter_count() for model in models], how=how)


def _forecasters(
    kind: ModelKind, shape: Shape, members: Sequence[Member], *, data: TrainingData, deadline: float
) -> Trained:
    models: list[Forecaster] = [kind.build(member.parameters, shape) for member in members]
    fits = [fit_forecaster(model, member, data, deadline) for model, member in zip(models, members, strict=True)]

    def predict(examples: Examples) -> FloatArray:
        return np.stack([predict_forecaster(model, examples) for model in models])

    def examine(examples: Examples, predictions: FloatArray) -> None:
        windows = one_series(examples)
        steps, values = windows.horizon, windows.outputs
        whole = predictions[: len(predictions) // steps * steps].reshape(-1, steps, values)
        refuse_peeking(models[0], windows.history, _origins(windows), steps, whole)

    return Trained(fits, predict, [parameter_count(model) for model in models], how="from history", examine=examine)


def fit_forecaster(model: Forecaster, member: Member, data: TrainingData, deadline: float = math.inf) -> Fit:
    """Fit `model` on the train part and forecast the validation part, if there is one.

    Raises
    ------
    OutOfTime
        `deadline` passed.
    """
    started, settings, train = work_s(), member.training, one_series(data.train)
    validation: FloatArray | None = None
    if data.validation is not None:
        part = one_series(data.validation)
        validation = part.history[_origins(part)[0] : int(part.end) - part.begin].copy()
    budget = FitBudget(settings.epochs, settings.steps, deadline - started)
    history = train.history[: int(train.end) - train.begin].copy()
    model.fit(history, validation, seed=member.integer("initialisation"), budget=budget)
    fit = Fit()
    if data.validation is not None:
        fit.validation_mse = float(np.mean((predict_forecaster(model, data.validation) - data.validation.truth()) ** 2))
    fit.fit_s = work_s() - started
    if work_s() > deadline:
        raise OutOfTime("the cell's time limit passed while fitting")
    return fit


def predict_forecaster(model: Forecaster, examples: Examples) -> FloatArray:
    """``[points, D]`` in scaled units, each origin from the true values before it."""
    windows = one_series(examples)
    return windows.assemble(forecasts(model, windows.history, _origins(windows), windows.horizon))


def _origins(windows: Windows) -> NDArray[np.int64]:
    """Counted from the beginning of the history."""
    return np.asarray(windows.places, np.int64) - windows.begin


def one_series(examples: Examples) -> Windows:
    """`examples` as windows over one series.

    Raises
    ------
    InputError
        They are independent sequences, or gaps lie between them.
    """
    if not isinstance(examples, Windows):
        raise InputError(ONE_SERIES)
    if not isinstance(examples.end, int):
        raise InputError(GAPS)
    return examples


def _built(kind: ModelKind, shape: Shape, member: Member) -> ClosedForm:
    model: Any = kind.build(member.parameters, shape)
    if kind.is_stochastic(member.parameters):
        model.seed(member.integer("initialisation"))
    return cast(ClosedForm, model)


def _fit_closed_form(model: ClosedForm, data: TrainingData) -> Fit:
    started = work_s()
    model.fit(lambda: batches(data.train))
    fit = Fit()
    if data.validation is not None:
        fit.validation_mse = float(
            np.mean((predict_closed_form(model, data.validation) - data.validation.truth()) ** 2)
        )
    fit.fit_s = work_s() - started
    return fit


def predict_closed_form(model: ClosedForm, examples: Examples) -> FloatArray:
    """``[points, D]`` in scaled units."""
    return examples.assemble(real(np.concatenate([model.predict(x) for x, _ in batches(examples)])))


def batches(examples: Examples) -> Iterator[tuple[FloatArray, FloatArray]]:
    """One pass over `examples` in order: pairs of inputs ``[B, T, C]`` and targets ``[B, U, D]``."""
    for start in range(0, len(examples), CLOSED_FORM_BATCH):
        which = slice(start, start + CLOSED_FORM_BATCH)
        yield examples.inputs(which), examples.targets(which)


def shapes(kind: ModelKind, member: Member, data: TrainingData) -> dict[str, list[int]]:
    """Of the train examples, and of what the first recurrent layers give for one full batch of them."""
    examples = data.train
    steps, values = examples.targets(slice(0, 1)).shape[1:]
    of_examples = {
        "train_inputs": [len(examples), examples.sequence_length, examples.channels],
        "train_targets": [len(examples), steps, values],
    }
    return {**of_examples, **_of_layers(kind, member, data)} if kind.gradient else of_examples


def _of_layers(kind: ModelKind, member: Member, data: TrainingData) -> dict[str, list[int]]:
    from bench.kernels.modules import Layers  # torch: only where a gradient is needed
    from bench.training.bank import initialised
    from bench.training.batches import Epochs

    module = initialised(kind, shape_of(data, member.training), member)
    layers = next((part for part in module.modules() if isinstance(part, Layers)), None)
    if layers is None:
        return {}
    batch = Epochs(len(data.train), member.training, data.as_published).size
    output, hidden = layers.shapes(batch, data.train.sequence_length)
    return {"outputs": list(output), "h_n": list(hidden)}
