"""The weights of a bank in one buffer, and Adam over them: one pass for all members.

The parameters of a module are views of the buffer. Each member has its own learning rate, weight decay and clipping;
all follow one schedule of the learning rate.

Kingma & Ba, "Adam: a method for stochastic optimization", 2015, with the L2 penalty and the defaults of
`torch.optim.Adam`, after the clipping of `torch.nn.utils.clip_grad_norm_`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from bench.array_types import FloatArray


class Stacked:
    """The parameters of `K` modules of one shape, stacked.

    Parameters
    ----------
    flat
        Every parameter's ``[K, …]``, one after another.
    shapes
        Of one member's parameters.

    Attributes
    ----------
    leaves
        The parameters ``[K, …]``: contiguous views of `flat` that take gradients.
    """

    def __init__(self, flat: Tensor, shapes: Sequence[torch.Size]) -> None:
        self.flat = flat
        self.shapes = tuple(shapes)
        self.sizes = np.array([shape.numel() for shape in self.shapes])
        self.members = flat.numel() // int(self.sizes.sum())
        parts = torch.split(flat, (self.sizes * self.members).tolist())
        self.leaves = [
            part.view(self.members, *shape).requires_grad_() for part, shape in zip(parts, self.shapes, strict=True)
        ]

    @classmethod
    def of(cls, modules: Sequence[nn.Module]) -> Stacked:
        """A copy of the parameters of `modules`."""
        columns = zip(*(list(module.parameters()) for module in modules), strict=True)
        stacked = [torch.stack([one.detach() for one in column]) for column in columns]
        return cls(torch.cat([tensor.reshape(-1) for tensor in stacked]), [tensor.shape[1:] for tensor in stacked])

    def to(self, device: torch.device) -> Stacked:
        """A copy on `device`."""
        return Stacked(self.flat.to(device, copy=True), self.shapes)

    def rows(self, members: Tensor) -> Stacked:
        """A copy of some of the members."""
        return Stacked(torch.cat([leaf.detach()[members].reshape(-1) for leaf in self.leaves]), self.shapes)

    def put(self, members: Tensor, other: Stacked) -> None:
        """Take the weights of `members` from `other`, in its order."""
        for mine, theirs in zip(self.leaves, other.leaves, strict=True):
            mine.detach()[members] = theirs.detach()


BETA1, BETA2 = 0.9, 0.999
CLIP_EPSILON = 1e-6  # torch.nn.utils.clip_grad_norm_


class Rates(NamedTuple):
    """What each member is stepped with, ``[K]`` each; `clip_norm` is infinite where nothing is clipped."""

    learning_rate: Tensor
    weight_decay: Tensor
    clip_norm: Tensor


RISE, FIRST, LAST = 0.3, 1 / 25, 1 / 25e4  # torch.optim.lr_scheduler.OneCycleLR


class Schedule(NamedTuple):
    """The learning rate over the steps of a whole training.

    Parameters
    ----------
    name
        ``cosine`` is torch's `CosineAnnealingLR` to 0, without restarts (Loshchilov & Hutter, "SGDR: stochastic
        gradient descent with warm restarts", 2017, equation 5). ``one-cycle`` is torch's `OneCycleLR` (Smith & Topin,
        "Super-convergence: very fast training of neural networks using large learning rates", 2019) with
        ``cycle_momentum=False``: the momentum stays.
    steps
        Of the whole training.
    """

    name: Literal["constant", "cosine", "one-cycle"] = "constant"
    steps: int = 1

    def factor(self, step: int) -> float:
        """What the learning rate is multiplied by in step number `step`, from 0."""
        if self.name == "cosine":
            return _annealed(1.0, 0.0, step / self.steps)
        if self.name == "one-cycle":
            top, end = RISE * self.steps - 1, self.steps - 1
            if step <= top:
                return _annealed(FIRST, 1.0, step / top)
            return _annealed(1.0, LAST, (step - top) / (end - top))
        return 1.0

    def of_torch(self, optimiser: Optimizer) -> LRScheduler | None:
        """The same by torch, for an optimiser of its own; `None` where the rate is constant."""
        if self.name == "cosine":
            return CosineAnnealingLR(optimiser, self.steps)
        if self.name == "one-cycle":
            return OneCycleLR(optimiser, optimiser.defaults["lr"], total_steps=self.steps, cycle_momentum=False)
        return None


CONSTANT = Schedule()


def _annealed(start: float, end: float, share: float) -> float:
    """From `start` to `end` as half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


