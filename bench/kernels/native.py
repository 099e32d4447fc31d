"""The compiled kernels on tensors: allocates what they write, and spreads the groups of a bank over threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.kernels import backward as back
from bench.kernels.arrays import Gradients, Operands, Results, Sums, Upstream
from bench.kernels.call import Inputs, Options
from bench.kernels.forward import forward
from bench.kernels.memory import buffer
from bench.kernels.plan import Plan, Sizes, make_plan
from bench.kernels.threads import run

DTYPES: Mapping[torch.dtype, np.dtype[Any]] = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}


def flat(tensor: Tensor | None, dtype: torch.dtype) -> NDArray[Any]:
    """The elements of each member, sharing memory where they are contiguous; no elements where there is no tensor."""
    if tensor is None:
        return _nothing(dtype)
    return tensor.detach().reshape(len(tensor), -1).contiguous().numpy()


@lru_cache
def _nothing(dtype: torch.dtype) -> NDArray[Any]:
    return np.empty((1, 0), DTYPES[dtype])


@lru_cache
def _zeros(size: int, dtype: torch.dtype) -> NDArray[Any]:
    return np.zeros((1, size), DTYPES[dtype])


def _plan(options: Options, inputs: Inputs) -> Plan:
    members = max(len(tensor) for _, tensor in inputs.present())
    _, batch, steps, channels = inputs.x.shape
    sizes = Sizes(members, batch, steps, channels, inputs.weight_hh.shape[2])
    return make_plan(
        options.cell,
        sizes,
        DTYPES[inputs.x.dtype],
        reverse=options.reverse,
        initial=inputs.h is not None,
        keep=options.keep,
    )


def _operands(plan: Plan, inputs: Inputs) -> Operands:
    dtype = inputs.x.dtype
    arrays = [flat(tensor, dtype) for tensor in inputs[:5]]
    none = _zeros(plan.gates * plan.hidden, dtype)
    biases = [none if bias is None else flat(bias, dtype) for bias in inputs[5:]]
    return Operands(*arrays, *biases)


def work(plan: Plan) -> int:
    """Floating-point operations of the products of a forward pass."""
    rows = plan.members * plan.batch * plan.steps
    return 2 * rows * plan.gates * plan.hidden * (plan.hidden + plan.channels)


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
    kernel, operands = forward(DTYPES[dtype]), _operands(plan, inputs)
    run(lambda first, last: kernel(plan, operands, results, first, last), plan.members * plan.groups, work(plan))
    return y, h, c, slots.view(plan.members, -1)


def run_backward(
    options: Options, wanted: tuple[bool, bool], inputs: Inputs, slots: Tensor, upstream: Sequence[Tensor | None]
) -> tuple[Tensor, ...]:
    """The gradients to `inputs`, one for each member, in their order; `wanted` are those to inputs and to states.

    What is not wanted, or not there, is ``[K, 0]``.
    """
    plan, dtype = _plan(options, inputs), inputs.x.dtype
    members, rows = plan.members, plan.gates * plan.hidden
    empty = torch.empty(members, 0, dtype=dtype)
    wants_x, wants_state = wanted[0], wanted[1] and inputs.h is not None
    state = torch.empty(members, plan.batch, plan.hidden, dtype=dtype) if wants_state else empty
    gradients = (
        torch.empty(members, *inputs.x.shape[1:], dtype=dtype) if wants_x else empty,
        state,
        torch.empty_like(state) if options.cell == "lstm" else empty,
        torch.empty(members, rows, plan.channels, dtype=dtype),
        torch.empty(members, rows, plan.hidden, dtype=dtype),
        torch.empty(members, rows, dtype=dtype),
        torch.empty(members, rows, dtype=dtype),
    )
    sums = Sums(
        np.zeros(members * plan.groups * plan.hidden_blocks * plan.padded * plan.padded, DTYPES[dtype]),
        np.zeros(members * plan.groups * plan.inputs * plan.blocks * plan.padded, DTYPES[dtype]),
    )
    arrays = back.Arrays(
        _operands(plan, inputs),
        flat(slots, dtype).reshape(-1),
        Upstream(*(flat(tensor, dtype) for tensor in upstream)),
        Gradients(*(flat(tensor, dtype) for tensor in gradients)),
        sums,
    )
    kernel, finish = back.backward(DTYPES[dtype]), back.finish(DTYPES[dtype])
    run(lambda first, last: kernel(plan, arrays, first, last), members * plan.groups, 2 * work(plan))
    finish(plan, sums, arrays.gradients, 0, members)
    return gradients
