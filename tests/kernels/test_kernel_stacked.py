"""Weights with a first dimension of members, and `torch.vmap`, give what a loop over the members gives."""

from copy import deepcopy
from itertools import product

import pytest
import torch
from torch.func import functional_call, grad, jacrev, stack_module_state, vjp

from bench.kernels import modules
from bench.kernels.dispatch import Weights, recurrent
from bench.kernels.modules import Linear

MEMBERS, BATCH, STEPS, INPUT, HIDDEN = 3, 4, 5, 2, 6
LAYERS = {
    "tanh": lambda **options: modules.RNN(INPUT, HIDDEN, **options),
    "relu": lambda **options: modules.RNN(INPUT, HIDDEN, nonlinearity="relu", **options),
    "lstm": lambda **options: modules.LSTM(INPUT, HIDDEN, **options),
    "gru": lambda **options: modules.GRU(INPUT, HIDDEN, **options),
}


def flatten(result):
    output, states = result
    return [output, *(states if isinstance(states, tuple) else (states,))]


def members(make):
    """The modules of a bank, in float64, each with weights of its own."""
    made = []
    for seed in range(MEMBERS):
        torch.manual_seed(seed)
        made.append(make().double())
    return made


def stacked(modules_):
    """One module whose weights are leaves ``[K, …]``, and those."""
    module = deepcopy(modules_[0])
    weights, _ = stack_module_state(modules_)
    for name, weight in weights.items():
        module._parameters[name] = weight
    return module, weights


def check_same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def weighted(results, first_dimension=None):
    """A number in which each element of the results counts with a weight of its own, the same for each member."""
    total = 0
    for result in results:
        shape = list(result.shape)
        if first_dimension is not None:
            shape.pop(first_dimension)
        weight = torch.linspace(-1, 1, torch.Size(shape).numel(), dtype=result.dtype).view(shape)
        total = total + (result * (weight if first_dimension is None else weight.unsqueeze(first_dimension))).sum()
    return total


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("layers", "bidirectional"), list(product([1, 2], [False, True])))
@pytest.mark.parametrize(("last_only", "shared"), list(product([False, True], repeat=2)))
def test_stacked_weights_equal_a_loop(kind, layers, bidirectional, last_only, shared):
    options = {"num_layers": layers, "bidirectional": bidirectional, "last_only": last_only, "batch_first": True}
    bank = members(lambda: LAYERS[kind](**options))
    module, weights = stacked(bank)
    assert module.stacked
    x = torch.randn(1 if shared else MEMBERS, BATCH, STEPS, INPUT).double().requires_grad_()
    count = layers * (1 + bidirectional)
    given = [torch.randn(count, MEMBERS, BATCH, HIDDEN).double() for _ in range(2 if kind == "lstm" else 1)]
    output, *states = flatten(module(x, tuple(given) if kind == "lstm" else given[0]))
    (slope,) = torch.autograd.grad(weighted([output], 0) + weighted(states, 1), x, retain_graph=True)
    slopes = torch.autograd.grad(weighted([output], 0) + weighted(states, 1), list(weights.values()))
    total = torch.zeros_like(x)
    for k, member in enumerate(bank):
        own = [part[:, k] for part in given]
        x_own = x[k % len(x)].detach().requires_grad_()
        results = flatten(member(x_own, tuple(own) if kind == "lstm" else own[0]))
        check_same(output[k], results[0])
        for state, expected in zip(states, results[1:], strict=True):
            check_same(state[:, k], expected)
        named = dict(member.named_parameters())
        expected = torch.autograd.grad(weighted(results), [x_own, *named.values()])
        total[k % len(x)] += expected[0]
        for name, own_slope in zip(named, expected[1:], strict=True):
            check_same(slopes[list(weights).index(name)][k], own_slope)
    check_same(slope, total)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("shared", [False, True])
def test_vmap_equals_a_loop(kind, shared):
    bank = members(lambda: LAYERS[kind](num_layers=2, bidirectional=True))
    weights, _ = stack_module_state(bank)
    x = torch.randn(STEPS, BATCH, INPUT).double() if shared else torch.randn(MEMBERS, STEPS, BATCH, INPUT).double()

    def loss(own, x):
        results = flatten(functional_call(bank[0], own, (x,)))
        return weighted(results), results

    slopes, results = torch.vmap(grad(loss, has_aux=True), in_dims=(0, None if shared else 0))(weights, x)
    for k, member in enumerate(bank):
        expected = flatten(member(x if shared else x[k]))
        for found, value in zip(results, expected, strict=True):
            check_same(found[k], value)
        named = dict(member.named_parameters())
        for name, slope in zip(named, torch.autograd.grad(weighted(expected), list(named.values())), strict=True):
            check_same(slopes[name][k], slope)


