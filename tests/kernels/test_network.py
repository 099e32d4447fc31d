"""Networks that go forward and back in one pass get what autograd and plain torch give, in float64 to many digits."""

from dataclasses import asdict, dataclass

import pytest
import torch
from hypothesis import example, given, settings, strategies as st
from torch.nn import functional

from bench.errors import InputError
from bench.kernels import native
from bench.kernels.dispatch import LOSSES
from bench.kernels.fused import MapOutput, losses_and_gradients
from bench.kernels.modules import GRU, LSTM, RNN
from bench.models.base import Shape
from bench.models.encoder_decoder import EncoderDecoder
from bench.models.parameters import EncoderDecoderParameters

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


@dataclass(frozen=True)
class Case:
    cell: str = "lstm"
    layers: int = 2
    bidirectional: bool = False
    dropout: float = 0.0
    every_step: bool = False
    members: int = 3
    batch: int = 9
    steps: int = 4
    hidden: int = 5
    outputs: int = 3
    loss: str = "mse"
    squash: bool = False
    seed: int = 0


CASES = st.builds(
    Case,
    cell=st.sampled_from(sorted(LAYERS)),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    dropout=st.sampled_from((0.0, 0.4)),
    every_step=st.booleans(),
    members=st.integers(1, 3),
    batch=st.integers(1, 40),
    steps=st.integers(1, 20),
    hidden=st.integers(1, 18),
    outputs=st.integers(1, 3),
    loss=st.sampled_from(sorted(LOSSES)),
    squash=st.booleans(),
    seed=st.integers(0, 2**16),
)
CHANNELS = 2


def bank(case):
    """Stacked layers in float64, and a function that draws."""
    generator = torch.Generator().manual_seed(case.seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    options = {name: asdict(case)[name] for name in ("bidirectional", "dropout")}
    options |= {"batch_first": True, "last_only": not case.every_step, "num_layers": case.layers}
    layers = LAYERS[case.cell](CHANNELS, case.hidden, **options)
    for name, weight in list(layers.named_parameters()):
        layers._parameters[name] = (draw(case.members, *weight.shape) / case.hidden**0.5).requires_grad_()
    return layers, draw


def streams(members):
    """Generators of dropout that draw the same each time."""
    return [torch.Generator().manual_seed(k) for k in range(members)]


def joined(tensors):
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def close(mine, theirs):
    torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(CASES)
@example(Case("gru", layers=2, bidirectional=True, dropout=0.4, every_step=True, batch=70, steps=40, hidden=17))
@example(Case("lstm", layers=3, dropout=0.4, batch=33, steps=37, hidden=16))
@example(Case("gru", every_step=True, batch=33, steps=37, hidden=16, loss="mae", squash=True))
def test_layers_their_map_and_loss(case):
    layers, draw = bank(case)
    units = (case.steps,) if case.every_step else ()
    x, target = (
        draw(case.members, case.batch, case.steps, CHANNELS),
        draw(case.members, case.batch, *units, case.outputs),
    )
    width = layers.directions * case.hidden
    head = [draw(case.members, *shape).requires_grad_() for shape in ((case.outputs, width), (case.outputs,))]
    weights = [*layers.parameters(), *head]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_KERNELS", "reference")
        layers.draw_from(streams(case.members))
        states = layers.walk(x, None)[0]
    output = torch.einsum("k...h,koh->...ko", states, head[0]) + head[1]
    output = output.movedim(-2, 0)  # [K, B, …, O]
    output = output.tanh() if case.squash else output
    losses = torch.stack([LOSSES[case.loss](*pair) for pair in zip(output, target, strict=True)])
    expected = torch.autograd.grad(losses.sum(), weights)

    layers.draw_from(streams(case.members))
    arguments = [layers], [x], target, joined(weights)
    found, gradients = losses_and_gradients(*arguments, loss=case.loss, outputs=MapOutput(case.every_step, case.squash))
    close(found, losses.detach())
    close(gradients, joined(expected))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("layers", "dropout"), [(1, 0.0), (2, 0.0), (2, 0.3)])
@pytest.mark.parametrize("shape", [Shape(4, 1, 2), Shape(4, 3, 2), Shape(4, 3, 2, outputs=1, covariates=1)])
def test_an_encoder_decoder(cell, bidirectional, layers, dropout, shape, monkeypatch):
    """The encoder reads covariates too, the decoder what is forecast."""
    parameters = EncoderDecoderParameters(
        cell=cell, hidden_size=6, layers=layers, bidirectional=bidirectional, dropout=dropout
    )
    model = EncoderDecoder(parameters, shape)
    generator = torch.Generator().manual_seed(0)
    for part in model.modules():
        for name, weight in part._parameters.items():
            drawn = torch.randn(2, *weight.shape, generator=generator, dtype=torch.float64)
            part._parameters[name] = (drawn / 3).requires_grad_()
    x = torch.randn(2, 9, 4, CHANNELS, generator=generator, dtype=torch.float64)
    targets = torch.randn(2, 9, *shape.targets, generator=generator, dtype=torch.float64)

    def restart():
        own = streams(2)
        for stack in (model.encoder, model.decoder):
            stack.draw_from(own)

    restart()
    found, gradients = model.losses_and_gradients(x, targets, "mse", joined(model.parameters()))
    monkeypatch.setenv("BENCH_KERNELS", "reference")
    restart()
    losses = torch.stack([functional.mse_loss(*pair) for pair in zip(model(x, targets), targets, strict=True)])
    expected = torch.autograd.grad(losses.sum(), list(model.parameters()))
    close(found, losses.detach())
    close(gradients, joined(expected))


