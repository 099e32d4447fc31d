"""The passes over a bank as one compiled function, ending with a linear map of the last state and its loss.

The passes share nearly all of their code, which is compiled once. Each group of a member has its own part of the sums:
for each output the gradient of its weights, `padded` wide, followed by that of its bias; then the sum of the losses.
"""

from typing import NamedTuple

from bench.kernels.arrays import (
    CallArrays,
    CallResults,
    Head,
    Tile,
    copy,
    in_slot,
    member,
    part_of,
    scratch,
    sum_parts,
    tile_at,
    unpack_gradients,
    zeros,
)
from bench.kernels.backward import BackwardWorkspace, backward_tile, backward_workspace, begin_back, pack_backward
from bench.kernels.compiled import Array, entry, inner, part
from bench.kernels.forward import Packed, forward_tile, pack_forward, packed_workspace
from bench.kernels.product import Matrix
from bench.kernels.simd import VECTOR_BYTES, get, load, put, store, total
from bench.kernels.sizes import CallPlan, head_size

LOSSES = {"mse": 0, "mae": 1, "huber": 2}
"""As `torch.nn.functional`'s mse_loss, l1_loss and huber_loss, with their defaults."""

_MSE, _MAE = LOSSES["mse"], LOSSES["mae"]


part_size = inner(head_size)


@part
def pack_head(plan: CallPlan, head: Head, k: int, out: Array) -> None:
    """The weights of member `k`, ``[outputs, padded]``."""
    for output in range(plan.outputs):
        copy(head.w, member(head.w, k) + output * plan.hidden, out, output * plan.padded, plan.hidden)


@inner
def _loss(code: int, error: float) -> tuple[float, float]:
    """The loss of one error and its slope."""
    size = abs(error)
    if code == _MSE:
        return error * error, 2 * error
    sign = 1.0 if error > 0 else -1.0 if error < 0 else error  # of what is not a number, itself
    if code == _MAE:
        return size, sign
    return (size - 0.5, sign) if size > 1 else (0.5 * error * error, error)


@inner
def _dot(a: Array, a_start: int, b: Array, b_start: int, size: int) -> float:
    """The inner product of `size` elements, whole vectors."""
    lanes = VECTOR_BYTES // a.itemsize
    sums = load(a, a_start) * load(b, b_start)
    for i in range(lanes, size, lanes):
        sums = sums + load(a, a_start + i) * load(b, b_start + i)
    result: float = total(sums)
    return result


