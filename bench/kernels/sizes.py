"""The sizes of one call, and the positions of its numbers.

Terms of this package:

*block*
    The values of one gate, `padded` wide: the hidden size rounded up to whole vectors. A GRU has four blocks for its
    three gates, since its candidate keeps the contributions of the state and of the input separate.
*tile*
    Some rows of the batch that run through all steps before the next rows start, so that their state stays in the
    first-level cache.
*group*
    Consecutive tiles of one member, the unit of parallel work. Its size depends on the batch only, so sums over the
    batch have one order, whatever the number of members or threads.
*slot*
    What is kept of one tile at one step: its blocks after activation, then its states, the hidden state last. Slot 0
    holds the initial state.
*inputs*
    Of one step: a 1 for the biases, the channels, and a 0 if that is needed for an even number.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from bench.kernels.simd import ROWS, VECTOR_BYTES

RNN_TANH, RNN_RELU, LSTM, GRU = range(4)

TILE = 2 * ROWS  # rows; a block of weights is read from the first cache for the second half of them
GROUP = 32  # rows; fewer would pack weights and add gradients more often than they spread over threads
MOST_GROUPS = 16  # a bound on the memory of the gradients' partial sums


class Layout(NamedTuple):
    """The blocks of one kind of cell.

    Blocks ``0 … hidden_blocks - 1`` are fed by the state, blocks ``input_block … blocks - 1`` by the input.
    """

    code: int
    gates: int
    blocks: int
    hidden_blocks: int
    input_block: int
    slot_blocks: int


LAYOUTS = {
    "rnn_tanh": Layout(RNN_TANH, gates=1, blocks=1, hidden_blocks=1, input_block=0, slot_blocks=1),
    "rnn_relu": Layout(RNN_RELU, gates=1, blocks=1, hidden_blocks=1, input_block=0, slot_blocks=1),
    "lstm": Layout(LSTM, gates=4, blocks=4, hidden_blocks=4, input_block=0, slot_blocks=6),
    "gru": Layout(GRU, gates=3, blocks=4, hidden_blocks=3, input_block=1, slot_blocks=5),
}


class Sizes(NamedTuple):
    """``[K, B, T, C]`` of the input, and the hidden size."""

    members: int
    batch: int
    steps: int
    channels: int
    hidden: int


class CallPlan(NamedTuple):
    """All that a kernel receives besides its arrays: whole numbers, widths in elements."""

    code: int
    gates: int
    blocks: int
    hidden_blocks: int
    input_block: int
    slot_blocks: int
    members: int
    batch: int
    steps: int
    channels: int
    hidden: int
    lanes: int
    padded: int
    inputs: int
    slot_size: int  # elements
    tile_size: int  # elements of a tile's slots and, behind them, its inputs
    panel: int  # columns of a packed panel: one vector, or two where they divide `padded`
    tile: int  # rows
    tiles: int
    group: int  # tiles
    groups: int
    reverse: int  # whether steps are walked from the last to the first
    initial: int  # whether an initial state is given
    keep: int  # whether slots are kept for a backward pass
    outputs: int = 0  # of a linear map of the last state, in training as one
    loss: int = 0


def round_up(number: int, unit: int) -> int:
    """The least multiple of `unit` that is not below `number`."""
    return -(-number // unit) * unit


@lru_cache(maxsize=1024)
def make_plan(cell: str, sizes: Sizes, dtype: np.dtype[Any], *, reverse: bool, initial: bool, keep: bool) -> CallPlan:
    """The plan of one call."""
    lanes = VECTOR_BYTES // dtype.itemsize
    padded = round_up(sizes.hidden, lanes)
    tile = TILE if sizes.batch > ROWS else ROWS
    tiles = -(-sizes.batch // tile)
    group = max(GROUP // tile, -(-tiles // MOST_GROUPS))
    inputs = round_up(sizes.channels + 1, 2)
    slot_size = tile * LAYOUTS[cell].slot_blocks * padded
    return CallPlan(
        *LAYOUTS[cell],
        *sizes,
        lanes=lanes,
        padded=padded,
        inputs=inputs,
        slot_size=slot_size,
        tile_size=(sizes.steps + 1) * slot_size + round_up(sizes.steps * tile * inputs, lanes),
        panel=panel_width(padded, lanes),
        tile=tile,
        tiles=tiles,
        group=group,
        groups=-(-tiles // group),
        reverse=int(reverse),
        initial=int(initial),
        keep=int(keep),
    )


def head_size(plan: CallPlan) -> int:
    """Elements of one part of the sums of `bench.kernels.passes`."""
    return plan.outputs * (plan.padded + plan.lanes) + plan.lanes


def panel_width(columns: int, lanes: int) -> int:
    """Two vectors where they divide `columns`, itself whole vectors; else one."""
    return lanes if columns % (2 * lanes) else 2 * lanes
