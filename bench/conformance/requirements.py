"""What is required of a module ``[B, T, C] -> [B, H, D]`` that is to be compared with others, check by check.

Each check takes an `ExaminedModule` and returns what it measured in one line, or raises `CheckFailed` with what is
wrong.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from bench.canary.base import CheckVerdict
from bench.canary.causality import check_causality
from bench.canary.pieces import CheckBudget, Pieces
from bench.cells import Cell
from bench.data import dataset_kinds
from bench.errors import BenchError, described, validation_text
from bench.models import model_kinds
from bench.models.base import ModelKind, Parameters, Shape
from bench.models.own_module import Examined
from bench.protocol.prepare import load_data
from bench.registry import added
from bench.spec import Entry, Split, Training
from bench.training.bank import initialised
from bench.training.members import Member
from bench.training.steppers import Fused, Looped
from bench.training.vmapped import why_not


class CheckFailed(Exception):
    """A module does not do what is required; the text says what."""


@dataclass(frozen=True)
class ExaminedModule:
    """The module that is examined.

    Parameters
    ----------
    name
        What messages call it.
    kind
        What it is a kind of model by.
    given
        Its own parameters, as a suite would state them.
    sequence_length, horizon, channels
        Of the windows that it is tried on; several numbers of channels one after another.
    """

    name: str
    kind: ModelKind
    given: Mapping[str, Any] = field(default_factory=dict)
    sequence_length: int = 12
    horizon: int = 2
    channels: tuple[int, ...] = (1, 2)

    @cached_property
    def parameters(self) -> Parameters:
        """Its parameters, complete.

        Raises
        ------
        CheckFailed
            They are not those that its constructor takes.
        """
        try:
            return self.kind.parameters.model_validate(dict(self.given))
        except ValidationError as error:
            text = validation_text(error)
            raise CheckFailed(f"parameters: {text}; it takes {', '.join(self.kind.parameters.model_fields)}") from error

    @property
    def shapes(self) -> list[Shape]:
        """What it is tried on: the window, one of another length, another horizon, and other numbers of channels."""
        length, horizon, first = self.sequence_length, self.horizon, self.channels[0]
        sizes = [(length, horizon, first), (2 * length, horizon, first), (length, horizon + 1, first)]
        return [Shape(*size) for size in [*sizes, *((length, horizon, other) for other in self.channels[1:])]]

    def member(self, number: int = 0, **training: Any) -> Member:
        """One member of a bank of it."""
        settings = Training(early_stopping=False, batch_size=16, **training)
        return Member(self.parameters, settings, 0, ("replicate", number))

    def made(self, shape: Shape, number: int = 0) -> nn.Module:
        """A fresh module with the initial weights of one member."""
        return initialised(self.unchecked, shape, self.member(number))

    @property
    def unchecked(self) -> ModelKind:
        """The kind without what refuses it in a suite: here each check speaks for itself."""
        return replace(self.kind, refusals=())


def check_shapes(subject: ExaminedModule) -> str:
    """Outputs have the shape that is requested."""
    tried = []
    for shape in subject.shapes:
        size = f"T={shape.sequence_length}, H={shape.horizon}, C={shape.channels}"
        try:
            wrong = Examined.of(subject.made(shape), shape, _inputs(shape)).shape()
        except Exception as error:  # whatever the code of others raises
            wrong = str(error) if isinstance(error, BenchError) else described(error)
        if wrong:
            raise CheckFailed(f"{size}: {wrong}")
        tried.append(size)
    return f"[B, H, D] for {'; '.join(tried)}"


def check_batch(subject: ExaminedModule) -> str:
    """A forecast does not depend on the other windows of its batch, among which are its own targets."""
    shape = subject.shapes[0]
    if wrong := Examined.of(subject.made(shape), shape, _inputs(shape)).batch():
        raise CheckFailed(wrong)
    return "a window gives the same alone as in a batch"


def check_seeds(subject: ExaminedModule) -> str:
    """The same seed gives the same weights and outputs, and another one gives others."""
    shape = subject.shapes[0]
    one, same, other = subject.made(shape), subject.made(shape), subject.made(shape, number=1)
    x = _inputs(shape)
    for name, weight in one.state_dict().items():
        if not weight.equal(same.state_dict()[name]):
            raise CheckFailed(f"{name} differs between two modules of one seed: draw random numbers from torch alone")
    if not torch.allclose(_predicted(one, x), _predicted(same, x), rtol=0, atol=0, equal_nan=True):
        raise CheckFailed("two modules of one seed predict differently: it draws random numbers while it predicts")
    if all(weight.equal(other.state_dict()[name]) for name, weight in one.state_dict().items()):
        return "same seed, same weights; another seed changes nothing: all replicates begin from the same weights"
    return "same seed, same weights; another seed, others"


def check_numbers(subject: ExaminedModule) -> str:
    """Inputs that are constant, small or large as scaled data may be give finite outputs."""
    shape = subject.shapes[0]
    module, x = subject.made(shape), _inputs(shape)
    kinds = {
        "standard normal inputs": x,
        "zeros": 0 * x,
        "ones": 0 * x + 1,
        "inputs of 1e-6": 1e-6 * x,
        "inputs of 30": 30 * x,
    }
    for name, inputs in kinds.items():
        if not _predicted(module, inputs).isfinite().all():
            raise CheckFailed(f"{name} give NaN or infinity; look for a division by a spread, a log or an exp")
    return f"finite outputs of {', '.join(kinds)}"


def check_gradients(subject: ExaminedModule) -> str:
    """Every weight that is to be trained gets a finite gradient, and not all of them 0."""
    shape = subject.shapes[0]
    module, x = subject.made(shape), _inputs(shape)
    weights = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    if not weights:
        raise CheckFailed("it has no weights to train; give it a torch.nn.Parameter, or a layer that has some")
    output = module.train()(x)
    if not output.requires_grad:
        raise CheckFailed("no gradient reaches the outputs; look for detach, no_grad or NumPy in forward")
    (output - torch.ones_like(output)).square().mean().backward()
    idle = [name for name, weight in weights.items() if weight.grad is None]
    if idle:
        raise CheckFailed(f"no gradient reaches {', '.join(idle)}; use them in forward, or remove them")
    broken = [name for name, weight in weights.items() if not _grad(weight).isfinite().all()]
    if broken:
        raise CheckFailed(f"the gradient of {', '.join(broken)} is NaN or infinite")
    still = [name for name, weight in weights.items() if not _grad(weight).any()]
    if len(still) == len(weights):
        raise CheckFailed("every gradient is 0")
    numbers = sum(weight.numel() for weight in weights.values())
    return f"{numbers} weights get gradients" + (f"; those of {', '.join(still)} are 0 at first" if still else "")


BANK, STEPS = 3, 5


def check_bank(subject: ExaminedModule) -> str:
    """A bank trains as its members would one by one."""
    shape = subject.shapes[0]
    members = [subject.member(number, learning_rate=1e-2) for number in range(BANK)]
    modules = [subject.made(shape, number) for number in range(BANK)]
    reason, device = why_not(modules[0], shape), torch.device("cpu")
    if reason is not None:
        return f"members are trained one by one: {reason}"
    together, alone = Fused(deepcopy(modules), members, device), Looped(modules, members, device)
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        x = torch.randn(BANK, 16, shape.sequence_length, shape.channels, generator=generator)
        y = torch.randn(BANK, 16, *shape.targets, generator=generator)
        one, other = together.step(x, y), alone.step(x, y)
        if not torch.allclose(one, other, rtol=1e-3, atol=1e-5):
            raise CheckFailed(f"{together.how} the losses are {one.tolist()}, one by one {other.tolist()}")
    return f"{together.how}: {BANK} members have the losses of {BANK} modules alone over {STEPS} steps"


def check_training(subject: ExaminedModule) -> str:
    """It learns a sine: the loss stays finite, and falls."""
    shape = subject.shapes[0]
    stepper = Looped([subject.made(shape)], [subject.member(learning_rate=1e-2)], torch.device("cpu"))
    steps, channels = shape.sequence_length + shape.horizon, shape.channels
    phases = torch.arange(16.0)[:, None] + torch.arange(float(steps)) / 2  # [B, T + H]
    wave = phases.sin()[..., None].expand(-1, -1, channels)
    x, y = wave[None, :, : shape.sequence_length], wave[None, :, shape.sequence_length :]
    losses = [float(stepper.step(x, y)) for _ in range(60)]
    if not all(map(math.isfinite, losses)):
        raise CheckFailed("its loss becomes NaN or infinite while it learns a sine")
    if not min(losses) < losses[0]:
        raise CheckFailed(f"60 steps on a sine leave its loss at {losses[0]:.3g}: it learns nothing")
    return f"60 steps on a sine: the loss goes from {losses[0]:.3g} to {losses[-1]:.3g}"


def check_leaks(subject: ExaminedModule) -> str:
    """Changing the future moves no forecast and no training: the check `causality` of ``bench canary``."""
    with added({"bench.models": {subject.name: subject.unchecked}}):
        cell, budget = _cell(subject), CheckBudget(epochs=2, windows_per_epoch=64)
        outcome = check_causality(Pieces(cell, lambda: load_data(cell), budget))
    if outcome.verdict is not CheckVerdict.QUIET:
        raise CheckFailed(outcome.words)
    return outcome.words


def _cell(subject: ExaminedModule) -> Cell:
    data = dataset_kinds()["noisy-sine"]
    points = 10 * (subject.sequence_length + subject.horizon) + 100
    return Cell(
        suite="conformance",
        dataset=Entry.of("noisy-sine", "noisy-sine", data.parameters.model_validate({"length": points})),
        model=Entry.of(subject.name, subject.name, subject.parameters),
        sequence_length=subject.sequence_length,
        horizon=subject.horizon,
        seeds=2,
        seed=0,
        split=Split(),
        training=Training(batch_size=16),
        tuning=None,
    )


def check_time(subject: ExaminedModule) -> str:
    """What a step of training and a prediction take, next to an LSTM; nothing is required of them."""
    lstm = model_kinds()["lstm"]
    reference = ExaminedModule("lstm", lstm, {}, subject.sequence_length, subject.horizon, subject.channels)
    own, theirs = _times(subject), _times(reference)
    step, prediction = (
        f"{1e3 * a:.2g} ms ({a / b:.2g} times an LSTM of torch)" for a, b in zip(own, theirs, strict=True)
    )
    return f"a step of training on 16 windows takes {step}; their prediction {prediction}"


def _times(subject: ExaminedModule) -> tuple[float, float]:
    """Median seconds of a step and of a prediction."""
    from bench.models.torch_layers import with_torch_layers

    shape = subject.shapes[0]
    module = with_torch_layers(subject.made(shape))
    stepper = Looped([module], [subject.member()], torch.device("cpu"))
    x, y = _inputs(shape)[None], torch.zeros(1, 16, *shape.targets)
    return _median_s(lambda: stepper.step(x, y)), _median_s(lambda: stepper.predict(x[0], y[0]))


def _median_s(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(9):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:])


def _inputs(shape: Shape) -> Tensor:
    """Standard normal windows ``[B, T, C]``."""
    values = np.random.default_rng(0).standard_normal((16, shape.sequence_length, shape.channels))
    return torch.from_numpy(values.astype(np.float32))


def _predicted(module: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        output: Tensor = module.eval()(x)
    return output


def _grad(weight: Tensor) -> Tensor:
    return torch.zeros(()) if weight.grad is None else weight.grad


CHECKS: Mapping[str, Callable[[ExaminedModule], str]] = {
    "shapes": check_shapes,
    "batch": check_batch,
    "seeds": check_seeds,
    "numbers": check_numbers,
    "gradients": check_gradients,
    "bank": check_bank,
    "training": check_training,
    "causality": check_leaks,
    "time": check_time,
}
"""In the order in which they are run."""


def outcome_of(check: Callable[[ExaminedModule], str], subject: ExaminedModule) -> tuple[bool, str]:
    """Whether the module passes, and what there is to say."""
    try:
        return True, check(subject)
    except (CheckFailed, BenchError) as error:
        return False, str(error)
    except Exception as error:  # whatever the code of others raises
        return False, described(error)
