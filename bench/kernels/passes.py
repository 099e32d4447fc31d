"""The passes over a bank as one compiled function: of a single walk forward or back, or of a whole network.

They share nearly all of their code, which is compiled once.
"""

from bench.kernels.arrays import (
    CallArrays,
    Rule,
    Tile,
    Work,
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

FORWARD, BACKWARD, TRAIN = range(3)
"""What a pass does.

A training pass goes forward and back with each tile while it is in the cache, and so keeps nothing: passes that keep
all steps of all layers wait for memory. It needs to know the loss.
"""


@part
def _take_member(mode: int, work: Work, k: int) -> None:
    """Pack the weights of member `k`."""
    weights, memory = work.arrays.operands.weights, work.memory
    for index in range(work.whole.walks):
        plan = walk_at(work.table, index)
        if mode != BACKWARD:
            pack_forward(plan, weights, k, memory)
        if mode != FORWARD:
            pack_backward(plan, weights, k, memory)
    if mode == TRAIN:
        pack_head(work.whole, weights, k, memory)


@part
def _tile_pass(mode: int, work: Work, tile: Tile) -> None:
    for index in range(work.whole.walks):
        plan = walk_at(work.table, index)
        if mode != BACKWARD:
            forward_tile(work, plan, tile)
        if mode != FORWARD:
            begin_back(plan, work.arrays.upstream, work.memory, tile)
    if mode == FORWARD:
        return
    if mode == TRAIN:
        tile_losses(work, tile)
    for index in range(work.whole.walks - 1, -1, -1):
        backward_tile(work, walk_at(work.table, index), tile)


@part
def _groups(mode: int, work: Work, span: tuple[int, int]) -> None:
    first, last = span
    whole, at_hand = work.whole, -1
    for i in range(first, last):
        # what a forward pass wrote last may still be in the cache
        task = first + last - 1 - i if mode == BACKWARD else i
        k, group = divmod(task, whole.groups)
        if k != at_hand:
            _take_member(mode, work, k)
            at_hand = k
        if mode != FORWARD:
            fill_zeros(work.arrays.gradients.sums, task * whole.part, whole.part)
        for index in range(group * whole.group, min((group + 1) * whole.group, whole.tiles)):
            _tile_pass(mode, work, tile_at(whole, k, index))


@part
def _finish(work: Work) -> None:
    """Make the sums of all members gradients."""
    whole, gradients = work.whole, work.arrays.gradients
    for k in range(whole.members):
        start = add_parts(whole, gradients.sums, k)
        for index in range(whole.walks):
            unpack_gradients(walk_at(work.table, index), gradients.sums, start, k, gradients.weights)
        if whole.outputs:
            unpack_head(whole, gradients.sums, start, k, (gradients.weights, gradients.losses))


@entry
def run_pass(
    mode: int,
    plans: tuple[Array, Array],
    arrays: CallArrays,
    memory: Array,
    rule: tuple[int, int, float, float],
    span: tuple[int, int, int],
) -> None:
    """Do the groups ``first … last - 1`` of the bank, counted member after member.

    Backward and training passes leave sums; to `finish` makes those of all members gradients, when all is done.

    Parameters
    ----------
    mode
        What to do.
    plans
        A `PassPlan`, and the `WalkPlan` of each walk, as arrays.
    arrays
        What is read and written.
    memory
        Of this call alone, on a whole vector.
    rule
        A `Rule`.
    span
        ``(first, last, finish)``.
    """
    numbers, table = plans
    first, last, finish = span
    work = Work(whole_pass(numbers, 0), table, arrays, memory, Rule(rule[0], rule[1], rule[2], rule[3]))
    _groups(mode, work, (first, last))
    if finish:
        _finish(work)
