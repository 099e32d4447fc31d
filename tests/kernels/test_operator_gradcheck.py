"""Gradients of the recurrent operators against finite differences, in float64."""

from functools import partial
from itertools import product

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from bench.kernels.dispatch import Weights, recurrent

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "slstm": 4}
MEMBERS, BATCH, STEPS, CHANNELS, HIDDEN = 2, 2, 3, 2, 3


def operands(cell, *, state, bias, shared=False):
    """Inputs, weights and states, flat; of a shared input there is one for all members."""
    generator = torch.Generator().manual_seed(7)
    rows, first = GATES[cell] * HIDDEN, 1 if shared else MEMBERS
    shapes = [(first, BATCH, STEPS, CHANNELS), (MEMBERS, rows, CHANNELS), (MEMBERS, rows, HIDDEN)]
    shapes += [(MEMBERS, rows)] * 2 * bias + [(MEMBERS, BATCH, HIDDEN)] * (2 if cell == "lstm" else 1) * state
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def call(cell, count, options, *flat):
    """The outputs that have elements; `count` of the tensors are weights."""
    x, weights, state = flat[0], Weights(*flat[1 : 1 + count]), flat[1 + count :]
    outputs = recurrent(cell, x, weights, state or None, **options)
    return tuple(output for output in outputs if output.numel())


@pytest.mark.parametrize("cell", sorted(GATES))
@pytest.mark.parametrize(("state", "bias"), list(product([False, True], repeat=2)))
@pytest.mark.parametrize(("reverse", "all_steps"), list(product([False, True], repeat=2)))
def test_first_derivatives(cell, state, bias, reverse, all_steps):
    function = partial(call, cell, 4 if bias else 2, {"reverse": reverse, "all_steps": all_steps})
    flat = operands(cell, state=state and cell != "slstm", bias=bias, shared=reverse)
    assert gradcheck(function, flat, fast_mode=True)


@pytest.mark.parametrize("cell", sorted(GATES))
def test_first_derivatives_one_by_one(cell):
    function = partial(call, cell, 4, {})
    assert gradcheck(function, operands(cell, state=cell != "slstm", bias=True))


@pytest.mark.parametrize("cell", sorted(GATES))
def test_second_derivatives_of_the_reference(cell, monkeypatch):
    monkeypatch.setenv("BENCH_KERNELS", "reference")
    function = partial(call, cell, 4, {"reverse": True})
    assert gradgradcheck(function, operands(cell, state=cell != "slstm", bias=True), fast_mode=True)


def test_second_derivatives_of_the_kernels_are_refused(monkeypatch):
    monkeypatch.setenv("BENCH_KERNELS", "numba")
    flat = operands("lstm", state=False, bias=True)
    loss = call("lstm", 4, {}, *flat)[0].square().sum()
    (slope,) = torch.autograd.grad(loss, flat[0], create_graph=True)
    with pytest.raises(NotImplementedError, match="first derivatives only; set BENCH_KERNELS=reference") as caught:
        slope.sum().backward()
    assert "\n" not in str(caught.value)
