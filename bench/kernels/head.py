"""The end of a network that is trained in one pass: a linear map of the last state, and its loss.

Each group of a member has its part of the sums: the gradient to each output's weights, `padded` wide, and behind it
the one to its bias; last the sum of the losses.
"""

from __future__ import annotations

from bench.kernels.arrays import Array, Head, copy, member
from bench.kernels.compiled import inner, part
from bench.kernels.pack import sum_parts
from bench.kernels.plan import Plan, head_size
from bench.kernels.product import Matrix
from bench.kernels.simd import VECTOR_BYTES, get, load, put, store, total
from bench.kernels.tile import Tile, part_of

LOSSES = {"mse": 0, "mae": 1, "huber": 2}
"""As `torch.nn.functional`'s mse_loss, l1_loss and huber_loss, with their defaults."""

_MSE, _MAE = LOSSES["mse"], LOSSES["mae"]


part_size = inner(head_size)


@part
def pack_head(plan: Plan, head: Head, k: int, out: Array) -> None:
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
def tile_losses(plan: Plan, head: Head, w: Array, states: tuple[Matrix, Array], tile: Tile) -> None:
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
def unpack_head(plan: Plan, head: Head, k: int) -> None:
    """Add up the groups' parts for member `k`."""
    width = plan.padded + plan.lanes
    start = sum_parts(head.sums, k, part_size(plan), plan.groups)
    for output in range(plan.outputs):
        place = start + output * width
        copy(head.sums, place, head.d_w, (k * plan.outputs + output) * plan.hidden, plan.hidden)
        put(head.d_b, k * plan.outputs + output, get(head.sums, place + plan.padded))
    put(head.losses, k, get(head.sums, start + plan.outputs * width) / (plan.batch * plan.outputs))
