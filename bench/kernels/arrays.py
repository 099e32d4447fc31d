"""The arrays of one pass by name, and weights packed into panels of whole vectors.

Each array is contiguous. Those of two dimensions are members and all the rest; with a first dimension of 1 they are
shared by all members. The others are flat. An absent array has no elements.

The weights of a bank are one array: every parameter's ``[K, …]``, one after another, a walk's in the order of
`torch.nn`. They are converted between that layout and panels of whole vectors, padded with zeros. Column ``block ·
padded + unit`` of a packed matrix belongs to one unit of one block.
"""

from typing import Any, NamedTuple

# llvmlite, which numba is made of, carries no type information
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from bench.kernels.compiled import Array, inner, intrinsic, part
from bench.kernels.product import Matrix
from bench.kernels.simd import VECTOR_BYTES, address, get, load, put, store, where_at_least
from bench.kernels.sizes import GRU, PassPlan, WalkPlan, panel_width, round_up

_INDEX = ir.IntType(64)


class Operands(NamedTuple):
    """What a pass reads."""

    x: Array  # [K, B · T · C]
    fed: Array  # [K, B · T · C] of a decoder
    h: Array  # [K, B · H]: the initial states that are given from outside
    c: Array  # [K, B · H]
    weights: Array
    draws: Array  # uniform numbers ``[K, B, T, width]`` of each walk's inputs with dropout, flat
    targets: Array  # [K, B · units · outputs]


class CallResults(NamedTuple):
    """What the forward pass of a single walk writes; each may be absent."""

    y: Array  # [K, B · T · H]
    h: Array  # [K, B · H]
    c: Array  # [K, B · H], of an LSTM
    slots: Array  # [K · tiles · kept]: what the backward pass reads


class Upstream(NamedTuple):
    """Gradients that the backward pass of a single walk reads; each may be absent."""

    y: Array  # [K, B · T · H]
    h: Array  # [K, B · H]
    c: Array  # [K, B · H]


class Gradients(NamedTuple):
    """What the backward pass writes, for each member also where the operand is shared."""

    x: Array  # [K, B · T · C], or absent
    h: Array  # [K, B · H], or absent
    c: Array  # [K, B · H], or absent
    weights: Array  # as the weights
    losses: Array  # [K]
    sums: Array  # [K · groups · part]: sums of the weights' gradients, one part for each group


class CallArrays(NamedTuple):
    """All arrays of a call."""

    operands: Operands
    results: CallResults
    upstream: Upstream
    gradients: Gradients


class Rule(NamedTuple):
    """What is the same for all members."""

    loss: int  # of `bench.kernels.head.LOSSES`
    squash: int  # 1 where an output is the tanh of the map
    share: float  # that dropout drops
    scale: float  # what it multiplies the rest by


class Work(NamedTuple):
    """All that one call works with."""

    whole: PassPlan
    table: Array  # of walks; see `walk_at`
    arrays: CallArrays
    memory: Array
    rule: Rule


def _plan_from(array: Any, kind: Any) -> Any:
    """IR that reads a plan of whole numbers from a place in an array: only those that are used are read."""
    result = types.NamedUniTuple(types.int64, len(kind._fields), kind)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        start = address(context, builder, sig.args[0], args[0], builder.mul(args[1], _INDEX(len(kind._fields))))
        numbers = [builder.load(builder.gep(start, [_INDEX(place)])) for place in range(len(kind._fields))]
        return context.make_tuple(builder, result, numbers)

    return result(array, types.int64), generate


@intrinsic
def walk_at(_typing: Any, table: Any, _index: Any) -> Any:
    """The plan of a walk."""
    return _plan_from(table, WalkPlan)


@intrinsic
def whole_pass(_typing: Any, numbers: Any, _index: Any) -> Any:
    """The plan of the pass, which is the only one."""
    return _plan_from(numbers, PassPlan)


@inner
def member(array: Array, k: int) -> int:
    """Where member `k` starts in the elements of an array that may be shared."""
    return k * array.shape[1] if array.shape[0] > 1 else 0


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


@inner
def fill_zeros(target: Array, place: int, count: int) -> None:
    """``target[place : place + count] = 0``."""
    lanes = VECTOR_BYTES // target.itemsize
    whole = count - count % lanes
    for i in range(0, whole, lanes):
        store(target, place + i, 0)
    for i in range(whole, count):
        put(target, place + i, 0)


