"""The recurrent operators give what torch's own give to each member, values and gradients, at any size."""

from dataclasses import dataclass

import torch
from hypothesis import example, given, settings, strategies as st

from bench.kernels.dispatch import Outputs, Weights, recurrent

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "slstm": 4}
SHAREABLE = ("x", "h", "c", "weight_ih", "bias_ih", "bias_hh")


@dataclass(frozen=True)
class Case:
    cell: str
    members: int = 2
    batch: int = 3
    steps: int = 4
    channels: int = 2
    hidden: int = 5
    bias: bool = True
    state: bool = True
    reverse: bool = False
    all_steps: bool = True
    shared: frozenset = frozenset()
    seed: int = 0


CASES = st.builds(
    Case,
    cell=st.sampled_from(sorted(GATES)),
    members=st.integers(1, 4),
    batch=st.integers(1, 40),
    steps=st.integers(1, 12),
    channels=st.integers(1, 19),
    hidden=st.integers(1, 37),
    bias=st.booleans(),
    state=st.booleans(),
    reverse=st.booleans(),
    all_steps=st.booleans(),
    shared=st.frozensets(st.sampled_from(SHAREABLE)),
    seed=st.integers(0, 2**16),
)


def tensors(case, dtype):
    """Leaves by name, of numbers that `dtype` can hold."""
    generator = torch.Generator().manual_seed(case.seed)
    rows, scale = GATES[case.cell] * case.hidden, case.hidden**-0.5
    shapes = {"x": (case.batch, case.steps, case.channels)}
    if case.state and case.cell != "slstm":
        shapes |= {"h": (case.batch, case.hidden)} | ({"c": (case.batch, case.hidden)} if case.cell == "lstm" else {})
    shapes |= {"weight_ih": (rows, case.channels), "weight_hh": (rows, case.hidden)}
    if case.bias:
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
    leaves = {}
    for name, shape in shapes.items():
        first = 1 if name in case.shared else case.members
        values = torch.randn(first, *shape, generator=generator, dtype=torch.float64)
        leaves[name] = (values if name in "xhc" else scale * values).to(dtype).requires_grad_()
    return leaves


def by_operator(case, leaves):
    state = tuple(leaves[name] for name in "hc" if name in leaves) or None
    weights = Weights(*(leaves.get(name) for name in Weights._fields))
    return recurrent(case.cell, leaves["x"], weights, state, reverse=case.reverse, all_steps=case.all_steps)


def slstm(x, weights, bias):
    """All states and the last one, by the equations before anything is scaled against overflow."""
    w_x, w_h, *biases = weights
    h, c, n = (x.new_zeros(len(x), w_h.shape[1]) for _ in range(3))
    states = []
    for t in range(x.shape[1]):
        z, i, f, o = (x[:, t] @ w_x.T + h @ w_h.T + (sum(biases) if bias else 0)).chunk(4, dim=-1)
        c, n = f.sigmoid() * c + i.exp() * z.tanh(), f.sigmoid() * n + i.exp()
        h = o.sigmoid() * c / n
        states.append(h)
    return torch.stack(states, dim=1), h[None]


def by_torch(case, leaves):
    """By the functions behind `torch.nn.RNN`, `torch.nn.LSTM` and `torch.nn.GRU`, or `slstm`; one member at a time."""
    columns = []
    for k in range(case.members):
        own = {name: leaf[k % len(leaf)] for name, leaf in leaves.items()}
        zeros = own["x"].new_zeros(case.batch, case.hidden)
        h, c = own.get("h", zeros)[None], own.get("c", zeros)[None]
        weights = [own[name] for name in Weights._fields if name in own]
        x = own["x"].flip(1) if case.reverse else own["x"]
        options = (weights, case.bias, 1, 0.0, True, False, True)
        if case.cell == "slstm":
            y, *last = slstm(x, weights, case.bias)
        else:
            y, *last = getattr(torch, case.cell)(x, (h, c) if case.cell == "lstm" else h, *options)
        columns.append((y.flip(1) if case.reverse else y, *(part[0] for part in last)))
    y, h, *c = (torch.stack(column) for column in zip(*columns, strict=True))
    empty = h.new_empty(case.members, 0)
    return Outputs(y if case.all_steps else empty, h, c[0] if c else empty)


