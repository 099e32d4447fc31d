"""The arrays of one call by name, and weights packed into panels of whole vectors.

Each array is contiguous and has two dimensions, members and all the rest; only slots and sums are flat. An absent array
has no elements; an operand with a first dimension of 1 is shared by all members.

Weights are converted between the layout of `torch.nn` and panels of whole vectors, padded with zeros. Column ``block ·
padded + unit`` of a packed matrix belongs to one unit of one block. The input's weights have the biases as their first
row, which the kernels multiply by a column of ones.
"""

from typing import NamedTuple

import numpy as np

from bench.kernels.compiled import Array, inner, part
from bench.kernels.product import Matrix
from bench.kernels.simd import VECTOR_BYTES, get, load, put, store
from bench.kernels.sizes import GRU, CallPlan, panel_width, round_up


class Operands(NamedTuple):
    """What the forward pass reads: inputs, initial states, weights and biases as `torch.nn` lays them out."""

    x: Array  # [K, B · T · C]
    h: Array  # [K, B · H]
    c: Array  # [K, B · H], of an LSTM
    w_x: Array  # [K, gates · H · C]
    w_h: Array  # [K, gates · H · H]
    b_x: Array  # [K, gates · H]
    b_h: Array  # [K, gates · H]


class CallResults(NamedTuple):
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
    sums: Array  # [K · groups · head_size]: see `bench.kernels.passes`


class CallArrays(NamedTuple):
    """All arrays of a call."""

    operands: Operands
    results: CallResults
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


columns_width = inner(panel_width)
padded_to = inner(round_up)


@inner
def first_row(plan: CallPlan, block: int) -> int:
    """The row of `torch.nn`'s weights where a block begins.

    A GRU's blocks are: candidate from the state, reset, update, candidate from the input; torch orders its gates
    reset, update, candidate.
    """
    gate = (block + 2) % 3 if plan.code == GRU else block
    return gate * plan.hidden


@inner
def _pack_columns(
    plan: CallPlan, w: tuple[Array, int, int], blocks: tuple[int, int], out: tuple[Array, int, int]
) -> None:
    """``Wᵀ`` of the blocks ``first … last - 1`` into panels.

    `w` is ``(array, start, columns)``; `out` is ``(array, rows of a panel, row to start from)``.
    """
    source, start, columns = w
    target, rows, offset = out
    first, last = blocks
    width = plan.panel
    for block in range(first, last):
        for unit in range(plan.hidden):
            place = start + (first_row(plan, block) + unit) * columns
            panel, lane = divmod(block * plan.padded + unit, width)
            goal = (panel * rows + offset) * width + lane
            for column in range(columns):
                put(target, goal + column * width, get(source, place + column))


@part
def pack_state_weights(plan: CallPlan, w: Array, k: int, out: Array) -> None:
    """``Wᵀ``, panels of H rows, for the forward pass."""
    _pack_columns(plan, (w, member(w, k), plan.hidden), (0, plan.hidden_blocks), (out, plan.hidden, 0))


@part
def pack_input_weights(plan: CallPlan, operands: Operands, k: int, out: Array) -> None:
    """``[bias; Wᵀ; 0]``, panels of `inputs` rows, for the forward pass."""
    w = (operands.w_x, member(operands.w_x, k), plan.channels)
    _pack_columns(plan, w, (plan.input_block, plan.blocks), (out, plan.inputs, 1))
    b_x, b_h = member(operands.b_x, k), member(operands.b_h, k)
    for block in range(plan.blocks):
        for unit in range(plan.hidden):
            row = first_row(plan, block) + unit
            panel, lane = divmod(block * plan.padded + unit, plan.panel)
            by_state = get(operands.b_h, b_h + row) if block < plan.hidden_blocks else 0
            by_input = get(operands.b_x, b_x + row) if block >= plan.input_block else 0
            put(out, panel * plan.inputs * plan.panel + lane, by_state + by_input)


@inner
def pack_rows(plan: CallPlan, w: tuple[Array, int, int], blocks: tuple[int, int], out: Array) -> None:
    """``W`` of the blocks ``first … last - 1``, panels of whole vectors, for the backward pass; `w` as above."""
    source, start, columns = w
    first, last = blocks
    width = columns_width(padded_to(columns, plan.lanes), plan.lanes)
    rows = (last - first) * plan.padded
    for block in range(first, last):
        for unit in range(plan.hidden):
            place = start + (first_row(plan, block) + unit) * columns
            goal = ((block - first) * plan.padded + unit) * width
            for left in range(0, columns, width):
                copy(source, place + left, out, goal, min(width, columns - left))
                goal += rows * width


@inner
def sum_parts(parts: Array, k: int, size: int, groups: int) -> int:
    """Add the groups' parts of member `k` into the first, in their order; where that starts."""
    start = k * groups * size
    for group in range(1, groups):
        add(parts, start + group * size, parts, start, size)
    return start