@inner
def copy_kept(
    source: tuple[Array, int], target: tuple[Array, int], count: int, draws: tuple[Array, int], rule: Rule
) -> None:
    """As `copy`, with 0 where its uniform number is below the share that is dropped, and the rest scaled."""
    (values, start), (out, place), (uniforms, at), (_, _, share, scale) = source, target, draws, rule
    lanes = VECTOR_BYTES // values.itemsize
    whole = count - count % lanes
    for i in range(0, whole, lanes):
        store(out, place + i, where_at_least(load(uniforms, at + i), share, load(values, start + i) * scale))
    for i in range(whole, count):
        put(out, place + i, get(values, start + i) * scale if get(uniforms, at + i) >= share else 0)


columns_width = inner(panel_width)
padded_to = inner(round_up)


class Parameters(NamedTuple):
    """Where the weights and biases of one walk of one member start; the input's first, as in `torch.nn`."""

    w_x: int
    w_h: int
    b_x: int
    b_h: int


@inner
def parameters_of(plan: WalkPlan, k: int) -> Parameters:
    """Those of member `k`."""
    rows = plan.gates * plan.hidden
    by_input, by_state = rows * plan.channels, rows * plan.hidden
    w_x = plan.members * plan.weights
    w_h = w_x + plan.members * by_input
    b_x = w_h + plan.members * by_state
    b_h = b_x + plan.members * rows
    return Parameters(w_x + k * by_input, w_h + k * by_state, b_x + k * rows, b_h + k * rows)


@inner
def first_row(plan: WalkPlan, block: int) -> int:
    """The row of `torch.nn`'s weights where a block begins.

    A GRU's blocks are: candidate from the state, reset, update, candidate from the input; torch orders its gates
    reset, update, candidate.
    """
    gate = (block + 2) % 3 if plan.code == GRU else block
    return gate * plan.hidden


@part
def pack_forward(plan: WalkPlan, weights: Array, k: int, memory: Array) -> None:
    """``[W_hᵀ; 0; biases; W_xᵀ]`` of all blocks, in panels, for the forward pass."""
    w_x, w_h, b_x, b_h = parameters_of(plan, k)
    width, rows = plan.panel, plan.padded + 1 + plan.channels
    fill_zeros(memory, plan.packed, rows * plan.blocks * plan.padded)
    for block in range(plan.blocks):
        for unit in range(plan.hidden):
            row = first_row(plan, block) + unit
            panel, lane = divmod(block * plan.padded + unit, width)
            out = plan.packed + panel * rows * width + lane
            bias = out + plan.padded * width
            if block < plan.hidden_blocks:
                _spread(weights, w_h + row * plan.hidden, memory, out, (plan.hidden, width))
                put(memory, bias, get(weights, b_h + row))
            if block >= plan.input_block:
                _spread(weights, w_x + row * plan.channels, memory, bias + width, (plan.channels, width))
                put(memory, bias, get(memory, bias) + get(weights, b_x + row))


@inner
def _spread(source: Array, start: int, target: Array, place: int, extent: tuple[int, int]) -> None:
    """Copy `count` numbers to places that are `apart`."""
    count, apart = extent
    for i in range(count):
        put(target, place + i * apart, get(source, start + i))


@inner
def _pack_rows(plan: WalkPlan, w: tuple[Array, int, int], blocks: tuple[int, int], out: tuple[Array, int]) -> None:
    """``W`` of the blocks ``first … last - 1`` in panels; `w` is ``(array, start, columns)``."""
    source, start, columns = w
    target, place = out
    first, last = blocks
    across = padded_to(columns, plan.lanes)
    width, rows = columns_width(across, plan.lanes), (last - first) * plan.padded
    fill_zeros(target, place, rows * across)
    for block in range(first, last):
        for unit in range(plan.hidden):
            begin = start + (first_row(plan, block) + unit) * columns
            goal = place + ((block - first) * plan.padded + unit) * width
            for left in range(0, columns, width):
                copy(source, begin + left, target, goal, min(width, columns - left))
                goal += rows * width


@part
def pack_backward(plan: WalkPlan, weights: Array, k: int, memory: Array) -> None:
    """``W_h``, and ``W_x`` where gradients to inputs are wanted, for the backward pass."""
    w_x, w_h, _, _ = parameters_of(plan, k)
    _pack_rows(plan, (weights, w_h, plan.hidden), (0, plan.hidden_blocks), (memory, plan.back_h))
    if plan.wants_x:
        _pack_rows(plan, (weights, w_x, plan.channels), (plan.input_block, plan.blocks), (memory, plan.back_x))


@inner
def add_parts(whole: PassPlan, sums: Array, k: int) -> int:
    """Add the groups' parts of member `k` into the first, in their order; where that starts."""
    start = k * whole.groups * whole.part
    for group in range(1, whole.groups):
        add(sums, start + group * whole.part, sums, start, whole.part)
    return start