def gradients(case, outputs, leaves):
    """Of a weighted sum of all outputs, with weights that are the same for both implementations."""
    generator = torch.Generator().manual_seed(case.seed + 1)
    total = torch.zeros((), dtype=torch.float64)
    for output in outputs:
        total = total + (output * torch.randn(output.shape, generator=generator, dtype=torch.float64)).sum()
    return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))


def results(case, outputs, leaves):
    """Outputs and gradients by name."""
    values = {name: output.detach() for name, output in outputs._asdict().items()}
    return values | {f"gradient to {name}": value for name, value in gradients(case, outputs, leaves).items()}


def check_equal(case, dtype, tolerance):
    leaves = tensors(case, dtype)
    exact = {name: leaf.detach().double().requires_grad_() for name, leaf in leaves.items()}
    outputs, expected = by_operator(case, leaves), by_torch(case, exact)
    found, truth = results(case, outputs, leaves), results(case, expected, exact)
    for name, value in truth.items():
        assert found[name].dtype == dtype
        scale = max(1.0, float(value.abs().max())) if value.numel() else 1.0
        torch.testing.assert_close(
            found[name].double(), value, rtol=0, atol=tolerance * scale, msg=lambda text, name=name: f"{name}: {text}"
        )


@settings(deadline=None, max_examples=40)
@given(CASES)
@example(Case("gru", members=1, batch=1, steps=1, channels=1, hidden=1))
@example(Case("lstm", batch=70, steps=17, channels=8, hidden=33))  # groups, chunks, and more than two vectors
@example(Case("gru", batch=70, steps=17, channels=17, hidden=16, state=False))
@example(Case("rnn_tanh", members=1, batch=545, steps=2, hidden=3))  # more rows than groups of one size can hold
@example(Case("lstm", members=3, shared=frozenset(SHAREABLE)))
@example(Case("slstm", batch=70, steps=40, channels=8, hidden=33))
def test_float64_equals_torch(case):
    check_equal(case, torch.float64, 1e-10)


# the same examples each time: rounding may put a rectifier on the other side of zero
@settings(deadline=None, max_examples=40, derandomize=True)
@given(CASES)
@example(Case("lstm", batch=70, steps=17, channels=8, hidden=65))
@example(Case("gru", batch=70, steps=17, channels=17, hidden=32, state=False))
@example(Case("rnn_relu", members=3, shared=frozenset(SHAREABLE), reverse=True))
@example(Case("slstm", batch=70, steps=100, channels=8, hidden=65))
def test_float32_equals_torch_in_float64(case):
    check_equal(case, torch.float32, 1e-5)


def test_only_what_is_asked_for_needs_a_gradient():
    case = Case("lstm")
    leaves = tensors(case, torch.float64)
    everything = gradients(case, by_operator(case, leaves), leaves)
    for name in leaves:
        alone = {other: leaf.detach().requires_grad_(other == name) for other, leaf in leaves.items()}
        outputs = by_operator(case, alone)
        generator = torch.Generator().manual_seed(case.seed + 1)
        sum((o * torch.randn(o.shape, generator=generator, dtype=o.dtype)).sum() for o in outputs).backward()
        torch.testing.assert_close(alone[name].grad, everything[name], rtol=0, atol=1e-14)
        assert all(leaf.grad is None for other, leaf in alone.items() if other != name)


def test_outputs_are_the_same_without_gradients():
    for cell in GATES:
        case = Case(cell, batch=37, hidden=17)
        leaves = tensors(case, torch.float32)
        with torch.no_grad():
            without = by_operator(case, leaves)
        assert not without.h.requires_grad
        for ours, theirs in zip(without, by_operator(case, leaves), strict=True):
            assert torch.equal(ours, theirs)


def test_operands_may_lie_in_memory_in_any_order():
    case = Case("gru", batch=9, hidden=6)
    leaves = tensors(case, torch.float64)
    strided = {name: leaf.detach().mT.contiguous().mT.requires_grad_() for name, leaf in leaves.items()}
    assert not strided["x"].is_contiguous()
    outputs, expected = by_operator(case, strided), by_operator(case, leaves)
    assert torch.equal(outputs.y, expected.y)
    found, truth = gradients(case, outputs, strided), gradients(case, expected, leaves)
    assert all(torch.equal(found[name], truth[name]) for name in leaves)
