"""Layers and models that go forward and back without autograd get what autograd gives, in float64 to many digits."""

from dataclasses import asdict, dataclass

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional

from bench.errors import InputError
from bench.kernels.dispatch import LOSSES, SLOPES
from bench.kernels.fused import Walk, layered_losses_and_gradients
from bench.kernels.modules import GRU, LSTM, RNN, map_losses
from bench.models.base import Shape
from bench.models.encoder_decoder import EncoderDecoder
from bench.models.parameters import EncoderDecoderParameters

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


@dataclass(frozen=True)
class Case:
    cell: str = "lstm"
    layers: int = 2
    bidirectional: bool = False
    bias: bool = True
    dropout: float = 0.0
    last_only: bool = True
    members: int = 3
    hidden: int = 5
    loss: str = "mse"
    seed: int = 0


CASES = st.builds(
    Case,
    cell=st.sampled_from(sorted(LAYERS)),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    dropout=st.sampled_from((0.0, 0.4)),
    last_only=st.booleans(),
    members=st.integers(1, 3),
    hidden=st.integers(1, 18),
    loss=st.sampled_from(sorted(LOSSES)),
    seed=st.integers(0, 2**16),
)
BATCH, STEPS, CHANNELS, OUTPUTS = 9, 4, 2, 3


def bank(case):
    """Stacked layers in float64, and a function that draws; the layers' dropout draws the same each time."""
    generator = torch.Generator().manual_seed(case.seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    options = {name: asdict(case)[name] for name in ("bidirectional", "bias", "dropout", "last_only")}
    layers = LAYERS[case.cell](CHANNELS, case.hidden, num_layers=case.layers, batch_first=True, **options)
    for name, weight in list(layers.named_parameters()):
        layers._parameters[name] = (draw(case.members, *weight.shape) / case.hidden**0.5).requires_grad_()
    return layers, draw


def reseed(case, layers):
    layers.draw_from([torch.Generator().manual_seed(k) for k in range(case.members)])


def close(mine, theirs):
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(CASES, st.booleans())
def test_a_walk_and_back(case, given_state):
    layers, draw = bank(case)
    directions = layers.directions
    x = draw(case.members, BATCH, STEPS, CHANNELS).requires_grad_()
    shape = (case.layers * directions, case.members, BATCH, case.hidden)
    count = 2 if case.cell == "lstm" else 1
    state = tuple(draw(*shape).requires_grad_() for _ in range(count)) if given_state else None

    reseed(case, layers)
    output, states = layers.walk(x, state)
    d_output, d_states = draw(*output.shape), tuple(draw(*shape) for _ in range(count))
    leaves = [x, *(state or ()), *layers.parameters()]
    expected = torch.autograd.grad((output, *states[:count]), leaves, (d_output, *d_states))

    reseed(case, layers)
    with torch.no_grad():
        walk = Walk(layers, x, state)
        close([walk.output, *walk.states], [output, *states[:count]])
        back = walk.back(d_output, d_states, wants_x=True)
    close([back.x, *back.states, *back.weights], expected)


@settings(max_examples=30, deadline=None)
@given(CASES.filter(lambda case: case.bias and case.last_only))
def test_layers_their_map_and_loss(case):
    layers, draw = bank(case)
    x, target = draw(case.members, BATCH, STEPS, CHANNELS), draw(case.members, BATCH, OUTPUTS)
    width = layers.directions * case.hidden
    head = tuple(draw(case.members, *shape).requires_grad_() for shape in ((OUTPUTS, width), (OUTPUTS,)))

    reseed(case, layers)
    output = layers.walk(x, None)[0] @ head[0].mT + head[1].unsqueeze(1)
    losses = torch.stack([LOSSES[case.loss](*pair) for pair in zip(output, target, strict=True)])
    expected = torch.autograd.grad(losses.sum(), [*layers.parameters(), *head])

    reseed(case, layers)
    found, gradients = layered_losses_and_gradients(layers, x, target, head, loss=case.loss)
    close([found, *gradients], [losses.detach(), *expected])


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("horizon", [1, 3])
def test_an_encoder_decoder(cell, bidirectional, layers, horizon):
    parameters = EncoderDecoderParameters(cell=cell, hidden_size=6, layers=layers, bidirectional=bidirectional)
    model = EncoderDecoder(parameters, Shape(STEPS, horizon, CHANNELS))
    generator = torch.Generator().manual_seed(0)
    for part in model.modules():
        for name, weight in part._parameters.items():
            drawn = torch.randn(2, *weight.shape, generator=generator, dtype=torch.float64)
            part._parameters[name] = (drawn / 3).requires_grad_()
    x = torch.randn(2, BATCH, STEPS, CHANNELS, generator=generator, dtype=torch.float64)
    targets = torch.randn(2, BATCH, horizon, CHANNELS, generator=generator, dtype=torch.float64)
    losses = torch.stack([functional.mse_loss(*pair) for pair in zip(model(x, targets), targets, strict=True)])
    expected = torch.autograd.grad(losses.sum(), list(model.parameters()))
    found, gradients = model.losses_and_gradients(x, targets, "mse")
    close([found, *gradients], [losses.detach(), *expected])


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_the_slope_of_a_loss(loss):
    errors = torch.linspace(-3, 3, 61, dtype=torch.float64)[:, None].requires_grad_()
    by_torch = torch.autograd.grad(LOSSES[loss](errors, torch.zeros_like(errors), reduction="sum"), errors)[0]
    torch.testing.assert_close(SLOPES[loss](errors.detach()), by_torch)
    assert SLOPES.keys() == LOSSES.keys()


def test_a_map_that_all_members_have_targets_of_their_own_for():
    values, target = torch.ones(2, 3, 4), torch.tensor([0.0, 1.0])[:, None, None].expand(2, 3, 1)
    losses, d_values, (d_weight, d_bias) = map_losses(values, target, (torch.ones(2, 1, 4), torch.zeros(2, 1)), "mse")
    assert losses.tolist() == [16.0, 9.0]
    assert d_bias.tolist() == [[8.0], [6.0]]
    assert d_weight.shape == (2, 1, 4)
    assert d_values.shape == values.shape


def test_a_head_of_the_wrong_width():
    layers, draw = bank(Case(bidirectional=True))
    head = draw(3, OUTPUTS, 5), draw(3, OUTPUTS)
    with pytest.raises(InputError, match=r"head weight: expected \[K, O, H\] = \[3, 3, 10\], got \[3, 3, 5\]"):
        layered_losses_and_gradients(layers, draw(3, BATCH, STEPS, CHANNELS), draw(3, BATCH, OUTPUTS), head, loss="mse")
