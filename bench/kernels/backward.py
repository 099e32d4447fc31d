"""One walk of one tile back, through all steps; it adds to the gradients of the weights.

The products for the weights' gradients sum over rows and steps. They are computed for a few steps at once, while their
factors are still in the cache, so no array over all steps is written.
"""

from bench.kernels import equations
from bench.kernels.arrays import (
    CallArrays,
    Slots,
    Tile,
    Upstream,
    Work,
    add,
    add_step,
    columns_width,
    copy,
    copy_kept,
    fill_zeros,
    load_rows,
    padded_to,
    slots_at,
    state_of,
    store_rows,
    store_step,
    time_of,
    walk_at,
)
from bench.kernels.compiled import Array, part
from bench.kernels.forward import draws_at
from bench.kernels.product import Extent, Matrix, PackedPanels, add_product, add_transposed, set_product
from bench.kernels.sizes import BELOW, GRU, LSTM, SLSTM, WalkPlan


@part
def begin_back(plan: WalkPlan, upstream: Upstream, memory: Array, tile: Tile) -> None:
    """Start from no gradients to the tile's last states, or from given ones.

    Padding of gradients that other walks write is 0 from here on: memory may hold what is not a number.
    """
    fill_zeros(memory, plan.d_h, plan.tile * plan.padded)
    fill_zeros(memory, plan.d_c, plan.cells * plan.tile * plan.padded)
    if plan.above and plan.hidden < plan.padded:
        fill_zeros(memory, plan.d_y, plan.steps * plan.tile * plan.padded)
    if upstream.h.size:
        load_rows(plan, upstream.h, tile, Matrix(memory, plan.d_h, plan.padded))
    if upstream.c.size:
        load_rows(plan, upstream.c, tile, Matrix(memory, plan.d_c, plan.padded))


@part
def _derive(plan: WalkPlan, slots: Array, places: tuple[int, int], memory: Array, out: int) -> None:
    """The gradients to one step's products, into memory from `out` on."""
    if plan.code == LSTM:
        equations.lstm_backward(plan, slots, places, memory, out)
    elif plan.code == GRU:
        equations.gru_backward(plan, slots, places, memory, out)
    elif plan.code == SLSTM:
        equations.slstm_backward(plan, slots, places, memory, out)
    else:
        equations.rnn_backward(plan, slots, places[0], memory, out)


@part
def _carry(plan: WalkPlan, memory: Array, start: int) -> None:
    """The gradient to the state before one step, from those to its products, which are at `start`."""
    size, width = plan.hidden_blocks * plan.padded, columns_width(plan.padded, plan.lanes)
    panels = PackedPanels(memory, plan.back_h, width, size * width, width)
    d_a = Matrix(memory, start, plan.blocks * plan.padded)
    d_h, extent = Matrix(memory, plan.d_h, plan.padded), Extent(plan.tile, plan.padded, size)
    if plan.code == GRU:
        add_product(d_h, d_a, panels, extent)  # to what passed the update gate
    else:
        set_product(d_h, d_a, panels, extent)


@part
def _chunk_back(
    plan: WalkPlan, arrays: CallArrays, memory: Array, tile: Tile, slots: Slots, steps: tuple[int, int]
) -> None:
    """Carry the gradient to the state back over the steps ``first … last - 1``."""
    first, last = steps
    rows, size = plan.tile * plan.padded, plan.tile * plan.row
    for step in range(last - 1, first - 1, -1):
        if arrays.upstream.y.size:
            add_step(plan, arrays.upstream.y, tile, step, Matrix(memory, plan.d_h, plan.padded))
        elif plan.above:
            add(memory, plan.d_y + step * rows, memory, plan.d_h, rows)
        now, start = slots.start + (step + 1) * size, plan.d_a + (step - first) * plan.blocks * rows
        _derive(plan, slots.array, (now, now - size), memory, start)
        if step > 0 or plan.initial:  # nobody requests the gradient to a state that was not given
            _carry(plan, memory, start)


