"""Products of matrices that lie in flat arrays, done block by block.

The right factor is read in *panels* of one or two vectors' width. Weights are packed panel after panel
(`bench.kernels.pack`), so that a block reads them in order; any other matrix is read in panels where it lies.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from bench.kernels.block import ROWS, block
from bench.kernels.compiled import inner
from bench.kernels.simd import VECTOR_BYTES

_set = [block(ROWS, vectors, transposed=False, accumulate=False) for vectors in (1, 2)]
_add = [block(ROWS, vectors, transposed=False, accumulate=True) for vectors in (1, 2)]
_add_transposed = [block(ROWS, vectors, transposed=True, accumulate=True) for vectors in (1, 2)]
_add_transposed_pair = [block(2, vectors, transposed=True, accumulate=True) for vectors in (1, 2)]
_set_one, _set_two = _set
_add_one, _add_two = _add
_transposed_one, _transposed_two = _add_transposed
_pair_one, _pair_two = _add_transposed_pair


class Matrix(NamedTuple):
    """A matrix in a flat array: where it starts, and the distance between its rows."""

    array: NDArray[Any]
    start: int
    stride: int


class Panels(NamedTuple):
    """A right factor in a flat array: where it starts, the distances between its rows and panels, a panel's width."""

    array: NDArray[Any]
    start: int
    stride: int
    step: int
    width: int


class Extent(NamedTuple):
    """The sizes of a product: of its result, and of the dimension summed over."""

    rows: int
    columns: int
    inner: int


@inner
def set_sum(out: Matrix, first: tuple[Matrix, Panels, int], second: tuple[Matrix, Panels, int], extent: Extent) -> None:
    """``out = a₁ b₁ + a₂ b₂``, of ``(a, b, inner size)`` each; rows are whole blocks."""
    a1, b1, size1 = first
    a2, b2, size2 = second
    for panel in range(extent.columns // b1.width):
        right1 = Matrix(b1.array, b1.start + panel * b1.step, b1.stride)
        right2 = Matrix(b2.array, b2.start + panel * b2.step, b2.stride)
        for row in range(0, extent.rows, ROWS):
            target = Matrix(out.array, out.start + row * out.stride + panel * b1.width, out.stride)
            left1 = Matrix(a1.array, a1.start + row * a1.stride, a1.stride)
            left2 = Matrix(a2.array, a2.start + row * a2.stride, a2.stride)
            if b1.width * out.array.itemsize > VECTOR_BYTES:
                _set_two(target, left1, right1, size1, left2, right2, size2)
            else:
                _set_one(target, left1, right1, size1, left2, right2, size2)


@inner
def add_product(out: Matrix, a: Matrix, b: Panels, extent: Extent) -> None:
    """``out += a b``; rows are whole blocks."""
    for panel in range(extent.columns // b.width):
        right = Matrix(b.array, b.start + panel * b.step, b.stride)
        for row in range(0, extent.rows, ROWS):
            target = Matrix(out.array, out.start + row * out.stride + panel * b.width, out.stride)
            left = Matrix(a.array, a.start + row * a.stride, a.stride)
            if b.width * out.array.itemsize > VECTOR_BYTES:
                _add_two(target, left, right, extent.inner)
            else:
                _add_one(target, left, right, extent.inner)


@inner
def add_transposed(out: Matrix, a: Matrix, b: Panels, extent: Extent) -> None:
    """``out += aᵀ b``, with an even number of rows."""
    for panel in range(extent.columns // b.width):
        right = Matrix(b.array, b.start + panel * b.step, b.stride)
        two = b.width * out.array.itemsize > VECTOR_BYTES
        whole = extent.rows - extent.rows % ROWS
        for row in range(0, whole, ROWS):
            target = Matrix(out.array, out.start + row * out.stride + panel * b.width, out.stride)
            left = Matrix(a.array, a.start + row, a.stride)
            if two:
                _transposed_two(target, left, right, extent.inner)
            else:
                _transposed_one(target, left, right, extent.inner)
        for row in range(whole, extent.rows, 2):
            target = Matrix(out.array, out.start + row * out.stride + panel * b.width, out.stride)
            left = Matrix(a.array, a.start + row, a.stride)
            if two:
                _pair_two(target, left, right, extent.inner)
            else:
                _pair_one(target, left, right, extent.inner)
