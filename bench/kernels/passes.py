"""The passes over a bank, as one compiled function: they share nearly all of it, and it is compiled once."""

from __future__ import annotations

from typing import NamedTuple

from bench.kernels.arrays import Array, Arrays, Results, scratch, zeros
from bench.kernels.backward import Room, backward_room, backward_tile, begin_back, pack_backward
from bench.kernels.compiled import entry, part
from bench.kernels.forward import Packed, forward_tile, pack_forward, packed_room
from bench.kernels.head import pack_head, tile_losses, unpack_head
from bench.kernels.pack import unpack_gradients
from bench.kernels.plan import Plan
from bench.kernels.tile import Tile, in_slot, tile_at

FORWARD, BACKWARD, TRAIN = range(3)
"""What a pass does.

A training pass goes forward and back with each tile while it is in the cache, and so keeps nothing: at 32 members it
takes two thirds of the time of two passes, which wait for memory. It needs to know the loss.
"""


class Desk(NamedTuple):
    """What one thread works with, for the member at hand."""

    packed: Packed
    room: Room
    head: Array  # [outputs, padded]
    results: Results


@part
def _desk(plan: Plan, arrays: Arrays) -> Desk:
    """An empty desk; slots that are not kept have room for one tile."""
    results = arrays.results
    slots = results.slots if plan.keep else scratch(plan.tile_size, results.slots)
    return Desk(
        packed_room(plan, results.slots),
        backward_room(plan, arrays.gradients),
        zeros(plan.outputs * plan.padded, results.slots),
        Results(results.y, results.h, results.c, slots),
    )


@part
def _take_member(mode: int, plan: Plan, arrays: Arrays, k: int, desk: Desk) -> None:
    """Pack the weights of member `k`."""
    if mode != BACKWARD:
        pack_forward(plan, arrays.operands, k, desk.packed)
    if mode != FORWARD:
        pack_backward(plan, arrays.operands, k, desk.room)
    if mode == TRAIN:
        pack_head(plan, arrays.head, k, desk.head)


@part
def _tile_pass(mode: int, plan: Plan, arrays: Arrays, desk: Desk, tile: Tile) -> None:
    if mode != BACKWARD:
        forward_tile(plan, arrays.operands, desk.results, desk.packed, tile)
    if mode == FORWARD:
        return
    begin_back(plan, arrays, desk.room, tile)
    if mode == TRAIN:
        last = tile.slots + plan.steps * plan.slot_size
        hidden = in_slot(plan, desk.results.slots, last, plan.slot_blocks - 1)
        tile_losses(plan, arrays.head, desk.head, (hidden, desk.room.d_h), tile)
    backward_tile(plan, arrays, desk.room, tile)


@part
def _groups(mode: int, plan: Plan, arrays: Arrays, first: int, last: int) -> None:
    desk = _desk(plan, arrays)
    held = Arrays(arrays.operands, desk.results, arrays.upstream, arrays.gradients, arrays.sums, arrays.head)
    at_hand = -1
    for i in range(first, last):
        # what a forward pass wrote last may still be in the cache
        task = first + last - 1 - i if mode == BACKWARD else i
        k, group = divmod(task, plan.groups)
        if k != at_hand:
            _take_member(mode, plan, held, k, desk)
            at_hand = k
        for index in range(group * plan.group, min((group + 1) * plan.group, plan.tiles)):
            _tile_pass(mode, plan, held, desk, tile_at(plan, k, index))


@entry
def run_pass(mode: int, plan: Plan, arrays: Arrays, first: int, last: int, finish: int) -> None:
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
