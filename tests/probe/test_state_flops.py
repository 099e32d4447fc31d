"""The formulas of the state models against torch's own counter, on the same networks written with plain products.

A diagonal matrix is written as a batch of small ones, of which torch counts the products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.models import MODELS
from bench.models.base import Shape
from bench.probe.flops import FORMULAS

torch.set_num_threads(1)

SHAPES = [Shape(1, 1, 1), Shape(4, 3, 2), Shape(5, 1, 2, every_step=True)]
BATCH = 6
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
each_depth = pytest.mark.parametrize("layers", [1, 3])


def weight(*shape: int) -> Tensor:
    return torch.randn(*shape, requires_grad=True)


def mapped(x: Tensor, outputs: int) -> Tensor:
    return x @ weight(x.shape[-1], outputs)


def walked(inputs: Tensor, blocks: Tensor) -> Tensor:
    """``h = blocks h + input``: inputs ``[T, P, s, 1]``, and ``[P, s, s]`` blocks for all steps or each."""
    h, states = torch.zeros_like(inputs[0]), []
    for t, given in enumerate(inputs):
        h = torch.bmm(blocks if blocks.ndim == 3 else blocks[t], h) + given
        states.append(h)
    return torch.stack(states)


def counted(parameters: Any, shape: Shape, layers: Callable[[Tensor], Tensor]) -> tuple[int, int]:
    """Operations of the forward pass and of both passes, of `layers` over ``[T, B, C]`` and a head."""
    steps, values = shape.targets
    x = torch.randn(shape.sequence_length, BATCH, shape.channels)
    with FlopCounterMode(display=False) as forward:
        states = layers(x)
        loss = mapped(states, values) if shape.every_step else mapped(states[-1], steps * values)
    with FlopCounterMode(display=False) as backward:
        loss.sum().backward()
    return forward.get_total_flops(), forward.get_total_flops() + backward.get_total_flops()


def check(name: str, shape: Shape, layer: Callable[[Any, Tensor, int], Tensor], *, encoded: bool, **sizes: Any) -> None:
    parameters = MODELS[name].parameters(hidden_size=4, **sizes)

    def layers(x: Tensor) -> Tensor:
        x = mapped(x, parameters.hidden_size) if encoded else x
        for below in range(parameters.layers - 1, -1, -1):  # the top layer gives the last step alone
            x = layer(parameters, x, 0 if below or shape.every_step else len(x) - 1)
        return x

    found = FORMULAS[name](parameters, shape)
    assert (BATCH * found.forward, BATCH * found.step) == counted(parameters, shape, layers)


@each_shape
@each_depth
@pytest.mark.parametrize(("name", "gates"), [("mingru", 2), ("minlstm", 3)])
def test_minimal_recurrent_networks(name: str, gates: int, layers: int, shape: Shape) -> None:
    def layer(parameters: Any, x: Tensor, first: int) -> Tensor:
        parts = mapped(x, gates * parameters.hidden_size).chunk(gates, dim=-1)
        keep, h, states = parts[0].sigmoid(), torch.zeros_like(parts[0][0]), []
        for t in range(len(x)):  # elementwise, as the gates of an LSTM
            h = keep[t] * h + parts[-1][t] * (parts[1][t] if gates == 3 else 1)
            states.append(h)
        return torch.stack(states)

    check(name, shape, layer, encoded=False, layers=layers)


@each_shape
@each_depth
@pytest.mark.parametrize("heads", [1, 2])
def test_slstm(heads: int, layers: int, shape: Shape) -> None:
    def layer(parameters: Any, x: Tensor, first: int) -> Tensor:
        size = parameters.hidden_size // heads
        given = mapped(x, 4 * parameters.hidden_size).view(len(x), BATCH, heads, 4 * size).transpose(1, 2)
        own, h, states = weight(heads, size, 4 * size), torch.zeros(heads, BATCH, size), []
        for one in given:
            z, i, f, o = (one + torch.bmm(h, own)).chunk(4, dim=-1)
            h = (z.tanh() + i.exp() + f.sigmoid()) * o.sigmoid()
            states.append(h.transpose(0, 1).flatten(1))
        return torch.stack(states)

    check("slstm", shape, layer, encoded=False, layers=layers, heads=heads)


@each_shape
@each_depth
def test_linear_recurrent_units(layers: int, shape: Shape) -> None:
    def layer(parameters: Any, x: Tensor, first: int) -> Tensor:
        states = parameters.state_size
        inward = mapped(x, 2 * states).view(len(x), BATCH * states, 2, 1)
        turned = walked(inward, weight(states, 2, 2).repeat(BATCH, 1, 1))
        y = mapped(turned.view(len(x), BATCH, 2 * states)[first:], parameters.hidden_size)
        values, gates = mapped(y, 2 * parameters.hidden_size).chunk(2, dim=-1)
        return x[first:] + values * gates.sigmoid()

    check("lru", shape, layer, encoded=True, layers=layers, state_size=3)


@each_shape
@each_depth
def test_diagonal_state_spaces(layers: int, shape: Shape) -> None:
    def layer(parameters: Any, x: Tensor, first: int) -> Tensor:
        hidden, pairs = parameters.hidden_size, parameters.state_size // 2
        steps, systems = len(x), BATCH * hidden * pairs
        scalars = x.unsqueeze(-1).expand(steps, BATCH, hidden, pairs).reshape(steps * systems, 1, 1)
        own = weight(hidden * pairs, 2, 1).repeat(steps * BATCH, 1, 1)
        inward = torch.bmm(own, scalars).view(steps, systems, 2, 1)
        states = walked(inward, weight(hidden * pairs, 2, 2).repeat(BATCH, 1, 1))[first:]
        given = len(states)
        outward = weight(hidden * pairs, 1, 2).repeat(given * BATCH, 1, 1)
        y = torch.bmm(outward, states.view(given * systems, 2, 1)).view(given, BATCH, hidden, pairs).sum(-1)
        values, gates = mapped(y, 2 * hidden).chunk(2, dim=-1)
        return x[first:] + values * gates.sigmoid()

    check("s4d", shape, layer, encoded=True, layers=layers, state_size=6)


@each_shape
@each_depth
def test_selective_state_spaces(layers: int, shape: Shape) -> None:
    def layer(parameters: Any, x: Tensor, first: int) -> Tensor:
        states, rank, inner = parameters.state_size, parameters.rank, parameters.expand * parameters.hidden_size
        steps, rows = len(x), len(x) * BATCH
        u, gate = mapped(x, 2 * inner).chunk(2, dim=-1)
        taps = u.reshape(rows * inner, 1, 1).expand(-1, 1, parameters.kernel_size)  # the same number of products
        u = torch.bmm(taps, weight(inner, parameters.kernel_size, 1).repeat(rows, 1, 1)).view(steps, BATCH, inner)
        low_rank, inward, outward = mapped(u, rank + 2 * states).split([rank, states, states], dim=-1)
        step = mapped(low_rank, inner)
        driven = torch.bmm((step * u).view(rows, inner, 1), inward.reshape(rows, 1, states))
        kept = (step.exp().unsqueeze(-1) * weight(inner, states)).view(steps, BATCH * inner * states, 1, 1)
        h = walked(driven.view(steps, -1, 1, 1), kept).view(rows, inner, states)
        y = torch.bmm(h, outward.reshape(rows, states, 1)).view(steps, BATCH, inner)
        return x[first:] + mapped((y * gate)[first:], parameters.hidden_size)

    check("selective-ssm", shape, layer, encoded=True, layers=layers, state_size=3, kernel_size=2)


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_echo_state_networks_have_no_training_step(shape: Shape) -> None:
    x, h = torch.randn(shape.sequence_length, BATCH, shape.channels), torch.zeros(BATCH, 5)
    with FlopCounterMode(display=False) as counter:
        for given in x:
            h = given @ torch.randn(shape.channels, 5) + h @ torch.randn(5, 5)
        torch.cat([x[-1], h], dim=1) @ torch.randn(shape.channels + 5, shape.horizon * shape.channels)
    found = FORMULAS["echo-state"](MODELS["echo-state"].parameters(reservoir_size=5), shape)
    assert (BATCH * found.forward, found.step) == (counter.get_total_flops(), None)
