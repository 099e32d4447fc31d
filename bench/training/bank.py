"""A bank: K members of one architecture and one shape, trained together, as many as fit in memory at once."""

import functools
import logging
import math
from collections.abc import Iterator, Sequence

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from bench.array_types import FloatArray
from bench.cgroups import memory_left
from bench.errors import DataError, InputError, OutOfTime
from bench.models.base import ModelKind, Shape
from bench.protocol.examples import Examples, TrainingData
from bench.protocol.windows import Windows
from bench.spec import Training
from bench.training.adam import CONSTANT, Schedule
from bench.training.batches import Batches, Epochs, OnDevice, Tensors, in_order, targets_ahead
from bench.training.members import AT_ONCE, BANKS, NOT_REAL, Member
from bench.training.steppers import Fused, Looped, Stepper, carries_state, kept_bytes, loss_of, member_losses
from bench.training.vmapped import arguments, forces_prediction, why_not
from bench.work_clock import work_s

SHARE = 0.25  # of the free memory: other processes train next to this one, and estimates are estimates
ROWS = 4  # of the batch that is measured
COPIES = 6  # of a member's weights: themselves, gradient twice, two moments, best


def members_at_once(module: nn.Module, shape: Shape, batch_size: int, device: torch.device) -> int:
    """The most members of this architecture that may be stepped as one, at least 1, in batches of `batch_size`.

    What a step keeps for its backward pass is measured on a few rows, whatever the module does, and grows with the
    batch.
    """
    weights = COPIES * sum(weight.nbytes for weight in module.parameters())
    needed = weights + batch_size * _kept_bytes(module, shape) / ROWS
    return max(1, math.floor(SHARE * _free_bytes(device) / needed))


def _kept_bytes(module: nn.Module, shape: Shape) -> int:
    """Bytes that autograd keeps for `ROWS` windows."""
    x = torch.zeros(ROWS, shape.sequence_length, shape.channels)
    y = torch.zeros(ROWS, *shape.targets)

    def call() -> None:
        output = module(*arguments(module, x, y, forced=True))
        member_losses("mse", output[None], y[None]).sum()

    return kept_bytes(call)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available, left = int(psutil.virtual_memory().available), memory_left()
    return available if left is None else min(available, left)


log = logging.getLogger(__name__)


class Bank:
    """K members over one set of data.

    Parameters
    ----------
    kind, shape
        The architecture, and the shape of its data.
    members
        At least one; all of one group (`bench.training.members.group`).
    data
        The train and validation examples.
    device
        A torch device.
    deadline
        `work_s()` after which a step raises `OutOfTime`.
    """

    def __init__(
        self,
        kind: ModelKind,
        shape: Shape,
        members: Sequence[Member],
        *,
        data: TrainingData,
        device: str = "cpu",
        deadline: float = math.inf,
    ) -> None:
        self.members = tuple(members)
        self.settings = members[0].training
        self.deadline = deadline
        self._shape, self._device = shape, torch.device(device)
        modules = [initialised(kind, shape, member) for member in members]
        self._data = OnDevice(data.train, device)
        self._train = self._data.tensors(data.train, targets_ahead(shape, data.as_published))
        self._validation = None if data.validation is None else self._data.tensors(data.validation)
        self.validation_chooses = data.as_published.validation == "chooses"
        orders = [member.generator("order") for member in members]
        self._batches = Batches(_epochs(data, self.settings, modules[0]), orders)
        per_epoch = self._batches.per_epoch
        self.steps, self.round_steps = 0, self.settings.round_steps or per_epoch
        self.budget = self.settings.steps or self.settings.rounds * per_epoch
        self.parameter_count = sum(weight.numel() for weight in modules[0].parameters() if weight.requires_grad)
        self.teacher_forced_prediction = forces_prediction(modules[0])
        schedule = Schedule(self.settings.schedule, self.budget)
        self.stepper = _stepper(modules, shape, members, device=self._device, schedule=schedule)

    @property
    def how(self) -> str:
        """How the members are stepped."""
        return self.stepper.how

    def __len__(self) -> int:
        return len(self.members)

    def train_round(self, live: Sequence[int]) -> FloatArray:
        """One round of the `live` members, of no more steps than are left: mean training loss of each, ``[L]``.

        Raises
        ------
        OutOfTime
            The deadline passed.
        """
        self.stepper.select(live)
        total = torch.zeros(len(live), dtype=torch.float64, device=self._device)
        seen = 0
        for _ in range(min(self.round_steps, self.budget - self.steps)):
            if work_s() > self.deadline:
                raise OutOfTime("the cell's time limit passed while training")
            if self._batches.begin_an_epoch:
                self.stepper.reset_state()
            which = self._batches.take(live)  # [L, B]
            total += self.stepper.step(*self._train.batch(which)) * which.shape[1]
            seen += which.shape[1]
            self.steps += 1
        return np.asarray((total / seen).cpu())

    def validate(self) -> FloatArray | None:
        """Mean squared error over all validation targets of each live member, scaled units, ``[L]``.

        Of classes, of their probabilities (Brier, "Verification of forecasts expressed in terms of probability", 1950,
        divided by the number of classes). `None` where there is no validation part.
        """
        if self._validation is None:
            return None
        error = self._predict(self._validation) - self._validation.examples.truth()
        return np.asarray(np.mean(error**2, axis=(1, 2)))

    def keep(self, members: Sequence[int]) -> None:
        """Remember the present weights of `members`, which are live, as their best."""
        self.stepper.keep(members)

    def restore(self) -> None:
        """Make all members live, each with its best weights."""
        self.stepper.restore()

    def predict(self, examples: Examples) -> FloatArray:
        """``[L, points, D]`` of the live members, scaled units; `examples` may lie over other data than the bank's."""
        data = self._data if self._data.holds(examples) else OnDevice(examples, str(self._device))
        return self._predict(data.tensors(examples))

    def _predict(self, tensors: Tensors) -> FloatArray:
        batches = in_order(tensors, len(self.members))
        outputs = [self._answer(self.stepper.predict(x, y)) for x, y in batches]  # [L, B, U, D] each
        joined = torch.cat(outputs, dim=1)
        if joined.is_complex():
            raise InputError(NOT_REAL.format(joined.dtype))
        return np.stack([tensors.examples.assemble(member) for member in joined.double().cpu().numpy()])

    def _answer(self, output: Tensor) -> Tensor:
        """The part of the model's output that is the prediction: probabilities, or the forecast alone."""
        if self._shape.task == "classify":
            return output.softmax(-1)
        if self._shape.task == "forecast" and self._shape.every_step:
            return output[..., -self._shape.horizon :, :]
        return output


