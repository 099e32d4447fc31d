"""Training in one pass gives what torch's own layers, a linear map and a loss give to each member."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import example, given, settings, strategies as st

from bench.kernels import native
from bench.kernels.dispatch import LOSSES
from bench.kernels.fused import losses_and_gradients
from bench.kernels.modules import GRU, LSTM, RNN

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}
LAYERS = {"rnn_tanh": (RNN, {}), "rnn_relu": (RNN, {"nonlinearity": "relu"}), "lstm": (LSTM, {}), "gru": (GRU, {})}


@dataclass(frozen=True)
class Case:
    cell: str
    loss: str = "mse"
    members: int = 3
    batch: int = 5
    steps: int = 4
    channels: int = 2
    hidden: int = 7
    outputs: int = 2
    shared: bool = False
    seed: int = 0


CASES = st.builds(
    Case,
    cell=st.sampled_from(sorted(GATES)),
    loss=st.sampled_from(sorted(LOSSES)),
    members=st.integers(1, 4),
    batch=st.integers(1, 70),
    steps=st.integers(1, 12),
    channels=st.integers(1, 9),
    hidden=st.integers(1, 37),
    outputs=st.integers(1, 5),
    shared=st.booleans(),
    seed=st.integers(0, 2**16),
)


def tensors(case, dtype):
    """Inputs, targets, weights of the layer, and of the head."""
    generator = torch.Generator().manual_seed(case.seed)
    rows, first = GATES[case.cell] * case.hidden, 1 if case.shared else case.members

    def draw(*shape, scale=1.0):
        return (scale * torch.randn(*shape, generator=generator, dtype=torch.float64)).to(dtype)

    shapes = [(rows, case.channels), (rows, case.hidden), (rows,), (rows,)]
    weights = [draw(case.members, *shape, scale=case.hidden**-0.5) for shape in shapes]
    head = (draw(case.members, case.outputs, case.hidden), draw(case.members, case.outputs))
    x, target = draw(first, case.batch, case.steps, case.channels), draw(first, case.batch, case.outputs, scale=2.0)
    return x, target, weights, head


def by_torch(case, x, target, weights, head):
    """Losses and gradients of one member after another."""
    losses, gradients = [], []
    for k in range(case.members):
        leaves = [tensor[k].clone().requires_grad_() for tensor in (*weights, *head)]
        zeros = x.new_zeros(1, case.batch, case.hidden)
        state = (zeros, zeros) if case.cell == "lstm" else zeros
        own = x[k % len(x)]
        _, last, *_ = getattr(torch, case.cell)(own, state, leaves[:-2], True, 1, 0.0, True, False, True)
        output = torch.nn.functional.linear(last[0], *leaves[-2:])
        loss = LOSSES[case.loss](output, target[k % len(target)])
        losses.append(loss.detach())
        gradients.append(torch.autograd.grad(loss, leaves))
    return torch.stack(losses), [torch.stack(column) for column in zip(*gradients, strict=True)]


def train(case, x, target, weights):
    """Losses and gradients in one pass."""
    kind, options = LAYERS[case.cell]
    layers = kind(case.channels, case.hidden, batch_first=True, last_only=True, **options)
    flat = torch.cat([weight.reshape(-1) for weight in weights])
    return losses_and_gradients([layers], [x], target, flat, loss=case.loss)


def check_equal(case, dtype, tolerance):
    x, target, weights, head = tensors(case, dtype)
    losses, gradients = train(case, x, target, [*weights, *head])
    exact = [tensor.double() for tensor in weights]
    truth, slopes = by_torch(case, x.double(), target.double(), exact, tuple(part.double() for part in head))
    parts = gradients.split([slope.numel() for slope in slopes])
    for found, expected in zip((losses, *parts), (truth, *slopes), strict=True):
        assert found.dtype == dtype
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(found.double(), expected.reshape(-1), rtol=0, atol=tolerance * scale)


@settings(deadline=None, max_examples=40)
@given(CASES)
@example(Case("gru", members=1, batch=1, steps=1, channels=1, hidden=1, outputs=1))
@example(Case("lstm", loss="huber", batch=70, steps=17, hidden=33, shared=True))
def test_float64_equals_torch(case):
    check_equal(case, torch.float64, 1e-12)


# the same examples each time: rounding may put a rectifier, or an absolute error, on the other side of zero
@settings(deadline=None, max_examples=30, derandomize=True)
@given(CASES)
@example(Case("lstm", batch=70, steps=17, hidden=65))
def test_float32_equals_torch_in_float64(case):
    check_equal(case, torch.float32, 1e-5)


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("cell", sorted(GATES))
def test_a_bank_gives_each_member_what_it_gets_alone(cell, loss, monkeypatch):
    monkeypatch.setattr(native, "LEAST_WORK", 0)
    case = Case(cell, loss=loss, batch=75, hidden=17)
    x, target, weights, head = tensors(case, torch.float32)
    torch.set_num_threads(2)
    try:
        losses, gradients = train(case, x, target, [*weights, *head])
    finally:
        torch.set_num_threads(1)
    parts = gradients.split([part.numel() for part in (*weights, *head)])
    for k in range(len(x)):
        own = [tensor[k : k + 1] for tensor in (*weights, *head)]
        alone, slopes = train(case, x[k : k + 1], target[k : k + 1], own)
        assert torch.equal(losses[k : k + 1], alone)
        assert torch.equal(torch.cat([part.view(len(x), -1)[k] for part in parts]), slopes)
