"""Layers walked forward and back by the compiled kernels, without autograd.

With one member of few units, autograd takes longer than the kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bench.kernels.call import Inputs, Options
from bench.kernels.modules import Layers
from bench.kernels.native import run_backward, run_forward

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
