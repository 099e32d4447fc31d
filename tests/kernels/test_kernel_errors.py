"""What does not fit is named: the argument, what was expected, what came; and what computes can be chosen."""

import pytest
import torch

from bench.errors import InputError
from bench.kernels import autograd, dispatch
from bench.kernels.dispatch import Weights, implementation, recurrent

K, B, T, C, H = 2, 3, 4, 5, 6
SHAPES = {
    "x": (K, B, T, C),
    "weight_ih": (K, 4 * H, C),
    "weight_hh": (K, 4 * H, H),
    "bias_ih": (K, 4 * H),
    "bias_hh": (K, 4 * H),
    "h": (K, B, H),
    "c": (K, B, H),
}


def call(cell="lstm", **changes):
    """An LSTM with some tensors replaced, or with `None` left out."""
    tensors = {name: torch.zeros(shape) for name, shape in SHAPES.items()} | changes
    state = tuple(tensors[name] for name in "hc")
    return recurrent(cell, tensors["x"], Weights(*(tensors[name] for name in Weights._fields)), state)


WRONG = {
    "x: expected 4 dimensions [K, B, T, C], got 3: [3, 4, 5]": {"x": torch.zeros(B, T, C)},
    "x: expected at least one member, row, step and channel [K, B, T, C], got [2, 3, 0, 5]": {
        "x": torch.zeros(K, B, 0, C)
    },
    "x: expected [K, B, T, C] = [2, 3, 4, 5], or 1 for K, got [4, 3, 4, 5]": {"x": torch.zeros(4, B, T, C)},
    "x: expected a floating dtype, got torch.int64": {"x": torch.zeros(K, B, T, C, dtype=torch.int64)},
    "h: expected [K, B, H] = [2, 3, 6], or 1 for K, got [2, 4, 6]": {"h": torch.zeros(K, 4, H)},
    "h: expected [K, B, H] = [2, 3, 6], or 1 for K, got [3, 3, 6]": {"h": torch.zeros(3, B, H)},
    "h: expected [K, B, H] = [2, 3, 6], or 1 for K, got []": {"h": torch.zeros(())},
    "h: expected dtype torch.float32, as x has, got torch.float64": {"h": torch.zeros(K, B, H).double()},
    "h: expected both states of an lstm or none, got one": {"h": None},
    "c: expected [K, B, H] = [2, 3, 6], or 1 for K, got [2, 3, 7]": {"c": torch.zeros(K, B, 7)},
    "c: expected both states of an lstm or none, got one": {"c": None},
    "weight_ih: expected [K, 4 · H, C] = [2, 24, 5], or 1 for K, got [2, 24, 4]": {
        "weight_ih": torch.zeros(K, 4 * H, 4)
    },
    "weight_ih: expected device cpu, where x is, got meta": {"weight_ih": torch.zeros(K, 4 * H, C, device="meta")},
    "weight_hh: expected 3 dimensions [K, 4 · H, H], got 2: [24, 6]": {"weight_hh": torch.zeros(4 * H, H)},
    "weight_hh: expected [K, 4 · H, H] = [2, 24, 6], or 1 for K, got [2, 18, 6]": {
        "weight_hh": torch.zeros(K, 3 * H, H)
    },
    "bias_ih: expected both biases or none, got one": {"bias_ih": None},
    "bias_ih: expected [K, 4 · H] = [2, 24], or 1 for K, got [2, 23]": {"bias_ih": torch.zeros(K, 23)},
    "bias_hh: expected both biases or none, got one": {"bias_hh": None},
    "bias_hh: expected [K, 4 · H] = [2, 24], or 1 for K, got [24]": {"bias_hh": torch.zeros(4 * H)},
    "state: expected 1 of cell 'gru', got 2": {"cell": "gru"},
    "state: expected 0 of cell 'slstm', got 2": {"cell": "slstm"},
    "unknown cell 'ltsm'; did you mean 'lstm'? (known: gru, lstm, rnn_relu, rnn_tanh, slstm)": {"cell": "ltsm"},
}


@pytest.mark.parametrize("message", WRONG)
@pytest.mark.parametrize("choice", ["auto", "reference"])
def test_what_does_not_fit_is_named(message, choice, monkeypatch):
    monkeypatch.setenv("BENCH_KERNELS", choice)
    with pytest.raises(InputError) as caught:
        call(**WRONG[message])
    assert str(caught.value) == message


def test_the_tensors_that_are_replaced_fit():
    outputs = call()
    assert [list(output.shape) for output in outputs] == [[K, B, T, H], [K, B, H], [K, B, H]]


@pytest.mark.parametrize(
    ("choice", "dtype", "expected"),
    [
        (None, torch.float32, autograd.apply),
        ("auto", torch.float64, autograd.apply),
        ("numba", torch.float32, autograd.apply),
        ("auto", torch.bfloat16, dispatch.in_torch),
        ("reference", torch.float32, dispatch.in_torch),
    ],
)
def test_what_computes(choice, dtype, expected, monkeypatch):
    monkeypatch.delenv("BENCH_KERNELS", raising=False)
    if choice:
        monkeypatch.setenv("BENCH_KERNELS", choice)
    assert implementation(torch.zeros(1, dtype=dtype)) is expected


@pytest.mark.parametrize(
    ("choice", "dtype", "message"),
    [
        ("cuda", torch.float32, "BENCH_KERNELS: expected one of auto, numba, reference, got 'cuda'"),
        (
            "numba",
            torch.float16,
            "BENCH_KERNELS=numba: expected float32 or float64 on a cpu, got torch.float16 on cpu",
        ),
    ],
)
def test_what_cannot_compute(choice, dtype, message, monkeypatch):
    monkeypatch.setenv("BENCH_KERNELS", choice)
    with pytest.raises(InputError) as caught:
        implementation(torch.zeros(1, dtype=dtype))
    assert str(caught.value) == message


@pytest.mark.parametrize("cell", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
@pytest.mark.parametrize(("reverse", "all_steps"), [(False, True), (True, False)])
def test_the_reference_equals_the_kernels(cell, reverse, all_steps, monkeypatch):
    generator = torch.Generator().manual_seed(2)
    rows = {"lstm": 4, "gru": 3}.get(cell, 1) * H
    shapes = [(1, B, T, C), (K, rows, C), (K, rows, H), (1, rows), (K, rows), (K, B, H)] + [(1, B, H)] * (
        cell == "lstm"
    )
    flat = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    sides = []
    for choice in ("numba", "reference"):
        monkeypatch.setenv("BENCH_KERNELS", choice)
        outputs = recurrent(cell, flat[0], Weights(*flat[1:5]), tuple(flat[5:]), reverse=reverse, all_steps=all_steps)
        loss = sum(output.square().sum() for output in outputs)
        sides.append([*outputs, *torch.autograd.grad(loss, flat)])
    for kernels, plain in zip(*sides, strict=True):
        assert kernels.shape == plain.shape
        torch.testing.assert_close(kernels, plain, rtol=1e-12, atol=1e-12)


def test_the_reference_takes_other_dtypes():
    weights = Weights(*(torch.ones(1, 2, size, dtype=torch.bfloat16) / 8 for size in (1, 2)))
    outputs = recurrent("rnn_relu", torch.ones(1, 1, 2, 1, dtype=torch.bfloat16), weights)
    assert outputs.y.dtype == torch.bfloat16
    assert outputs.y.flatten().tolist() == [0.125, 0.125, 0.15625, 0.15625]  # 1/8 + 2 · 1/8 · 1/8
