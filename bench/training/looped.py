"""A bank: K members of one architecture and one shape, trained together by one interface.

The members are stepped one after another inside each epoch; `fit` sees only the bank, so stepping them as one
changes nothing above this file.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bench.data.base import FloatArray
from bench.data.windows import Windows
from bench.errors import OutOfTime
from bench.models.base import ModelKind, Shape
from bench.training.batches import TensorWindows, epoch_order
from bench.training.members import Member, TrainingData

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
LOSSES: dict[str, Loss] = {"mse": functional.mse_loss, "mae": functional.l1_loss, "huber": functional.huber_loss}


class Bank:
    """K members with their weights, optimisers and random streams.

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
        self._series = torch.from_numpy(data.train.values.astype(np.float32)).to(device)
        self._data = TensorWindows(data.train, self._series)
        self._validation = TensorWindows(data.validation, self._series)
        self._modules = [_initialised(kind, shape, member).to(device) for member in members]
        self._optimisers = [_adam(module, member) for module, member in zip(self._modules, members, strict=True)]
        self._orders = [member.generator("order") for member in members]
        self._dropout = [_stream_state(member.integer("dropout"), device) for member in members]
        self._best = [deepcopy(module.state_dict()) for module in self._modules]

    def __len__(self) -> int:
        return len(self.members)

    @property
    def parameter_count(self) -> int:
        """Trainable numbers in one member."""
        return sum(p.numel() for p in self._modules[0].parameters() if p.requires_grad)

    @property
    def teacher_forced_prediction(self) -> bool:
        """Whether prediction is fed true past values inside the horizon."""
        return bool(getattr(self._modules[0], "teacher_forced_prediction", False))

    def train_epoch(self, live: Sequence[int]) -> FloatArray:
        """One pass of the `live` members over their train windows: mean training loss of each, ``[len(live)]``."""
        return np.array([self._train_member(k) for k in live])

    def validate(self, live: Sequence[int]) -> FloatArray:
        """Mean squared error over all validation targets of each `live` member, scaled units, ``[len(live)]``."""
        truth = self._validation.windows.truth()
        return np.array([np.mean((self._predict_member(k, self._validation) - truth) ** 2) for k in live])

    def keep(self, k: int) -> None:
        """Remember the present weights of member `k` as its best."""
        self._best[k] = deepcopy(self._modules[k].state_dict())

    def restore(self) -> None:
        """Give every member its best weights back."""
        for module, best in zip(self._modules, self._best, strict=True):
            module.load_state_dict(best)

    def predict(self, windows: Windows) -> FloatArray:
        """``[K, points, C]`` in scaled units; `windows` must lie over the series that the bank was given."""
        tensors = TensorWindows(windows, self._series)
        return np.stack([self._predict_member(k, tensors) for k in range(len(self))])

    def _train_member(self, k: int) -> float:
        module, optimiser = self._modules[k].train(), self._optimisers[k]
        loss_function = LOSSES[self.settings.loss]
        clip = self.members[k].training.clip_norm
        order = epoch_order(self._orders[k], len(self._data.windows), self.settings.windows_per_epoch)
        total = 0.0
        with self._drawing_from(k):
            for start in range(0, len(order), self.settings.batch_size):
                if time.monotonic() > self.deadline:
                    raise OutOfTime("the cell's time limit passed while training")
                which = order[start : start + self.settings.batch_size]
                x, y = self._data.batch(which)
                optimiser.zero_grad(set_to_none=True)
                loss = loss_function(_call(module, x, y, forced=True), y)
                value = loss.item()
                if not math.isfinite(value):
                    return value
                loss.backward()
                if clip is not None:
                    nn.utils.clip_grad_norm_(module.parameters(), clip)
                optimiser.step()
                total += value * len(which)
        return total / len(order)

    def _predict_member(self, k: int, tensors: TensorWindows) -> FloatArray:
        module = self._modules[k].eval()
        with torch.inference_mode():
            outputs = [_call(module, x, y, forced=self.teacher_forced_prediction) for x, y in tensors.in_order()]
        return tensors.windows.assemble(torch.cat(outputs).double().cpu().numpy())

    @contextmanager
    def _drawing_from(self, k: int) -> Iterator[None]:
        """Let torch's global generator stand for member `k`'s dropout stream."""
        device = self._series.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            _set_rng(self._dropout[k], device)
            yield
            self._dropout[k] = _get_rng(device)


def _initialised(kind: ModelKind, shape: Shape, member: Member) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(member.integer("initialisation"))
        module = kind.build(member.parameters, shape)
    if not isinstance(module, nn.Module):
        raise TypeError(f"{kind.builder} must build a torch.nn.Module, got {type(module).__name__}")
    return module


def _adam(module: nn.Module, member: Member) -> torch.optim.Optimizer:
    settings = member.training
    return torch.optim.Adam(
        module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )


def _call(module: nn.Module, x: torch.Tensor, y: torch.Tensor, *, forced: bool) -> torch.Tensor:
    takes_targets = forced and getattr(module, "takes_targets", False)
    output: Any = module(x, y) if takes_targets else module(x)
    if output.shape != y.shape:
        raise ValueError(f"{type(module).__name__} returned {tuple(output.shape)}; expected [B, H, C] {tuple(y.shape)}")
    return output


def _stream_state(seed: int, device: str) -> torch.Tensor:
    return torch.Generator(device).manual_seed(seed).get_state()


def _set_rng(state: torch.Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


def _get_rng(device: torch.device) -> torch.Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
