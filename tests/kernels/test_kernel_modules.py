"""`RNN`, `LSTM` and `GRU` are `torch.nn`'s: weights, shapes, outputs, states, gradients, dropout."""

from itertools import product

import pytest
import torch
from torch import nn

from bench.errors import InputError
from bench.kernels import modules

INPUT, HIDDEN, BATCH, STEPS = 3, 5, 4, 6
KINDS = {
    "tanh": ("RNN", {"nonlinearity": "tanh"}),
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
}


def pair(kind, seed=0, **options):
    """Ours and torch's, with the same weights."""
    name, own = KINDS[kind]
    torch.manual_seed(seed)
    ours = getattr(modules, name)(INPUT, HIDDEN, **own, **options).double()
    theirs = getattr(nn, name)(INPUT, HIDDEN, **own, **options).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def flatten(result):
    """The tensors of ``(output, h)`` or ``(output, (h, c))``."""
    output, states = result
    return [output, *(states if isinstance(states, tuple) else (states,))]


def check_equal(ours, theirs, x, state):
    """Outputs, states, and gradients to all weights, inputs and states, of a random weighted sum of the results."""
    sides = []
    for module in (ours, theirs):
        leaves = [x.detach().clone().requires_grad_(), *(part.detach().clone().requires_grad_() for part in state)]
        states = None if not state else tuple(leaves[1:]) if len(state) == 2 else leaves[1]
        results = flatten(module(leaves[0], states))
        generator = torch.Generator().manual_seed(1)
        upstream = [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in results]
        loss = sum((part * up).sum() for part, up in zip(results, upstream, strict=True))
        named = dict(module.named_parameters())
        slopes = torch.autograd.grad(loss, [*leaves, *(named[name] for name, _ in ours.named_parameters())])
        sides.append([*results, *slopes])
    for found, expected in zip(*sides, strict=True):
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "bidirectional"), list(product([1, 2], [False, True])))
@pytest.mark.parametrize(("batch_first", "bias"), list(product([False, True], repeat=2)))
def test_equals_torch(kind, layers, bidirectional, batch_first, bias):
    ours, theirs = pair(kind, num_layers=layers, bidirectional=bidirectional, batch_first=batch_first, bias=bias)
    for batched, given in product([False, True], repeat=2):
        batch = [BATCH] if batched else []
        shape = [*batch, STEPS, INPUT] if batch_first else [STEPS, *batch, INPUT]
        count = layers * (1 + bidirectional)
        state = [torch.randn(count, *batch, HIDDEN).double() for _ in range((2 if kind == "lstm" else 1) * given)]
        check_equal(ours, theirs, torch.randn(shape).double(), state)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_the_names_and_the_draws_of_torch(kind):
    name, own = KINDS[kind]
    options = own | {"num_layers": 2, "bidirectional": True}
    torch.manual_seed(5)
    ours = getattr(modules, name)(INPUT, HIDDEN, **options)
    torch.manual_seed(5)
    theirs = getattr(nn, name)(INPUT, HIDDEN, **options)
    state, expected = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[key], expected[key]) for key in expected)
    torch.manual_seed(6)
    other = getattr(nn, name)(INPUT, HIDDEN, **options)
    ours.load_state_dict(other.state_dict())
    assert all(torch.equal(weight, other.state_dict()[key]) for key, weight in ours.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("bidirectional", "batch_first"), list(product([False, True], repeat=2)))
@pytest.mark.parametrize("batched", [False, True])
def test_last_only_gives_the_last_state_of_the_top_layer(kind, bidirectional, batch_first, batched):
    options = {"num_layers": 2, "bidirectional": bidirectional, "batch_first": batch_first}
    whole, _ = pair(kind, **options)
    name, own = KINDS[kind]
    last = getattr(modules, name)(INPUT, HIDDEN, last_only=True, **own, **options).double()
    last.load_state_dict(whole.state_dict())
    shape = ([BATCH, STEPS, INPUT] if batch_first else [STEPS, BATCH, INPUT]) if batched else [STEPS, INPUT]
    x = torch.randn(shape).double()
    output, *states = flatten(last(x))
    everything, *expected = flatten(whole(x))
    top = expected[0].unflatten(0, (2, -1))[-1]  # [directions, (B,) H]
    torch.testing.assert_close(output, torch.cat(list(top), dim=-1), rtol=0, atol=0)
    assert all(torch.equal(a, b) for a, b in zip(states, expected, strict=True))
    time = everything.select(1 if batched and batch_first else 0, -1)
    assert torch.equal(output[..., :HIDDEN], time[..., :HIDDEN])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "bidirectional"), list(product([1, 2], [False, True])))
