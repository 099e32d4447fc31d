"""Layers on top of each other or in two directions, a linear map of their last states and a loss, without autograd.

What `bench.kernels.last_state` does for one layer and direction. Here layers below the top keep their steps, and so do
both directions of a top layer that has two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.kernels.call import Inputs, Options, check
from bench.kernels.last_state import LOSSES, check_head
from bench.kernels.linear import map_losses
from bench.kernels.modules import Layers
from bench.kernels.native import run_training
from bench.kernels.walk import Walk
from bench.registry import lookup

Gradients = tuple[Tensor, ...]
Head = tuple[Tensor, Tensor]


def losses_and_gradients(
    layers: Layers, x: Tensor, target: Tensor, head: Head, *, loss: str
) -> tuple[Tensor, Gradients]:
    """The loss of each member ``[K]``, and its gradients to the weights of the layers and of the head, in their order.

    For what the compiled kernels take. Nothing is recorded for autograd. Members do not meet.

    Parameters
    ----------
    layers
        Stacked, with biases and `last_only`; they start from zeros.
    x
        Inputs ``[K, B, T, C]``; ``[1, B, T, C]`` is shared by all members.
    target
        What the map should give, ``[K, B, O]`` or ``[1, B, O]``.
    head
        Weights ``[K, O, directions · H]`` and biases ``[K, O]`` of the linear map.
    loss
        As of `bench.kernels.last_state.losses_and_gradients`.

    Raises
    ------
    InputError
        A shape, dtype or device does not fit: the argument, what was expected and what came.
    """
    lookup(LOSSES, loss, "loss")
    first = Inputs(x, None, None, *layers.weights(0, reverse=False))
    check(layers.cell, first)
    check_head(first, target, head, width=layers.directions * layers.hidden_size)
    with torch.no_grad():
        return (_one_way if layers.directions == 1 else _two_ways)(layers, x, target, head, loss)


def _one_way(layers: Layers, x: Tensor, target: Tensor, head: Head, loss: str) -> tuple[Tensor, Gradients]:
    """The top layer goes forward and back in one pass."""
    top = layers.options.num_layers - 1
    below = Walk(layers, x, count=top)
    options = Options(layers.cell, reverse=False, all_steps=False, keep=False)
    inputs = Inputs(below.output, None, None, *layers.weights(top, reverse=False))
    losses, d_x, *gradients = run_training(options, inputs, (*head, target), loss, wants_x=top > 0)
    return losses, (*below.back(d_x).weights, *gradients)


def _two_ways(layers: Layers, x: Tensor, target: Tensor, head: Head, loss: str) -> tuple[Tensor, Gradients]:
    """The map needs the last states of both directions before either can go back."""
    walk = Walk(layers, x)
    losses, d_output, d_head = map_losses(walk.output, target, head, loss)
    return losses, (*walk.back(d_output).weights, *d_head)