@pytest.mark.parametrize("every_step", [False, True])
def test_members_and_threads_do_not_meet(every_step, monkeypatch):
    monkeypatch.setattr(native, "LEAST_WORK", 0)
    case = Case("gru", layers=2, bidirectional=True, every_step=every_step, batch=75, hidden=9)
    layers, draw = bank(case)
    x, target = draw(3, 75, 4, CHANNELS), draw(3, 75, *[4] * every_step, case.outputs)
    weights = [*layers.parameters(), draw(3, case.outputs, 18), draw(3, case.outputs)]
    torch.set_num_threads(2)
    try:
        losses, gradients = losses_and_gradients(
            [layers], [x], target, joined(weights), loss="mse", outputs=MapOutput(every_step)
        )
    finally:
        torch.set_num_threads(1)
    parts = gradients.split([weight.numel() for weight in weights])
    for k in range(3):
        own = [weight[k : k + 1] for weight in weights]
        arguments = [layers], [x[k : k + 1]], target[k : k + 1], joined(own)
        alone, slopes = losses_and_gradients(*arguments, loss="mse", outputs=MapOutput(every_step))
        assert torch.equal(alone, losses[k : k + 1])
        assert torch.equal(slopes, torch.cat([part.view(3, -1)[k] for part in parts]))


def test_what_is_not_a_number_stays_with_its_member():
    layers, draw = bank(Case("lstm", batch=70, hidden=5, layers=2))
    x, target = draw(3, 70, 4, CHANNELS), draw(3, 70, 2)
    weights = [*layers.parameters(), draw(3, 2, 5), draw(3, 2)]
    arguments = [layers], [x], target
    clean = losses_and_gradients(*arguments, joined(weights), loss="mse")
    spoilt = [weight.detach().clone() for weight in weights]
    spoilt[1][1, 0, 0] = float("nan")
    losses, gradients = losses_and_gradients(*arguments, joined(spoilt), loss="mse")
    assert losses[1].isnan()
    assert torch.equal(losses[[0, 2]], clean[0][[0, 2]])
    sizes = [weight.numel() for weight in weights]
    for before, after in zip(clean[1].split(sizes), gradients.split(sizes), strict=True):
        assert torch.equal(before.view(3, -1)[[0, 2]], after.view(3, -1)[[0, 2]])
    again = losses_and_gradients(*arguments, joined(weights), loss="mse")  # in the memory that held it
    assert torch.equal(again[1], clean[1])


def test_what_does_not_fit_is_named():
    layers, draw = bank(Case())
    count = sum(weight[0].numel() for weight in layers.parameters()) + 6 * 3
    x, target, weights = draw(3, 9, 4, CHANNELS), draw(3, 9, 3), draw(3 * count)
    wrong = [
        ("targets", (x, target[:, :-1], weights), r"targets: expected \[3, 9, 3\], or 1 for K, got \[3, 8, 3\]"),
        (
            "dtype",
            (x, target.float(), weights),
            "targets: expected torch.float64 on cpu, as the weights are, got torch.f",
        ),
        ("channels", (x[..., :1], target, weights), r"inputs: expected \[K, B, T, C\] with C = 2, got \[3, 9, 4, 1\]"),
        ("members", (x[:2], target, weights), r"inputs: expected \[3, 9, 4, 2\], or 1 for K, got \[2, 9, 4, 2\]"),
        ("weights", (x, target, weights[:-1]), f"weights: expected K · {count} of K members, got"),
    ]
    for _, (inputs, targets, flat), message in wrong:
        with pytest.raises(InputError, match=message):
            losses_and_gradients([layers], [inputs], targets, flat, loss="mse")
    decoder = LSTM(CHANNELS, 6, batch_first=True)
    with pytest.raises(InputError, match="stacks: expected a decoder in one direction with the encoder's sizes"):
        losses_and_gradients([layers, decoder], [x, x], target, weights, loss="mse")
    with pytest.raises(InputError, match="unknown loss 'mes'; did you mean 'mse'"):
        losses_and_gradients([layers], [x], target, weights, loss="mes")
