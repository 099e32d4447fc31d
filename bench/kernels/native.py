"""The compiled kernels on tensors: allocates their outputs, and spreads the groups of a bank over threads.

Buffers are reused. What the forward pass keeps for the backward pass is large and short-lived, and so is what a thread
works in. Memory of that size would go back to the system each time, and each of its pages would cost a page fault at
the next use: a fifth of a training step.

Tasks run on as many threads as torch uses, `torch.get_num_threads()`. Kernels hold no interpreter lock, so Python's own
threads suffice; numba's are neither safe to call from two threads nor after a fork. The caller's thread works too: with
one thread, no other is started.
"""

import math
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

from bench.kernels.arrays import CallArrays, CallResults, Gradients, Operands, Upstream
from bench.kernels.compiled import Array
from bench.kernels.dispatch import Inputs, Options
from bench.kernels.head import LOSSES
from bench.kernels.passes import BACKWARD, FORWARD, run_pass
from bench.kernels.sizes import LINE, NetworkSizes, Places, Stack, plan_pass

MOST_FREE_BYTES = 1 << 28
"""Above it buffers are given back to the system."""

_free: list[NDArray[np.uint8]] = []
_returned: deque[NDArray[np.uint8]] = deque()  # no longer in use, and not yet in `_free`
_lock = threading.Lock()


def buffer(size: int, dtype: torch.dtype) -> Tensor:
    """A flat tensor of `size` arbitrary numbers, whose memory is used again once nothing refers to it."""
    length = size * dtype.itemsize
    raw = _take(length + LINE)
    start = -raw.ctypes.data % LINE
    view = raw[start : start + length]
    tensor = torch.from_numpy(view).view(dtype)  # keeps `view` alive as long as its storage
    weakref.finalize(view, _give, raw).atexit = False
    return tensor


def release() -> None:
    """Give all buffers that are not in use back to the system."""
    with _lock:
        _collect()
        _free.clear()
    _own.arrays.clear()


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


