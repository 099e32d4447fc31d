"""tanh and the logistic function on vectors: fast and nearly exact in float32, exact in float64.

In float32, tanh is ``x P(x²) / Q(x²)`` with polynomials of degree 3 and 4, fitted for the least relative error on
|x| < 7.8 (Remez; linear programming) and constant beyond. Absolute and relative error are below 5e-7, rounding
included. A library function would be called once per lane and cost several times the products. float64 serves to
check gradients, so there each lane goes through the C library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

# llvmlite, which numba is made of, carries no type information
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from bench.kernels.compiled import intrinsic
from bench.kernels.simd import Vector

_LIMIT = 7.8
_NUMERATOR = (0.9999998158243792, 0.12937711398248372, 0.002964227376772244, 1.1577358165332932e-05)
_DENOMINATOR = (1.0, 0.4627092408852415, 0.02386886618832915, 0.00024057147307763539, 2.5080906771981507e-07)
_FLAGS = ("contract",)


def _constant(vector: Any, value: float) -> Any:
    return ir.Constant(vector, [value] * vector.count)


def _polynomial(builder: Any, x: Any, coefficients: Sequence[float]) -> Any:
    """Horner's scheme; the constant comes first in `coefficients`."""
    total = _constant(x.type, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        product = builder.fmul(total, x, flags=_FLAGS)
        total = builder.fadd(product, _constant(x.type, coefficient), flags=_FLAGS)
    return total


def _scaled_tanh(builder: Any, x: Any, scale: float) -> Any:
    """``scale · tanh(scale · x)``, with the scale inside the coefficients."""
    for comparison, limit in ((">", _LIMIT / scale), ("<", -_LIMIT / scale)):
        bound = _constant(x.type, limit)
        # an ordered comparison is false for what is not a number, which so stays visible
        x = builder.select(builder.fcmp_ordered(comparison, x, bound), bound, x)
    square = builder.fmul(x, x)
    numerator = [value * scale ** (2 * power + 2) for power, value in enumerate(_NUMERATOR)]
    denominator = [value * scale ** (2 * power) for power, value in enumerate(_DENOMINATOR)]
    above = builder.fmul(x, _polynomial(builder, square, numerator))
    return builder.fdiv(above, _polynomial(builder, square, denominator))


def _each_lane(context: Any, builder: Any, vector: Vector, x: Any, function: Any) -> Any:
    """`function` of the C library, lane by lane."""
    scalar = context.get_function(function, vector.element(vector.element))
    for lane in range(vector.lanes):
        position = ir.IntType(32)(lane)
        x = builder.insert_element(x, scalar(builder, [builder.extract_element(x, position)]), position)
    return x


@intrinsic
def tanh(_typing: Any, x: Any) -> Any:
    """The hyperbolic tangent of a vector."""

    def generate(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        if x.element == types.float32:
            return _scaled_tanh(builder, args[0], 1.0)
        return _each_lane(context, builder, x, args[0], math.tanh)

    return x(x), generate


@intrinsic
def sigmoid(_typing: Any, x: Any) -> Any:
    """The logistic function of a vector: ``1 / (1 + exp(-x)) = 1/2 + tanh(x / 2) / 2``."""

    def generate(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        kind = args[0].type
        if x.element == types.float32:
            return builder.fadd(_scaled_tanh(builder, args[0], 0.5), _constant(kind, 0.5))
        one = _constant(kind, 1.0)
        power = _each_lane(context, builder, x, builder.fneg(args[0]), math.exp)
        return builder.fdiv(one, builder.fadd(one, power))

    return x(x), generate
