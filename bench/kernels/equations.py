"""The equations of the cells, forward and backward: RNN, LSTM, GRU and sLSTM, with their activations.

RNN (Elman 1990): ``h' = tanh(a)`` or ``max(a, 0)``, with ``a`` the sum of both products and biases. A slot holds only
the hidden state, which is written over ``a``.

LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000): ``i, f, o = σ(a)``, ``g = tanh(a)``,
``c' = f c + i g``, ``h' = o tanh(c')``. A slot holds ``i, f, g, o, c', h'``; ``tanh(c')`` is cheaper to compute again
than to store.

GRU (Cho et al. 2014, with the reset gate after the product as in torch and cuDNN): ``r, z = σ(a)``, ``n = tanh(p + r
q)`` with ``q`` the state's product and bias and ``p`` the input's, ``h' = n + z (h - n)``. A slot holds ``q, r, z, n,
h'``; ``n`` is written over ``p``.

sLSTM (Beck et al. 2024): ``z = tanh(a)``, ``o = σ(a)``, ``m' = max(ln σ(a_f) + m, a_i)``, ``i = exp(a_i - m')``, ``f =
exp(ln σ(a_f) + m - m')``, ``c' = f c + i z``, ``n' = f n + i``, ``h' = o c' / n'``. As h does not depend on m, no
gradient goes through it. A slot holds ``z, i, f, o``, the slope of ``ln σ(a_f)``, and ``m', n', c', h'``.

tanh and the logistic function work on vectors. In float32, tanh is ``x P(x²) / Q(x²)`` with polynomials of degree 3 and
4, fitted for the least relative error on |x| < 7.8 (Remez; linear programming) and constant beyond. Absolute and
relative error are below 5e-7, rounding included. A library function would be called once per lane and cost several
times the products. The exponential of what is at most 0 is ``2^k P(r)`` with a polynomial of degree 6 (Taylor; relative
error below 3e-7), and ``ln(1 + u)`` of u in (0, 1] twice the series of artanh at ``u / (2 + u)``, up to the 13th power
(error below 1e-8). float64 serves to check gradients, so there each lane goes through the C library and is exact.
"""

import math
from collections.abc import Sequence
from typing import Any

# llvmlite, which numba is made of, carries no type information
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from bench.kernels.compiled import Array, inner, intrinsic
from bench.kernels.simd import Vector, load, maximum, maximum_zero, store, where_positive
from bench.kernels.sizes import RNN_TANH, WalkPlan

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


_LEAST = -87.0  # whose exponential is about the least float32
_ROUND = 12582912.0  # 1.5 · 2^23: a float32 that is added to it is rounded to a whole number, its last bits
_LN_2 = (0.693359375, -2.12194440e-4)  # in two parts, the first of which multiplies whole numbers exactly


def _exponential(builder: Any, x: Any) -> Any:
    """Of a vector of float32 that are at most 0."""
    least = _constant(x.type, _LEAST)
    x = builder.select(builder.fcmp_ordered("<", x, least), least, x)
    whole = ir.VectorType(ir.IntType(32), x.type.count)
    rounded = builder.fadd(builder.fmul(x, _constant(x.type, 1 / math.log(2))), _constant(x.type, _ROUND))
    k = builder.fsub(rounded, _constant(x.type, _ROUND))
    for part in _LN_2:
        x = builder.fsub(x, builder.fmul(k, _constant(x.type, part)), flags=_FLAGS)
    bits = builder.shl(builder.bitcast(rounded, whole), ir.Constant(whole, [23] * whole.count))
    power = builder.bitcast(builder.add(bits, ir.Constant(whole, [127 << 23] * whole.count)), x.type)
    return builder.fmul(_polynomial(builder, x, [1 / math.factorial(n) for n in range(7)]), power)


def _log_1_plus(builder: Any, u: Any) -> Any:
    """``ln(1 + u)`` of a vector of float32 from 0 to 1."""
    s = builder.fdiv(u, builder.fadd(u, _constant(u.type, 2.0)))
    series = _polynomial(builder, builder.fmul(s, s), [2 / (2 * n + 1) for n in range(7)])
    return builder.fmul(s, series)