class _Own(threading.local):
    """Arrays of a thread, for one call at a time."""

    def __init__(self) -> None:
        self.arrays: dict[tuple[str, np.dtype[Any]], Array] = {}

    def array(self, name: str, size: int, dtype: np.dtype[Any]) -> Array:
        """At least `size` arbitrary numbers, which begin on a whole cache line."""
        array = self.arrays.get((name, dtype))
        if array is None or array.size < size:
            raw = np.empty(size + LINE // dtype.itemsize, dtype)
            start = -(raw.ctypes.data // dtype.itemsize) % (LINE // dtype.itemsize)
            array = self.arrays[name, dtype] = raw[start:]
        return array


_own = _Own()


DTYPES: Mapping[torch.dtype, np.dtype[Any]] = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}


def flat(tensor: Tensor | None, dtype: torch.dtype) -> Array:
    """The elements of each member, sharing memory where they are contiguous; no elements where there is no tensor."""
    if tensor is None:
        return absent(dtype).results.y
    array: Array = tensor.detach().contiguous().numpy()
    return array.reshape(array.shape[0], -1)


@lru_cache
def absent(dtype: torch.dtype) -> CallArrays:
    """Arrays of which none is there."""
    two, one = np.empty((1, 0), DTYPES[dtype]), np.empty(0, DTYPES[dtype])
    return CallArrays(
        Operands(two, two, two, two, one, one, two),
        CallResults(two, two, two, one),
        Upstream(two, two, two),
        Gradients(two, two, two, one, one, one),
    )


def run_network(
    mode: int,
    places: Places,
    arrays: CallArrays,
    *,
    loss: str = "mse",
    squash: bool = False,
    dropout: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Do one pass over all groups of a bank, on several threads where that pays."""
    dtype, plan, rule = arrays.operands.x.dtype, places.plan, (LOSSES[loss], int(squash), *dropout)
    plans = places.numbers, places.table
    kernel, tasks, sums = run_pass(dtype), plan.members * plan.groups, mode != FORWARD
    if sums:
        arrays = arrays._replace(gradients=arrays.gradients._replace(sums=_own.array("sums", places.sums, dtype)))

    def work(first: int, last: int) -> None:
        # a call that does all of it finishes too: a call costs as much as a small network's pass
        span = first, last, int(sums and (last == 0 or last - first == tasks))
        memory = _own.array("memory", places.memory, dtype)
        kernel(mode, plans, arrays, memory, rule, span)

    run(work, tasks, places.work)
    if sums and parts_of(tasks, places.work) > 1:
        work(0, 0)


def _places(options: Options, inputs: Inputs) -> Places:
    members = max(tensor.shape[0] for tensor in inputs if tensor is not None)
    _, batch, steps, channels = inputs.x.shape
    hidden = inputs.weight_hh.shape[2]
    stack = Stack(options.cell, channels, hidden, layers=1, directions=1, steps=steps, reverse=options.reverse)
    network = NetworkSizes((stack,), initial=inputs.h is not None, wants_x=True, keep=options.keep)
    return plan_pass(network, members, batch, DTYPES[inputs.x.dtype])


def _weights(places: Places, inputs: Inputs) -> Tensor:
    """All weights of a bank of single walks in one buffer; biases that are not there are 0."""
    members, rows = places.plan.members, inputs.weight_hh.shape[1]
    none = inputs.x.new_zeros(1, rows)
    parts = [none if each is None else each.detach() for each in inputs[3:]]
    return torch.cat([each.expand(members, *each.shape[1:]).reshape(-1) for each in parts])


def _operands(places: Places, inputs: Inputs) -> Operands:
    dtype = inputs.x.dtype
    x, h, c = (flat(tensor, dtype) for tensor in inputs[:3])
    return absent(dtype).operands._replace(x=x, h=h, c=c, weights=_weights(places, inputs).numpy())


def run_forward(options: Options, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All steps ``[K, B, T, H]``, last states ``[K, B, H]`` twice, and what the backward pass needs ``[K, …]``.

    What is not requested, or not there, is ``[K, 0]``.
    """
    places, dtype = _places(options, inputs), inputs.x.dtype
    plan, steps = places.plan, inputs.x.shape[2]
    state = (plan.members, plan.batch, plan.hidden)
    empty = torch.empty(plan.members, 0, dtype=dtype)
    y = torch.empty(*state[:2], steps, plan.hidden, dtype=dtype) if options.all_steps else empty
    h = torch.empty(state, dtype=dtype)
    c = torch.empty(state, dtype=dtype) if options.cell == "lstm" else empty
    slots = buffer(plan.members * plan.tiles * plan.kept, dtype) if options.keep else torch.empty(0, dtype=dtype)
    results = CallResults(flat(y, dtype), flat(h, dtype), flat(c, dtype), slots.numpy())
    run_network(FORWARD, places, absent(dtype)._replace(operands=_operands(places, inputs), results=results))
    return y, h, c, slots.view(plan.members, -1)


def run_backward(
    options: Options, wanted: tuple[bool, bool], inputs: Inputs, slots: Tensor, upstream: Sequence[Tensor | None]
) -> tuple[Tensor, ...]:
    """The gradients to `inputs`, one for each member, in their order; `wanted` are those to inputs and to states.

    What is not wanted, or not there, is ``[K, 0]``.
    """
    places, dtype = _places(options, inputs), inputs.x.dtype
    members, batch, hidden = places.plan.members, places.plan.batch, places.plan.hidden
    empty = torch.empty(members, 0, dtype=dtype)
    wants_state = wanted[1] and inputs.h is not None
    state = torch.empty(members, batch, hidden, dtype=dtype) if wants_state else empty
    x = torch.empty(members, *inputs.x.shape[1:], dtype=dtype) if wanted[0] else empty
    c = torch.empty_like(state) if options.cell == "lstm" else empty
    weights = torch.empty(places.parameters * members, dtype=dtype)
    arrays = CallArrays(
        _operands(places, inputs),
        absent(dtype).results._replace(slots=flat(slots, dtype).reshape(-1)),
        Upstream(*(flat(tensor, dtype) for tensor in upstream)),
        absent(dtype).gradients._replace(
            x=flat(x, dtype), h=flat(state, dtype), c=flat(c, dtype), weights=weights.numpy()
        ),
    )
    run_network(BACKWARD, places, arrays)
    rows, channels = inputs.weight_hh.shape[1], inputs.x.shape[3]
    shapes = [(members, rows, channels), (members, rows, hidden), (members, rows), (members, rows)]
    parts = weights.split([math.prod(shape) for shape in shapes])
    return x, state, c, *(part.view(shape) for part, shape in zip(parts, shapes, strict=True))
