"""The compiled kernels on tensors: allocates their outputs, and spreads the groups of a bank over threads.

Buffers are reused. What the forward pass keeps for the backward pass is large and short-lived. Memory of that size
would go back to the system each time, and each of its pages would cost a page fault at the next use: a fifth of a
training step.

Tasks run on as many threads as torch uses, `torch.get_num_threads()`. Kernels hold no interpreter lock, so Python's own
threads suffice; numba's are neither safe to call from two threads nor after a fork. The caller's thread works too: with
one thread, no other is started.
"""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.kernels.arrays import CallArrays, CallResults, Gradients, Head, Operands, Sums, Upstream
from bench.kernels.dispatch import Inputs, Options
from bench.kernels.passes import BACKWARD, FORWARD, LOSSES, TRAIN, run_pass
from bench.kernels.sizes import CallPlan, Sizes, head_size, make_plan

ALIGNMENT = 64  # bytes of a cache line
MOST_FREE_BYTES = 1 << 28
"""Above it buffers are given back to the system."""

_free: list[NDArray[np.uint8]] = []
_returned: deque[NDArray[np.uint8]] = deque()  # no longer in use, and not yet in `_free`
_lock = threading.Lock()


def buffer(size: int, dtype: torch.dtype) -> Tensor:
    """A flat tensor of `size` arbitrary numbers, whose memory is used again once nothing refers to it."""
    length = size * dtype.itemsize
    raw = _take(length + ALIGNMENT)
    start = -raw.ctypes.data % ALIGNMENT
    view = raw[start : start + length]
    tensor = torch.from_numpy(view).view(dtype)  # keeps `view` alive as long as its storage
    weakref.finalize(view, _give, raw).atexit = False
    return tensor


def release() -> None:
    """Give all buffers that are not in use back to the system."""
    with _lock:
        _collect()
        _free.clear()


def _take(length: int) -> NDArray[np.uint8]:
    """The smallest free buffer of at least `length` bytes and at most four times as many, or a new one."""
    with _lock:
        _collect()
        fits = [index for index, raw in enumerate(_free) if length <= raw.size <= 4 * length]
        if fits:
            return _free.pop(min(fits, key=lambda index: _free[index].size))
    return np.empty(length, np.uint8)


def _give(raw: NDArray[Any]) -> None:
    """Return a buffer; the garbage collector may call this at any moment, also while this thread has the lock."""
    _returned.append(raw)
    if _lock.acquire(blocking=False):
        try:
            _collect()
        finally:
            _lock.release()


def _collect() -> None:
    """Make free what was returned; the caller has the lock."""
    while _returned:
        _free.append(_returned.popleft())
    while sum(raw.size for raw in _free) > MOST_FREE_BYTES:
        _free.pop(0)  # the one unused for longest


PARTS = 4
"""Shares per thread: a thread that is held up by other processes leaves its shares to the others."""

LEAST_WORK = 4_000_000
"""Floating-point operations below which a second thread costs more than it saves."""


