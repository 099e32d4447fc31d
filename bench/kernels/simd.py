"""A vector of numbers as a numba type: the content of one register of this machine, with its arithmetic.

Whether a loop over arrays uses vector instructions is up to the compiler, which does not use them if it cannot prove
that the arrays do not overlap. A loop written with explicit vectors always does, at any size.

Only code compiled by numba can hold a vector. There are ``+ - * /`` between vectors, or a vector and a number, and the
functions below; `bench.kernels.equations` has `tanh` and `sigmoid`.
"""

import functools
import operator
from typing import Any

# llvmlite, which numba is made of, carries no type information
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import config, types
from numba.core.codegen import get_host_cpu_features
from numba.core.datamodel import models
from numba.core.typeconv.castgraph import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, lower_cast, register_model

from bench.kernels.compiled import intrinsic

_FEATURES = frozenset((vars(config)["CPU_FEATURES"] or get_host_cpu_features()).split(","))
VECTOR_BYTES = 64 if "+avx512f" in _FEATURES else 32 if "+avx" in _FEATURES else 16

ROWS = 4 if VECTOR_BYTES == 32 else 8
"""Rows of a full block: with two vectors a row, 16 sums where there are 32 registers and 8 where there are 16."""


class Vector(types.Type):
    """`VECTOR_BYTES` bytes of `element`, a numba float type. A number where a vector is expected fills one."""

    def __init__(self, element: types.Float) -> None:
        self.element = element
        self.lanes = VECTOR_BYTES * 8 // element.bitwidth
        super().__init__(name=f"Vector({element}, {self.lanes})")

    def can_convert_from(self, _typing: Any, other: Any) -> Conversion | None:
        """Let a number stand where a vector is expected."""
        return Conversion.safe if isinstance(other, types.Number) else None


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        element = manager.lookup(vector.element).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))  # type: ignore[no-untyped-call]  # numba's


def broadcast(builder: Any, scalar: Any, count: int) -> Any:
    """IR of a vector that holds `scalar` `count` times."""
    undefined = ir.Constant(ir.VectorType(scalar.type, count), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count))


def _fill(context: Any, builder: Any, number: Any, vector: Vector, value: Any) -> Any:
    return broadcast(builder, context.cast(builder, value, number, vector.element), vector.lanes)


lower_cast(types.Number, Vector)(_fill)


def address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """IR of a pointer to element `index` of a contiguous array."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def load_vector(builder: Any, pointer: Any, vector: Any) -> Any:
    """IR that loads the IR type `vector` from a pointer to its first element, on any alignment."""
    value = builder.load(builder.bitcast(pointer, vector.as_pointer()))
    value.align = 4
    return value


def store_vector(builder: Any, value: Any, pointer: Any) -> None:
    """IR that stores the vector `value` from a pointer to its first element on, on any alignment."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer())).align = 4


@intrinsic
def load(_typing: Any, array: Any, _index: Any) -> Any:
    """The vector that begins at element `index` of a contiguous array of any dimensions."""
    result = Vector(array.dtype)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = address(context, builder, sig.args[0], *args)
        return load_vector(builder, pointer, context.get_value_type(result))

    return result(array, types.int64), generate


@intrinsic
def store(_typing: Any, array: Any, _index: Any, _value: Any) -> Any:
    """Write a vector (a number fills one) to a contiguous array, from element `index` on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        store_vector(builder, args[2], address(context, builder, sig.args[0], *args[:2]))
        return context.get_dummy_value()

    return types.void(array, types.int64, Vector(array.dtype)), generate


@intrinsic
def get(_typing: Any, array: Any, _index: Any) -> Any:
    """Element `index` of a contiguous array of any dimensions, with no negative indices and so no test for them."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(address(context, builder, sig.args[0], *args))

    return array.dtype(array, types.int64), generate


@intrinsic
def put(_typing: Any, array: Any, _index: Any, _value: Any) -> Any:
    """Write element `index` of a contiguous array of any dimensions."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], address(context, builder, sig.args[0], *args[:2]))
        return context.get_dummy_value()

    return types.void(array, types.int64, array.dtype), generate


@intrinsic
def total(_typing: Any, x: Any) -> Any:
    """The sum of a vector's lanes, in their order."""

    def generate(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        lanes = [builder.extract_element(args[0], ir.IntType(32)(lane)) for lane in range(x.lanes)]
        return functools.reduce(builder.fadd, lanes)

    return x.element(x), generate


@intrinsic
def maximum_zero(_typing: Any, x: Any) -> Any:
    """The greater of `x` and 0, lane by lane; what is not a number stays so."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = context.get_constant_null(sig.return_type)
        return builder.select(builder.fcmp_ordered("<", args[0], zero), zero, args[0])

    return x(x), generate


@intrinsic
def maximum(_typing: Any, x: Any, _y: Any) -> Any:
    """The greater of two vectors, lane by lane; the first where one of both is not a number."""

    def generate(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[1], args[0])

    return x(x, x), generate


@intrinsic
def where_positive(_typing: Any, condition: Any, value: Any) -> Any:
    """`value` where `condition` is above 0, and 0 elsewhere, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = context.get_constant_null(sig.return_type)
        return builder.select(builder.fcmp_ordered(">", args[0], zero), args[1], zero)

    return value(condition, value), generate


@intrinsic
def where_at_least(_typing: Any, condition: Any, bound: Any, value: Any) -> Any:
    """`value` where `condition` is not below the number `bound`, and 0 elsewhere, lane by lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        limit = _fill(context, builder, sig.args[1], sig.args[0], args[1])
        zero = context.get_constant_null(sig.return_type)
        return builder.select(builder.fcmp_ordered(">=", args[0], limit), args[2], zero)

    return value(condition, bound, value), generate


def _define(function: Any, instruction: str) -> None:
    """Give vectors the operator `function`, done by the IR `instruction`."""

    @infer_global(function)
    class _Typing(AbstractTemplate):
        def generic(self, args: Any, _keywords: Any) -> Any:
            vectors = [arg for arg in args if isinstance(arg, Vector)]
            if len(args) == 2 and vectors and all(isinstance(arg, Vector | types.Number) for arg in args):
                return signature(vectors[0], vectors[0], vectors[0])
            return None

    def lower(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        # "contract" lets a product and a sum become one fused instruction
        return getattr(builder, instruction)(*args, flags=("contract",))

    lower_builtin(function, Vector, Vector)(lower)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
_define(operator.truediv, "fdiv")
