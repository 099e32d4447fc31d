"""One way to train members of any kind: gradient banks and closed forms give the same value back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.data.base import FloatArray
from bench.data.examples import Examples
from bench.models.base import ClosedForm, ModelKind, Shape
from bench.suite.spec import AsPublished, Training
from bench.tasks import Task
from bench.training.members import Fit, Member, Observer, TrainingData, never_stop

if TYPE_CHECKING:
    from bench.training.bank import Bank

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
    parameter_count
        Fitted numbers in one member.
    how
        How the members were stepped, for the `bank` column of `runs`.
    teacher_forced
        Whether prediction is fed true past values inside the horizon.
    """

    fits: list[Fit]
    predict: Callable[[Examples], FloatArray]
    parameter_count: int
    how: str
    teacher_forced: bool = False


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
        `deadline` (`time.monotonic()`) passed.
    """
    shape = shape_of(data, members[0].training)
    if not kind.gradient:
        return _closed_form(kind, shape, members, data)
    from bench.training.bank import split_bank  # torch: only where a gradient is needed
    from bench.training.fit import fit

    banks: list[Bank] = []
    fits: list[Fit] = []
    for bank in split_bank(kind, shape, members, data=data, device=device, deadline=deadline):
        fits += fit(bank, observer=_shifted(observer, len(fits)))
        banks.append(bank)

    def predict(examples: Examples) -> FloatArray:
        return np.concatenate([bank.predict(examples) for bank in banks])

    return Trained(fits, predict, bank.parameter_count, how=bank.how, teacher_forced=bank.teacher_forced_prediction)


def shape_of(data: TrainingData, training: Training) -> Shape:
    """What a model is told about `data`."""
    train = data.train
    return Shape(
        train.sequence_length,
        train.horizon,
        train.channels,
        task=train.task,
        outputs=None if train.outputs == train.channels else train.outputs,
        every_step=_wants_every_step(train.task, training, data.as_published),
        variable=train.variable,
    )


def _wants_every_step(task: Task, training: Training, as_published: AsPublished) -> bool:
    if task == "forecast":
        return training.supervision == "every-step" or as_published.targets == "same-at-every-step"
    return task == "denoise"


def _shifted(observer: Observer, first: int) -> Observer:
    return lambda k, epoch, validation_mse: observer(first + k, epoch, validation_mse)


def _closed_form(kind: ModelKind, shape: Shape, members: Sequence[Member], data: TrainingData) -> Trained:
    models: list[ClosedForm] = [kind.build(member.parameters, shape) for member in members]
    fits = [_fit_closed_form(model, data) for model in models]

    def predict(examples: Examples) -> FloatArray:
        return np.stack([predict_closed_form(model, examples) for model in models])

    return Trained(fits, predict, models[0].parameter_count(), how="closed form")


def _fit_closed_form(model: ClosedForm, data: TrainingData) -> Fit:
    started = time.perf_counter()
    model.fit(lambda: batches(data.train))
    fit = Fit()
    if data.validation is not None:
        fit.validation_mse = float(
            np.mean((predict_closed_form(model, data.validation) - data.validation.truth()) ** 2)
        )
    fit.fit_s = time.perf_counter() - started
    return fit


def predict_closed_form(model: ClosedForm, examples: Examples) -> FloatArray:
    """``[points, D]`` in scaled units."""
    return examples.assemble(np.concatenate([model.predict(x) for x, _ in batches(examples)]))


def batches(examples: Examples) -> Iterator[tuple[FloatArray, FloatArray]]:
    """One pass over `examples` in order: pairs of inputs ``[B, T, C]`` and targets ``[B, U, D]``."""
    for start in range(0, len(examples), CLOSED_FORM_BATCH):
        which = slice(start, start + CLOSED_FORM_BATCH)
        yield examples.inputs(which), examples.targets(which)
