"""What is timed: one network with `torch.nn`'s own layers and Adam, or one model in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from bench.data.examples import Examples, Selection
from bench.data.windows import Windows
from bench.models.base import ClosedForm, ModelKind, Shape
from bench.models.deployed import with_torch_layers
from bench.probe.clock import Call
from bench.probe.workload import PREDICT_BATCH, Workload
from bench.seeds import generator
from bench.suite.spec import Training
from bench.training.stepper import arguments, forces_prediction, loss_of, member_losses
from bench.training.trained import batches, predict_closed_form


class Subject(Protocol):
    """A model that can be timed.

    Attributes
    ----------
    implementation
        What it is made of, for the reader of its times.
    """

    implementation: str

    def parameter_count(self) -> int:
        """Fitted numbers; known once it has been exercised."""

    def exercise(self) -> None:
        """Train a little, so that everything that training holds in memory is held."""

    def calls(self) -> Mapping[str, Call]:
        """Quantity → what to time for it; under `windows_per_s`, the prediction of `PREDICT_BATCH` windows."""


def subject(kind: ModelKind, workload: Workload, device: str) -> Subject:
    """The model of `workload`, ready to be timed on `device`."""
    parameters = kind.parameters.model_validate_json(workload.parameters)
    if not kind.gradient:
        return Fitted(kind.build(parameters, workload.shape), workload)
    return Network(with_torch_layers(kind.build(parameters, workload.shape)), workload, device)


class Network:
    """A module, its training step and its predictions, in float32 on random windows."""

    def __init__(self, module: nn.Module, workload: Workload, device: str) -> None:
        self.module = module.to(device)
        self.implementation = _named(module)
        self._loss = loss_of(workload.shape, Training())
        self.adam = torch.optim.Adam(self.module.parameters(), fused=True)
        self._train = random_windows(workload.shape, (workload.rows,), device)
        self._one = random_windows(workload.shape, (1,), device)
        self._many = random_windows(workload.shape, (PREDICT_BATCH,), device)

    def parameter_count(self) -> int:
        """Weights that are trained."""
        return sum(weight.numel() for weight in self.module.parameters() if weight.requires_grad)

    def exercise(self) -> None:
        """Adam's moments are made in the first step, and every buffer is there in the second."""
        for _ in range(2):
            self.step()

    def calls(self) -> Mapping[str, Call]:
        """One training step, and predictions."""
        return {
            "step_s": self.step,
            "latency_s": self._predicting(*self._one),
            "windows_per_s": self._predicting(*self._many),
        }

    def step(self) -> None:
        """Forward pass, mean squared error or cross-entropy, backward pass, Adam."""
        x, y = self._train
        self.module.train()
        self.adam.zero_grad(set_to_none=True)
        output = self.module(*arguments(self.module, x, y, forced=True))
        member_losses(self._loss, output[None], y[None]).sum().backward()
        self.adam.step()

    def _predicting(self, x: Tensor, y: Tensor) -> Call:
        given = arguments(self.module, x, y, forced=forces_prediction(self.module))

        @torch.inference_mode()
        def predict() -> Tensor:
            output: Tensor = self.module.eval()(*given)
            return output

        return predict


class Fitted:
    """A closed form, fitted on as many random windows as the cell has; in float64."""

    def __init__(self, model: ClosedForm, workload: Workload) -> None:
        self.model = model
        self.implementation = _address(model)
        self._train = _examples(workload.shape, workload.train_windows)
        self._one = _examples(workload.shape, 1)
        self._many = _examples(workload.shape, PREDICT_BATCH)

    def parameter_count(self) -> int:
        """Fitted numbers."""
        return self.model.parameter_count()

    def exercise(self) -> None:
        """Fit it once."""
        self.model.fit(lambda: batches(self._train))

    def calls(self) -> Mapping[str, Call]:
        """The whole fit, and predictions."""
        return {
            "fit_s": self.exercise,
            "latency_s": self._predicting(self._one),
            "windows_per_s": self._predicting(self._many),
        }

    def _predicting(self, examples: Examples) -> Call:
        return lambda: predict_closed_form(self.model, examples)


def _named(module: nn.Module) -> str:
    """The recurrent layers of torch that `module` holds, else its own class."""
    layers = {f"torch.nn.{type(part).__name__}" for part in module.modules() if isinstance(part, nn.RNNBase)}
    return ", ".join(sorted(layers)) or _address(module)


def _address(model: object) -> str:
    return f"{type(model).__module__}.{type(model).__qualname__}"


def random_windows(shape: Shape, leading: tuple[int, ...], device: str) -> tuple[Tensor, Tensor]:
    """Inputs ``[…, T, C]`` and targets ``[…, U, D]``, float32: times do not depend on what is learnt."""
    draws = generator(0, "probe")
    sizes = [(*leading, shape.sequence_length, shape.channels), (*leading, *shape.targets)]
    x, y = (torch.from_numpy(draws.normal(size=size).astype(np.float32)).to(device) for size in sizes)
    return x, y


def _examples(shape: Shape, count: int) -> Examples:
    """So many windows over a random series, each beginning one point after the last, or so many sequences."""
    if shape.task != "forecast" or shape.targets[1] != shape.channels:
        x, y = random_windows(shape, (count,), "cpu")
        return Selection(x.numpy(), y.numpy(), range(count), shape.task)
    points = shape.sequence_length + count + shape.horizon - 1
    values = generator(0, "probe").normal(size=(points, shape.channels))
    places = range(shape.sequence_length, shape.sequence_length + count)
    return Windows(values, places, points, shape.sequence_length, shape.horizon)