def run(kernel: Callable[[int, int], None], tasks: int, work: int) -> None:
    """Call ``kernel(first, last)`` for ranges that cover ``0 … tasks - 1``; `work` is in floating-point operations."""
    shares = parts_of(tasks, work)
    if shares == 1:
        kernel(0, tasks)
        return
    threads = min(torch.get_num_threads(), tasks)
    bounds = [tasks * share // shares for share in range(shares + 1)]
    ranges = iter(list(pairwise(bounds)))  # a list's iterator gives each item to one thread only
    others = [_executor(os.getpid(), threads - 1).submit(_work, kernel, ranges) for _ in range(threads - 1)]
    try:
        _work(kernel, ranges)
    finally:
        for other in others:
            other.result()


def parts_of(tasks: int, work: int) -> int:
    """How many calls `run` makes."""
    threads = min(torch.get_num_threads(), tasks)
    return 1 if threads == 1 or work < LEAST_WORK else min(tasks, PARTS * threads)


def _work(kernel: Callable[[int, int], None], ranges: Iterator[tuple[int, int]]) -> None:
    for first, last in ranges:
        kernel(first, last)


@lru_cache(maxsize=1)
def _executor(process: int, threads: int) -> ThreadPoolExecutor:
    """The threads of this process: the child of a fork inherits the object but no thread, and makes its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix=f"bench-kernels-{process}")


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
def _no_arrays(dtype: torch.dtype) -> CallArrays:
    two, one = _absent(dtype)
    return CallArrays(
        Operands(*[two] * 7),
        CallResults(two, two, two, one),
        Upstream(two, two, two),
        Gradients(*[two] * 7),
        Sums(one, one),
        Head(two, two, two, two, two, two, one),
    )


@lru_cache
def _zeros(size: int, dtype: torch.dtype) -> NDArray[Any]:
    return np.zeros((1, size), DTYPES[dtype])


def _plan(options: Options, inputs: Inputs) -> CallPlan:
    members = max(tensor.shape[0] for tensor in inputs if tensor is not None)
    _, batch, steps, channels = inputs.x.shape
    sizes = Sizes(members, batch, steps, channels, inputs.weight_hh.shape[2])
    dtype, initial = DTYPES[inputs.x.dtype], inputs.h is not None
    return make_plan(options.cell, sizes, dtype, reverse=options.reverse, initial=initial, keep=options.keep)


def _operands(plan: CallPlan, inputs: Inputs) -> Operands:
    dtype = inputs.x.dtype
    arrays = [flat(tensor, dtype) for tensor in inputs[:5]]
    none = _zeros(plan.gates * plan.hidden, dtype)
    biases = [none if bias is None else flat(bias, dtype) for bias in inputs[5:]]
    return Operands(*arrays, *biases)


def _new_sums(plan: CallPlan, dtype: torch.dtype) -> Sums:
    parts = plan.members * plan.groups
    return Sums(
        np.zeros(parts * plan.hidden_blocks * plan.padded * plan.padded, DTYPES[dtype]),
        np.zeros(parts * plan.inputs * plan.blocks * plan.padded, DTYPES[dtype]),
    )


def _new_weights(plan: CallPlan, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Room for the gradients to the weights and biases, one for each member."""
    members, rows = plan.members, plan.gates * plan.hidden
    shapes = ((members, rows, plan.channels), (members, rows, plan.hidden), (members, rows), (members, rows))
    w_x, w_h, b_x, b_h = (torch.empty(shape, dtype=dtype) for shape in shapes)
    return w_x, w_h, b_x, b_h


def _run(mode: int, plan: CallPlan, arrays: CallArrays) -> None:
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

    What is not requested, or not there, is ``[K, 0]``.
    """
    plan, dtype = _plan(options, inputs), inputs.x.dtype
    state = (plan.members, plan.batch, plan.hidden)
    empty = torch.empty(plan.members, 0, dtype=dtype)
    y = torch.empty(*state[:2], plan.steps, plan.hidden, dtype=dtype) if options.all_steps else empty
    h = torch.empty(state, dtype=dtype)
    c = torch.empty(state, dtype=dtype) if options.cell == "lstm" else empty
    slots = buffer(plan.members * plan.tiles * plan.tile_size, dtype) if options.keep else torch.empty(0, dtype=dtype)
    results = CallResults(flat(y, dtype), flat(h, dtype), flat(c, dtype), slots.numpy())
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
    arrays = CallArrays(
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
    w, b, y, flat_losses, d_w, d_b = (flat(tensor, dtype) for tensor in (*head, losses, *d_head))
    arrays = absent._replace(
        operands=_operands(plan, inputs),
        gradients=Gradients(flat(d_x, dtype), *absent.gradients[1:3], *(flat(tensor, dtype) for tensor in gradients)),
        sums=_new_sums(plan, dtype),
        head=Head(w, b, y, flat_losses, d_w, d_b, sums),
    )
    _run(TRAIN, plan, arrays)
    return (losses, d_x, *gradients, *d_head)
