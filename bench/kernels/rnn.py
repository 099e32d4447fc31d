"""The simple cell, Elman 1990: ``h' = tanh(a)`` or ``max(a, 0)``, with ``a`` the sum of both products and biases.

A slot holds only the hidden state: it is written over ``a``.
"""

from __future__ import annotations

from bench.kernels.arrays import Array
from bench.kernels.compiled import inner
from bench.kernels.plan import RNN_TANH, Plan
from bench.kernels.simd import load, maximum_zero, store, where_positive
from bench.kernels.squash import tanh


@inner
def forward_step(plan: Plan, slots: Array, now: int) -> None:
    """Activate the products of the slot at `now`."""
    for i in range(now, now + plan.tile * plan.padded, plan.lanes):
        a = load(slots, i)
        if plan.code == RNN_TANH:
            store(slots, i, tanh(a))
        else:
            store(slots, i, maximum_zero(a))


@inner
def backward_step(plan: Plan, slots: Array, now: int, d_h: Array, out: tuple[Array, int]) -> None:
    """From the gradient to ``h'`` the one to ``a``, written to `out`."""
    d_a, start = out
    for i in range(0, plan.tile * plan.padded, plan.lanes):
        h, d = load(slots, now + i), load(d_h, i)
        if plan.code == RNN_TANH:
            store(d_a, start + i, d * (1.0 - h * h))
        else:
            store(d_a, start + i, where_positive(h, d))
