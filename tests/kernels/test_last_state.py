"""Training in one pass gives what torch's own layers, a linear map and a loss give to each member."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import example, given, settings, strategies as st

from bench.errors import InputError
from bench.kernels import native
from bench.kernels.dispatch import LOSSES, Weights
from bench.kernels.fused import losses_and_gradients

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}


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
    bias: bool = True
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
    bias=st.booleans(),
    shared=st.booleans(),
    seed=st.integers(0, 2**16),
)


def tensors(case, dtype):
    """Inputs, targets, weights of the layer, and of the head."""
    generator = torch.Generator().manual_seed(case.seed)
    rows, first = GATES[case.cell] * case.hidden, 1 if case.shared else case.members

    def draw(*shape, scale=1.0):
        return (scale * torch.randn(*shape, generator=generator, dtype=torch.float64)).to(dtype)

    shapes = [(rows, case.channels), (rows, case.hidden)] + [(rows,), (rows,)] * case.bias
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
        _, last, *_ = getattr(torch, case.cell)(own, state, leaves[:-2], case.bias, 1, 0.0, True, False, True)
        output = torch.nn.functional.linear(last[0], *leaves[-2:])
        loss = LOSSES[case.loss](output, target[k % len(target)])
        losses.append(loss.detach())
        gradients.append(torch.autograd.grad(loss, leaves))
    return torch.stack(losses), [torch.stack(column) for column in zip(*gradients, strict=True)]


def check_equal(case, dtype, tolerance):
    x, target, weights, head = tensors(case, dtype)
    losses, gradients = losses_and_gradients(case.cell, x, target, Weights(*weights), head, loss=case.loss)
    exact = [tensor.double() for tensor in weights]
    truth, slopes = by_torch(case, x.double(), target.double(), exact, tuple(part.double() for part in head))
    for found, expected in zip((losses, *gradients), (truth, *slopes), strict=True):
        assert found.dtype == dtype
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=tolerance * scale)


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
    x, target, weights, head = tensors(Case(cell, batch=75, hidden=17), torch.float32)
    torch.set_num_threads(2)
    try:
        together = losses_and_gradients(cell, x, target, Weights(*weights), head, loss=loss)
    finally:
        torch.set_num_threads(1)
    for k in range(len(x)):
        own = [tensor[k : k + 1] for tensor in weights]
        alone = losses_and_gradients(
            cell, x[k : k + 1], target[k : k + 1], Weights(*own), (head[0][k : k + 1], head[1][k : k + 1]), loss=loss
        )
        for bank, single in zip((together[0], *together[1]), (alone[0], *alone[1]), strict=True):
            assert torch.equal(bank[k : k + 1], single)


def test_the_reference_gives_the_same(monkeypatch):
    case = Case("gru", loss="mae", bias=False, shared=True)
    x, target, weights, head = tensors(case, torch.float64)
    losses, gradients = losses_and_gradients("gru", x, target, Weights(*weights), head, loss="mae")
    monkeypatch.setenv("BENCH_KERNELS", "reference")
    truth, slopes = losses_and_gradients("gru", x, target, Weights(*weights), head, loss="mae")
    for found, expected in zip((losses, *gradients), (truth, *slopes), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_what_is_not_a_number_stays_with_its_member():
    for loss in LOSSES:
        x, target, weights, head = tensors(Case("lstm", loss=loss), torch.float32)
        clean = losses_and_gradients("lstm", x, target, Weights(*weights), head, loss=loss)
        weights[1][1, 0, 0] = float("nan")
        spoilt = losses_and_gradients("lstm", x, target, Weights(*weights), head, loss=loss)
        assert spoilt[0][1].isnan()
        assert spoilt[1][1][1].isnan().any()
        for before, after in zip((clean[0], *clean[1]), (spoilt[0], *spoilt[1]), strict=True):
            assert torch.equal(before[[0, 2]], after[[0, 2]])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("target", lambda t: t[:, :-1], r"target: expected \[K, B, O\] = \[3, 5, 2\], got \[3, 4, 2\]"),
        ("target", lambda t: t.double(), "target: expected torch.float32 on cpu, as x, got torch.float64 on cpu"),
        ("weight", lambda t: t[:2], r"head weight: expected \[K, O, H\] = \[3, 2, 7\], got \[2, 2, 7\]"),
        ("bias", lambda t: t[:, :, None], r"head bias: expected \[K, O\] = \[3, 2\], got \[3, 2, 1\]"),
    ],
)
def test_what_does_not_fit_is_named(name, change, message):
    x, target, weights, head = tensors(Case("lstm"), torch.float32)
    parts = {"target": target, "weight": head[0], "bias": head[1]}
    parts[name] = change(parts[name])
    with pytest.raises(InputError, match=message):
        losses_and_gradients(
            "lstm", x, parts["target"], Weights(*weights), (parts["weight"], parts["bias"]), loss="mse"
        )


def test_an_unknown_loss_is_refused():
    x, target, weights, head = tensors(Case("lstm"), torch.float32)
    with pytest.raises(InputError, match="unknown loss 'mes'; did you mean 'mse'"):
        losses_and_gradients("lstm", x, target, Weights(*weights), head, loss="mes")
