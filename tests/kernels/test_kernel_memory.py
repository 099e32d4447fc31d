"""Buffers are used again once nothing refers to them, and never while something does."""

import gc
import threading

import pytest
import torch

from bench.kernels import native
from bench.kernels.dispatch import Weights, recurrent


@pytest.fixture(autouse=True)
def empty():
    gc.collect()
    native.release()
    yield
    native.release()


def loss(x, weights):
    return recurrent("lstm", x, weights).y.square().sum()


def test_a_buffer_is_used_again_after_its_life():
    first = native.buffer(1000, torch.float32)
    place = first.data_ptr()
    assert place % native.LINE == 0
    assert first.shape == (1000,)
    del first
    assert native.buffer(990, torch.float32).data_ptr() == place


def test_a_view_keeps_its_buffer():
    tensor = native.buffer(1000, torch.float64)
    place, view = tensor.data_ptr(), tensor[10:20].view(2, 5)
    view.fill_(3)
    array = tensor.numpy()
    del tensor
    other = native.buffer(1000, torch.float64)
    assert other.data_ptr() != place
    del view
    third = native.buffer(1000, torch.float64)
    assert third.data_ptr() not in (place, other.data_ptr())
    del array
    assert native.buffer(1000, torch.float64).data_ptr() == place


def test_a_buffer_much_too_large_is_left_alone():
    large = native.buffer(100_000, torch.float32)
    place = large.data_ptr()
    del large
    assert native.buffer(100, torch.float32).data_ptr() != place


def test_release_forgets_what_is_free():
    tensor = native.buffer(5000, torch.float32)
    del tensor
    assert len(native._free) == 1
    native.release()
    assert native._free == []


def test_no_more_is_kept_than_the_limit(monkeypatch):
    monkeypatch.setattr(native, "MOST_FREE_BYTES", 10_000)
    tensors = [native.buffer(1000, torch.float32) for _ in range(5)]
    tensors.clear()
    assert sum(raw.size for raw in native._free) <= 10_000
    assert len(native._free) == 2


def test_a_buffer_may_die_while_its_thread_looks_for_another(monkeypatch):
    """The garbage collector runs at any allocation, also at one inside the lock."""
    monkeypatch.setattr(native, "_lock", threading.Lock())  # one that only this test could leave locked
    tensors = [native.buffer(1000, torch.float32)]

    def die():
        with native._lock:
            tensors.clear()

    thread = threading.Thread(target=die, daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert not thread.is_alive(), "waits for itself"
    native.buffer(1000, torch.float32)
    assert not native._returned


def test_two_forward_passes_alive_at_once_have_their_own_gradients():
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 24, 3), (2, 24, 6), (2, 24), (2, 24)]
    weights = Weights(*(torch.randn(shape, generator=generator).requires_grad_() for shape in shapes))
    inputs = [torch.randn(2, 9, 5, 3, generator=generator) for _ in range(3)]
    expected = [torch.autograd.grad(loss(x, weights), weights) for x in inputs]
    losses = [loss(x, weights) for x in inputs]  # all alive
    for index in (1, 0, 2):  # in another order than they were made
        for found, value in zip(torch.autograd.grad(losses[index], weights), expected[index], strict=True):
            assert torch.equal(found, value)


def test_a_graph_may_be_walked_back_twice():
    weights = Weights(torch.randn(1, 24, 3).requires_grad_(), torch.randn(1, 24, 6))
    total = loss(torch.randn(1, 9, 5, 3), weights)
    first = torch.autograd.grad(total, weights.weight_ih, retain_graph=True)
    assert torch.equal(first[0], torch.autograd.grad(total, weights.weight_ih)[0])


def test_what_was_kept_is_free_after_the_backward_pass():
    weights = Weights(torch.randn(1, 24, 3).requires_grad_(), torch.randn(1, 24, 6))
    total = loss(torch.randn(1, 9, 5, 3), weights)
    assert native._free == []
    total.backward()
    del total
    assert len(native._free) == 1
