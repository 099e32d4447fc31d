"""Batches of windows gathered by index from a series of five million points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.protocol.windows import Parts, train_windows
from bench.training.batches import TensorWindows

POINTS, LENGTH, HORIZON = 5_000_000, 30, 1
MEMBERS, BATCH, STEPS = 8, 64, 20

pytestmark = pytest.mark.benchmark(group=f"{STEPS} batches of {MEMBERS} × {BATCH} windows of {LENGTH}, from 5e6 points")


@pytest.fixture(scope="module")
def series() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(POINTS, 1))


@pytest.fixture(scope="module")
def order() -> np.ndarray:
    """The windows of each step, ``[steps, members, batch]``."""
    count = POINTS - LENGTH - HORIZON + 1
    return np.random.default_rng(1).integers(0, count, size=(STEPS, MEMBERS, BATCH))


def test_bench(benchmark, series, order):
    windows = TensorWindows(
        train_windows(series, Parts(POINTS, POINTS, POINTS), LENGTH, HORIZON),
        torch.from_numpy(series.astype(np.float32)),
    )
    x, y = benchmark(lambda: [windows.batch(which) for which in order][-1])
    assert (x.shape, y.shape) == ((MEMBERS, BATCH, LENGTH, 1), (MEMBERS, BATCH, HORIZON, 1))


def test_reference_plain_numpy_gather(benchmark, series, order):
    values = series.astype(np.float32)
    reach = np.arange(LENGTH + HORIZON)
    found = benchmark(lambda: [values[which[..., None] + reach] for which in order][-1])
    assert found.shape == (MEMBERS, BATCH, LENGTH + HORIZON, 1)
