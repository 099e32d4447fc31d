"""tanh and the logistic function of the kernels, against the exact ones."""

import numpy as np
import pytest
from numba import njit
from scipy.special import expit

from bench.kernels.equations import sigmoid, tanh
from bench.kernels.simd import VECTOR_BYTES, load, store


@njit
def squashed(x, by_tanh, by_sigmoid):
    for i in range(0, x.size, VECTOR_BYTES // x.itemsize):
        store(by_tanh, i, tanh(load(x, i)))
        store(by_sigmoid, i, sigmoid(load(x, i)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 5e-7), (np.float64, 5e-16)])
def test_errors_are_bounded(dtype, tolerance):
    """Absolute errors of both, and the relative one of tanh, which matters near 0."""
    large, small = np.linspace(-20, 20, 2**16), np.geomspace(1e-30, 1, 2**10)
    x = np.concatenate([large, small, -small, np.full(16, np.inf), np.full(16, -np.inf)]).astype(dtype)
    by_tanh, by_sigmoid = np.empty_like(x), np.empty_like(x)
    squashed(x, by_tanh, by_sigmoid)
    exact = np.tanh(x.astype(np.float64))
    assert (np.abs(by_tanh - exact) <= tolerance * np.abs(exact)).all()
    assert (np.abs(by_sigmoid - expit(x.astype(np.float64))) <= tolerance).all()
    assert (np.abs(by_tanh) <= 1).all()
    assert ((by_sigmoid >= 0) & (by_sigmoid <= 1)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_a_number_stays_so(dtype):
    x = np.full(16, np.nan, dtype)
    by_tanh, by_sigmoid = np.empty_like(x), np.empty_like(x)
    squashed(x, by_tanh, by_sigmoid)
    assert np.isnan(by_tanh).all()
    assert np.isnan(by_sigmoid).all()
