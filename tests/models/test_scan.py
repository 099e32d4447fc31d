"""The scan of a linear recurrence: equal to a loop, real and complex, with its gradient, and for members of a bank."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from bench.models.scan import in_pairs, linear_scan, step_by_step

torch.set_num_threads(1)

TYPES = [torch.float64, torch.complex128]
each_type = pytest.mark.parametrize("dtype", TYPES, ids=str)


def numbers(*shape: int, seed: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def looped(a: Tensor, b: Tensor) -> np.ndarray:
    """``h = a h + b``, step after step, in NumPy."""
    coefficients, given = np.broadcast_to(a.numpy(), b.shape), b.numpy()
    h, states = np.zeros_like(given[..., 0, :]), []
    for t in range(given.shape[-2]):
        h = coefficients[..., t, :] * h + given[..., t, :]
        states.append(h)
    return np.stack(states, axis=-2)


@each_type
@pytest.mark.parametrize("scan", [linear_scan, step_by_step, in_pairs])
@given(steps=st.integers(1, 40), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=10)
def test_all_steps_at_once_are_the_steps_of_a_loop(
    scan: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype, steps: int, seed: int
) -> None:
    a, b = (numbers(2, steps, 3, seed=2 * seed + k, dtype=dtype) for k in (0, 1))
    expected = looped(a, b)
    np.testing.assert_allclose(scan(a, b).numpy(), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@each_type
@pytest.mark.parametrize("steps", [1, 2, 5, 8])
def test_both_ways_of_scanning_transpose_alike(dtype: torch.dtype, steps: int) -> None:
    a, b = numbers(2, steps, 3, seed=0, dtype=dtype), numbers(2, steps, 3, seed=1, dtype=dtype)
    h, expected = torch.zeros(2, 3, dtype=dtype), []
    for t in reversed(range(steps)):
        h = (a[:, t + 1] * h if t + 1 < steps else 0) + b[:, t]
        expected.insert(0, h)
    for scan in (step_by_step, in_pairs):
        torch.testing.assert_close(scan(a, b, reverse=True), torch.stack(expected, dim=1), rtol=1e-12, atol=1e-12)


@each_type
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("shared", [True, False])
def test_gradients_are_finite_differences(dtype: torch.dtype, steps: int, shared: bool) -> None:
    a = numbers(*(() if shared else (2, steps)), 3, seed=0, dtype=dtype).requires_grad_()
    b = numbers(2, steps, 3, seed=1, dtype=dtype).requires_grad_()
    assert torch.autograd.gradcheck(linear_scan, (a, b))


@each_type
@pytest.mark.parametrize("in_dims", [(0, 0), (None, 0), (0, None), (1, 2)])
def test_members_are_scanned_together(dtype: torch.dtype, in_dims: tuple[int | None, int | None]) -> None:
    a, b = (
        numbers(*([4] * (3 if dimension is None else 4)), seed=seed, dtype=dtype)
        for seed, dimension in enumerate(in_dims)
    )

    def one(tensor: Tensor, dimension: int | None, k: int) -> Tensor:
        return tensor if dimension is None else tensor.select(dimension, k)

    together = torch.vmap(linear_scan, in_dims)(a, b)
    for k in range(4):
        alone = linear_scan(one(a, in_dims[0], k), one(b, in_dims[1], k))
        torch.testing.assert_close(together[k], alone, rtol=0, atol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@each_type
def test_a_gpu_scans_in_pairs_and_gives_the_same(dtype: torch.dtype) -> None:
    a, b = numbers(3, 37, 5, seed=0, dtype=dtype) / 2, numbers(3, 37, 5, seed=1, dtype=dtype)
    results = []
    for device in ("cpu", "cuda"):
        leaves = [each.to(device).requires_grad_() for each in (a, b)]
        h = linear_scan(*leaves)
        h.abs().square().sum().backward()
        results.append([h.detach().cpu(), *(leaf.grad.cpu() for leaf in leaves)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