def test_the_shapes_that_are_stated_are_those_that_torch_gives(kind, layers, bidirectional):
    ours, theirs = pair(kind, num_layers=layers, bidirectional=bidirectional, batch_first=True)
    output, hidden, *_ = flatten(theirs(torch.randn(BATCH, STEPS, INPUT).double()))
    assert ours.shapes(BATCH, STEPS) == (output.shape, hidden.shape)


def test_dropout_is_between_layers_and_in_training_only():
    # identity layers: a rectifier that passes its positive input, with no recurrence
    module = modules.RNN(1, 1, nonlinearity="relu", num_layers=2, dropout=0.3, bias=False, batch_first=True)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.fill_(float("weight_ih" in name))
    x = torch.ones(200, 100, 1)
    torch.manual_seed(0)
    output, _ = module(x)
    assert output.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert float((output == 0).double().mean()) == pytest.approx(0.3, abs=0.015)  # 20 000 draws: 4.6 deviations
    assert not torch.equal(output, module(x)[0])
    module.eval()
    assert torch.equal(module(x)[0], x)


def test_dropout_from_generators_depends_on_no_other_member():
    def outputs(seeds):
        module = modules.GRU(1, HIDDEN, num_layers=2, dropout=0.4, batch_first=True)
        generator = torch.Generator().manual_seed(0)
        for name, weight in list(module.named_parameters()):
            drawn = torch.randn(weight.shape, generator=generator)
            module._parameters[name] = drawn.expand(len(seeds), *weight.shape)
        module.draw_from([torch.Generator().manual_seed(seed) for seed in seeds])
        x = torch.ones(1, 6, 5, 1)
        return [module(x)[0] for _ in range(2)]

    first, second = outputs([11, 12, 13])
    alone, again = outputs([12])
    assert torch.equal(first[1:2], alone)
    assert torch.equal(second[1:2], again)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)


def test_dropout_from_generators_drops_its_share():
    module = modules.RNN(1, 1, nonlinearity="relu", num_layers=2, dropout=0.3, bias=False, batch_first=True)
    for name, weight in list(module.named_parameters()):
        module._parameters[name] = torch.full((2, *weight.shape), float("weight_ih" in name))
    module.draw_from([torch.Generator().manual_seed(seed) for seed in (1, 2)])
    output, _ = module(torch.ones(1, 200, 100, 1))
    for own in output:
        assert float((own == 0).double().mean()) == pytest.approx(0.3, abs=0.015)
        assert float(own.double().mean()) == pytest.approx(1.0, abs=0.025)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: modules.RNN(1, 1, nonlinearity="sigmoid"), "nonlinearity: expected 'tanh' or 'relu', got 'sigmoid'"),
        (lambda: modules.GRU(0, 1), "input_size: expected at least 1, got 0"),
        (lambda: modules.GRU(1, -2), "hidden_size: expected at least 1, got -2"),
        (lambda: modules.LSTM(1, 1, num_layers=0), "num_layers: expected at least 1, got 0"),
        (lambda: modules.LSTM(1, 1, dropout=1.5), "dropout: expected a probability from 0 to 1, got 1.5"),
        (lambda: modules.GRU(1, 1)(torch.zeros(2)), "input: expected 2 or 3 dimensions, got 1: [2]"),
        (
            lambda: modules.GRU(1, 2)(torch.zeros(3, 4, 1), torch.zeros(2, 4, 2)),
            "state: expected 3 dimensions as the input has, the first 1 = layers · directions, got [2, 4, 2]",
        ),
        (
            lambda: modules.GRU(1, 2, bidirectional=True)(torch.zeros(3, 1), torch.zeros(2, 1, 2)),
            "state: expected 2 dimensions as the input has, the first 2 = layers · directions, got [2, 1, 2]",
        ),
        (
            lambda: modules.GRU(1, 2)(torch.zeros(3, 4, 1), torch.zeros(1, 5, 2)),
            "h: expected [K, B, H] = [1, 4, 2], or 1 for K, got [1, 5, 2]",
        ),
        (
            lambda: modules.GRU(2, 2)(torch.zeros(3, 4, 1)),
            "weight_ih: expected [K, 3 · H, C] = [1, 6, 1], or 1 for K, got [1, 6, 2]",
        ),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message


def test_repr_shows_the_options():
    assert repr(modules.GRU(3, 4, num_layers=2)) == (
        "GRU(3, 4, num_layers=2, bias=True, batch_first=False, dropout=0.0, bidirectional=False, last_only=False)"
    )
