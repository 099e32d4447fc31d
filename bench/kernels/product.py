"""Products of matrices in flat arrays, block by block, with the sums of a block in registers.

A block is `rows` rows by one or two vectors. Each step loads one or two vectors of ``b`` and multiplies them by `rows`
numbers of ``a``. It is built from IR because a compiler that gets the plain loops keeps the sums in memory, at half the
speed or less: this reaches the machine's peak from an inner size of about 32.

The right factor is read in *panels* of one or two vectors' width. Weights are packed panel after panel
(`bench.kernels.arrays`), so that a block reads them in order; any other matrix is read in panels from its own layout.
"""

from typing import Any, NamedTuple

# llvmlite, which numba is made of, carries no type information
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numpy.typing import NDArray

from bench.kernels.compiled import inner, intrinsic
from bench.kernels.simd import ROWS, VECTOR_BYTES, address, broadcast, load_vector, store_vector

_INDEX = ir.IntType(64)


class _Writer:
    """Writes the IR function ``out (+)= a₁ b₁ + a₂ b₂ + …`` of one block.

    Its parameters are pointer and row stride of ``out``; then for each product pointer and row stride of ``a``, the
    same of ``b``, and the inner size. Where `transposed`, the rows of ``a`` are the inner dimension.
    """

    def __init__(self, vector: Any, rows: int, vectors: int, *, transposed: bool, accumulate: bool) -> None:
        self.vector, self.rows, self.vectors = vector, rows, vectors
        self.transposed, self.accumulate = transposed, accumulate

    def function(self, module: Any, products: int) -> Any:
        """The function, written into `module` where it is not there yet."""
        number = self.vector.element.as_pointer()
        parameters = [number, _INDEX] + [number, _INDEX, number, _INDEX, _INDEX] * products
        name = f"block_{self.vector.element}_{self.rows}_{self.vectors}_{products}_{self.transposed}_{self.accumulate}"
        function = cgutils.get_or_insert_function(module, ir.FunctionType(ir.VoidType(), parameters), name)
        if function.is_declaration:
            function.linkage = "internal"
            function.attributes.add("noinline")  # one copy, however many places call it
            self._body(function)
        return function

    def _body(self, function: Any) -> None:
        out, stride, *operands = function.args
        builder = ir.IRBuilder(function.append_basic_block())
        places = [
            builder.gep(out, [builder.add(builder.mul(stride, _INDEX(row)), _INDEX(part * self.vector.count))])
            for row in range(self.rows)
            for part in range(self.vectors)
        ]
        zero = ir.Constant(self.vector, [0.0] * self.vector.count)
        sums = [load_vector(builder, place, self.vector) if self.accumulate else zero for place in places]
        for first in range(0, len(operands), 5):
            sums = self._loop(builder, sums, operands[first : first + 5])
        for place, total in zip(places, sums, strict=True):
            store_vector(builder, total, place)
        builder.ret_void()

    def _loop(self, builder: Any, sums: list[Any], operands: list[Any]) -> list[Any]:
        """The loop over the inner dimension; the sums enter and leave it in registers."""
        a, a_stride, b, b_stride, size = operands
        offsets = [_INDEX(row) if self.transposed else builder.mul(a_stride, _INDEX(row)) for row in range(self.rows)]
        before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.cbranch(builder.icmp_signed(">", size, _INDEX(0)), loop, after)
        builder.position_at_end(loop)
        starts = [_INDEX(0), a, b, *sums]
        step, a_now, b_now, *sums_now = states = [builder.phi(start.type) for start in starts]
        ends = [
            builder.add(step, _INDEX(1)),
            builder.gep(a_now, [a_stride if self.transposed else _INDEX(1)]),
            builder.gep(b_now, [b_stride]),
            *self._step(builder, [builder.gep(a_now, [offset]) for offset in offsets], b_now, sums_now),
        ]
        _join(states, (starts, before), (ends, loop))
        builder.cbranch(builder.icmp_signed("<", ends[0], size), loop, after)
        builder.position_at_end(after)
        results = [builder.phi(self.vector) for _ in sums]
        _join(results, (sums, before), (ends[3:], loop))
        return results

    def _step(self, builder: Any, a: list[Any], b: Any, sums: list[Any]) -> list[Any]:
        """One step along the inner dimension: every row's number times every vector, added to the sums."""
        count = self.vector.count
        places = [builder.gep(b, [_INDEX(part * count)]) for part in range(self.vectors)]
        vectors = [load_vector(builder, place, self.vector) for place in places]
        totals = []
        for row, place in enumerate(a):
            number = broadcast(builder, builder.load(place), count)
            for part, vector in enumerate(vectors):
                product = builder.fmul(number, vector, flags=("contract",))
                totals.append(builder.fadd(product, sums[row * self.vectors + part], flags=("contract",)))
        return totals


def _join(states: list[Any], *arrivals: tuple[list[Any], Any]) -> None:
    """Tell each state its value on arrival from each block."""
    for values, block in arrivals:
        for state, value in zip(states, values, strict=True):
            state.add_incoming(value, block)


def block(rows: int, vectors: int, *, transposed: bool, accumulate: bool) -> Any:
    """A block product for compiled code: ``function(out, a, b, size, …)`` with as many ``a, b, size`` as wanted.

    `out`, `a` and `b` are tuples ``(array, start, row stride)``. It writes ``out = a b + …``, or adds to `out` where
    `accumulate`; where `transposed`, it takes ``aᵀ`` for ``a``.
    """

    @intrinsic
    def function(_typing: Any, *operands: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            values = []
            for kind, value in zip(sig.args[0], cgutils.unpack_tuple(builder, args[0]), strict=True):
                if isinstance(kind, types.Integer):
                    values.append(value)
                    continue
                array, start, stride = cgutils.unpack_tuple(builder, value)
                values += [address(context, builder, kind[0], array, start), stride]
            out = operands[0][0]
            vector = ir.VectorType(context.get_value_type(out.dtype), VECTOR_BYTES * 8 // out.dtype.bitwidth)
            writer = _Writer(vector, rows, vectors, transposed=transposed, accumulate=accumulate)
            builder.call(writer.function(builder.module, len(operands) // 3), values)
            return context.get_dummy_value()

        return types.void(types.StarArgTuple(operands)), generate

    return function


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


class PackedPanels(NamedTuple):
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
def set_sum(
    out: Matrix, first: tuple[Matrix, PackedPanels, int], second: tuple[Matrix, PackedPanels, int], extent: Extent
) -> None:
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
def add_product(out: Matrix, a: Matrix, b: PackedPanels, extent: Extent) -> None:
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
def add_transposed(out: Matrix, a: Matrix, b: PackedPanels, extent: Extent) -> None:
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
