"""One walk of one tile forward, through all steps.

What feeds a step is written next to the state that it starts from, before the first step: inputs from outside, or the
states of the walks below, with dropout.
"""

from bench.kernels import equations
from bench.kernels.arrays import (
    Slots,
    Tile,
    Work,
    add,
    cell_state_of,
    copy,
    copy_kept,
    fill_zeros,
    load_rows,
    member,
    slots_at,
    state_of,
    store_rows,
    store_step,
    time_of,
    walk_at,
)
from bench.kernels.compiled import Array, inner, part
from bench.kernels.product import Extent, Matrix, PackedPanels, set_product
from bench.kernels.simd import get, put
from bench.kernels.sizes import BELOW, GRU, LSTM, SLSTM, WalkPlan, X


@inner
def _blocks(
    plan: WalkPlan, memory: Array, places: tuple[Matrix, Matrix], span: tuple[int, int], fed: tuple[int, int]
) -> None:
    """The products of the blocks ``first … last - 1``, fed by a range of the columns of state, 1 and channels."""
    states, out = places
    first, last = span
    begin, end = fed
    column, width, rows = first * plan.padded, plan.panel, plan.padded + 1 + plan.channels
    panels = PackedPanels(memory, plan.packed + column * rows + begin * width, width, rows * width, width)
    target = Matrix(out.array, out.start + column, out.stride)
    left = Matrix(states.array, states.start + begin, states.stride)
    set_product(target, left, panels, Extent(plan.tile, (last - first) * plan.padded, end - begin))


@part
def _products(plan: WalkPlan, memory: Array, places: tuple[Matrix, Matrix], begin: int) -> None:
    """All products of one step and the biases; they begin behind the state where that is known to be 0."""
    end = plan.padded + 1 + plan.channels
    if plan.code == GRU and plan.padded % plan.panel == 0:
        _blocks(plan, memory, places, (0, 1), (begin, plan.padded + 1))  # of what feeds the step only the 1: the bias
        _blocks(plan, memory, places, (1, 3), (begin, end))
        _blocks(plan, memory, places, (3, 4), (plan.padded, end))
    else:  # a panel has columns of two blocks: what does not feed one has weights 0 there
        _blocks(plan, memory, places, (0, plan.blocks), (begin, end))


@part
def _activate(plan: WalkPlan, slots: Array, now: int, before: int) -> None:
    if plan.code == LSTM:
        equations.lstm_forward(plan, slots, now, before)
    elif plan.code == GRU:
        equations.gru_forward(plan, slots, now, before)
    elif plan.code == SLSTM:
        equations.slstm_forward(plan, slots, now, before)
    else:
        equations.rnn_forward(plan, slots, now)


@part
def _load_inputs(plan: WalkPlan, x: Array, tile: Tile, slots: Slots) -> None:
    """Write 1 and the inputs of all steps; rows that only pad the tile are 0, so all that comes of them is 0."""
    channels = plan.channels
    for row in range(tile.rows):
        source = member(x, tile.k) + (tile.row + row) * plan.steps * channels
        for step in range(plan.steps):
            states = state_of(plan, slots, step)
            place = states.start + row * states.stride + plan.padded
            put(slots.array, place, 1)
            start = source + time_of(plan, step) * channels
            for channel in range(channels):
                put(slots.array, place + 1 + channel, get(x, start + channel))
    _clear_rest(plan, tile, slots)


@inner
def _clear_rest(plan: WalkPlan, tile: Tile, slots: Slots) -> None:
    """Write 0 where no input goes."""
    for step in range(plan.steps):
        states = state_of(plan, slots, step)
        for row in range(plan.tile):
            place = states.start + row * states.stride + plan.padded
            if row >= tile.rows:
                fill_zeros(slots.array, place, plan.inputs)
            elif plan.inputs > plan.channels + 1:
                put(slots.array, place + plan.channels + 1, 0)


