"""One way to train members of any kind: gradient banks and closed forms give the same value back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.data.base import FloatArray
from bench.data.windows import Windows
from bench.models.base import ClosedForm, ModelKind, Shape
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
        ``predict(windows)`` gives ``[K, points, C]`` in scaled units.
    parameter_count
        Fitted numbers in one member.
    how
        How the members were stepped, for the `bank` column of `runs`.
    teacher_forced
        Whether prediction is fed true past values inside the horizon.
    """

    fits: list[Fit]
    predict: Callable[[Windows], FloatArray]
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
    shape = Shape(data.train.sequence_length, data.train.horizon, data.train.channels)
    if not kind.gradient:
        return _closed_form(kind, shape, members, data)
    from bench.training.bank import split_bank  # torch: only where a gradient is needed
    from bench.training.fit import fit

    banks: list[Bank] = []
    fits: list[Fit] = []
    for bank in split_bank(kind, shape, members, data=data, device=device, deadline=deadline):
        fits += fit(bank, observer=_shifted(observer, len(fits)))
        banks.append(bank)

    def predict(windows: Windows) -> FloatArray:
        return np.concatenate([bank.predict(windows) for bank in banks])

    return Trained(fits, predict, bank.parameter_count, how=bank.how, teacher_forced=bank.teacher_forced_prediction)


def _shifted(observer: Observer, first: int) -> Observer:
    return lambda k, epoch, validation_mse: observer(first + k, epoch, validation_mse)


def _closed_form(kind: ModelKind, shape: Shape, members: Sequence[Member], data: TrainingData) -> Trained:
    models: list[ClosedForm] = [kind.build(member.parameters, shape) for member in members]
    fits = [_fit_closed_form(model, data) for model in models]

    def predict(windows: Windows) -> FloatArray:
        return np.stack([predict_closed_form(model, windows) for model in models])

    return Trained(fits, predict, models[0].parameter_count(), how="closed form")


def _fit_closed_form(model: ClosedForm, data: TrainingData) -> Fit:
    started = time.perf_counter()
    model.fit(lambda: batches(data.train))
    error = np.mean((predict_closed_form(model, data.validation) - data.validation.truth()) ** 2)
    return Fit(validation_mse=float(error), fit_s=time.perf_counter() - started)


def predict_closed_form(model: ClosedForm, windows: Windows) -> FloatArray:
    """``[points, C]`` in scaled units."""
    return windows.assemble(np.concatenate([model.predict(x) for x, _ in batches(windows)]))


def batches(windows: Windows) -> Iterator[tuple[FloatArray, FloatArray]]:
    """One pass over `windows` in order: pairs of inputs ``[B, T, C]`` and targets ``[B, H, C]``."""
    for start in range(0, len(windows), CLOSED_FORM_BATCH):
        which = slice(start, start + CLOSED_FORM_BATCH)
        yield windows.inputs(which), windows.targets(which)
