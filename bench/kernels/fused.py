"""Recurrent layers, a linear map of their last state and a loss, trained without autograd.

With one member of few units, autograd takes longer than the kernels. For one layer and one direction, a single pass
goes forward and back with a few rows of one member at a time, while all that they need is in the cache. Two passes,
with the loss in between, would keep every step of every row, and with many members would wait for memory: at 32 members
of 32 units they take half as long again or more.

With several layers or two directions, the layers below the top keep their steps, and so do both directions of a
bidirectional top layer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bench.errors import InputError
from bench.kernels.dispatch import LOSSES, Inputs, Options, Weights, check, compiled, recurrent
from bench.kernels.modules import Layers, map_losses
from bench.kernels.native import run_backward, run_forward, run_training
from bench.registry import lookup

States = tuple[Tensor, ...]
"""``(h,)``, or ``(h, c)`` of an LSTM: ``[layers · directions, K, B, H]`` each."""


class Back(NamedTuple):
    """Gradients."""

    x: Tensor  # [K, B, T, C], or [K, 0] where it is not wanted
    states: States  # to the initial states, or () where none were given
    weights: tuple[Tensor, ...]  # in the order of the parameters


class _Layer(NamedTuple):
    """One layer in one direction, which keeps its steps."""

    options: Options
    inputs: Inputs
    y: Tensor  # [K, B, T, H], or [K, 0] of a top layer that gives its last state alone
    states: States  # [K, B, H] each
    slots: Tensor


class Walk:
    """Stacked layers walked over their inputs, and what it takes to go back.

    Parameters
    ----------
    layers
        Stacked.
    x
        ``[K, B, T, C]``, or ``[1, B, T, C]`` for all members.
    state
        Initial states; zeros where none are given.
    count
        Layers to walk, from the lowest; all where none is given.

    Attributes
    ----------
    output
        Of the highest layer walked: ``[K, B, T, directions · H]``, or ``[K, B, directions · H]`` where that is the
        top of layers that give their last state alone.
    states
        After the last step walked.
    """

    def __init__(self, layers: Layers, x: Tensor, state: States | None = None, *, count: int | None = None) -> None:
        self.layers = layers
        self._walked: list[list[_Layer]] = []
        self._masks: list[Tensor | None] = []
        self.output = x
        for layer in range(layers.options.num_layers if count is None else count):
            self._up(layer, state)
        last = [way.states for ways in self._walked for way in ways]
        self.states: States = tuple(torch.stack(part) for part in zip(*last, strict=True))

    def _up(self, layer: int, state: States | None) -> None:
        top = layer == self.layers.options.num_layers - 1
        only_last = top and self.layers.options.last_only
        ways = [self._way(layer, state, reverse=reverse, all_steps=not only_last) for reverse in self.layers.ways]
        values = _side_by_side([way.states[0] if only_last else way.y for way in ways])
        mask = None if top else self.layers.dropout_mask(values)
        self._walked.append(ways)
        self._masks.append(mask)
        self.output = values if mask is None else values * mask

    def _way(self, layer: int, state: States | None, *, reverse: bool, all_steps: bool) -> _Layer:
        options = Options(self.layers.cell, reverse, all_steps, keep=True)
        index = layer * self.layers.directions + reverse
        h, c = (*(part[index] for part in state or ()), None, None)[:2]
        inputs = Inputs(self.output, h, c, *self.layers.weights(layer, reverse=reverse))
        y, h, c, slots = run_forward(options, inputs)
        return _Layer(options, inputs, y, (h, c) if self.layers.cell == "lstm" else (h,), slots)

    def back(self, d_output: Tensor | None, d_states: States | None = None, *, wants_x: bool = False) -> Back:
        """The gradients to all that was given, from those to `output` and to `states`; used once."""
        d_x, states, weights = d_output, list[States](), tuple[Tensor, ...]()
        while self._walked:
            ways, mask = self._walked.pop(), self._masks.pop()
            below = [part[len(self._walked) * len(ways) :] for part in d_states or ()]
            if mask is not None and d_x is not None:
                d_x = d_x * mask
            d_x, firsts, own = _down(ways, d_x, below, wants_x=wants_x or bool(self._walked))
            states = firsts + states
            weights = own + weights
        given = tuple(torch.stack(part) for part in zip(*states, strict=True))
        if d_x is None:
            raise ValueError("no layer was walked")
        return Back(d_x, given, weights)


def _down(
    ways: Sequence[_Layer], d_output: Tensor | None, d_states: Sequence[Tensor], *, wants_x: bool
) -> tuple[Tensor, list[States], tuple[Tensor, ...]]:
    """One layer: the gradients to its input, to its initial states, and to its weights."""
    parts = [None] * len(ways) if d_output is None else d_output.chunk(len(ways), dim=-1)
    back = [
        _way_down(way, part, [state[index] for state in d_states], wants_x=wants_x)
        for index, (way, part) in enumerate(zip(ways, parts, strict=True))
    ]
    d_x = back[0].x if len(back) == 1 else back[0].x + back[1].x
    return d_x, [each.states for each in back if each.states], tuple(w for each in back for w in each.weights)


def _way_down(way: _Layer, d_output: Tensor | None, d_states: Sequence[Tensor], *, wants_x: bool) -> Back:
    d_h, d_c = (*d_states, None, None)[:2]
    d_y = d_output if way.options.all_steps else None
    if d_output is not None and d_y is None:
        d_h = d_output if d_h is None else d_h + d_output
    given = way.inputs.h is not None
    d_x, *states, w_x, w_h, b_x, b_h = run_backward(
        way.options, (wants_x, given), way.inputs, way.slots, (d_y, d_h, d_c)
    )
    weights = (w_x, w_h) if way.inputs.bias_ih is None else (w_x, w_h, b_x, b_h)
    return Back(d_x, tuple(states[: len(way.states)]) if given else (), weights)


def _side_by_side(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors), dim=-1)


def losses_and_gradients(
    cell: str, x: Tensor, target: Tensor, weights: Weights, head: tuple[Tensor, Tensor], *, loss: str
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The loss of each member ``[K]``, and its gradients to the weights given and to those of the head, in their order.

    Nothing is recorded for autograd. Members do not meet, as in `bench.kernels.dispatch`.

    Parameters
    ----------
    cell
        A cell of `bench.kernels.dispatch.recurrent`; it starts from zeros.
    x
        Inputs ``[K, B, T, C]``; ``[1, B, T, C]`` is shared by all members.
    target
        What the map should give, ``[K, B, O]`` or ``[1, B, O]``.
    weights
        Of K members.
    head
        Weights ``[K, O, H]`` and biases ``[K, O]`` of the linear map.
    loss
        ``"mse"``, ``"mae"`` or ``"huber"``, as `torch.nn.functional` defines them, mean over rows and outputs.

    Raises
    ------
    InputError
        A shape, dtype or device does not fit: the argument, what was expected and what came.
    """
    lookup(LOSSES, loss, "loss")
    inputs = Inputs(x, None, None, *weights)
    check(cell, inputs)
    check_head(inputs, target, head, width=inputs.weight_hh.shape[2])
    if not compiled(x):
        return _by_autograd(cell, x, target, weights, head, loss)
    from bench.kernels.native import run_training

    options = Options(cell, reverse=False, all_steps=False, keep=False)
    losses, _, *gradients = run_training(options, inputs, (*head, target), loss)
    biased = weights.bias_ih is not None
    return losses, tuple(gradients if biased else gradients[:2] + gradients[4:])