@inner
def _add_scaled(scale: float, a: tuple[Array, int], out: tuple[Array, int], size: int) -> None:
    """``out += scale · a`` over `size` elements, whole vectors."""
    source, start = a
    target, place = out
    for i in range(0, size, VECTOR_BYTES // source.itemsize):
        store(target, place + i, load(target, place + i) + load(source, start + i) * scale)


@part
def tile_losses(plan: CallPlan, head: Head, w: Array, states: tuple[Matrix, Array], tile: Tile) -> None:
    """Add the losses of a tile and its gradients to its part of the sums.

    `w` is packed; `states` are the last hidden state, and its gradient ``[tile, padded]`` that is added to.
    """
    hidden, d_h = states
    width = plan.padded + plan.lanes
    part = part_of(plan, tile) * part_size(plan)
    losses = part + plan.outputs * width
    for row in range(tile.rows):
        h = hidden.start + row * hidden.stride
        y = member(head.y, tile.k) + (tile.row + row) * plan.outputs
        for output in range(plan.outputs):
            value = _dot(hidden.array, h, w, output * plan.padded, plan.padded)
            bias = get(head.b, member(head.b, tile.k) + output)
            loss, slope = _loss(plan.loss, value + bias - get(head.y, y + output))
            slope /= plan.batch * plan.outputs
            place = part + output * width
            _add_scaled(slope, (w, output * plan.padded), (d_h, row * plan.padded), plan.padded)
            _add_scaled(slope, (hidden.array, h), (head.sums, place), plan.padded)
            put(head.sums, place + plan.padded, get(head.sums, place + plan.padded) + slope)
            put(head.sums, losses, get(head.sums, losses) + loss)


@part
def unpack_head(plan: CallPlan, head: Head, k: int) -> None:
    """Add up the groups' parts for member `k`."""
    width = plan.padded + plan.lanes
    start = sum_parts(head.sums, k, part_size(plan), plan.groups)
    for output in range(plan.outputs):
        place = start + output * width
        copy(head.sums, place, head.d_w, (k * plan.outputs + output) * plan.hidden, plan.hidden)
        put(head.d_b, k * plan.outputs + output, get(head.sums, place + plan.padded))
    put(head.losses, k, get(head.sums, start + plan.outputs * width) / (plan.batch * plan.outputs))


FORWARD, BACKWARD, TRAIN = range(3)
"""What a pass does.

A training pass goes forward and back with each tile while it is in the cache, and so keeps nothing: at 32 members it
takes two thirds of the time of two passes, which wait for memory. It needs to know the loss.
"""


class Workspace(NamedTuple):
    """What one thread works with, for the member at hand."""

    packed: Packed
    backward: BackwardWorkspace
    head: Array  # [outputs, padded]
    results: CallResults


@part
def _workspace(plan: CallPlan, arrays: CallArrays) -> Workspace:
    """An empty workspace; slots that are not kept have space for one tile."""
    results = arrays.results
    slots = results.slots if plan.keep else scratch(plan.tile_size, results.slots)
    return Workspace(
        packed_workspace(plan, results.slots),
        backward_workspace(plan, arrays.gradients),
        zeros(plan.outputs * plan.padded, results.slots),
        CallResults(results.y, results.h, results.c, slots),
    )


@part
def _take_member(mode: int, plan: CallPlan, arrays: CallArrays, k: int, workspace: Workspace) -> None:
    """Pack the weights of member `k`."""
    if mode != BACKWARD:
        pack_forward(plan, arrays.operands, k, workspace.packed)
    if mode != FORWARD:
        pack_backward(plan, arrays.operands, k, workspace.backward)
    if mode == TRAIN:
        pack_head(plan, arrays.head, k, workspace.head)


@part
def _tile_pass(mode: int, plan: CallPlan, arrays: CallArrays, workspace: Workspace, tile: Tile) -> None:
    if mode != BACKWARD:
        forward_tile(plan, arrays.operands, workspace.results, workspace.packed, tile)
    if mode == FORWARD:
        return
    begin_back(plan, arrays, workspace.backward, tile)
    if mode == TRAIN:
        last = tile.slots + plan.steps * plan.slot_size
        hidden = in_slot(plan, workspace.results.slots, last, plan.slot_blocks - 1)
        tile_losses(plan, arrays.head, workspace.head, (hidden, workspace.backward.d_h), tile)
    backward_tile(plan, arrays, workspace.backward, tile)


@part
def _groups(mode: int, plan: CallPlan, arrays: CallArrays, first: int, last: int) -> None:
    workspace = _workspace(plan, arrays)
    local_arrays = CallArrays(
        arrays.operands, workspace.results, arrays.upstream, arrays.gradients, arrays.sums, arrays.head
    )
    at_hand = -1
    for i in range(first, last):
        # what a forward pass wrote last may still be in the cache
        task = first + last - 1 - i if mode == BACKWARD else i
        k, group = divmod(task, plan.groups)
        if k != at_hand:
            _take_member(mode, plan, local_arrays, k, workspace)
            at_hand = k
        for index in range(group * plan.group, min((group + 1) * plan.group, plan.tiles)):
            _tile_pass(mode, plan, local_arrays, workspace, tile_at(plan, k, index))


@entry
def run_pass(mode: int, plan: CallPlan, arrays: CallArrays, first: int, last: int, finish: int) -> None:
    """Do the groups ``first … last - 1`` of the bank, counted member after member.

    Backward and training passes leave sums; to `finish` makes those of all members gradients, when all is done.
    """
    if first < last:
        _groups(mode, plan, arrays, first, last)
    if finish:
        for k in range(plan.members):
            unpack_gradients(plan, arrays.sums, k, arrays.gradients)
            if plan.outputs:
                unpack_head(plan, arrays.head, k)
