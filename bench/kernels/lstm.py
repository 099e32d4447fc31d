"""The long short-term memory, Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000.

``i, f, o = σ(a)``, ``g = tanh(a)``, ``c' = f c + i g``, ``h' = o tanh(c')``. A slot holds ``i, f, g, o, c', h'``;
``tanh(c')`` is cheaper to compute again than to keep.
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
    for row in range(0, plan.tile * 6 * width, 6 * width):
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
def backward_step(
    plan: Plan, slots: Array, places: tuple[int, int], d_states: tuple[Array, Array], out: tuple[Array, int]
) -> None:
    """From the gradients to ``h'`` and ``c'`` those to the products and to ``c``.

    `places` are the slots at this step and before it.
    """
    now, before = places
    d_h, d_c = d_states
    d_a, start = out
    width = plan.padded
    for row in range(plan.tile):
        for unit in range(0, width, plan.lanes):
            at, state, target = now + row * 6 * width + unit, row * width + unit, start + row * 4 * width + unit
            i, f = load(slots, at), load(slots, at + width)
            g, o = load(slots, at + 2 * width), load(slots, at + 3 * width)
            t = tanh(load(slots, at + 4 * width))
            d = load(d_h, state)
            d_cell = load(d_c, state) + d * o * (1.0 - t * t)
            c = load(slots, before + row * 6 * width + unit + 4 * width)
            store(d_a, target, d_cell * g * i * (1.0 - i))
            store(d_a, target + width, d_cell * c * f * (1.0 - f))
            store(d_a, target + 2 * width, d_cell * i * (1.0 - g * g))
            store(d_a, target + 3 * width, d * t * o * (1.0 - o))
            store(d_c, state, d_cell * f)
