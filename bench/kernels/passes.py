"""The passes over a bank as one compiled function: of a single walk forward or back, or of a whole network.

They share nearly all of their code, which is compiled once.
"""

from bench.kernels.arrays import (
    CallArrays,
    Dropout,
    Tile,
    add_parts,
    fill_zeros,
    pack_backward,
    pack_forward,
    tile_at,
    unpack_gradients,
    walk_at,
    whole_pass,
)
from bench.kernels.backward import backward_tile, begin_back
from bench.kernels.compiled import Array, entry, part
from bench.kernels.forward import forward_tile
from bench.kernels.head import pack_head, tile_losses, unpack_head
from bench.kernels.sizes import PassPlan

FORWARD, BACKWARD, TRAIN = range(3)
"""What a pass does.

A training pass goes forward and back with each tile while it is in the cache, and so keeps nothing: passes that keep
all steps of all layers wait for memory. It needs to know the loss.
"""


@part
def _take_member(mode: int, whole: PassPlan, table: Array, weights: Array, k: int, memory: Array) -> None:
    """Pack the weights of member `k`."""
    for index in range(whole.walks):
        plan = walk_at(table, index)
        if mode != BACKWARD:
            pack_forward(plan, weights, k, memory)
        if mode != FORWARD:
            pack_backward(plan, weights, k, memory)
    if mode == TRAIN:
        pack_head(whole, weights, k, memory)


@part
def _tile_pass(
    mode: int, whole: PassPlan, table: Array, arrays: CallArrays, memory: Array, dropout: Dropout, loss: int, tile: Tile
) -> None:
    for index in range(whole.walks):
        plan = walk_at(table, index)
        if mode != BACKWARD:
            forward_tile(whole, table, plan, (arrays.operands, arrays.results, memory), dropout, tile)
        if mode != FORWARD:
            begin_back(plan, arrays.upstream, memory, tile)
    if mode == FORWARD:
        return
    if mode == TRAIN:
        tile_losses(whole, table, arrays.operands, arrays.gradients.sums, memory, loss, tile)
    for index in range(whole.walks - 1, -1, -1):
        backward_tile(whole, table, walk_at(table, index), arrays, memory, dropout, tile)


@part
def _groups(
    mode: int,
    whole: PassPlan,
    table: Array,
    arrays: CallArrays,
    memory: Array,
    dropout: Dropout,
    loss: int,
    span: tuple[int, int],
) -> None:
    first, last = span
    at_hand = -1
    for i in range(first, last):
        # what a forward pass wrote last may still be in the cache
        task = first + last - 1 - i if mode == BACKWARD else i
        k, group = divmod(task, whole.groups)
        if k != at_hand:
            _take_member(mode, whole, table, arrays.operands.weights, k, memory)
            at_hand = k
        if mode != FORWARD:
            fill_zeros(arrays.gradients.sums, task * whole.part, whole.part)
        for index in range(group * whole.group, min((group + 1) * whole.group, whole.tiles)):
            _tile_pass(mode, whole, table, arrays, memory, dropout, loss, tile_at(whole, k, index))


@entry
def run_pass(
    mode: int,
    numbers: Array,
    table: Array,
    arrays: CallArrays,
    memory: Array,
    dropout: tuple[float, float],
    loss: int,
    span: tuple[int, int, int],
) -> None:
    """Do the groups ``first … last - 1`` of the bank, counted member after member.

    Backward and training passes leave sums; to `finish` makes those of all members gradients, when all is done.

    Parameters
    ----------
    mode
        What to do.
    numbers, table
        A `PassPlan`, and the `WalkPlan` of each walk, as arrays.
    arrays
        What is read and written.
    memory
        Of this call alone, on a whole vector.
    dropout
        The share that is dropped, and what the others are multiplied by.
    loss
        Of `LOSSES`.
    span
        ``(first, last, finish)``.
    """
    whole = whole_pass(numbers, 0)
    first, last, finish = span
    draws = Dropout(arrays.operands.draws, dropout[0], dropout[1])
    _groups(mode, whole, table, arrays, memory, draws, loss, (first, last))
    if finish:
        sums, gradients = arrays.gradients.sums, arrays.gradients.weights
        for k in range(whole.members):
            start = add_parts(whole, sums, k)
            for index in range(whole.walks):
                unpack_gradients(walk_at(table, index), sums, start, k, gradients)
            if whole.outputs:
                unpack_head(whole, sums, start, k, (gradients, arrays.gradients.losses))