@part
def _chunk_sums(plan: WalkPlan, sums: Array, memory: Array, tile: Tile, states: Matrix, steps: tuple[int, int]) -> None:
    """Add what the steps ``first … last - 1`` give to the weights' gradients; `states` are those before them.

    Products of blocks that inputs do not feed are useless but for the bias; with few channels, one product is faster.
    """
    first, last = steps
    rows, width = (last - first) * plan.tile, plan.blocks * plan.padded
    skipped = plan.tile if first == 0 and not plan.initial else 0  # the state before the first step is 0
    before = Matrix(states.array, states.start + skipped * states.stride, states.stride)
    out, d_a = Matrix(sums, tile.sums + plan.by_state, plan.padded), Matrix(memory, plan.d_a + skipped * width, width)
    add_transposed(out, d_a, before, Extent(plan.hidden_blocks * plan.padded, plan.padded, rows - skipped))
    fed = Matrix(states.array, states.start + plan.padded, states.stride)
    out, unfed = Matrix(sums, tile.sums + plan.by_input, width), plan.input_block * plan.padded
    if plan.inputs == 2 or unfed == 0:
        add_transposed(out, fed, Matrix(memory, plan.d_a, width), Extent(plan.inputs, width, rows))
    else:
        right = Matrix(memory, plan.d_a + unfed, width)
        add_transposed(Matrix(sums, out.start + unfed, width), fed, right, Extent(plan.inputs, width - unfed, rows))
        add_transposed(out, fed, Matrix(memory, plan.d_a, width), Extent(2, unfed, rows))


@part
def _input_gradients(plan: WalkPlan, memory: Array, steps: tuple[int, int]) -> int:
    """The gradients to a chunk's inputs, into memory; how wide their rows are."""
    first, last = steps
    width, unfed = plan.blocks * plan.padded, plan.input_block * plan.padded
    columns = padded_to(plan.channels, plan.lanes)
    panel, size = columns_width(columns, plan.lanes), width - unfed
    set_product(
        Matrix(memory, plan.d_x, columns),
        Matrix(memory, plan.d_a + unfed, width),
        PackedPanels(memory, plan.back_x, panel, size * panel, panel),
        Extent((last - first) * plan.tile, columns, size),
    )
    return columns


@part
def _hand_down(work: Work, plan: WalkPlan, tile: Tile, step: int, source: Matrix) -> None:
    """Give the gradients to the inputs of one step to the walks below."""
    time, memory = time_of(plan, step), work.memory
    for way in range(plan.ways):
        lower = walk_at(work.table, plan.below + way)
        target = lower.d_y + time_of(lower, time) * lower.tile * lower.padded
        for row in range(plan.tile):
            start, place = source.start + row * source.stride + way * lower.hidden, target + row * lower.padded
            if plan.mask >= 0:
                at = draws_at(plan, tile, min(row, tile.rows - 1), time) + way * lower.hidden
                draws = work.arrays.operands.draws, at
                copy_kept((memory, start), (memory, start), lower.hidden, draws, work.rule)
            if plan.first_back:
                copy(memory, start, memory, place, lower.hidden)
            else:
                add(memory, start, memory, place, lower.hidden)


@part
def _give_states(table: Array, plan: WalkPlan, memory: Array) -> None:
    """Give the gradients to the initial states to the walks that they are the sums of."""
    rows = plan.tile * plan.padded
    for way in range(plan.states):
        other = walk_at(table, plan.before + way)
        add(memory, plan.d_h, memory, other.d_h, rows)
        add(memory, plan.d_c, memory, other.d_c, plan.cells * rows)


@part
def backward_tile(work: Work, plan: WalkPlan, tile: Tile) -> None:
    """Take one tile back through all steps of a walk, from the gradients that memory holds."""
    arrays, memory, gradients, slots = work.arrays, work.memory, work.arrays.gradients, slots_at(work, plan, tile)
    for last in range(plan.steps, 0, -plan.chunk):
        first = max(last - plan.chunk, 0)
        _chunk_back(plan, arrays, memory, tile, slots, (first, last))
        _chunk_sums(plan, gradients.sums, memory, tile, state_of(plan, slots, first), (first, last))
        if plan.source == BELOW or gradients.x.size:
            columns = _input_gradients(plan, memory, (first, last))
            for step in range(first, last):
                source = Matrix(memory, plan.d_x + (step - first) * plan.tile * columns, columns)
                if plan.source == BELOW:
                    _hand_down(work, plan, tile, step, source)
                else:
                    store_step(plan, source, tile, step, (gradients.x, plan.channels))
    if plan.before >= 0:
        _give_states(work.table, plan, memory)
    elif gradients.h.size:
        store_rows(plan, Matrix(memory, plan.d_h, plan.padded), tile, gradients.h)
        if gradients.c.size:
            store_rows(plan, Matrix(memory, plan.d_c, plan.padded), tile, gradients.c)
