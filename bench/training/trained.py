"""One way to train members of any kind: gradient banks and closed forms give the same value back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.data.base import FloatArray
from bench.data.windows import Windows
from bench.models.base import ClosedForm, ModelKind, Shape
from bench.training.members import Fit, Member, Observer, TrainingData, never_stop

CLOSED_FORM_BATCH = 8192


@dataclass(frozen=True)
class Trained:
    """Fitted members of one bank.

    Parameters
    ----------
    fits
        One for each member, in order.
    predict
        ``predict(windows)`` gives ``[K, points, C]`` in scaled units.
    parameter_count
        Fitted numbers in one member.
    teacher_forced
        Whether prediction is fed true past values inside the horizon.
    """

    fits: list[Fit]
    predict: Callable[[Windows], FloatArray]
    parameter_count: int
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
    from bench.training.bank import Bank  # torch: only where a gradient is needed
    from bench.training.fit import fit

    bank = Bank(kind, shape, members, data=data, device=device, deadline=deadline)
    fits = fit(bank, observer=observer)
    return Trained(fits, bank.predict, bank.parameter_count, bank.teacher_forced_prediction)


def _closed_form(kind: ModelKind, shape: Shape, members: Sequence[Member], data: TrainingData) -> Trained:
    models: list[ClosedForm] = [kind.build(member.parameters, shape) for member in members]
    fits = [_fit_closed_form(model, data) for model in models]

    def predict(windows: Windows) -> FloatArray:
        return np.stack([predict_closed_form(model, windows) for model in models])

    return Trained(fits, predict, models[0].parameter_count())


def _fit_closed_form(model: ClosedForm, data: TrainingData) -> Fit:
    started = time.perf_counter()
    model.fit(lambda: _batches(data.train))
    error = np.mean((predict_closed_form(model, data.validation) - data.validation.truth()) ** 2)
    return Fit(validation_mse=float(error), fit_s=time.perf_counter() - started)


def predict_closed_form(model: ClosedForm, windows: Windows) -> FloatArray:
    """``[points, C]`` in scaled units."""
    return windows.assemble(np.concatenate([model.predict(x) for x, _ in _batches(windows)]))


def _batches(windows: Windows) -> Iterator[tuple[FloatArray, FloatArray]]:
    for start in range(0, len(windows), CLOSED_FORM_BATCH):
        which = slice(start, start + CLOSED_FORM_BATCH)
        yield windows.inputs(which), windows.targets(which)
