"""Measure one workload in this process, which should be fresh and do nothing else.

The workload is one network with `torch.nn`'s own layers and Adam, or one model in closed form; the speed of the bank
that a run trains is measured separately. Seconds of one call come from blocks of calls that are long enough for the
clock.

This module runs in the worker process. torch is imported here, so that the recorded environment is that of this process
and torch's memory is not counted as the model's.
"""

import functools
import gc
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from bench.models import model_kinds
from bench.models.base import ClosedForm, ModelKind, Parameters, Shape
from bench.models.forecaster import Forecaster, parameter_count
from bench.models.torch_layers import with_torch_layers
from bench.probe.flops import FORMULAS
from bench.probe.workload import PREDICT_BATCH, Answer, Facts, Question, Sample, Workload
from bench.protocol.examples import Examples, Selection, TrainingData
from bench.protocol.windows import Windows
from bench.registry import lookup
from bench.running.rows import Blocked, classified
from bench.seeds import generator
from bench.spec import Training
from bench.store.environment import environment, machine_reference_s, peak_bytes, reset_peak
from bench.training.bank import members_at_once
from bench.training.fit import batches, fit_forecaster, one_series, predict_closed_form, predict_forecaster
from bench.training.members import Member
from bench.training.steppers import Fused, loss_of, member_losses
from bench.training.vmapped import arguments, forces_prediction, why_not

Call = Callable[[], Any]

BLOCK_S = 0.05
"""A block is about this long, so that the clock and the loop around the calls weigh nothing."""
WARM_S = 0.1
WARM_CALLS = 3


def synchroniser(device: str) -> Callable[[], None]:
    """What waits until everything that `device` has to do is done; a CPU is done when the call returns."""
    if torch.device(device).type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None


class CallTimer:
    """Times one call on one device; making it warms the call up and finds how many make a block."""

    def __init__(self, call: Call, synchronise: Callable[[], None]) -> None:
        self._call = call
        self._synchronise = synchronise
        self._block(WARM_CALLS)  # the first calls choose algorithms, compile and allocate
        began, calls = time.perf_counter(), 0
        while calls < WARM_CALLS or time.perf_counter() - began < WARM_S:
            self._block(1)
            calls += 1
        self.calls = max(1, round(BLOCK_S * calls / (time.perf_counter() - began)))

    def sample(self) -> float:
        """Mean seconds of one call over one block; one call before it brings back what others took from the caches."""
        self._block(1)
        return self._block(self.calls) / self.calls

    def _block(self, calls: int) -> float:
        call, enabled = self._call, gc.isenabled()
        gc.disable()
        try:
            self._synchronise()
            began = time.perf_counter()
            for _ in range(calls):
                call()
            self._synchronise()
            return time.perf_counter() - began
        finally:
            if enabled:
                gc.enable()


class TimedSubject(Protocol):
    """A model that can be timed.

    Attributes
    ----------
    implementation
        What it is made of, for the reader of its times.
    """

    implementation: str

    def parameter_count(self) -> int | None:
        """Fitted numbers; known once it has been exercised."""

    def exercise(self) -> None:
        """Train a little, so that everything that training holds in memory is held."""

    def calls(self) -> Mapping[str, Call]:
        """Quantity → what to time for it; under `windows_per_s`, the prediction of `PREDICT_BATCH` windows."""


def subject(kind: ModelKind, workload: Workload, device: str) -> TimedSubject:
    """The model of `workload`, ready to be timed on `device`."""
    parameters = kind.parameters.model_validate_json(workload.parameters)
    if kind.forecaster:
        return FittedForecaster(kind.build(parameters, workload.shape), workload)
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

    def parameter_count(self) -> int | None:
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


class FittedForecaster:
    """A forecaster, fitted on a random series as long as the cell's train part; one forecast reads all of it."""

    def __init__(self, model: Forecaster, workload: Workload) -> None:
        self.model = model
        self.implementation = _address(model)
        self._train = one_series(_examples(workload.shape, max(workload.train_windows, PREDICT_BATCH)))
        budget = {"epochs": workload.epochs} if workload.steps is None else {"steps": workload.steps}
        self._member = Member(Parameters(), Training.model_validate(budget), 0, ("replicate", 0))

    def parameter_count(self) -> int | None:
        """Fitted numbers, where it says how many."""
        return parameter_count(self.model)

    def exercise(self) -> None:
        """Fit it once."""
        fit_forecaster(self.model, self._member, TrainingData(self._train, None))

    def calls(self) -> Mapping[str, Call]:
        """The whole fit, and forecasts from the last origins."""
        return {
            "fit_s": self.exercise,
            "latency_s": self._predicting(1),
            "windows_per_s": self._predicting(PREDICT_BATCH),
        }

    def _predicting(self, origins: int) -> Call:
        last = replace(self._train, places=self._train.places[-origins:])
        return lambda: predict_forecaster(self.model, last)


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
    if shape.task != "forecast" or shape.targets[1] != shape.own:
        x, y = random_windows(shape, (count,), "cpu")
        return Selection(x.numpy(), y.numpy(), range(count), shape.task)
    points = shape.sequence_length + count + shape.horizon - 1
    values = generator(0, "probe").normal(size=(points, shape.channels))
    places = range(shape.sequence_length, shape.sequence_length + count)
    return Windows(values, places, points, shape.sequence_length, shape.horizon, shape.covariates)


