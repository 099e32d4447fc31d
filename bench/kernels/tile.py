"""A tile of a bank: some rows of one member, and moving them between whole arrays and padded rows."""

from __future__ import annotations

from typing import NamedTuple

from bench.kernels.arrays import Array, add, copy, member
from bench.kernels.compiled import inner
from bench.kernels.plan import Plan
from bench.kernels.product import Matrix
from bench.kernels.simd import get, put


class Tile(NamedTuple):
    """One tile: its member, its first row, how many of its rows are real, and where its slots start."""

    k: int
    row: int
    rows: int
    slots: int


@inner
def tile_at(plan: Plan, k: int, index: int) -> Tile:
    """Tile `index` of member `k`; where slots are not kept, all tiles use the same."""
    row = index * plan.tile
    slots = (k * plan.tiles + index) * plan.tile_size if plan.keep else 0
    return Tile(k, row, min(plan.tile, plan.batch - row), slots)


@inner
def part_of(plan: Plan, tile: Tile) -> int:
    """The number of the tile's group, counted member after member."""
    return tile.k * plan.groups + tile.row // (plan.tile * plan.group)


@inner
def in_slot(plan: Plan, slots: Array, start: int, block: int) -> Matrix:
    """One block of the slot that starts at `start`, ``[tile, padded]``."""
    return Matrix(slots, start + block * plan.padded, plan.slot_blocks * plan.padded)


@inner
def inputs_at(plan: Plan, slots: Array, tile: Tile, step: int) -> Matrix:
    """The ones and inputs of one step, ``[tile, inputs]``, which lie behind the tile's slots."""
    start = tile.slots + (plan.steps + 1) * plan.slot_size
    return Matrix(slots, start + step * plan.tile * plan.inputs, plan.inputs)


@inner
def time_of(plan: Plan, step: int) -> int:
    """Where in the sequence the step is that is walked as number `step`."""
    return plan.steps - 1 - step if plan.reverse else step


@inner
def load_inputs(plan: Plan, x: Array, tile: Tile, slots: Array) -> None:
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
def load_rows(plan: Plan, array: Array, tile: Tile, out: Matrix) -> None:
    """Write the tile's rows of an array ``[K, B, H]``."""
    start = member(array, tile.k) + tile.row * plan.hidden
    for row in range(tile.rows):
        copy(array, start + row * plan.hidden, out.array, out.start + row * out.stride, plan.hidden)


@inner
def store_rows(plan: Plan, source: Matrix, tile: Tile, array: Array) -> None:
    """Write the tile's rows into an array ``[K, B, H]``."""
    place = (tile.k * plan.batch + tile.row) * plan.hidden
    for row in range(tile.rows):
        copy(source.array, source.start + row * source.stride, array, place + row * plan.hidden, plan.hidden)


@inner
def store_step(plan: Plan, source: Matrix, tile: Tile, step: int, out: tuple[Array, int]) -> None:
    """Write the tile's rows of one step into an array ``[K, B, T, width]``."""
    array, width = out
    place = ((tile.k * plan.batch + tile.row) * plan.steps + time_of(plan, step)) * width
    for row in range(tile.rows):
        copy(source.array, source.start + row * source.stride, array, place + row * plan.steps * width, width)


@inner
def add_step(plan: Plan, array: Array, tile: Tile, step: int, out: Matrix) -> None:
    """Add the tile's rows of one step of an array ``[K, B, T, H]``."""
    start = ((tile.k * plan.batch + tile.row) * plan.steps + time_of(plan, step)) * plan.hidden
    for row in range(tile.rows):
        source = start + row * plan.steps * plan.hidden
        add(array, source, out.array, out.start + row * out.stride, plan.hidden)