@intrinsic
def exponential(_typing: Any, x: Any) -> Any:
    """The exponential of a vector that is at most 0; what is less than -87 counts as -87."""

    def generate(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        if x.element == types.float32:
            return _exponential(builder, args[0])
        return _each_lane(context, builder, x, args[0], math.exp)

    return x(x), generate


@intrinsic
def log_sigmoid(_typing: Any, x: Any) -> Any:
    """``ln σ(x) = min(x, 0) - ln(1 + exp(-|x|))`` of a vector."""

    def generate(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        zero = _constant(args[0].type, 0.0)
        below = builder.fcmp_ordered("<", args[0], zero)
        negative = builder.select(below, args[0], builder.fneg(args[0]))
        if x.element == types.float32:
            rest = _log_1_plus(builder, _exponential(builder, negative))
        else:
            rest = _each_lane(context, builder, x, _each_lane(context, builder, x, negative, math.exp), math.log1p)
        return builder.fsub(builder.select(below, args[0], zero), rest)

    return x(x), generate


@inner
def rnn_forward(plan: WalkPlan, slots: Array, now: int) -> None:
    """Activate the products of the slot at `now`."""
    for row in range(now, now + plan.tile * plan.row, plan.row):
        for at in range(row, row + plan.padded, plan.lanes):
            a = load(slots, at)
            if plan.code == RNN_TANH:
                store(slots, at, tanh(a))
            else:
                store(slots, at, maximum_zero(a))


@inner
def rnn_backward(plan: WalkPlan, slots: Array, now: int, memory: Array, out: int) -> None:
    """From the gradient to ``h'`` the one to ``a``, written to memory from `out` on."""
    width = plan.padded
    for row in range(plan.tile):
        for unit in range(0, width, plan.lanes):
            h, d = load(slots, now + row * plan.row + unit), load(memory, plan.d_h + row * width + unit)
            if plan.code == RNN_TANH:
                store(memory, out + row * width + unit, d * (1.0 - h * h))
            else:
                store(memory, out + row * width + unit, where_positive(h, d))


@inner
def lstm_forward(plan: WalkPlan, slots: Array, now: int, before: int) -> None:
    """Activate the products of the slot at `now`, given the slot at `before`."""
    width = plan.padded
    for row in range(0, plan.tile * plan.row, plan.row):
        for unit in range(row, row + width, plan.lanes):
            at = now + unit
            i, f = sigmoid(load(slots, at)), sigmoid(load(slots, at + width))
            g, o = tanh(load(slots, at + 2 * width)), sigmoid(load(slots, at + 3 * width))
            c = f * load(slots, before + unit + 4 * width) + i * g
            store(slots, at, i)
            store(slots, at + width, f)
            store(slots, at + 2 * width, g)
            store(slots, at + 3 * width, o)
            store(slots, at + 4 * width, c)
            store(slots, at + 5 * width, o * tanh(c))


@inner
def lstm_backward(plan: WalkPlan, slots: Array, places: tuple[int, int], memory: Array, out: int) -> None:
    """From the gradients to ``h'`` and ``c'`` those to the products and to ``c``.

    `places` are the slots at this step and before it.
    """
    now, before = places
    width = plan.padded
    for row in range(plan.tile):
        for unit in range(0, width, plan.lanes):
            at, state, target = now + row * plan.row + unit, row * width + unit, out + row * 4 * width + unit
            i, f = load(slots, at), load(slots, at + width)
            g, o = load(slots, at + 2 * width), load(slots, at + 3 * width)
            t = tanh(load(slots, at + 4 * width))
            d = load(memory, plan.d_h + state)
            d_cell = load(memory, plan.d_c + state) + d * o * (1.0 - t * t)
            c = load(slots, before + row * plan.row + unit + 4 * width)
            store(memory, target, d_cell * g * i * (1.0 - i))
            store(memory, target + width, d_cell * c * f * (1.0 - f))
            store(memory, target + 2 * width, d_cell * i * (1.0 - g * g))
            store(memory, target + 3 * width, d * t * o * (1.0 - o))
            store(memory, plan.d_c + state, d_cell * f)


@inner
def gru_forward(plan: WalkPlan, slots: Array, now: int, before: int) -> None:
    """Activate the products of the slot at `now`, given the slot at `before`."""
    width = plan.padded
    for row in range(0, plan.tile * plan.row, plan.row):
        for unit in range(row, row + width, plan.lanes):
            at = now + unit
            r, z = sigmoid(load(slots, at + width)), sigmoid(load(slots, at + 2 * width))
            n = tanh(load(slots, at + 3 * width) + r * load(slots, at))
            h = load(slots, before + unit + 4 * width)
            store(slots, at + width, r)
            store(slots, at + 2 * width, z)
            store(slots, at + 3 * width, n)
            store(slots, at + 4 * width, n + z * (h - n))


@inner
def gru_backward(plan: WalkPlan, slots: Array, places: tuple[int, int], memory: Array, out: int) -> None:
    """From the gradient to ``h'`` those to the products, and in its place the part to ``h`` that passes no product.

    `places` are the slots at this step and before it.
    """
    now, before = places
    width = plan.padded
    for row in range(plan.tile):
        for unit in range(0, width, plan.lanes):
            at, state, target = now + row * plan.row + unit, plan.d_h + row * width + unit, out + row * 4 * width + unit
            q, r = load(slots, at), load(slots, at + width)
            z, n = load(slots, at + 2 * width), load(slots, at + 3 * width)
            h = load(slots, before + row * plan.row + unit + 4 * width)
            d = load(memory, state)
            d_n = d * (1.0 - z) * (1.0 - n * n)
            store(memory, target, d_n * r)
            store(memory, target + width, d_n * q * r * (1.0 - r))
            store(memory, target + 2 * width, d * (h - n) * z * (1.0 - z))
            store(memory, target + 3 * width, d_n)
            store(memory, state, d * z)


@inner
def slstm_forward(plan: WalkPlan, slots: Array, now: int, before: int) -> None:
    """Activate the products of the slot at `now`, given the slot at `before`."""
    width = plan.padded
    for row in range(0, plan.tile * plan.row, plan.row):
        for unit in range(row, row + width, plan.lanes):
            at, last = now + unit, before + unit
            z, a_f = tanh(load(slots, at)), load(slots, at + 2 * width)
            a_i, o = load(slots, at + width), sigmoid(load(slots, at + 3 * width))
            kept = log_sigmoid(a_f) + load(slots, last + 5 * width)
            m = maximum(kept, a_i)
            i, f = exponential(a_i - m), exponential(kept - m)
            n = f * load(slots, last + 6 * width) + i
            c = f * load(slots, last + 7 * width) + i * z
            store(slots, at, z)
            store(slots, at + width, i)
            store(slots, at + 2 * width, f)
            store(slots, at + 3 * width, o)
            store(slots, at + 4 * width, 1.0 - sigmoid(a_f))
            store(slots, at + 5 * width, m)
            store(slots, at + 6 * width, n)
            store(slots, at + 7 * width, c)
            store(slots, at + 8 * width, o * c / n)


@inner
def slstm_backward(plan: WalkPlan, slots: Array, places: tuple[int, int], memory: Array, out: int) -> None:
    """From the gradients to ``h'``, ``c'`` and ``n'`` those to the products, and to ``c`` and ``n``.

    `places` are the slots at this step and before it.
    """
    now, before = places
    width, cells = plan.padded, plan.d_c + plan.tile * plan.padded
    for row in range(plan.tile):
        for unit in range(0, width, plan.lanes):
            at, state, target = now + row * plan.row + unit, row * width + unit, out + row * 4 * width + unit
            z, i = load(slots, at), load(slots, at + width)
            f, o = load(slots, at + 2 * width), load(slots, at + 3 * width)
            h, last = load(slots, at + 8 * width), before + row * plan.row + unit
            d = load(memory, plan.d_h + state)
            scaled = d / load(slots, at + 6 * width)
            d_norm = load(memory, plan.d_c + state) - scaled * h
            d_cell = load(memory, cells + state) + scaled * o
            carried = d_norm * load(slots, last + 6 * width) + d_cell * load(slots, last + 7 * width)
            store(memory, target, d_cell * i * (1.0 - z * z))
            store(memory, target + width, (d_norm + d_cell * z) * i)
            store(memory, target + 2 * width, carried * f * load(slots, at + 4 * width))
            store(memory, target + 3 * width, d * h * (1.0 - o))
            store(memory, plan.d_c + state, d_norm * f)
            store(memory, cells + state, d_cell * f)