def _epochs(data: TrainingData, settings: Training, module: nn.Module) -> Epochs:
    """The epochs over the train part.

    Raises
    ------
    DataError
        State is to be carried from window to window, and there are gaps between them.
    """
    stride = data.train.sequence_length if carries_state(module) else None
    if stride and isinstance(data.train, Windows) and not isinstance(data.train.places, range):
        raise DataError(
            "expected a train part without gaps in time, since carries_state hands the state from window to window, "
            "got one with gaps or of several series; set carries_state: false, or across_gaps: true, or fit: local"
        )
    return Epochs(len(data.train), settings, data.as_published, stride)


def split_bank(
    kind: ModelKind,
    shape: Shape,
    members: Sequence[Member],
    *,
    data: TrainingData,
    device: str = "cpu",
    deadline: float = math.inf,
) -> Iterator[Bank]:
    """One bank of all `members`, or as many, one after another, as memory requests; parameters as of `Bank`."""
    module, settings = initialised(kind, shape, members[0]), members[0].training
    batch_size = _epochs(data, settings, module).size
    size = int(min(members_at_once(module, shape, batch_size, torch.device(device)), AT_ONCE.get()))
    for first in range(0, len(members), size):
        BANKS.get()(len(members[first : first + size]))
        yield Bank(kind, shape, members[first : first + size], data=data, device=device, deadline=deadline)


def initialised(kind: ModelKind, shape: Shape, member: Member) -> nn.Module:
    """A module with the initial weights of `member`.

    Raises
    ------
    TypeError
        The kind builds something else.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(member.integer("initialisation"))
        module = kind.build(member.parameters, shape)
    if not isinstance(module, nn.Module):
        raise TypeError(f"{kind.builder} must build a torch.nn.Module, got {type(module).__name__}")
    return module


def _stepper(
    modules: Sequence[nn.Module],
    shape: Shape,
    members: Sequence[Member],
    *,
    device: torch.device,
    schedule: Schedule = CONSTANT,
) -> Stepper:
    loss = loss_of(shape, members[0].training)
    reason = why_not(modules[0], shape)
    if reason is None:
        return Fused(modules, members, device, loss=loss, schedule=schedule)
    _say_once(type(modules[0]).__name__, reason)
    return Looped(modules, members, device, loss=loss, schedule=schedule)


@functools.cache
def _say_once(module: str, reason: str) -> None:
    """Every fit of a study would say the same."""
    log.warning("%s is trained member by member: %s", module, reason)