def test_gradients_pass_through_vmap():
    bank = members(LAYERS["lstm"])
    weights, _ = stack_module_state(bank)
    x = torch.randn(STEPS, BATCH, INPUT).double()
    outputs = torch.vmap(lambda own: functional_call(bank[0], own, (x,))[0])(weights)
    outputs.square().sum().backward()
    for k, member in enumerate(bank):
        member(x)[0].square().sum().backward()
        for name, weight in member.named_parameters():
            check_same(weights[name].grad[k], weight.grad)


@pytest.mark.parametrize("kind", LAYERS)
def test_grad_equals_backward(kind):
    module = LAYERS[kind]().double()
    x = torch.randn(STEPS, BATCH, INPUT).double()
    weights = dict(module.named_parameters())
    slopes = grad(lambda own: weighted(flatten(functional_call(module, own, (x,)))))(weights)
    weighted(flatten(module(x))).backward()
    for name, weight in weights.items():
        check_same(slopes[name], weight.grad)


def test_vmap_in_vmap_equals_two_loops():
    bank = members(LAYERS["gru"])
    weights, _ = stack_module_state(bank)
    x = torch.randn(2, STEPS, BATCH, INPUT).double()

    def slope(own, x):
        return grad(lambda x: weighted(flatten(functional_call(bank[0], own, (x,)))))(x)

    found = torch.vmap(torch.vmap(slope, in_dims=(0, None)), in_dims=(None, 0))(weights, x)
    for i, k in product(range(2), range(MEMBERS)):
        check_same(found[i, k], slope(dict(bank[k].named_parameters()), x[i]))


def test_vmap_over_any_dimension():
    weights = [torch.randn(MEMBERS, 4 * HIDDEN, size).double() for size in (INPUT, HIDDEN)]
    x = torch.randn(1, BATCH, STEPS, INPUT, 7).double()
    found = torch.vmap(lambda x: recurrent("lstm", x, Weights(*weights)).y, in_dims=-1, out_dims=1)(x)
    for i in range(7):
        check_same(found[:, i], recurrent("lstm", x[..., i], Weights(*weights)).y)


@pytest.mark.parametrize("count", [1, MEMBERS])
@pytest.mark.parametrize("shared", [False, True])
def test_vmap_over_upstream_gradients_alone(count, shared, monkeypatch):
    weights = Weights(*(torch.randn(count, 4 * HIDDEN, size).double() for size in (INPUT, HIDDEN)))
    x = torch.randn(1 if shared else count, 2, STEPS, INPUT).double()

    def last(x):
        return recurrent("lstm", x, weights).h

    found = jacrev(last)(x)
    monkeypatch.setenv("BENCH_KERNELS", "reference")
    check_same(found, jacrev(last)(x))


@pytest.mark.parametrize("count", [1, MEMBERS])
def test_vmap_with_one_upstream_gradient_for_all(count):
    weights = Weights(*(torch.randn(count, 3 * HIDDEN, size).double() for size in (INPUT, HIDDEN)))
    x = torch.randn(7, count, BATCH, STEPS, INPUT).double()
    upstream = torch.randn(count, BATCH, STEPS, HIDDEN).double()

    def slope(x):
        return vjp(lambda x: recurrent("gru", x, weights).y, x)[1](upstream)[0]

    check_same(torch.vmap(slope)(x), torch.stack([slope(one) for one in x]))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("first", [1, MEMBERS])
@pytest.mark.parametrize("shape", [(BATCH,), (BATCH, STEPS)])
def test_linear_stacked_equals_a_loop(shape, first, bias):
    bank = members(lambda: Linear(INPUT, HIDDEN, bias=bias))
    module, weights = stacked(bank)
    x = torch.randn(first, *shape, INPUT).double().requires_grad_()
    output = module(x)
    slopes = torch.autograd.grad(output.square().sum(), [x, *weights.values()])
    leaf = x.detach().clone().requires_grad_()
    expected = torch.stack([member(leaf[k % first]) for k, member in enumerate(bank)])
    expected.square().sum().backward()
    check_same(output, expected)
    check_same(slopes[0], leaf.grad)
    for name, slope in zip(weights, slopes[1:], strict=True):
        check_same(slope, torch.stack([member.get_parameter(name).grad for member in bank]))


def test_linear_alone_is_torch():
    torch.manual_seed(0)
    ours = Linear(INPUT, HIDDEN)
    torch.manual_seed(0)
    theirs = torch.nn.Linear(INPUT, HIDDEN)
    x = torch.randn(BATCH, INPUT)
    assert torch.equal(ours(x), theirs(x))
