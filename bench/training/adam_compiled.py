"""One step of Adam for a bank, compiled."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bench.kernels.compiled import waiting

Array = NDArray[Any]


class Flat(NamedTuple):
    """Buffers of one length and layout: for each parameter the rows of all members."""

    weight: Array
    gradient: Array
    first: Array
    second: Array


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})  # a sum of squares may use several partial sums
def _sum_of_squares(row: Array) -> float:
    total = row[0] * 0
    for i in range(row.size):
        total += row[i] * row[i]
    return total  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")
def _row(flat: Flat, rate: float, decay: float, scale: float, root: float, epsilon: float) -> None:
    """One parameter of one member; all numbers are of the weights' type."""
    kind = flat.weight.dtype.type
    by_first, by_second, beta2 = kind(1 - 0.9), kind(1 - 0.999), kind(0.999)
    w, g, m, v = flat
    for i in range(w.size):
        slope = g[i] * scale + w[i] * decay
        m[i] += by_first * (slope - m[i])
        v[i] = v[i] * beta2 + by_second * slope * slope
        w[i] -= rate * m[i] / (np.sqrt(v[i]) / root + epsilon)


@waiting
@njit(cache=True, nogil=True, error_model="numpy")
def update(
    flat: Flat, sizes: Array, rates: tuple[Array, Array, Array], corrections: tuple[float, float], epsilon: float
) -> None:
    """``bench.training.adam.Adam`` over all members.

    Parameters
    ----------
    flat
        Weights, their gradients and moments; all but the gradients are updated.
    sizes
        Numbers in each parameter of one member.
    rates
        Learning rate, weight decay and clipping norm, ``[K]`` each.
    corrections
        Of the first moment, and the square root of that of the second.
    epsilon
        As of ``Adam``.
    """
    kind = flat.weight.dtype.type
    learning_rate, weight_decay, clip_norm = rates
    for k in range(learning_rate.size):
        squares, start = kind(0), 0
        for size in sizes:
            begin = start + k * size
            squares += _sum_of_squares(flat.gradient[begin : begin + size])
            start += learning_rate.size * size
        scale = min(clip_norm[k] / (np.sqrt(squares) + kind(1e-6)), kind(1))
        start = 0
        for size in sizes:
            begin = start + k * size
            row = slice(begin, begin + size)
            part = Flat(flat.weight[row], flat.gradient[row], flat.first[row], flat.second[row])
            rate, root = learning_rate[k] / kind(corrections[0]), kind(corrections[1])
            _row(part, rate, weight_decay[k], scale, root, kind(epsilon))
            start += learning_rate.size * size