class Adam:
    """The optimiser of a bank.

    Parameters
    ----------
    weights
        Of K members, updated in place.
    rates
        Of the K members, in the weights' dtype and on their device.
    epsilon
        What is added to the root of the corrected second moment, for all members.
    schedule
        Of the learning rates, for all members.
    """

    def __init__(self, weights: Stacked, rates: Rates, *, epsilon: float = 1e-8, schedule: Schedule = CONSTANT) -> None:
        self.weights = weights
        self.rates = rates
        self.epsilon = epsilon
        self.schedule = schedule
        self.steps = 0
        self.first = torch.zeros_like(weights.flat)
        self.second = torch.zeros_like(weights.flat)

    def step(self, gradients: Tensor) -> None:
        """Update the weights by `gradients`, laid out as their buffer."""
        self.steps += 1
        update = _update_compiled if gradients.device.type == "cpu" else _update
        update(self, gradients)

    @cached_property
    def arrays(self) -> tuple[FloatArray, ...]:
        """Weights, moments, decay and norm in NumPy, from the first step on: each time would cost a small step."""
        return tuple(each.numpy() for each in (self.weights.flat, self.first, self.second, *self.rates[1:]))

    @property
    def learning_rate(self) -> Tensor:
        """Of each member in the last step, ``[K]``."""
        return self.rates.learning_rate * self.schedule.factor(self.steps - 1)

    def rows(self, members: Tensor) -> Adam:
        """The optimiser of some of the members, over a copy of their weights."""
        rates = Rates(*(rate[members] for rate in self.rates))
        other = Adam(self.weights.rows(members), rates, epsilon=self.epsilon, schedule=self.schedule)
        other.steps = self.steps
        shapes = self.weights.shapes
        other.first = Stacked(self.first, shapes).rows(members).flat
        other.second = Stacked(self.second, shapes).rows(members).flat
        return other


def _update(adam: Adam, gradient: Tensor) -> None:
    """The plain form, for any device."""
    gradient = gradient * _spread(adam, _scale(adam, gradient))
    gradient += adam.weights.flat * _spread(adam, adam.rates.weight_decay)
    adam.first.lerp_(gradient, 1 - BETA1)
    adam.second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    rate = _spread(adam, adam.learning_rate) / (1 - BETA1**adam.steps)
    root = adam.second.sqrt() / math.sqrt(1 - BETA2**adam.steps)
    adam.weights.flat.sub_(rate * adam.first / (root + adam.epsilon))


def _scale(adam: Adam, gradient: Tensor) -> Tensor:
    """What clipping multiplies the gradient of each member by, ``[K]``."""
    parts = torch.split(gradient, (adam.weights.sizes * adam.weights.members).tolist())
    squares = torch.stack([part.view(adam.weights.members, -1).square().sum(1) for part in parts]).sum(0)
    return (adam.rates.clip_norm / (squares.sqrt() + CLIP_EPSILON)).clamp_(max=1.0)


def _spread(adam: Adam, by_member: Tensor) -> Tensor:
    """``[K]`` as one number for each weight."""
    return torch.cat([by_member.repeat_interleave(int(size)) for size in adam.weights.sizes])


def _update_compiled(adam: Adam, gradient: Tensor) -> None:
    """One pass over memory instead of a dozen, and nothing allocated."""
    from bench.training.adam_compiled import Flat, update

    weight, first, second, weight_decay, clip_norm = adam.arrays
    corrections = 1 - BETA1**adam.steps, math.sqrt(1 - BETA2**adam.steps)
    flat = Flat(weight, gradient.numpy(), first, second)
    update(flat, adam.weights.sizes, (adam.learning_rate.numpy(), weight_decay, clip_norm), corrections, adam.epsilon)
