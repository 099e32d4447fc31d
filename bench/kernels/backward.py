"""The backward pass of a bank: each tile runs back through all steps, and adds to the gradients of the weights.

The products for the weights' gradients sum over rows and steps. They are computed for a few steps at once, while their
factors are still in the cache, so no array over all steps is written.
"""

from typing import NamedTuple

from bench.kernels import equations
from bench.kernels.arrays import (
    CallArrays,
    Gradients,
    Operands,
    Sums,
    Tile,
    add_step,
    columns_width,
    in_slot,
    inputs_at,
    load_rows,
    member,
    pack_rows,
    padded_to,
    part_of,
    scratch,
    store_rows,
    store_step,
    zeros,
)
from bench.kernels.compiled import Array, inner, part
from bench.kernels.product import Extent, Matrix, PackedPanels, add_product, add_transposed, set_sum
from bench.kernels.sizes import GRU, LSTM, CallPlan

CHUNK = 128  # rows × steps whose products go into the weights' gradients at once


class BackwardWorkspace(NamedTuple):
    """One member's weights in panels, and what a tile needs on its way back."""

    w_h: Array  # panels of [hidden_blocks · padded, padded]
    w_x: Array  # panels of [(blocks - input_block) · padded, padded channels], where gradients to inputs are wanted
    d_h: Array  # [tile, padded]
    d_c: Array  # [tile, padded]
    d_a: Array  # [chunk, tile, blocks · padded]: gradients to the products
    d_x: Array  # [chunk, tile, padded channels]


@inner
def state_sums(plan: CallPlan, sums: Sums, tile: Tile) -> Matrix:
    """The part of the tile's group in the sums of the state's weights."""
    return Matrix(sums.by_state, part_of(plan, tile) * plan.hidden_blocks * plan.padded * plan.padded, plan.padded)


@inner
def input_sums(plan: CallPlan, sums: Sums, tile: Tile) -> Matrix:
    """The part of the tile's group in the sums of the input's weights."""
    return Matrix(
        sums.by_input, part_of(plan, tile) * plan.inputs * plan.blocks * plan.padded, plan.blocks * plan.padded
    )


