"""The weights of a bank in one buffer, and Adam over them: one pass for all members.

The parameters of a module are views of the buffer. Each member has its own learning rate, weight decay and clipping.

Kingma & Ba, "Adam: a method for stochastic optimization", 2015, with the L2 penalty and the defaults of
`torch.optim.Adam`, after the clipping of `torch.nn.utils.clip_grad_norm_`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

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
    """

    def __init__(self, weights: Stacked, rates: Rates, *, epsilon: float = 1e-8) -> None:
        self.weights = weights
        self.rates = rates
        self.epsilon = epsilon
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
        """Weights, moments and rates as NumPy arrays, made at the first step: each time would cost a small step."""
        return tuple(each.numpy() for each in (self.weights.flat, self.first, self.second, *self.rates))

    def rows(self, members: Tensor) -> Adam:
        """The optimiser of some of the members, over a copy of their weights."""
        rates = Rates(*(rate[members] for rate in self.rates))
        other = Adam(self.weights.rows(members), rates, epsilon=self.epsilon)
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
    rate = _spread(adam, adam.rates.learning_rate) / (1 - BETA1**adam.steps)
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

    weight, first, second, *rates = adam.arrays
    corrections = 1 - BETA1**adam.steps, math.sqrt(1 - BETA2**adam.steps)
    flat = Flat(weight, gradient.numpy(), first, second)
    update(flat, adam.weights.sizes, (rates[0], rates[1], rates[2]), corrections, adam.epsilon)