@part
def unpack_gradients(plan: WalkPlan, sums: Array, start: int, k: int, out: Array) -> None:
    """The sums of member `k`, which begin at `start`, into `torch.nn`'s layout."""
    w_x, w_h, b_x, b_h = parameters_of(plan, k)
    width = plan.blocks * plan.padded
    by_state, by_input = start + plan.by_state, start + plan.by_input
    for block in range(plan.blocks):
        for unit in range(plan.hidden):
            column, row = block * plan.padded + unit, first_row(plan, block) + unit
            bias = get(sums, by_input + column)
            if block < plan.hidden_blocks:
                put(out, b_h + row, bias)
                copy(sums, by_state + column * plan.padded, out, w_h + row * plan.hidden, plan.hidden)
            if block >= plan.input_block:
                put(out, b_x + row, bias)
                place = w_x + row * plan.channels
                for channel in range(plan.channels):
                    put(out, place + channel, get(sums, by_input + (channel + 1) * width + column))


class Tile(NamedTuple):
    """One tile: its member, its place, its first row, how many are real, and where its part of the sums starts."""

    k: int
    place: int
    row: int
    rows: int
    sums: int


@inner
def tile_at(whole: PassPlan, k: int, index: int) -> Tile:
    """Tile `index` of member `k`."""
    row = index * whole.tile
    sums = (k * whole.groups + index // whole.group) * whole.part
    return Tile(k, index, row, min(whole.tile, whole.batch - row), sums)


class Slots(NamedTuple):
    """The slots of one walk and one tile: an array, and where they start."""

    array: Array
    start: int


@inner
def slots_at(work: Work, plan: WalkPlan, tile: Tile) -> Slots:
    """Where a walk's slots are: in memory, or where they are kept."""
    whole = work.whole
    if whole.keep:
        return Slots(work.arrays.results.slots, (tile.k * whole.tiles + tile.place) * whole.kept)
    return Slots(work.memory, plan.slots)


@inner
def state_of(plan: WalkPlan, slots: Slots, step: int) -> Matrix:
    """The hidden state before `step`, ``[tile, padded]``; behind each of its rows lie 1 and the channels."""
    start = slots.start + step * plan.tile * plan.row + (plan.slot_blocks - 1) * plan.padded
    return Matrix(slots.array, start, plan.row)


@inner
def cell_state_of(plan: WalkPlan, slots: Slots, step: int) -> Matrix:
    """The cell state of an LSTM before `step`, ``[tile, padded]``."""
    hidden = state_of(plan, slots, step)
    return Matrix(hidden.array, hidden.start - plan.padded, hidden.stride)


@inner
def time_of(plan: WalkPlan, step: int) -> int:
    """Where in the sequence the step is that is walked as number `step`, and the other way round."""
    return plan.steps - 1 - step if plan.reverse else step


@inner
def load_rows(plan: WalkPlan, array: Array, tile: Tile, out: Matrix) -> None:
    """Write the tile's rows of an array ``[K, B, H]``."""
    start = member(array, tile.k) + tile.row * plan.hidden
    for row in range(tile.rows):
        copy(array, start + row * plan.hidden, out.array, out.start + row * out.stride, plan.hidden)


@inner
def store_rows(plan: WalkPlan, source: Matrix, tile: Tile, array: Array) -> None:
    """Write the tile's rows into an array ``[K, B, H]``."""
    place = (tile.k * plan.batch + tile.row) * plan.hidden
    for row in range(tile.rows):
        copy(source.array, source.start + row * source.stride, array, place + row * plan.hidden, plan.hidden)


@inner
def store_step(plan: WalkPlan, source: Matrix, tile: Tile, step: int, out: tuple[Array, int]) -> None:
    """Write the tile's rows of one step into an array ``[K, B, T, width]``."""
    array, width = out
    place = ((tile.k * plan.batch + tile.row) * plan.steps + time_of(plan, step)) * width
    for row in range(tile.rows):
        copy(source.array, source.start + row * source.stride, array, place + row * plan.steps * width, width)


@inner
def add_step(plan: WalkPlan, array: Array, tile: Tile, step: int, out: Matrix) -> None:
    """Add the tile's rows of one step of an array ``[K, B, T, H]``."""
    start = ((tile.k * plan.batch + tile.row) * plan.steps + time_of(plan, step)) * plan.hidden
    for row in range(tile.rows):
        source = start + row * plan.steps * plan.hidden
        add(array, source, out.array, out.start + row * out.stride, plan.hidden)
