"""The compiled kernels on tensors: allocates what they write, and spreads the groups of a bank over threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.kernels.arrays import Arrays, Gradients, Head, Operands, Results, Sums, Upstream
from bench.kernels.call import Inputs, Options
from bench.kernels.head import LOSSES
from bench.kernels.memory import buffer
from bench.kernels.passes import BACKWARD, FORWARD, TRAIN, run_pass
from bench.kernels.plan import Plan, Sizes, head_size, make_plan
from bench.kernels.threads import parts_of, run

DTYPES: Mapping[torch.dtype, np.dtype[Any]] = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}


def flat(tensor: Tensor | None, dtype: torch.dtype) -> NDArray[Any]:
    """The elements of each member, sharing memory where they are contiguous; no elements where there is no tensor."""
    if tensor is None:
        return _absent(dtype)[0]
    return tensor.detach().contiguous().numpy().reshape(tensor.shape[0], -1)


@lru_cache
def _absent(dtype: torch.dtype) -> tuple[NDArray[Any], NDArray[Any]]:
    """What stands for an absent array of two dimensions and of one."""
    return np.empty((1, 0), DTYPES[dtype]), np.empty(0, DTYPES[dtype])


@lru_cache
def _no_arrays(dtype: torch.dtype) -> Arrays:
    two, one = _absent(dtype)
    return Arrays(
        Operands(*[two] * 7),
        Results(two, two, two, one),
        Upstream(two, two, two),
        Gradients(*[two] * 7),
        Sums(one, one),
        Head(two, two, two, two, two, two, one),
    )


@lru_cache
def _zeros(size: int, dtype: torch.dtype) -> NDArray[Any]:
    return np.zeros((1, size), DTYPES[dtype])


def _plan(options: Options, inputs: Inputs) -> Plan:
    members = max(tensor.shape[0] for tensor in inputs if tensor is not None)
    _, batch, steps, channels = inputs.x.shape
    sizes = Sizes(members, batch, steps, channels, inputs.weight_hh.shape[2])
    dtype, initial = DTYPES[inputs.x.dtype], inputs.h is not None
    return make_plan(options.cell, sizes, dtype, reverse=options.reverse, initial=initial, keep=options.keep)


def _operands(plan: Plan, inputs: Inputs) -> Operands:
    dtype = inputs.x.dtype
    arrays = [flat(tensor, dtype) for tensor in inputs[:5]]
    none = _zeros(plan.gates * plan.hidden, dtype)
    biases = [none if bias is None else flat(bias, dtype) for bias in inputs[5:]]
    return Operands(*arrays, *biases)


def _new_sums(plan: Plan, dtype: torch.dtype) -> Sums:
    parts = plan.members * plan.groups
    return Sums(
        np.zeros(parts * plan.hidden_blocks * plan.padded * plan.padded, DTYPES[dtype]),
        np.zeros(parts * plan.inputs * plan.blocks * plan.padded, DTYPES[dtype]),
    )


def _new_weights(plan: Plan, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Room for the gradients to the weights and biases, one for each member."""
    members, rows = plan.members, plan.gates * plan.hidden
    shapes = ((members, rows, plan.channels), (members, rows, plan.hidden), (members, rows), (members, rows))
    w_x, w_h, b_x, b_h = (torch.empty(shape, dtype=dtype) for shape in shapes)
    return w_x, w_h, b_x, b_h


def _run(mode: int, plan: Plan, arrays: Arrays) -> None:
    """Do one pass over all groups, on several threads where that pays."""
    kernel = run_pass(arrays.operands.x.dtype)
    rows = plan.members * plan.batch * plan.steps
    work = 2 * rows * plan.gates * plan.hidden * (plan.hidden + plan.channels)  # of the products of a forward pass
    tasks, sums = plan.members * plan.groups, mode != FORWARD
    # a call that does all of it finishes too: a call costs as much as a small network's pass
    run(lambda first, last: kernel(mode, plan, arrays, first, last, int(sums and last - first == tasks)), tasks, work)
    if sums and parts_of(tasks, work) > 1:
        kernel(mode, plan, arrays, 0, 0, 1)


