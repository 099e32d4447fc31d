"""Faults as a change of the code could bring them, planted in this process: a gate that is any good catches each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from bench.array_types import FloatArray
from bench.cells import Cell
from bench.data import DATASETS
from bench.data.base import Series
from bench.models import MODELS
from bench.models.base import Shape
from bench.models.parameters import RecurrentParameters, RNNParameters
from bench.models.recurrent import Recurrent
from bench.protocol import prepare
from bench.protocol.windows import Parts, Scaler, Windows, train_windows
from bench.running import cell as runner
from bench.training.batches import TensorWindows


@dataclass(frozen=True)
class Fault:
    """One fault.

    Parameters
    ----------
    summary
        What is wrong, for the table.
    plant
        Puts it into this process, for good.
    alter
        What it makes of a cell.
    """

    summary: str
    plant: Callable[[], None] = lambda: None
    alter: Callable[[Cell], Cell] = lambda cell: cell


def _faster(cell: Cell) -> Cell:
    training = cell.training.model_copy(update={"learning_rate": 3 * cell.training.learning_rate})
    return dataclasses.replace(cell, training=training)


class Forgetful(Recurrent):
    """Its state is dropped before every step, so that the last input is all it knows."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[..., -1:, :].contiguous())

    def losses_and_gradients(self, x: Tensor, targets: Tensor, loss: str, weights: Tensor) -> Any:
        return super().losses_and_gradients(x[..., -1:, :].contiguous(), targets, loss, weights)


class BrokenBackward(Recurrent):
    """The kernels forget the gradient to the recurrent weights."""

    def losses_and_gradients(self, x: Tensor, targets: Tensor, loss: str, weights: Tensor) -> Any:
        losses, gradients = super().losses_and_gradients(x, targets, loss, weights)
        first, recurrent, *_ = (weight.numel() for weight in self.parameters())
        gradients[first : first + recurrent] = 0
        return losses, gradients


def build_forgetful(parameters: RecurrentParameters, shape: Shape) -> Recurrent:
    return _built(Forgetful, parameters, shape)


def build_broken_backward(parameters: RecurrentParameters, shape: Shape) -> Recurrent:
    return _built(BrokenBackward, parameters, shape)


def _built(model: type[Recurrent], parameters: RecurrentParameters, shape: Shape) -> Recurrent:
    if isinstance(parameters, RNNParameters):
        return model("rnn", parameters, shape, nonlinearity=parameters.nonlinearity)
    return model("gru", parameters, shape)


def _replace_models(builder: str) -> Callable[[], None]:
    def plant() -> None:
        for name in ("rnn", "gru"):
            MODELS[name] = dataclasses.replace(MODELS[name], builder=f"{__name__}:{builder}")

    return plant


def _move_windows(by: int) -> Callable[[], None]:
    """Inputs begin and end `by` points later than they should; targets stay."""

    def plant() -> None:
        inputs, initialise = Windows.inputs, TensorWindows.__init__

        def moved(self: Windows, which: Any) -> Any:
            return inputs(dataclasses.replace(self, values=np.roll(self.values, -by, axis=0)), which)

        def initialise_moved(self: TensorWindows, windows: Windows, series: Tensor, *rest: Any) -> None:
            initialise(self, windows, series, *rest)
            self._inputs = self._inputs.roll(-by, dims=0)

        Windows.inputs = moved
        TensorWindows.__init__ = initialise_moved

    return plant


def _leak_the_scale() -> None:
    of_series = prepare._of_series

    def leaking(cell: Cell, series: Series, scaler: Scaler | None) -> prepare.Prepared:
        return of_series(cell, series, scaler or Scaler.fit(cell.training.scaler, series.values))

    prepare._of_series = leaking


def _train_on_the_test() -> None:
    def leaking(values: FloatArray, cut: Parts, sequence_length: int, horizon: int) -> Windows:
        return train_windows(values, Parts(cut.n, cut.n, cut.n), sequence_length, horizon)

    prepare.train_windows = leaking


def _pull_to_the_truth() -> None:
    honest = runner.prepare

    def leaking(cell: Cell, source: Any, **options: Any) -> prepare.Prepared:
        prepared = honest(cell, source, **options)
        truth = prepared.compared(False).truth
        return dataclasses.replace(prepared, inverse=lambda scaled: (prepared.inverse(scaled) + truth) / 2)

    runner.prepare = leaking


def _smooth_the_file() -> None:
    load = DATASETS["file"].load

    def smoothed(parameters: Any, seed: int) -> Series:
        series = load(parameters, seed)
        padded = np.pad(series.values, ((1, 1), (0, 0)), mode="edge")
        return dataclasses.replace(series, values=(padded[:-2] + padded[1:-1] + padded[2:]) / 3)

    DATASETS["file"] = dataclasses.replace(DATASETS["file"], load=smoothed)


FAULTS: Mapping[str, Fault] = {
    "learning-rate": Fault("learning rate × 3", alter=_faster),
    "state-dropped": Fault("RNN and GRU drop their hidden state before every step", _replace_models("build_forgetful")),
    "window-late": Fault("windows end one point late: the target is among the inputs", _move_windows(1)),
    "window-early": Fault("windows end one point early: the last value is not seen", _move_windows(-1)),
    "scaler": Fault("the scaler is fitted on the whole series, its test part too", _leak_the_scale),
    "test-windows": Fault("models are trained on the test part too", _train_on_the_test),
    "pulled": Fault("predictions are pulled halfway to the truth, after the model", _pull_to_the_truth),
    "smoothed": Fault("what reads a file smooths it, with the next value too", _smooth_the_file),
    "backward": Fault(
        "the kernels' backward pass loses the gradient to the recurrent weights of RNN and GRU",
        _replace_models("build_broken_backward"),
    ),
}