@part
def unpack_gradients(plan: CallPlan, sums: Sums, k: int, out: Gradients) -> None:
    """Add up the groups' parts for member `k`, into `torch.nn`'s layout."""
    width, height = plan.blocks * plan.padded, plan.gates * plan.hidden
    by_state = sum_parts(sums.by_state, k, plan.hidden_blocks * plan.padded * plan.padded, plan.groups)
    by_input = sum_parts(sums.by_input, k, plan.inputs * width, plan.groups)
    for block in range(plan.blocks):
        for unit in range(plan.hidden):
            column, row = block * plan.padded + unit, k * height + first_row(plan, block) + unit
            bias = get(sums.by_input, by_input + column)
            if block < plan.hidden_blocks:
                put(out.b_h, row, bias)
                copy(sums.by_state, by_state + column * plan.padded, out.w_h, row * plan.hidden, plan.hidden)
            if block >= plan.input_block:
                put(out.b_x, row, bias)
                for channel in range(plan.channels):
                    source = by_input + (channel + 1) * width + column
                    put(out.w_x, row * plan.channels + channel, get(sums.by_input, source))


class Tile(NamedTuple):
    """One tile: its member, its first row, how many of its rows are real, and where its slots start."""

    k: int
    row: int
    rows: int
    slots: int


@inner
def tile_at(plan: CallPlan, k: int, index: int) -> Tile:
    """Tile `index` of member `k`; where slots are not kept, all tiles use the same."""
    row = index * plan.tile
    slots = (k * plan.tiles + index) * plan.tile_size if plan.keep else 0
    return Tile(k, row, min(plan.tile, plan.batch - row), slots)


@inner
def part_of(plan: CallPlan, tile: Tile) -> int:
    """The number of the tile's group, counted member after member."""
    return tile.k * plan.groups + tile.row // (plan.tile * plan.group)


@inner
def in_slot(plan: CallPlan, slots: Array, start: int, block: int) -> Matrix:
    """One block of the slot that starts at `start`, ``[tile, padded]``."""
    return Matrix(slots, start + block * plan.padded, plan.slot_blocks * plan.padded)


@inner
def inputs_at(plan: CallPlan, slots: Array, tile: Tile, step: int) -> Matrix:
    """The ones and inputs of one step, ``[tile, inputs]``, which lie behind the tile's slots."""
    start = tile.slots + (plan.steps + 1) * plan.slot_size
    return Matrix(slots, start + step * plan.tile * plan.inputs, plan.inputs)


@inner
def time_of(plan: CallPlan, step: int) -> int:
    """Where in the sequence the step is that is walked as number `step`."""
    return plan.steps - 1 - step if plan.reverse else step


@inner
def load_inputs(plan: CallPlan, x: Array, tile: Tile, slots: Array) -> None:
    """Write the ones and inputs of all steps; rows that only pad the tile are 0, so all that comes of them is 0."""
    channels, apart = plan.channels, plan.tile * plan.inputs
    out = inputs_at(plan, slots, tile, 0)
    for row in range(plan.tile):
        place = out.start + row * plan.inputs
        source = member(x, tile.k) + (tile.row + row) * plan.steps * channels
        for step in range(plan.steps):
            if row < tile.rows:
                put(slots, place, 1)
                start = source + time_of(plan, step) * channels
                for channel in range(channels):
                    put(slots, place + 1 + channel, get(x, start + channel))
            else:
                for i in range(plan.inputs):
                    put(slots, place + i, 0)
            place += apart


@inner
def load_rows(plan: CallPlan, array: Array, tile: Tile, out: Matrix) -> None:
    """Write the tile's rows of an array ``[K, B, H]``."""
    start = member(array, tile.k) + tile.row * plan.hidden
    for row in range(tile.rows):
        copy(array, start + row * plan.hidden, out.array, out.start + row * out.stride, plan.hidden)


@inner
def store_rows(plan: CallPlan, source: Matrix, tile: Tile, array: Array) -> None:
    """Write the tile's rows into an array ``[K, B, H]``."""
    place = (tile.k * plan.batch + tile.row) * plan.hidden
    for row in range(tile.rows):
        copy(source.array, source.start + row * source.stride, array, place + row * plan.hidden, plan.hidden)


@inner
def store_step(plan: CallPlan, source: Matrix, tile: Tile, step: int, out: tuple[Array, int]) -> None:
    """Write the tile's rows of one step into an array ``[K, B, T, width]``."""
    array, width = out
    place = ((tile.k * plan.batch + tile.row) * plan.steps + time_of(plan, step)) * width
    for row in range(tile.rows):
        copy(source.array, source.start + row * source.stride, array, place + row * plan.steps * width, width)


@inner
def add_step(plan: CallPlan, array: Array, tile: Tile, step: int, out: Matrix) -> None:
    """Add the tile's rows of one step of an array ``[K, B, T, H]``."""
    start = ((tile.k * plan.batch + tile.row) * plan.steps + time_of(plan, step)) * plan.hidden
    for row in range(tile.rows):
        source = start + row * plan.steps * plan.hidden
        add(array, source, out.array, out.start + row * out.stride, plan.hidden)
