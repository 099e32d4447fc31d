"""exp, sin and cos with the same values on every machine.

A library's own functions differ in the last bit between processors, and so would all data made with them. These use
only IEEE 754 additions and multiplications of float64, which round in the same way everywhere: an argument is reduced
and its Taylor series summed in pairs of numbers (about 100 bits). The value is therefore correctly rounded unless more
than 40 bits after the last one are all zeros or all ones (one argument in 10¹²).

Sources: T. J. Dekker, A floating-point technique for extending the available precision, 1971 (sums and products of
pairs); M. H. Payne and R. N. Hanek, Radian reduction for trigonometric functions, 1983 (why π needs so many bits).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from bench.array_types import FloatArray

Pair = tuple[FloatArray, FloatArray]
"""An unevaluated sum of two numbers, of which the first is the sum rounded."""

LARGEST_ANGLE = 2.0**50
"""Radians; beyond it a float64 holds less than 3 bits of a fraction."""

_CHUNK = 4096  # points at once, so that the steps between stay in the cache
_SPLITTER = 134217729.0  # 2²⁷ + 1 (Dekker)
_LOG_2 = (0.6931471805598903, 5.497923018708371e-14, 1.94704509238075e-31)  # ln 2; the first has 42 bits
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33, 5.562271104316826e-50)
_OVERFLOW, _UNDERFLOW = 709.782712893384, -745.1332191019412  # exp is infinite above, 0 below


def exp(x: FloatArray) -> FloatArray:
    """Raise e to the power of each of `x`, correctly rounded; infinite where that is no float64."""
    return _in_chunks(_exp, x)


def sin(x: FloatArray) -> FloatArray:
    """The sine of each of `x`, in radians within ±`LARGEST_ANGLE`, correctly rounded.

    Raises
    ------
    ValueError
        An angle is larger.
    """
    return _in_chunks(lambda angles: _sine(angles, quarter_turns=0), x)


def cos(x: FloatArray) -> FloatArray:
    """The cosine of each of `x`; see `sin`."""
    return _in_chunks(lambda angles: _sine(angles, quarter_turns=1), x)


def _in_chunks(function: Callable[[FloatArray], FloatArray], x: FloatArray) -> FloatArray:
    flat = np.ascontiguousarray(x, np.float64).reshape(-1)
    values = np.empty_like(flat)
    for start in range(0, len(flat), _CHUNK):
        values[start : start + _CHUNK] = function(flat[start : start + _CHUNK])
    return values.reshape(np.shape(x))


def _exp(x: FloatArray) -> FloatArray:
    inside = np.clip(x, _UNDERFLOW, _OVERFLOW)
    twos = np.rint(inside / _LOG_2[0])
    rest = _less_multiples(inside, twos, _LOG_2)
    high, low = _taylor(rest, _EXP)
    with np.errstate(under="ignore"):
        values: FloatArray = np.ldexp(high + low, twos.astype(np.int64))
    values[x > _OVERFLOW] = np.inf
    values[x < _UNDERFLOW] = 0.0
    return values


def _sine(x: FloatArray, *, quarter_turns: int) -> FloatArray:
    """``sin(x + quarter_turns π/2)``."""
    if np.abs(x).max(initial=0.0) > LARGEST_ANGLE:
        raise ValueError(f"expected angles within ±{LARGEST_ANGLE:g}, got {np.abs(x).max():g}")
    turns = np.rint(x / _HALF_PI[0])
    rest = _less_multiples(x, turns, _HALF_PI)
    square = _product(rest, rest)
    sine = _product(rest, _taylor(square, _SIN))
    cosine = _taylor(square, _COS)
    quadrant = (turns.astype(np.int64) + quarter_turns) % 4
    values = np.where(quadrant % 2 == 0, sine[0] + sine[1], cosine[0] + cosine[1])
    signed: FloatArray = np.where(quadrant < 2, values, -values)
    return signed


def _less_multiples(x: FloatArray, count: FloatArray, unit: tuple[float, ...]) -> Pair:
    """``x − count unit``, where `unit` is a sum of numbers, the largest first; nothing is lost where they cancel."""
    first, second, third = x, np.zeros_like(x), np.zeros_like(x)
    for part in unit:
        for term in _two_product(-count, part):
            first, carry = _two_sum(first, term)
            second, carry = _two_sum(second, carry)
            third = third + carry
    high, low = _two_sum(first, second)
    return _fast_two_sum(high, low + third)


def _taylor(x: Pair, series: Taylor) -> Pair:
    """Horner's scheme."""
    tail = np.zeros_like(x[0])
    for coefficient in reversed(series.small):
        tail = tail * x[0] + coefficient
    total = (tail, np.zeros_like(tail))
    for pair in reversed(series.pairs):
        total = _plus(_product(total, x), pair)
    return total


def _product(a: Pair, b: Pair) -> Pair:
    high, low = _two_product(a[0], b[0])
    return _fast_two_sum(high, low + (a[0] * b[1] + a[1] * b[0]))


def _plus(a: Pair, constant: tuple[float, float]) -> Pair:
    high, low = _two_sum(a[0], constant[0])
    return _fast_two_sum(high, low + (a[1] + constant[1]))


def _two_sum(a: FloatArray, b: FloatArray | float) -> Pair:
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def _fast_two_sum(larger: FloatArray, smaller: FloatArray) -> Pair:
    total = larger + smaller
    return total, smaller - (total - larger)


def _two_product(a: FloatArray, b: FloatArray | float) -> Pair:
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return product, error


def _halves(a: Any) -> tuple[Any, Any]:
    """`a` as a sum of two numbers of 26 bits (Veltkamp)."""
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


class Taylor(NamedTuple):
    """Coefficients of a power series: the first as pairs, the last, which add less than 2⁻⁵³ of a sum, as numbers."""

    pairs: list[tuple[float, float]]
    small: list[float]

    @classmethod
    def of(cls, coefficients: list[Fraction], *, pairs: int) -> Taylor:
        """The series of exact `coefficients`, the first `pairs` of them as pairs."""
        high = [float(exact) for exact in coefficients]
        low = [float(exact - Fraction(rounded)) for exact, rounded in zip(coefficients, high, strict=True)]
        return cls(list(zip(high, low, strict=True))[:pairs], high[pairs:])


_EXP = Taylor.of([Fraction(1, math.factorial(n)) for n in range(25)], pairs=14)
_SIN = Taylor.of([Fraction((-1) ** k, math.factorial(2 * k + 1)) for k in range(15)], pairs=10)
_COS = Taylor.of([Fraction((-1) ** k, math.factorial(2 * k)) for k in range(16)], pairs=11)
