"""Members of a bank do not meet: each gets, to the bit, what it gets alone, on any number of threads."""

import math
import threading

import pytest
import torch

from bench.kernels import native
from bench.kernels.dispatch import Weights, recurrent

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "slstm": 4}
MEMBERS, BATCH, STEPS, CHANNELS, HIDDEN = 5, 75, 9, 3, 17


def operands(cell, dtype):
    generator = torch.Generator().manual_seed(3)
    rows = GATES[cell] * HIDDEN
    shapes = [(BATCH, STEPS, CHANNELS), (rows, CHANNELS), (rows, HIDDEN), (rows,), (rows,)]
    shapes += [(BATCH, HIDDEN)] * {"lstm": 2, "slstm": 0}.get(cell, 1)
    values = [torch.randn(MEMBERS, *shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [(value / 3).to(dtype).requires_grad_() for value in values]


def run(cell, flat):
    """Outputs, and the gradients to all operands, ``[K, …]`` each."""
    outputs = recurrent(cell, flat[0], Weights(*flat[1:5]), tuple(flat[5:]) or None)
    loss = sum((output * output).sum() for output in outputs)
    return [output.detach() for output in outputs] + list(torch.autograd.grad(loss, flat))


def member(flat, k):
    return [tensor.detach()[k : k + 1].requires_grad_() for tensor in flat]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cell", sorted(GATES))
def test_a_bank_gives_each_member_what_it_gets_alone(cell, dtype):
    flat = operands(cell, dtype)
    together = run(cell, flat)
    for k in range(MEMBERS):
        for bank, alone in zip(together, run(cell, member(flat, k)), strict=True):
            assert torch.equal(bank[k : k + 1], alone)


@pytest.mark.parametrize("cell", sorted(GATES))
def test_the_number_of_threads_changes_nothing(cell, monkeypatch):
    seen, work = set(), native._work

    def seen_at_work(*arguments):
        seen.add(threading.get_ident())
        work(*arguments)

    monkeypatch.setattr(native, "_work", seen_at_work)
    monkeypatch.setattr(native, "LEAST_WORK", 0)
    flat = operands(cell, torch.float32)
    on_one = run(cell, flat)
    assert not seen
    torch.set_num_threads(2)
    try:
        on_two = run(cell, flat)
    finally:
        torch.set_num_threads(1)
    assert len(seen) == 2
    for one, two in zip(on_one, on_two, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 1, 2])  # inputs, or weights
@pytest.mark.parametrize("cell", sorted(GATES))
def test_what_is_not_finite_stays_with_its_member(cell, place, bad):
    flat = operands(cell, torch.float32)
    clean = run(cell, flat)
    with torch.no_grad():
        flat[place][2, 0] = bad
    spoilt = run(cell, flat)
    rows = [k for k in range(MEMBERS) if k != 2]
    for before, after in zip(clean, spoilt, strict=True):
        assert torch.equal(before[rows], after[rows])
    if math.isnan(bad):
        assert spoilt[1][2].isnan().any()
    for before, after in zip(clean[1:], run(cell, member(flat, 0))[1:], strict=True):  # the same buffers again
        assert torch.equal(before[:1], after)


def test_a_row_that_is_not_a_number_stays_a_row():
    flat = operands("lstm", torch.float32)
    clean = run("lstm", flat)
    with torch.no_grad():
        flat[0][:, 7] = float("nan")
    spoilt = run("lstm", flat)
    rows = [row for row in range(BATCH) if row != 7]
    assert torch.equal(clean[0][:, rows], spoilt[0][:, rows])
    assert spoilt[0][:, 7].isnan().all()