@part
def _load_below(work: Work, plan: WalkPlan, tile: Tile, slots: Slots) -> None:
    """Write 1 and the states of the walks below at all steps, side by side, with dropout."""
    for way in range(plan.ways):
        lower = walk_at(work.table, plan.below + way)
        theirs = slots_at(work, lower, tile)
        for step in range(plan.steps):
            time = time_of(plan, step)
            states, source = state_of(plan, slots, step), state_of(lower, theirs, time_of(lower, time) + 1)
            for row in range(tile.rows):
                place = states.start + row * states.stride + plan.padded
                put(slots.array, place, 1)
                place += 1 + way * lower.hidden
                start = source.start + row * source.stride
                if plan.mask < 0:
                    copy(source.array, start, slots.array, place, lower.hidden)
                else:
                    draws = work.arrays.operands.draws, draws_at(plan, tile, row, time) + way * lower.hidden
                    copy_kept((source.array, start), (slots.array, place), lower.hidden, draws, work.rule)
    _clear_rest(plan, tile, slots)


@inner
def draws_at(plan: WalkPlan, tile: Tile, row: int, time: int) -> int:
    """Where the numbers start that decide dropout of the inputs of one row at one time."""
    return plan.mask + ((tile.k * plan.batch + tile.row + row) * plan.steps + time) * plan.channels


NOTHING_YET = -1e30
"""The stabiliser of an sLSTM before the first step: whatever comes is greater."""


@part
def _begin(work: Work, plan: WalkPlan, tile: Tile, slots: Slots) -> None:
    """Write the initial states: 0, given ones, or the sum of the last ones of other walks."""
    hidden, cell = state_of(plan, slots, 0), cell_state_of(plan, slots, 0)
    for row in range(plan.tile):
        start, width = hidden.start + row * hidden.stride, plan.padded
        fill_zeros(hidden.array, start - plan.cells * width, (plan.cells + 1) * width)
        if plan.code == SLSTM:
            for unit in range(width):
                put(hidden.array, start - (plan.cells + 1) * width + unit, NOTHING_YET)
    if plan.before >= 0:
        for way in range(plan.states):
            other = walk_at(work.table, plan.before + way)
            theirs = slots_at(work, other, tile)
            _add_rows(plan, state_of(other, theirs, other.steps), hidden)
            if plan.code == LSTM:
                _add_rows(plan, cell_state_of(other, theirs, other.steps), cell)
    elif plan.initial:
        load_rows(plan, work.arrays.operands.h, tile, hidden)
        if plan.code == LSTM:
            load_rows(plan, work.arrays.operands.c, tile, cell)


@inner
def _add_rows(plan: WalkPlan, source: Matrix, out: Matrix) -> None:
    for row in range(plan.tile):
        add(source.array, source.start + row * source.stride, out.array, out.start + row * out.stride, plan.padded)


@part
def forward_tile(work: Work, plan: WalkPlan, tile: Tile) -> None:
    """Take one tile through all steps of a walk."""
    operands, results, memory = work.arrays.operands, work.arrays.results, work.memory
    slots, size = slots_at(work, plan, tile), plan.tile * plan.row
    _begin(work, plan, tile, slots)
    if plan.source == BELOW:
        _load_below(work, plan, tile, slots)
    else:
        _load_inputs(plan, operands.x if plan.source == X else operands.fed, tile, slots)
    for step in range(plan.steps):
        before = slots.start + step * size
        fed = 0 if step > 0 or plan.initial else plan.padded
        places = state_of(plan, slots, step), Matrix(slots.array, before + size, plan.row)
        _products(plan, memory, places, fed)
        _activate(plan, slots.array, before + size, before)
        if results.y.size:
            store_step(plan, state_of(plan, slots, step + 1), tile, step, (results.y, plan.hidden))
    if results.h.size:
        store_rows(plan, state_of(plan, slots, plan.steps), tile, results.h)
    if results.c.size:
        store_rows(plan, cell_state_of(plan, slots, plan.steps), tile, results.c)
