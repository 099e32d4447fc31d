"""Linear recurrences over all steps at once: ``h_t = a_t · h_{t−1} + b_t``, elementwise, real or complex.

A step is the map ``h → a h + b``, and maps compose: ``(a₂, b₂)`` after ``(a₁, b₁)`` is ``(a₂ a₁, a₂ b₁ + b₂)``. So the
states of all steps are the prefixes of an associative operation, which a machine with many units computes in
``2 log₂ T`` rounds (Blelloch, "Prefix sums and their applications", 1990, section 1.4). One core gains nothing from
that: there the steps are walked one by one, without autograd's record of them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def linear_scan(a: Tensor, b: Tensor) -> Tensor:
    """The states ``h_t = a_t · h_{t−1} + b_t`` of all steps, ``[…, T, N]``, from ``h_0 = 0``.

    Parameters
    ----------
    a
        Coefficients, of a shape that expands to that of `b`.
    b
        What is added at each step, ``[…, T, N]``.
    """
    states: Tensor = _Scan.apply(a.expand_as(b), b)  # type: ignore[no-untyped-call]  # torch's
    return states


class _Scan(torch.autograd.Function):
    """``(a, b) -> h`` of equal shapes; first derivatives only."""

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return _states(a, b)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor]:
        """``∂b_t = ∂h_t + ā_{t+1} ∂b_{t+1}``, which is the recurrence walked back, and ``∂a_t = ∂b_t h̄_{t−1}``."""
        a, h = ctx.saved_tensors
        of_b = _states(a.conj(), upstream, reverse=True)
        of_a = torch.zeros_like(h)
        torch.mul(of_b[..., 1:, :], h[..., :-1, :].conj(), out=of_a[..., 1:, :])
        return of_a, of_b

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], a: Tensor, b: Tensor) -> tuple[Tensor, int]:
        members = [
            tensor.expand(info.batch_size, *tensor.shape) if dimension is None else tensor.movedim(dimension, 0)
            for tensor, dimension in zip((a, b), in_dims, strict=True)
        ]
        return linear_scan(*members), 0


def _states(a: Tensor, b: Tensor, *, reverse: bool = False) -> Tensor:
    scan = step_by_step if b.device.type == "cpu" else in_pairs
    return scan(a, b, reverse=reverse)


def step_by_step(a: Tensor, b: Tensor, *, reverse: bool = False) -> Tensor:
    """The states by walking the steps, for tensors that take no gradient.

    In `reverse` the walk begins at the last step, and a step takes the coefficient of the one walked before:
    ``h_t = a_{t+1} · h_{t+1} + b_t``, the transposed recurrence.
    """
    h = b.new_empty(b.shape)
    order = -1 if reverse else 1
    coefficients = a[..., 1:, :].unbind(-2)[::order]
    given, states = b.unbind(-2)[::order], h.unbind(-2)[::order]
    states[0].copy_(given[0])
    for a_t, b_t, before, after in zip(coefficients, given[1:], states, states[1:], strict=False):
        torch.addcmul(b_t, a_t, before, out=after)
    return h


def in_pairs(a: Tensor, b: Tensor, *, reverse: bool = False) -> Tensor:
    """The same by composing neighbours, then scanning the pairs: half as many steps in each round."""
    if reverse:
        following = torch.cat([a[..., :1, :], a[..., 1:, :].flip(-2)], dim=-2)
        return in_pairs(following, b.flip(-2)).flip(-2)
    steps = b.shape[-2]
    if steps == 1:
        return b.clone()
    whole = steps - steps % 2
    first_a, first_b, second_a = a[..., 0:whole:2, :], b[..., 0:whole:2, :], a[..., 1::2, :]
    odd = in_pairs(second_a * first_a, torch.addcmul(b[..., 1::2, :], second_a, first_b))
    h = b.new_empty(b.shape)
    h[..., 1::2, :] = odd
    h[..., 0, :] = b[..., 0, :]
    h[..., 2::2, :] = torch.addcmul(b[..., 2::2, :], a[..., 2::2, :], odd[..., : (steps - 1) // 2, :])
    return h