def run_forward(options: Options, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All steps ``[K, B, T, H]``, last states ``[K, B, H]`` twice, and what the backward pass needs ``[K, …]``.

    What is not asked for, or not there, is ``[K, 0]``.
    """
    plan, dtype = _plan(options, inputs), inputs.x.dtype
    state = (plan.members, plan.batch, plan.hidden)
    empty = torch.empty(plan.members, 0, dtype=dtype)
    y = torch.empty(*state[:2], plan.steps, plan.hidden, dtype=dtype) if options.all_steps else empty
    h = torch.empty(state, dtype=dtype)
    c = torch.empty(state, dtype=dtype) if options.cell == "lstm" else empty
    slots = buffer(plan.members * plan.tiles * plan.tile_size, dtype) if options.keep else torch.empty(0, dtype=dtype)
    results = Results(flat(y, dtype), flat(h, dtype), flat(c, dtype), slots.numpy())
    _run(FORWARD, plan, _no_arrays(dtype)._replace(operands=_operands(plan, inputs), results=results))
    return y, h, c, slots.view(plan.members, -1)


def run_backward(
    options: Options, wanted: tuple[bool, bool], inputs: Inputs, slots: Tensor, upstream: Sequence[Tensor | None]
) -> tuple[Tensor, ...]:
    """The gradients to `inputs`, one for each member, in their order; `wanted` are those to inputs and to states.

    What is not wanted, or not there, is ``[K, 0]``.
    """
    plan, dtype = _plan(options, inputs), inputs.x.dtype
    empty = torch.empty(plan.members, 0, dtype=dtype)
    wants_x, wants_state = wanted[0], wanted[1] and inputs.h is not None
    state = torch.empty(plan.members, plan.batch, plan.hidden, dtype=dtype) if wants_state else empty
    gradients = (
        torch.empty(plan.members, *inputs.x.shape[1:], dtype=dtype) if wants_x else empty,
        state,
        torch.empty_like(state) if options.cell == "lstm" else empty,
        *_new_weights(plan, dtype),
    )
    absent = _no_arrays(dtype)
    arrays = Arrays(
        _operands(plan, inputs),
        absent.results._replace(slots=flat(slots, dtype).reshape(-1)),
        Upstream(*(flat(tensor, dtype) for tensor in upstream)),
        Gradients(*(flat(tensor, dtype) for tensor in gradients)),
        _new_sums(plan, dtype),
        absent.head,
    )
    _run(BACKWARD, plan, arrays)
    return gradients


def run_training(
    options: Options, inputs: Inputs, head: tuple[Tensor, Tensor, Tensor], loss: str, *, wants_x: bool = False
) -> tuple[Tensor, ...]:
    """The losses ``[K]``, and the gradients to the input, the weights and biases of `inputs`, and those of the head.

    The gradient to the input is ``[K, 0]`` where it is not wanted.
    `head` are weights ``[K, O, H]`` and biases ``[K, O]`` of a map of the last state, and targets ``[K, B, O]``.
    """
    dtype = inputs.x.dtype
    weight, bias = head[:2]
    plan = _plan(options, inputs)._replace(outputs=bias.shape[1], loss=LOSSES[loss])
    gradients = _new_weights(plan, dtype)
    d_head = (torch.empty_like(weight), torch.empty_like(bias))
    losses = torch.empty(plan.members, dtype=dtype)
    d_x = torch.empty(plan.members, *(inputs.x.shape[1:] if wants_x else (0,)), dtype=dtype)
    absent = _no_arrays(dtype)
    sums = np.zeros(plan.members * plan.groups * head_size(plan), DTYPES[dtype])
    w, b, y, found, d_w, d_b = (flat(tensor, dtype) for tensor in (*head, losses, *d_head))
    arrays = absent._replace(
        operands=_operands(plan, inputs),
        gradients=Gradients(flat(d_x, dtype), *absent.gradients[1:3], *(flat(tensor, dtype) for tensor in gradients)),
        sums=_new_sums(plan, dtype),
        head=Head(w, b, y, found, d_w, d_b, sums),
    )
    _run(TRAIN, plan, arrays)
    return (losses, d_x, *gradients, *d_head)
