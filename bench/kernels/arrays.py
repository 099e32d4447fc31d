"""The arrays of one call, by name, and copying between them.

Each is contiguous and has two dimensions, members and all the rest, but for slots and sums, which are flat. One of no
elements stands for one that is absent; an operand with a first dimension of 1 is shared by all members.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.kernels.compiled import inner
from bench.kernels.simd import VECTOR_BYTES, get, load, put, store

Array = NDArray[Any]


class Operands(NamedTuple):
    """What the forward pass reads: inputs, initial states, weights and biases as `torch.nn` lays them out."""

    x: Array  # [K, B · T · C]
    h: Array  # [K, B · H]
    c: Array  # [K, B · H], of an LSTM
    w_x: Array  # [K, gates · H · C]
    w_h: Array  # [K, gates · H · H]
    b_x: Array  # [K, gates · H]
    b_h: Array  # [K, gates · H]


class Results(NamedTuple):
    """What the forward pass writes."""

    y: Array  # [K, B · T · H], or absent
    h: Array  # [K, B · H], or absent
    c: Array  # [K, B · H], of an LSTM, or absent
    slots: Array  # [K · tiles · tile_size], or absent; what the backward pass reads


class Upstream(NamedTuple):
    """Gradients that the backward pass reads; each may be absent."""

    y: Array  # [K, B · T · H]
    h: Array  # [K, B · H]
    c: Array  # [K, B · H]


class Gradients(NamedTuple):
    """Gradients that the backward pass writes, one for each member also where the operand is shared."""

    x: Array  # [K, B · T · C], or absent
    h: Array  # [K, B · H], or absent
    c: Array  # [K, B · H], or absent
    w_x: Array  # [K, gates · H · C]
    w_h: Array  # [K, gates · H · H]
    b_x: Array  # [K, gates · H]
    b_h: Array  # [K, gates · H]


class Sums(NamedTuple):
    """Sums of the weights' gradients, one part for each group; they begin as 0."""

    by_state: Array  # [K · groups · hidden_blocks · padded · padded]
    by_input: Array  # [K · groups · inputs · blocks · padded]


class Head(NamedTuple):
    """A linear map of the last state, what it should give, and what comes of it; all absent where there is none."""

    w: Array  # [K, outputs · H]
    b: Array  # [K, outputs]
    y: Array  # [K, B · outputs]: the targets
    losses: Array  # [K, 1]
    d_w: Array  # [K, outputs · H]
    d_b: Array  # [K, outputs]
    sums: Array  # [K · groups · head_size]: see `bench.kernels.head`


class Arrays(NamedTuple):
    """All arrays of a call."""

    operands: Operands
    results: Results
    upstream: Upstream
    gradients: Gradients
    sums: Sums
    head: Head


@inner
def member(array: Array, k: int) -> int:
    """Where member `k` starts in the elements of an array that may be shared."""
    return k * array.shape[1] if array.shape[0] > 1 else 0


@inner
def scratch(size: int, like: Array) -> Array:
    """`size` arbitrary numbers that begin on a whole vector: a vector across two cache lines costs two loads."""
    lanes = VECTOR_BYTES // like.itemsize
    array = np.empty(size + lanes, like.dtype)
    start = -(array.ctypes.data // like.itemsize) % lanes
    return array[start : start + size]


@inner
def zeros(size: int, like: Array) -> Array:
    """`size` zeros that begin on a whole vector."""
    array = scratch(size, like)
    array[:] = 0
    return array


@inner
def copy(source: Array, start: int, target: Array, place: int, count: int) -> None:
    """``target[place : place + count] = source[start : start + count]``, by element whatever the dimensions.

    Told apart from an assignment of slices by its speed: those check sizes and overlap each time.
    """
    lanes = VECTOR_BYTES // source.itemsize
    whole = count - count % lanes
    for i in range(0, whole, lanes):
        store(target, place + i, load(source, start + i))
    for i in range(whole, count):
        put(target, place + i, get(source, start + i))


@inner
def add(source: Array, start: int, target: Array, place: int, count: int) -> None:
    """As `copy`, adding."""
    lanes = VECTOR_BYTES // source.itemsize
    whole = count - count % lanes
    for i in range(0, whole, lanes):
        store(target, place + i, load(target, place + i) + load(source, start + i))
    for i in range(whole, count):
        put(target, place + i, get(target, place + i) + get(source, start + i))