class BankStep(NamedTuple):
    """One training step of all members of a bank.

    Parameters
    ----------
    call
        The step.
    members
        How many there are: those of the workload, or as many as memory holds.
    how
        How they are stepped.
    """

    call: Call
    members: int
    how: str


def bank_step(kind: ModelKind, workload: Workload, device: str) -> BankStep | None:
    """The step of a bank of this workload's model; `None` where its members are trained one by one."""
    parameters = kind.parameters.model_validate_json(workload.parameters)
    training = Training(clip_norm=None, batch_size=workload.rows)
    shape, place = workload.shape, torch.device(device)
    first = kind.build(parameters, shape)
    if why_not(first, shape) is not None:
        return None
    count = min(workload.members, members_at_once(first, shape, workload.rows, place))
    modules = [first, *(kind.build(parameters, shape) for _ in range(count - 1))]
    members = [Member(parameters, training, 0, ("replicate", k)) for k in range(count)]
    bank = Fused(modules, members, place, loss=loss_of(shape, training))
    x, y = random_windows(shape, (count, workload.rows), device)
    return BankStep(lambda: bank.step(x, y), count, f"bank of {count}, {bank.how}")


class Prober:
    """Everything about one workload that can be measured.

    Parameters
    ----------
    workload
        What to measure.
    device
        A torch device.
    """

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        kind = lookup(model_kinds(), workload.kind, "model")
        before = _settled_bytes(device)
        model = subject(kind, workload, device)
        model.exercise()
        memory = _peak_bytes(device) - before  # before anything else is built or predicted
        synchronise = synchroniser(device)
        self._timers = {name: CallTimer(call, synchronise) for name, call in model.calls().items()}
        self._bank = bank_step(kind, workload, device) if kind.gradient else None
        if self._bank:
            self._timers["bank_step_s"] = CallTimer(self._bank.call, synchronise)
        count = model.parameter_count()
        known = {} if count is None else {"parameters": count}
        values = {"peak_memory_bytes": memory, **known, **_flops(kind, workload)}
        how = self._bank.how if self._bank else ""
        self.facts = Facts(model.implementation, how, values, environment(device))

    def sample(self) -> Sample:
        """One round: every quantity once."""
        values = {name: timer.sample() for name, timer in self._timers.items()}
        values["windows_per_s"] = PREDICT_BATCH / values["windows_per_s"]
        if self._bank:
            values["bank_step_s"] /= self._bank.members
        return {**values, **derived(self.workload, values), "machine_reference_s": machine_reference_s(repeats=3)}


def derived(workload: Workload, sample: Sample) -> Sample:
    """Seconds of an epoch and of a fit by gradient descent, from those of a step and of predictions.

    An epoch is a whole step for every batch of train windows, the last one too, and one prediction of the validation
    windows; gathering the batches is left out. A fit is all its epochs, or all its steps and validations.
    """
    if "step_s" not in sample:
        return {}
    steps = math.ceil(workload.train_windows / workload.batch_size)
    validation_s = workload.validation_windows / sample["windows_per_s"]
    fit_steps = workload.epochs * steps if workload.steps is None else workload.steps
    return {
        "epoch_s": steps * sample["step_s"] + validation_s,
        "fit_s": fit_steps * sample["step_s"] + workload.epochs * validation_s,
    }


def _flops(kind: ModelKind, workload: Workload) -> Mapping[str, float]:
    formula = FORMULAS.get(workload.kind)
    if formula is None:  # of another distribution
        return {}
    counts = formula(kind.parameters.model_validate_json(workload.parameters), workload.shape)
    step = {} if counts.step is None else {"step_flops": counts.step * workload.rows}
    return {"forward_flops": counts.forward, **step}


def _settled_bytes(device: str) -> int:
    """Memory in use once torch has loaded what it loads with the first training step of any model."""
    layer = nn.Linear(1, 1).to(device)
    adam = torch.optim.Adam(layer.parameters(), fused=True)
    layer(torch.ones(1, 1, device=device)).sum().backward()
    adam.step()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    else:
        reset_peak()
    return _peak_bytes(device)


def _peak_bytes(device: str) -> int:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    return peak_bytes()


def answer(question: Question, *, device: str) -> Answer:
    """The answer; the first one builds the model and warms it up."""
    try:
        prober = _prober(question.workload, device)
        return prober.facts if question.what == "facts" else prober.sample()
    except Exception as error:  # a failure is a value; the other models go on
        return Blocked(*classified(error))


@functools.cache
def _prober(workload: Workload, device: str) -> Prober:
    return Prober(workload, device)
