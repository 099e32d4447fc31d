"""A linear map of the top layer's states, of the last one or of every step, its tanh where that is, and its loss.

Each group of a member has its own part of the sums: for each output the gradient of its weights, `padded` wide for each
direction, followed by that of its bias; then the sum of the losses.
"""

import math
from typing import NamedTuple

from bench.kernels.arrays import Tile, Work, copy, fill_zeros, member, slots_at, state_of, time_of, walk_at
from bench.kernels.compiled import Array, inner, part
from bench.kernels.simd import VECTOR_BYTES, get, load, put, store, total
from bench.kernels.sizes import PassPlan

LOSSES = {"mse": 0, "mae": 1, "huber": 2}
"""As `torch.nn.functional`'s mse_loss, l1_loss and huber_loss, with their defaults."""

_MSE, _MAE = LOSSES["mse"], LOSSES["mae"]


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


@inner
def _weights_at(whole: PassPlan, k: int) -> tuple[int, int]:
    """Where the head's weights and biases of member `k` start."""
    size = whole.outputs * whole.ways * whole.hidden
    w = whole.members * whole.weights
    return w + k * size, w + whole.members * size + k * whole.outputs


@part
def pack_head(whole: PassPlan, weights: Array, k: int, memory: Array) -> None:
    """The weights of member `k`, ``[outputs, ways, padded]``."""
    start, _ = _weights_at(whole, k)
    fill_zeros(memory, whole.packed, whole.outputs * whole.ways * whole.padded)
    for row in range(whole.outputs * whole.ways):
        copy(weights, start + row * whole.hidden, memory, whole.packed + row * whole.padded, whole.hidden)


class _Way(NamedTuple):
    """One direction's states that are mapped at once, and the gradients to them."""

    states: Array
    start: int
    stride: int
    gradients: int  # in memory, ``[tile, padded]``


@inner
def _way_at(work: Work, tile: Tile, way: int, unit: int) -> _Way:
    """The states at time `unit`, or the last ones walked."""
    plan = walk_at(work.table, work.whole.top + way)
    slots = slots_at(work, plan, tile)
    if work.whole.every_step:
        step = time_of(plan, unit)
        states, gradients = state_of(plan, slots, step + 1), plan.d_y + step * plan.tile * plan.padded
        fill_zeros(work.memory, gradients, plan.tile * plan.padded)
        return _Way(states.array, states.start, states.stride, gradients)
    states = state_of(plan, slots, plan.steps)
    return _Way(states.array, states.start, states.stride, plan.d_h)


@part
def tile_losses(work: Work, tile: Tile) -> None:
    """Add the losses of a tile and its gradients to its part of the sums, and write the gradients to its states."""
    whole, operands = work.whole, work.arrays.operands
    _, biases = _weights_at(whole, tile.k)
    for unit in range(whole.units):
        ways = _way_at(work, tile, 0, unit), _way_at(work, tile, whole.ways - 1, unit)
        for row in range(tile.rows):
            y = member(operands.targets, tile.k) + ((tile.row + row) * whole.units + unit) * whole.outputs
            for output in range(whole.outputs):
                pair = get(operands.weights, biases + output), get(operands.targets, y + output)
                _row_loss(work, ways, tile.sums + whole.sums, (row, output), pair)


@part
def _row_loss(
    work: Work, ways: tuple[_Way, _Way], start: int, place: tuple[int, int], pair: tuple[float, float]
) -> None:
    """One output of one row, of which the bias and the target are given; its part of the sums is at `start`."""
    whole, memory, sums = work.whole, work.memory, work.arrays.gradients.sums
    (row, output), (value, target) = place, pair
    width = whole.padded
    for way in range(whole.ways):
        each = ways[way]
        w = whole.packed + (output * whole.ways + way) * width
        value += _dot(each.states, each.start + row * each.stride, memory, w, width)
    squashed = math.tanh(value) if work.rule.squash else value
    loss, slope = _loss(work.rule.loss, squashed - target)
    slope *= 1 - squashed * squashed if work.rule.squash else 1
    slope /= whole.batch * whole.units * whole.outputs
    goal = start + output * (whole.ways * width + whole.lanes)
    for way in range(whole.ways):
        each = ways[way]
        w = whole.packed + (output * whole.ways + way) * width
        _add_scaled(slope, (memory, w), (memory, each.gradients + row * width), width)
        _add_scaled(slope, (each.states, each.start + row * each.stride), (sums, goal + way * width), width)
    bias, losses = goal + whole.ways * width, start + whole.outputs * (whole.ways * width + whole.lanes)
    put(sums, bias, get(sums, bias) + slope)
    put(sums, losses, get(sums, losses) + loss)


@part
def unpack_head(whole: PassPlan, sums: Array, start: int, k: int, out: tuple[Array, Array]) -> None:
    """The sums of member `k`, which begin at `start`, into its gradients and its loss."""
    gradients, losses = out
    weights, biases = _weights_at(whole, k)
    width = whole.ways * whole.padded + whole.lanes
    for output in range(whole.outputs):
        place = start + whole.sums + output * width
        for way in range(whole.ways):
            goal = weights + (output * whole.ways + way) * whole.hidden
            copy(sums, place + way * whole.padded, gradients, goal, whole.hidden)
        put(gradients, biases + output, get(sums, place + whole.ways * whole.padded))
    last = start + whole.sums + whole.outputs * width
    put(losses, k, get(sums, last) / (whole.batch * whole.units * whole.outputs))
