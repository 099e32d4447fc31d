"""The forward pass of a bank, tile by tile: each tile runs through all steps before the next starts.

A tile is some rows of one member, copied between whole arrays and padded rows.
"""

from typing import NamedTuple

from bench.kernels import equations
from bench.kernels.arrays import (
    CallResults,
    Operands,
    Tile,
    in_slot,
    inputs_at,
    load_inputs,
    load_rows,
    pack_input_weights,
    pack_state_weights,
    store_rows,
    store_step,
    zeros,
)
from bench.kernels.compiled import Array, inner, part
from bench.kernels.product import Extent, Matrix, PackedPanels, set_sum
from bench.kernels.sizes import GRU, LSTM, CallPlan


class Packed(NamedTuple):
    """One member's weights in panels."""

    w_h: Array
    w_x: Array


@part
def packed_workspace(plan: CallPlan, like: Array) -> Packed:
    """Room for `Packed`."""
    return Packed(
        zeros(plan.hidden_blocks * plan.padded * plan.hidden, like),
        zeros(plan.blocks * plan.padded * plan.inputs, like),
    )


@part
def pack_forward(plan: CallPlan, operands: Operands, k: int, packed: Packed) -> None:
    """Pack the weights of member `k`."""
    pack_state_weights(plan, operands.w_h, k, packed.w_h)
    pack_input_weights(plan, operands, k, packed.w_x)


class ForwardStep(NamedTuple):
    """One step of a tile: the states before it, its inputs, and the slot that it fills."""

    hidden: Matrix
    inputs: Matrix
    out: Matrix


@inner
def _blocks(plan: CallPlan, packed: Packed, step: ForwardStep, span: tuple[int, int], fed: tuple[int, int]) -> None:
    """The products of the blocks ``first … last - 1``, fed by so many hidden units and inputs."""
    first, last = span
    units, inputs = fed
    column, width = first * plan.padded, plan.panel
    w_h = PackedPanels(packed.w_h, column * plan.hidden, width, plan.hidden * width, width)
    w_x = PackedPanels(packed.w_x, column * plan.inputs, width, plan.inputs * width, width)
    out = Matrix(step.out.array, step.out.start + column, step.out.stride)
    extent = Extent(plan.tile, (last - first) * plan.padded, 0)
    set_sum(out, (step.hidden, w_h, units), (step.inputs, w_x, inputs), extent)


@part
def _products(plan: CallPlan, packed: Packed, step: ForwardStep, units: int) -> None:
    """All products of one step and the biases; `units` is the hidden size, or 0 where the state is known to be 0."""
    if plan.code == GRU:
        _blocks(plan, packed, step, (0, 1), (units, 1))  # of the inputs only the ones: the bias
        _blocks(plan, packed, step, (1, 3), (units, plan.channels + 1))
        _blocks(plan, packed, step, (3, 4), (0, plan.channels + 1))
    else:
        _blocks(plan, packed, step, (0, plan.blocks), (units, plan.channels + 1))


@part
def _activate(plan: CallPlan, slots: Array, now: int, before: int) -> None:
    if plan.code == LSTM:
        equations.lstm_forward(plan, slots, now, before)
    elif plan.code == GRU:
        equations.gru_forward(plan, slots, now, before)
    else:
        equations.rnn_forward(plan, slots, now)


@part
def forward_tile(plan: CallPlan, operands: Operands, results: CallResults, packed: Packed, tile: Tile) -> None:
    """Run one tile through all steps. ``results.slots`` is written from ``tile.slots`` on."""
    slots, top, size = results.slots, plan.slot_blocks - 1, plan.slot_size
    _begin(plan, operands, tile, slots)
    for step in range(plan.steps):
        before = tile.slots + step * size
        hidden, out = in_slot(plan, slots, before, top), in_slot(plan, slots, before + size, 0)
        units = plan.hidden if step > 0 or plan.initial else 0
        _products(plan, packed, ForwardStep(hidden, inputs_at(plan, slots, tile, step), out), units)
        _activate(plan, slots, before + size, before)
        if results.y.size:
            store_step(plan, in_slot(plan, slots, before + size, top), tile, step, (results.y, plan.hidden))
    last = tile.slots + plan.steps * size
    if results.h.size:
        store_rows(plan, in_slot(plan, slots, last, top), tile, results.h)
    if results.c.size:
        store_rows(plan, in_slot(plan, slots, last, top - 1), tile, results.c)


@part
def _begin(plan: CallPlan, operands: Operands, tile: Tile, slots: Array) -> None:
    """Write the tile's inputs and its initial state."""
    load_inputs(plan, operands.x, tile, slots)
    slots[tile.slots : tile.slots + plan.slot_size] = 0
    if plan.initial:
        top = plan.slot_blocks - 1
        load_rows(plan, operands.h, tile, in_slot(plan, slots, tile.slots, top))
        if plan.code == LSTM:
            load_rows(plan, operands.c, tile, in_slot(plan, slots, tile.slots, top - 1))
