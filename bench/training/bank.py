"""A bank: K members of one architecture and one shape, trained together by one interface."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from bench.data.base import FloatArray
from bench.data.windows import Windows
from bench.errors import OutOfTime
from bench.models.base import ModelKind, Shape
from bench.training.batches import TensorWindows, epoch_order
from bench.training.capacity import members_at_once
from bench.training.fused import Fused, why_not
from bench.training.looped import Looped
from bench.training.members import Member, TrainingData
from bench.training.stepper import Stepper, forces_prediction

log = logging.getLogger(__name__)


class Bank:
    """K members over one series.

    Parameters
    ----------
    kind, shape
        The architecture, and the shape of its data.
    members
        At least one; all of one group (`bench.training.members.group`).
    data
        The train and validation windows.
    device
        A torch device.
    deadline
        `time.monotonic()` after which a step raises `OutOfTime`.
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
        self._device = torch.device(device)
        self._values = data.train.values
        self._series = self._tensor(self._values)
        self._train = TensorWindows(data.train, self._series)
        self._validation = TensorWindows(data.validation, self._series)
        self._orders = [member.generator("order") for member in members]
        modules = [initialised(kind, shape, member) for member in members]
        self.parameter_count = sum(weight.numel() for weight in modules[0].parameters() if weight.requires_grad)
        self.teacher_forced_prediction = forces_prediction(modules[0])
        self.stepper = _stepper(modules, shape, members, device=self._device)

    @property
    def how(self) -> str:
        """How the members are stepped."""
        return self.stepper.how

    def __len__(self) -> int:
        return len(self.members)

    def train_epoch(self, live: Sequence[int]) -> FloatArray:
        """One pass of the `live` members over their train windows: mean training loss of each, ``[L]``.

        Raises
        ------
        OutOfTime
            The deadline passed.
        """
        self.stepper.select(live)
        count, limit = len(self._train.windows), self.settings.windows_per_epoch
        order = np.stack([epoch_order(self._orders[k], count, limit) for k in live])  # [L, windows]
        total = torch.zeros(len(live), dtype=torch.float64, device=self._series.device)
        for start in range(0, order.shape[1], self.settings.batch_size):
            if time.monotonic() > self.deadline:
                raise OutOfTime("the cell's time limit passed while training")
            which = order[:, start : start + self.settings.batch_size]  # [L, B]
            total += self.stepper.step(*self._train.batch(which)) * which.shape[1]
        return np.asarray((total / order.shape[1]).cpu())

    def validate(self) -> FloatArray:
        """Mean squared error over all validation targets of each live member, scaled units, ``[L]``."""
        error = self._predict(self._validation) - self._validation.windows.truth()
        return np.asarray(np.mean(error**2, axis=(1, 2)))

    def keep(self, members: Sequence[int]) -> None:
        """Remember the present weights of `members`, which are live, as their best."""
        self.stepper.keep(members)

    def restore(self) -> None:
        """Make all members live, each with its best weights."""
        self.stepper.restore()

    def predict(self, windows: Windows) -> FloatArray:
        """``[L, points, C]`` of the live members, scaled units; `windows` may lie over another series."""
        own = windows.values is self._values
        return self._predict(TensorWindows(windows, self._series if own else self._tensor(windows.values)))

    def _tensor(self, values: FloatArray) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self._device)

    def _predict(self, tensors: TensorWindows) -> FloatArray:
        outputs = [self.stepper.predict(x, y) for x, y in tensors.in_order()]  # [L, B, H, C] each
        joined = torch.cat(outputs, dim=1).double().cpu().numpy()
        return np.stack([tensors.windows.assemble(member) for member in joined])


def split_bank(
    kind: ModelKind,
    shape: Shape,
    members: Sequence[Member],
    *,
    data: TrainingData,
    device: str = "cpu",
    deadline: float = math.inf,
) -> Iterator[Bank]:
    """One bank of all `members`, or as many, one after another, as memory asks for; parameters as of `Bank`."""
    size = members_at_once(initialised(kind, shape, members[0]), shape, members[0].training, torch.device(device))
    for first in range(0, len(members), size):
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


def _stepper(modules: Sequence[nn.Module], shape: Shape, members: Sequence[Member], *, device: torch.device) -> Stepper:
    reason = why_not(modules[0], shape)
    if reason is None:
        return Fused(modules, members, device)
    _say_once(type(modules[0]).__name__, reason)
    return Looped(modules, members, device)


@functools.cache
def _say_once(module: str, reason: str) -> None:
    """Every fit of a study would say the same."""
    log.warning("%s is trained member by member: %s", module, reason)