@inner
def chunk_steps(plan: CallPlan) -> int:
    """How many steps make a chunk."""
    return min(max(CHUNK // plan.tile, 1), plan.steps)


@part
def backward_workspace(plan: CallPlan, gradients: Gradients) -> BackwardWorkspace:
    """Room for one tile at a time."""
    like = gradients.w_h
    rows = chunk_steps(plan) * plan.tile
    channels = padded_to(plan.channels, plan.lanes) if gradients.x.size else 0
    return BackwardWorkspace(
        zeros(plan.hidden_blocks * plan.padded * plan.padded, like),
        zeros((plan.blocks - plan.input_block) * plan.padded * channels, like),
        scratch(plan.tile * plan.padded, like),
        scratch(plan.tile * plan.padded, like),
        scratch(rows * plan.blocks * plan.padded, like),
        scratch(rows * channels, like),
    )


@part
def pack_backward(plan: CallPlan, operands: Operands, k: int, workspace: BackwardWorkspace) -> None:
    """Pack the weights of member `k`."""
    w_h, w_x = operands.w_h, operands.w_x
    pack_rows(plan, (w_h, member(w_h, k), plan.hidden), (0, plan.hidden_blocks), workspace.w_h)
    if workspace.w_x.size:
        pack_rows(plan, (w_x, member(w_x, k), plan.channels), (plan.input_block, plan.blocks), workspace.w_x)


@part
def _derive(plan: CallPlan, slots: Array, places: tuple[int, int], workspace: BackwardWorkspace, start: int) -> None:
    """The gradients to one step's products, into ``workspace.d_a`` from `start` on."""
    out = (workspace.d_a, start)
    if plan.code == LSTM:
        equations.lstm_backward(plan, slots, places, (workspace.d_h, workspace.d_c), out)
    elif plan.code == GRU:
        equations.gru_backward(plan, slots, places, workspace.d_h, out)
    else:
        equations.rnn_backward(plan, slots, places[0], workspace.d_h, out)


@part
def _carry(plan: CallPlan, workspace: BackwardWorkspace, start: int) -> None:
    """The gradient to the state before one step, from those to its products, which are at `start`."""
    size = plan.hidden_blocks * plan.padded
    panels = PackedPanels(workspace.w_h, 0, plan.panel, size * plan.panel, plan.panel)
    d_a = Matrix(workspace.d_a, start, plan.blocks * plan.padded)
    d_h, extent = Matrix(workspace.d_h, 0, plan.padded), Extent(plan.tile, plan.padded, size)
    if plan.code == GRU:
        add_product(d_h, d_a, panels, extent)  # to what passed the update gate
    else:
        set_sum(d_h, (d_a, panels, size), (d_a, panels, 0), extent)


@part
def _add_state_weights(
    plan: CallPlan, workspace: BackwardWorkspace, states: Matrix, rows: tuple[int, int], out: Matrix
) -> None:
    """Add a chunk's products ``d_aᵀ h``; `rows` are the chunk's first and last that count."""
    first, last = rows
    width, stride = plan.blocks * plan.padded, states.stride
    before = PackedPanels(states.array, states.start + first * stride, stride, plan.panel, plan.panel)
    extent = Extent(plan.hidden_blocks * plan.padded, plan.padded, last - first)
    add_transposed(out, Matrix(workspace.d_a, first * width, width), before, extent)


@part
def _add_input_weights(plan: CallPlan, workspace: BackwardWorkspace, inputs: Matrix, rows: int, out: Matrix) -> None:
    """Add a chunk's products ``[1, x]ᵀ d_a``; of blocks that inputs do not feed, only the bias is used."""
    width, first = plan.blocks * plan.padded, plan.input_block * plan.padded
    fed = PackedPanels(workspace.d_a, first, width, plan.panel, plan.panel)
    add_transposed(Matrix(out.array, out.start + first, width), inputs, fed, Extent(plan.inputs, width - first, rows))
    unfed = PackedPanels(workspace.d_a, 0, width, plan.panel, plan.panel)
    add_transposed(out, inputs, unfed, Extent(2, first, rows))


@part
def _store_inputs(plan: CallPlan, workspace: BackwardWorkspace, steps: tuple[int, int], tile: Tile, d_x: Array) -> None:
    """The gradients to a chunk's inputs."""
    first, last = steps
    width = plan.blocks * plan.padded
    columns = padded_to(plan.channels, plan.lanes)
    panel = columns_width(columns, plan.lanes)
    inner_size = width - plan.input_block * plan.padded
    workspace.d_x[:] = 0
    add_product(
        Matrix(workspace.d_x, 0, columns),
        Matrix(workspace.d_a, plan.input_block * plan.padded, width),
        PackedPanels(workspace.w_x, 0, panel, inner_size * panel, panel),
        Extent((last - first) * plan.tile, columns, inner_size),
    )
    for step in range(first, last):
        source = Matrix(workspace.d_x, (step - first) * plan.tile * columns, columns)
        store_step(plan, source, tile, step, (d_x, plan.channels))


@part
def _chunk_back(
    plan: CallPlan, arrays: CallArrays, workspace: BackwardWorkspace, tile: Tile, steps: tuple[int, int]
) -> None:
    """Carry the gradient to the state back over the steps ``first … last - 1``."""
    first, last = steps
    size, width = plan.slot_size, plan.blocks * plan.padded
    for step in range(last - 1, first - 1, -1):
        if arrays.upstream.y.size:
            add_step(plan, arrays.upstream.y, tile, step, Matrix(workspace.d_h, 0, plan.padded))
        now, start = tile.slots + (step + 1) * size, (step - first) * plan.tile * width
        _derive(plan, arrays.results.slots, (now, now - size), workspace, start)
        if step > 0 or plan.initial:  # nobody requests the gradient to a state that was not given
            _carry(plan, workspace, start)


@part
def _chunk_sums(
    plan: CallPlan, arrays: CallArrays, workspace: BackwardWorkspace, tile: Tile, steps: tuple[int, int]
) -> None:
    """Add what the steps ``first … last - 1`` give to the weights' gradients, and write those to their inputs."""
    first, last = steps
    rows = (last - first) * plan.tile
    skipped = plan.tile if first == 0 and not plan.initial else 0  # the state before the first step is 0
    states = in_slot(plan, arrays.results.slots, tile.slots + first * plan.slot_size, plan.slot_blocks - 1)
    _add_state_weights(plan, workspace, states, (skipped, rows), state_sums(plan, arrays.sums, tile))
    inputs = inputs_at(plan, arrays.results.slots, tile, first)
    _add_input_weights(plan, workspace, inputs, rows, input_sums(plan, arrays.sums, tile))
    if arrays.gradients.x.size:
        _store_inputs(plan, workspace, steps, tile, arrays.gradients.x)


@part
def begin_back(plan: CallPlan, arrays: CallArrays, workspace: BackwardWorkspace, tile: Tile) -> None:
    """Start from the gradients to the tile's last states."""
    workspace.d_h[:] = 0
    workspace.d_c[:] = 0
    if arrays.upstream.h.size:
        load_rows(plan, arrays.upstream.h, tile, Matrix(workspace.d_h, 0, plan.padded))
    if arrays.upstream.c.size:
        load_rows(plan, arrays.upstream.c, tile, Matrix(workspace.d_c, 0, plan.padded))


@part
def backward_tile(plan: CallPlan, arrays: CallArrays, workspace: BackwardWorkspace, tile: Tile) -> None:
    """Run one tile back through all steps, from what `workspace` holds; its slots begin at ``tile.slots``."""
    length = chunk_steps(plan)
    for last in range(plan.steps, 0, -length):
        steps = (max(last - length, 0), last)
        _chunk_back(plan, arrays, workspace, tile, steps)
        _chunk_sums(plan, arrays, workspace, tile, steps)
    if arrays.gradients.h.size:
        store_rows(plan, Matrix(workspace.d_h, 0, plan.padded), tile, arrays.gradients.h)
    if arrays.gradients.c.size:
        store_rows(plan, Matrix(workspace.d_c, 0, plan.padded), tile, arrays.gradients.c)
