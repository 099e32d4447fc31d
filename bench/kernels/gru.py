"""The gated recurrent unit, Cho et al. 2014, with the reset gate after the product as in torch and cuDNN.

``r, z = σ(a)``, ``n = tanh(p + r q)`` with ``q`` the state's product and bias and ``p`` the input's,
``h' = n + z (h - n)``. A slot holds ``q, r, z, n, h'``; ``n`` is written over ``p``.
"""

from __future__ import annotations

from bench.kernels.arrays import Array
from bench.kernels.compiled import inner
from bench.kernels.plan import Plan
from bench.kernels.simd import load, store
from bench.kernels.squash import sigmoid, tanh


@inner
def forward_step(plan: Plan, slots: Array, now: int, before: int) -> None:
    """Activate the products of the slot at `now`, given the slot at `before`."""
    width = plan.padded
    for row in range(0, plan.tile * 5 * width, 5 * width):
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
def backward_step(plan: Plan, slots: Array, places: tuple[int, int], d_h: Array, out: tuple[Array, int]) -> None:
    """From the gradient to ``h'`` those to the products, and in `d_h` the part to ``h`` that passes no product.

    `places` are the slots at this step and before it.
    """
    now, before = places
    d_a, start = out
    width = plan.padded
    for row in range(plan.tile):
        for unit in range(0, width, plan.lanes):
            at, state, target = now + row * 5 * width + unit, row * width + unit, start + row * 4 * width + unit
            q, r = load(slots, at), load(slots, at + width)
            z, n = load(slots, at + 2 * width), load(slots, at + 3 * width)
            h = load(slots, before + row * 5 * width + unit + 4 * width)
            d = load(d_h, state)
            d_n = d * (1.0 - z) * (1.0 - n * n)
            store(d_a, target, d_n * r)
            store(d_a, target + width, d_n * q * r * (1.0 - r))
            store(d_a, target + 2 * width, d * (h - n) * z * (1.0 - z))
            store(d_a, target + 3 * width, d_n)
            store(d_h, state, d * z)
