"""Adam for a bank against torch's, member by member."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bench.training import adam as adam_module
from bench.training.adam import Adam, Rates, Schedule, Stacked

K = 3


def modules():
    torch.manual_seed(0)
    return [nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)) for _ in range(K)]


def rates(dtype=torch.float32):
    columns = ([1e-2, 1e-3, 1e-1], [0.0, 0.1, 0.01], [math.inf, 0.5, 1e-3])
    return Rates(*(torch.tensor(column, dtype=dtype) for column in columns))


def gradients(stacked, step):
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(leaf.shape, generator=generator) for leaf in stacked.leaves]


def flat(parts):
    return torch.cat([part.reshape(-1) for part in parts])


@pytest.fixture(params=["compiled", "plain"])
def bank(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(adam_module, "_update_compiled", adam_module._update)
    return Adam(Stacked.of(modules()), rates())


def by_torch(optimiser, name, steps):
    """torch's own scheduler."""
    if name == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    if name == "one-cycle":
        rate = optimiser.param_groups[0]["lr"]
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, cycle_momentum=False)
    return torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0)


def torch_weights(k, steps, schedule="constant"):
    module = modules()[k]
    learning_rate, decay, clip = (float(rate[k]) for rate in rates())
    reference = torch.optim.Adam(module.parameters(), lr=learning_rate, weight_decay=decay)
    scheduler = by_torch(reference, schedule, steps)
    stacked = Stacked.of(modules())
    for step in range(steps):
        for weight, gradient in zip(module.parameters(), gradients(stacked, step), strict=True):
            weight.grad = gradient[k].clone()
        if math.isfinite(clip):
            nn.utils.clip_grad_norm_(module.parameters(), clip)
        reference.step()
        scheduler.step()
    return [weight.detach() for weight in module.parameters()]


def test_every_member_is_stepped_as_torch_steps_it(bank):
    for step in range(20):
        bank.step(flat(gradients(bank.weights, step)))
    for k in range(K):
        for ours, theirs in zip(bank.weights.leaves, torch_weights(k, 20), strict=True):
            np.testing.assert_allclose(ours[k].detach(), theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("form", ["compiled", "plain"])
def test_epsilon_is_that_of_torch(form, monkeypatch):
    """Gradients of 1e-6, beside which Keras's epsilon of 1e-7 shortens the first step by a tenth."""
    if form == "plain":
        monkeypatch.setattr(adam_module, "_update_compiled", adam_module._update)
    weight = torch.zeros(1)
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.zero_()
    adam = Adam(Stacked.of([layer]), Rates(torch.tensor([1.0]), weight, torch.tensor([math.inf])), epsilon=1e-7)
    adam.step(torch.full((1,), 1e-6))
    assert adam.weights.flat.item() == pytest.approx(-1 / 1.1, rel=1e-5)
    kept = adam.rows(torch.tensor([0]))
    assert kept.epsilon == 1e-7
    reference = torch.optim.Adam(layer.parameters(), lr=1.0, eps=1e-7)
    layer.weight.grad = torch.full((1, 1), 1e-6)
    reference.step()
    assert adam.weights.flat.item() == pytest.approx(layer.weight.item(), rel=1e-5)


def test_chosen_members_go_on_where_they_were(bank):
    for step in range(10):
        bank.step(flat(gradients(bank.weights, step)))
    rows = torch.tensor([2, 0])
    part = bank.rows(rows)
    for step in range(10, 20):
        part.step(flat(gradient[rows] for gradient in gradients(bank.weights, step)))
    for position, k in enumerate(rows.tolist()):
        for ours, theirs in zip(part.weights.leaves, torch_weights(k, 20), strict=True):
            np.testing.assert_allclose(ours[position].detach(), theirs, rtol=2e-5, atol=2e-6)


def test_a_member_without_a_finite_gradient_spoils_no_other(bank):
    clean = Adam(bank.weights.rows(torch.arange(K)), bank.rates)
    spoiled = gradients(bank.weights, 0)
    clean.step(flat(spoiled))
    for gradient in spoiled:
        gradient[1] = math.nan
    bank.step(flat(spoiled))
    for ours, theirs in zip(bank.weights.leaves, clean.weights.leaves, strict=True):
        assert ours[1].isnan().all()
        for k in (0, 2):
            np.testing.assert_allclose(ours[k].detach(), theirs[k].detach(), rtol=1e-6)


def test_stacking_puts_and_takes_members():
    stacked = Stacked.of(modules())
    for leaf, *ours in zip(stacked.leaves, *(m.parameters() for m in modules()), strict=True):
        assert leaf.is_contiguous()
        assert leaf.requires_grad
        np.testing.assert_array_equal(leaf.detach(), torch.stack(ours).detach())
    other = Stacked.of(modules()[::-1])
    stacked.put(torch.tensor([0, 2]), other.rows(torch.tensor([0, 2])))
    for leaf, theirs in zip(stacked.leaves, other.leaves, strict=True):
        np.testing.assert_array_equal(leaf[0].detach(), theirs[0].detach())
        np.testing.assert_array_equal(leaf[2].detach(), theirs[2].detach())


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 10, 11, 100, 1000])
@pytest.mark.parametrize("name", ["cosine", "one-cycle", "constant"])
def test_a_schedule_is_that_of_torch(name, steps):
    optimiser = torch.optim.Adam([torch.zeros(1)], lr=0.3)
    reference = by_torch(optimiser, name, steps)
    expected = []
    for _ in range(steps):
        expected.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        reference.step()
    ours = [0.3 * Schedule(name, steps).factor(step) for step in range(steps)]
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ["compiled", "plain"])
@pytest.mark.parametrize("name", ["cosine", "one-cycle"])
def test_all_members_follow_the_schedule_as_torch_does_also_those_that_stay(name, form, monkeypatch):
    if form == "plain":
        monkeypatch.setattr(adam_module, "_update_compiled", adam_module._update)
    adam = Adam(Stacked.of(modules()), rates(), schedule=Schedule(name, 20))
    for step in range(10):
        adam.step(flat(gradients(adam.weights, step)))
    rows = torch.tensor([2, 0])
    adam = adam.rows(rows)
    for step in range(10, 20):
        adam.step(flat(gradient[rows] for gradient in gradients(Stacked.of(modules()), step)))
    for position, k in enumerate(rows.tolist()):
        for ours, theirs in zip(adam.weights.leaves, torch_weights(k, 20, name), strict=True):
            np.testing.assert_allclose(ours[position].detach(), theirs, rtol=2e-5, atol=2e-6)
