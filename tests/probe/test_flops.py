"""Formulas against torch's own counter, on the same networks written cell by cell with plain products."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.models import MODELS
from bench.models.base import Shape
from bench.probe.flops import FORMULAS, GATES

torch.set_num_threads(1)

SIZES = [{"layers": layers, "bidirectional": both} for layers, both in itertools.product((1, 3), (False, True))]
SHAPES = [Shape(1, 1, 1), Shape(4, 3, 2)]
BATCH = 6


def weight(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, requires_grad=True)


def cell(kind: str, gates: list[Tensor], state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The elementwise part of one step, from the gates' two products: the equations of `torch.nn`."""
    h, c = state
    x, s = gates
    if kind == "rnn":
        return torch.tanh(x + s), c
    if kind == "gru":
        (xr, xz, xn), (sr, sz, sn) = x.chunk(3, 1), s.chunk(3, 1)
        z = torch.sigmoid(xz + sz)
        return (1 - z) * torch.tanh(xn + torch.sigmoid(xr + sr) * sn) + z * h, c
    i, f, g, o = (x + s).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def walk(kind: str, steps: list[Tensor], hidden: int, state: tuple[Tensor, Tensor]) -> tuple[list[Tensor], Any]:
    """One layer in one direction."""
    w, u = weight(GATES[kind] * hidden, steps[0].shape[1]), weight(GATES[kind] * hidden, hidden)
    states = []
    for x in steps:
        state = cell(kind, [x @ w.T, state[0] @ u.T], state)
        states.append(state[0])
    return states, state


def stack(kind: str, steps: list[Tensor], parameters: Any, states: Any = None) -> list[Any]:
    """Layers on top of each other; the last states of each, by direction."""
    zeros = torch.zeros(BATCH, parameters.hidden_size)
    last = []
    for layer in range(parameters.layers):
        outputs = []
        for reverse in range(2 if parameters.bidirectional else 1):
            start = states[layer] if states else (zeros, zeros)
            values, final = walk(kind, steps[::-1] if reverse else steps, parameters.hidden_size, start)
            outputs.append(values[::-1] if reverse else values)
            last.append(final)
        steps = [torch.cat(parts, 1) for parts in zip(*outputs, strict=True)]
    return last


def counted(loss: Any) -> tuple[int, int]:
    """Operations of the forward pass and of both passes."""
    with FlopCounterMode(display=False) as forward:
        value = loss()
    with FlopCounterMode(display=False) as backward:
        value.sum().backward()
    return forward.get_total_flops(), forward.get_total_flops() + backward.get_total_flops()


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_recurrent_networks(kind: str, sizes: dict[str, Any], shape: Shape) -> None:
    parameters = MODELS[kind].parameters(hidden_size=4, **sizes)
    steps = list(torch.randn(shape.sequence_length, BATCH, shape.channels))
    directions = 2 if parameters.bidirectional else 1

    def loss() -> Tensor:
        last = stack(kind, steps, parameters)
        top = torch.cat([h for h, _ in last[-directions:]], 1)
        return top @ weight(shape.horizon * shape.channels, top.shape[1]).T

    found = FORMULAS[kind](parameters, shape)
    assert (BATCH * found.forward, BATCH * found.step) == counted(loss)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_encoder_decoders(kind: str, sizes: dict[str, Any], shape: Shape) -> None:
    parameters = MODELS["encoder-decoder"].parameters(hidden_size=4, cell=kind, **sizes)
    one_way = parameters.model_copy(update={"bidirectional": False})
    steps = list(torch.randn(shape.sequence_length, BATCH, shape.channels))
    targets = list(torch.randn(shape.horizon, BATCH, shape.channels))
    ways = 2 if parameters.bidirectional else 1

    def loss() -> Tensor:
        last = stack(kind, steps, parameters)
        pairs = [last[ways * k : ways * (k + 1)] for k in range(parameters.layers)]
        states = [tuple(sum(part) for part in zip(*pair, strict=True)) for pair in pairs]
        inputs, outputs = targets, []
        for layer in range(parameters.layers):
            outputs, _ = walk(kind, inputs, one_way.hidden_size, states[layer])
            inputs = outputs
        return torch.stack(outputs).flatten(0, 1) @ weight(shape.channels, parameters.hidden_size).T

    found = FORMULAS["encoder-decoder"](parameters, shape)
    assert (BATCH * found.forward, BATCH * found.step) == counted(loss)


def test_linear_autoregression_is_one_product_and_the_naive_forecasts_are_none() -> None:
    shape = Shape(7, 3, 2)
    x, coefficients = torch.randn(BATCH, 14), torch.randn(14, 6)
    with FlopCounterMode(display=False) as counter:
        x @ coefficients
    found = FORMULAS["linear-ar"](MODELS["linear-ar"].parameters(), shape)
    assert (BATCH * found.forward, found.step) == (counter.get_total_flops(), None)
    for name in ("persistence", "drift", "mean", "seasonal-naive"):
        assert FORMULAS[name](MODELS[name].parameters(), shape) == (0, None)


WINDOW, STEPWISE = Shape(40, 3, 2), Shape(9, 1, 2, "denoise", 3, every_step=True)
FEED_FORWARD: list[tuple[str, dict[str, Any], Shape]] = [
    *(
        (name, sizes, shape)
        for name, variants in {
            "mlp": [{}, {"layers": 1}],
            "dlinear": [{}, {"kernel_size": 3}],
            "nlinear": [{}],
            "tcn": [{}, {"hidden_size": 2}, {"layers": 1, "kernel_size": 2}],
            "n-beats": [{}, {"blocks": 1, "layers": 1}],
            "tsmixer": [{}, {"layers": 1}],
            "transformer": [{}, {"heads": 4, "expansion": 1, "norm_first": False}],
            "patchtst": [{}, {"patch_length": 1, "stride": 1}],
        }.items()
        for sizes in variants
        for shape in (Shape(1, 1, 1), WINDOW)
    ),
    ("tcn", {}, STEPWISE),
    ("transformer", {}, STEPWISE),
    ("mlp", {}, Shape(9, 1, 2, "classify", 5)),
]


@pytest.mark.parametrize(("kind", "sizes", "shape"), FEED_FORWARD, ids=str)
def test_networks_of_plain_products_are_counted_as_they_are(kind: str, sizes: dict[str, Any], shape: Shape) -> None:
    parameters = MODELS[kind].parameters(**sizes)
    module, x = MODELS[kind].build(parameters, shape), torch.randn(BATCH, shape.sequence_length, shape.channels)
    computed = FORMULAS[kind](parameters, shape)
    assert (BATCH * computed.forward, BATCH * computed.step) == counted(lambda: module(x))


def test_every_registered_kind_has_a_formula() -> None:
    # What a regressor computes depends on what it is, and what a forecaster does on the length of the history.
    unknown = {"sklearn", *(name for name, kind in MODELS.items() if kind.forecaster)}
    assert FORMULAS.keys() == MODELS.keys() - unknown