def check_head(inputs: Inputs, target: Tensor, head: tuple[Tensor, Tensor], *, width: int) -> None:
    """Refuse a head or targets that do not fit the layer, whose last states are `width` wide."""
    weight, bias = head
    batch = inputs.x.shape[1]
    members, outputs = inputs.weight_hh.shape[0], weight.shape[1] if weight.ndim > 1 else 1
    expected = {
        "head weight": (weight, "K, O, H", (members, outputs, width)),
        "head bias": (bias, "K, O", (members, outputs)),
        "target": (target, "K, B, O", (1 if target.shape[:1] == (1,) else members, batch, outputs)),
    }
    for name, (tensor, letters, shape) in expected.items():
        if tensor.shape != shape:
            raise InputError(f"{name}: expected [{letters}] = {list(shape)}, got {list(tensor.shape)}")
        if (tensor.dtype, tensor.device) != (inputs.x.dtype, inputs.x.device):
            raise InputError(
                f"{name}: expected {inputs.x.dtype} on {inputs.x.device}, as x, got {tensor.dtype} on {tensor.device}"
            )


def _by_autograd(
    cell: str, x: Tensor, target: Tensor, weights: Weights, head: tuple[Tensor, Tensor], loss: str
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same by torch, for other devices and dtypes."""
    leaves = [tensor.detach().requires_grad_() for tensor in (*weights, *head) if tensor is not None]
    with torch.enable_grad():
        state = recurrent(cell, x, Weights(*leaves[:-2]), all_steps=False).h
        output = state @ leaves[-2].mT + leaves[-1].unsqueeze(1)
        losses = LOSSES[loss](output, target.expand_as(output), reduction="none").flatten(1).mean(1)
        return losses.detach(), torch.autograd.grad(losses.sum(), leaves)


Gradients = tuple[Tensor, ...]
Head = tuple[Tensor, Tensor]


def layered_losses_and_gradients(
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
        As of `bench.kernels.fused.losses_and_gradients`.

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
