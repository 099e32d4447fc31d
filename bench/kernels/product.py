"""Products of matrices in flat arrays, block by block, with the sums of a block in registers.

A block is some rows by one or two vectors. Each step along the inner dimension loads the vectors of ``b`` and
multiplies them by one number of each row of ``a``. It is written as IR because a compiler that gets the plain loops
keeps the sums in memory, at half the speed or less. The loops over blocks are inside as well: a call for each block
would take a third of the time of a product over 16 units.

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
    """Writes the IR function ``out = a b`` or ``out += a b`` over whole blocks.

    Its parameters are pointer and row stride of ``out`` and ``a``; the same of ``b`` and the distance between its
    panels; then how many blocks of rows, how many panels, and the inner size, which is not 0. Where `transposed`, the
    rows of ``a`` are the inner dimension.
    """

    def __init__(self, vector: Any, rows: int, vectors: int, *, transposed: bool, accumulate: bool) -> None:
        self.vector, self.rows, self.vectors = vector, rows, vectors
        self.transposed, self.accumulate = transposed, accumulate

    def function(self, module: Any) -> Any:
        """The function, written into `module` where it is not there yet."""
        number = self.vector.element.as_pointer()
        parameters = [number, _INDEX] * 3 + [_INDEX] * 4
        name = f"product_{self.vector.element}_{self.rows}_{self.vectors}_{self.transposed}_{self.accumulate}"
        function = cgutils.get_or_insert_function(module, ir.FunctionType(ir.VoidType(), parameters), name)
        if function.is_declaration:
            function.linkage = "linkonce_odr"  # of each module's copy, one is kept
            function.attributes.add("noinline")  # one copy, however many places call it
            self._body(function)
        return function

    def _body(self, function: Any) -> None:
        """Panel after panel, and in each the blocks of rows: a panel stays in the first cache meanwhile."""
        out, out_stride, a, a_stride, b, b_stride, b_step, blocks, panels, size = function.args
        builder = ir.IRBuilder(function.append_basic_block())
        width, rows = _INDEX(self.vectors * self.vector.count), _INDEX(self.rows)
        with cgutils.for_range(builder, panels) as panel:
            right = builder.gep(b, [builder.mul(panel.index, b_step)])
            column = builder.mul(panel.index, width)
            with cgutils.for_range(builder, blocks) as block:
                row = builder.mul(block.index, rows)
                target = builder.gep(out, [builder.add(builder.mul(row, out_stride), column)])
                left = builder.gep(a, [row if self.transposed else builder.mul(row, a_stride)])
                self._block(builder, (target, out_stride), (left, a_stride), (right, b_stride), size)
        builder.ret_void()

    def _block(self, builder: Any, out: Any, a: Any, b: Any, size: Any) -> None:
        places = [
            builder.gep(out[0], [builder.add(builder.mul(out[1], _INDEX(row)), _INDEX(part * self.vector.count))])
            for row in range(self.rows)
            for part in range(self.vectors)
        ]
        zero = ir.Constant(self.vector, [0.0] * self.vector.count)
        sums = [load_vector(builder, place, self.vector) if self.accumulate else zero for place in places]
        for place, total in zip(places, self._loop(builder, sums, a, b, size), strict=True):
            store_vector(builder, total, place)

    def _loop(self, builder: Any, sums: list[Any], a: Any, b: Any, size: Any) -> list[Any]:
        """The loop over the inner dimension; the sums enter and leave it in registers."""
        (a, a_stride), (b, b_stride) = a, b
        offsets = [_INDEX(row) if self.transposed else builder.mul(a_stride, _INDEX(row)) for row in range(self.rows)]
        before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)  # the inner size is at least 1: a test for 0 makes the compiler write all loops twice
        builder.position_at_end(loop)
        starts = [_INDEX(0), a, b, *sums]
        step, a_now, b_now, *sums_now = states = [builder.phi(start.type) for start in starts]
        ends = [
            builder.add(step, _INDEX(1)),
            builder.gep(a_now, [a_stride if self.transposed else _INDEX(1)]),
            builder.gep(b_now, [b_stride]),
            *self._step(builder, [builder.gep(a_now, [offset]) for offset in offsets], b_now, sums_now),
        ]
        for state, start, end in zip(states, starts, ends, strict=True):
            state.add_incoming(start, before)
            state.add_incoming(end, loop)
        builder.cbranch(builder.icmp_signed("<", ends[0], size), loop, after)
        builder.position_at_end(after)
        return ends[3:]

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


def _product(rows: int, vectors: int, *, transposed: bool = False, accumulate: bool = False) -> Any:
    """``function(out, a, b, counts)`` for compiled code; see `_Writer`.

    `out`, `a` and `b` are tuples ``(array, start, row stride)``; `counts` are the distance between the panels of `b`,
    the blocks of rows, the panels, and the inner size.
    """

    @intrinsic
    def function(_typing: Any, out: Any, a: Any, b: Any, counts: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            values = []
            for kind, value in zip(sig.args[:3], args[:3], strict=True):
                array, start, stride = cgutils.unpack_tuple(builder, value)
                values += [address(context, builder, kind[0], array, start), stride]
            element = out[0].dtype
            vector = ir.VectorType(context.get_value_type(element), VECTOR_BYTES * 8 // element.bitwidth)
            writer = _Writer(vector, rows, vectors, transposed=transposed, accumulate=accumulate)
            builder.call(writer.function(builder.module), [*values, *cgutils.unpack_tuple(builder, args[3])])
            return context.get_dummy_value()

        return types.void(out, a, b, types.UniTuple(types.int64, len(counts))), generate

    return function


# a block has as many sums in either form: enough of them that none waits for the one before
_set_two, _set_one, _set_few = (_product(ROWS, 2), _product(2 * ROWS, 1), _product(ROWS, 1))
_add_two, _add_one, _add_few = (
    _product(ROWS, 2, accumulate=True),
    _product(2 * ROWS, 1, accumulate=True),
    _product(ROWS, 1, accumulate=True),
)
_transposed_two = _product(ROWS, 2, transposed=True, accumulate=True)
_transposed_one = _product(2 * ROWS, 1, transposed=True, accumulate=True)
_pair_four = _product(2, 4, transposed=True, accumulate=True)
_pair_two = _product(2, 2, transposed=True, accumulate=True)
_pair_one = _product(2, 1, transposed=True, accumulate=True)


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
def set_product(out: Matrix, a: Matrix, b: PackedPanels, extent: Extent) -> None:
    """``out = a b``; rows are whole blocks of `ROWS`, columns whole panels."""
    right, panels = Matrix(b.array, b.start, b.stride), extent.columns // b.width
    if b.width * out.array.itemsize > VECTOR_BYTES:
        _set_two(out, a, right, (b.step, extent.rows // ROWS, panels, extent.inner))
    elif extent.rows % (2 * ROWS):
        _set_few(out, a, right, (b.step, extent.rows // ROWS, panels, extent.inner))
    else:
        _set_one(out, a, right, (b.step, extent.rows // (2 * ROWS), panels, extent.inner))


@inner
def add_product(out: Matrix, a: Matrix, b: PackedPanels, extent: Extent) -> None:
    """``out += a b``; rows are whole blocks of `ROWS`, columns whole panels."""
    right, panels = Matrix(b.array, b.start, b.stride), extent.columns // b.width
    if b.width * out.array.itemsize > VECTOR_BYTES:
        _add_two(out, a, right, (b.step, extent.rows // ROWS, panels, extent.inner))
    elif extent.rows % (2 * ROWS):
        _add_few(out, a, right, (b.step, extent.rows // ROWS, panels, extent.inner))
    else:
        _add_one(out, a, right, (b.step, extent.rows // (2 * ROWS), panels, extent.inner))


@inner
def add_transposed(out: Matrix, a: Matrix, b: Matrix, extent: Extent) -> None:
    """``out += aᵀ b``, with an even number of rows, and columns of whole vectors."""
    if extent.inner == 0:
        return
    lanes = VECTOR_BYTES // out.array.itemsize
    double = extent.columns % (2 * lanes) == 0
    block = ROWS if double else 2 * ROWS
    whole = extent.rows // block
    if double:
        _transposed_two(out, a, b, (2 * lanes, whole, extent.columns // (2 * lanes), extent.inner))
    else:
        _transposed_one(out, a, b, (lanes, whole, extent.columns // lanes, extent.inner))
    rest = Matrix(out.array, out.start + whole * block * out.stride, out.stride)
    left, pairs = Matrix(a.array, a.start + whole * block, a.stride), (extent.rows - whole * block) // 2
    if pairs == 0:
        return
    if extent.columns % (4 * lanes) == 0:
        _pair_four(rest, left, b, (4 * lanes, pairs, extent.columns // (4 * lanes), extent.inner))
    elif double:
        _pair_two(rest, left, b, (2 * lanes, pairs, extent.columns // (2 * lanes), extent.inner))
    else:
        _pair_one(rest, left, b, (lanes, pairs, extent.columns // lanes, extent.inner))
