"""minGRU, minLSTM, LRU, S4D, the selective state space model and sLSTM against loops over their equations in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.models import MODELS, selective_ssm
from bench.models.base import Shape
from bench.models.causal import GatedBlock
from bench.models.lru import LRU
from bench.models.minimal_recurrent import MinGRU, MinLSTM
from bench.models.s4d import S4D, by_transforms, direct
from bench.models.selective_ssm import Block, DepthwiseConvolution, SelectiveSSM
from bench.models.slstm import SLSTM

torch.set_num_threads(1)

NAMES = ["mingru", "minlstm", "slstm", "lru", "s4d", "selective-ssm"]
each_model = pytest.mark.parametrize("name", NAMES)
each_depth = pytest.mark.parametrize("layers", [1, 2])
B, T, C, H = 3, 9, 2, 4


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn_anew(module: nn.Module, scale: float = 0.5) -> nn.Module:
    """In double precision, with weights that no initialisation favours."""
    generator = torch.Generator().manual_seed(7)
    for weight in module.double().parameters():
        weight.data.copy_(scale * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return module


def arrays(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: weight.detach().numpy() for name, weight in module.named_parameters()}


def output(module: nn.Module, x: Tensor) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(module(x))


def sigmoid(v: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-v))


def silu(v: np.ndarray) -> np.ndarray:
    return v * sigmoid(v)


def uniform_between(values: np.ndarray, low: float, high: float) -> None:
    share, count = (np.sort(values) - low) / (high - low), len(values)
    assert -1e-4 <= share[0] <= share[-1] <= 1 + 1e-4  # float32
    distance = np.abs(share - (np.arange(count) + 0.5) / count).max()
    assert distance < 1.63 / math.sqrt(count)  # Kolmogorov and Smirnov, at 1 %


def built(name: str, shape: Shape, **parameters: Any) -> nn.Module:
    torch.manual_seed(0)
    kind = MODELS[name]
    return kind.build(kind.parameters(hidden_size=6, **parameters), shape).double().eval()


def test_mingru_is_a_loop_over_its_equations() -> None:
    layer, x = drawn_anew(MinGRU(C, H)), random(B, T, C)
    weight, bias = arrays(layer).values()
    h, states = np.zeros((B, H)), []
    for t in range(T):
        gate, candidate = np.split(x[:, t].numpy() @ weight.T + bias, 2, axis=1)
        z = sigmoid(gate)
        h = (1 - z) * h + z * candidate
        states.append(h)
    np.testing.assert_allclose(output(layer, x), np.stack(states, axis=1), rtol=0, atol=1e-13)


def test_minlstm_is_a_loop_over_its_equations() -> None:
    layer, x = drawn_anew(MinLSTM(C, H)), random(B, T, C)
    weight, bias = arrays(layer).values()
    h, states = np.zeros((B, H)), []
    for t in range(T):
        forget, take, candidate = np.split(x[:, t].numpy() @ weight.T + bias, 3, axis=1)
        f, i = sigmoid(forget), sigmoid(take)
        h = f / (f + i) * h + i / (f + i) * candidate
        states.append(h)
    np.testing.assert_allclose(output(layer, x), np.stack(states, axis=1), rtol=0, atol=1e-13)


def test_two_gates_of_minlstm_that_round_to_zero_still_have_a_ratio() -> None:
    layer = MinLSTM(1, 1)
    nn.init.zeros_(layer.maps.weight)
    layer.maps.bias.data.copy_(torch.tensor([-500.0, -500.0, 1.0]))  # in float32 both gates are 0
    states = layer(torch.zeros(1, 3, 1)).flatten()
    assert states.tolist() == [0.5, 0.75, 0.875]
    states.sum().backward()
    assert layer.maps.bias.grad.isfinite().all()


def test_the_lru_is_a_complex_recurrence() -> None:
    layer, u = drawn_anew(LRU(MODELS["lru"].parameters(hidden_size=H, state_size=5))), random(B, T, H)
    w = arrays(layer)
    eigenvalues = np.exp(-np.exp(w["nu"]) + 1j * np.exp(w["theta"]))
    inward = w["B"][:, 0] + 1j * w["B"][:, 1]
    outward = w["C"][..., 0] - 1j * w["C"][..., 1]
    x, outputs = np.zeros((B, 5), np.complex128), []
    for t in range(T):
        x = eigenvalues * x + np.exp(w["gamma"]) * (u[:, t].numpy() @ inward.T)
        outputs.append((x @ outward.T).real + w["D"] * u[:, t].numpy())
    np.testing.assert_allclose(output(layer, u), np.stack(outputs, axis=1), rtol=0, atol=1e-13)


def test_the_eigenvalues_of_an_lru_begin_uniformly_in_their_ring() -> None:
    torch.manual_seed(0)
    parameters = MODELS["lru"].parameters(hidden_size=2, state_size=4000, r_min=0.5, r_max=0.9, max_phase=1.0)
    w = arrays(LRU(parameters))
    radius, angle = np.exp(-np.exp(w["nu"])), np.exp(w["theta"])
    uniform_between(radius**2, 0.25, 0.81)
    uniform_between(angle, 0.0, 1.0)
    np.testing.assert_allclose(np.exp(w["gamma"]) ** 2, 1 - radius**2, rtol=1e-4)


def log_uniform_over_the_authors_steps(steps: np.ndarray) -> None:
    uniform_between(np.log(steps), math.log(0.001), math.log(0.1))


def s4d(states: int = 6) -> tuple[S4D, dict[str, np.ndarray]]:
    layer = drawn_anew(S4D(MODELS["s4d"].parameters(hidden_size=H, state_size=states)))
    return layer, arrays(layer)


def test_s4d_is_a_complex_recurrence() -> None:
    layer, w = s4d()
    u = random(B, T, H)
    matrix = -np.exp(w["log_decay"]) + 1j * w["frequency"]  # [H, N/2]
    kept = np.exp(np.exp(w["log_step"])[:, None] * matrix)
    taken = (kept - 1) / matrix
    outward = w["C"][..., 0] + 1j * w["C"][..., 1]
    x, outputs = np.zeros((B, *matrix.shape), np.complex128), []
    for t in range(T):
        x = kept * x + taken * u[:, t].numpy()[..., None]
        outputs.append(2 * (outward * x).sum(-1).real + w["D"] * u[:, t].numpy())
    np.testing.assert_allclose(output(layer, u), np.stack(outputs, axis=1), rtol=0, atol=1e-12)


def test_s4d_solves_its_differential_equation_where_the_input_is_constant() -> None:
    """x' = A x + u from 0 is (exp(A t) − 1) u / A: the states after T steps of constant input, sampled exactly."""
    layer, w = s4d(states=2)
    matrix = -np.exp(w["log_decay"]) + 1j * w["frequency"]
    time = T * np.exp(w["log_step"])[:, None]
    solution = (np.exp(matrix * time) - 1) / matrix
    outward = w["C"][..., 0] + 1j * w["C"][..., 1]
    expected = 2 * (outward * solution).sum(-1).real + w["D"]
    np.testing.assert_allclose(output(layer, torch.ones(1, T, H).double())[0, -1], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_a_convolution_by_transforms_is_the_direct_one(steps: int) -> None:
    kernel, u = random(H, steps), random(B, steps, H, seed=2)
    expected = np.stack([[np.convolve(row, k)[:steps] for row, k in zip(one.T, kernel, strict=True)] for one in u])
    for convolved in (direct, by_transforms):
        np.testing.assert_allclose(convolved(kernel, u), expected.swapaxes(1, 2), rtol=0, atol=1e-13)


def test_s4d_goes_on_by_transforms_where_windows_are_long() -> None:
    """The first outputs are those of a window that ends there."""
    layer, _ = s4d()
    u = random(1, 300, H)
    np.testing.assert_allclose(output(layer, u)[:, :256], output(layer, u[:, :256]), rtol=0, atol=1e-10)


def test_s4d_begins_as_its_authors_say() -> None:
    torch.manual_seed(0)
    w = arrays(S4D(MODELS["s4d"].parameters(hidden_size=500, state_size=6)))
    np.testing.assert_allclose(-np.exp(w["log_decay"]), -0.5, rtol=1e-6)
    np.testing.assert_allclose(w["frequency"], np.tile(np.pi * np.arange(3), (500, 1)), rtol=1e-6)
    log_uniform_over_the_authors_steps(np.exp(w["log_step"]))


def test_the_selective_system_is_a_loop_over_its_equations() -> None:
    layer, u = drawn_anew(SelectiveSSM(H, 3, 2)), random(B, T, H)
    w = arrays(layer)
    x, outputs = np.zeros((B, H, 3)), []
    for t in range(T):
        given = u[:, t].numpy()
        low_rank, inward, outward = np.split(given @ w["select.weight"].T, [2, 5], axis=1)
        step = np.log1p(np.exp(low_rank @ w["step.weight"].T + w["step.bias"]))
        kept = np.exp(-step[..., None] * np.exp(w["A"].T))
        x = kept * x + (step * given)[..., None] * inward[:, None]
        outputs.append((x * outward[:, None]).sum(-1) + w["D"] * given)
    np.testing.assert_allclose(output(layer, u), np.stack(outputs, axis=1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_gradient_of_the_selective_system_is_finite_differences(steps: int) -> None:
    """In pieces of √T steps, the last of which may be shorter."""
    layer, u = drawn_anew(SelectiveSSM(2, 3, 1)), random(2, steps, 2).requires_grad_()
    names = list(arrays(layer))

    def outputs(u: Tensor, *weights: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), u)

    assert torch.autograd.gradcheck(outputs, (u, *layer.parameters()))


@pytest.mark.parametrize("cached", [1, 40, 10**6])
def test_members_of_the_selective_system_are_walked_in_any_company(
    cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selective_ssm, "_CACHED_STATES", cached)  # one by one, by twos, at once
    layer, u = drawn_anew(SelectiveSSM(2, 3, 1)), random(5, 3, 7, 2)
    scales = torch.tensor([1.0, 0.5, 2.0, -1.0, 0.1], dtype=torch.float64)
    weights = {name: weight.detach() * scales.view(-1, *[1] * weight.ndim) for name, weight in layer.named_parameters()}
    leaves = {name: weight.requires_grad_() for name, weight in weights.items()}
    together = torch.vmap(lambda own, x: torch.func.functional_call(layer, own, x))(leaves, u)
    gradients = torch.autograd.grad(together.square().sum(), [*leaves.values()])
    for k in range(5):
        own = {name: weight[k].detach().requires_grad_() for name, weight in leaves.items()}
        alone = torch.func.functional_call(layer, own, u[k])
        torch.testing.assert_close(together[k], alone, rtol=1e-12, atol=1e-12)
        alone_gradients = torch.autograd.grad(alone.square().sum(), [*own.values()])
        for ours, theirs in zip(gradients, alone_gradients, strict=True):
            torch.testing.assert_close(ours[k], theirs, rtol=1e-10, atol=1e-12)


def test_the_causal_convolution_is_that_of_torch() -> None:
    layer, x = drawn_anew(DepthwiseConvolution(H, 3)), random(B, T, H)
    w = arrays(layer)
    plain = nn.Conv1d(H, H, 3, groups=H, padding=2).double()
    plain.load_state_dict({"weight": torch.tensor(w["weight"].T[:, None]), "bias": torch.tensor(w["bias"])})
    expected = output(plain, x.mT)[..., :T].swapaxes(1, 2)
    np.testing.assert_allclose(output(layer, x), expected, rtol=0, atol=1e-14)


def test_a_selective_block_is_its_parts_in_order() -> None:
    parameters = MODELS["selective-ssm"].parameters(hidden_size=H, state_size=3, expand=2, kernel_size=2)
    block, v = drawn_anew(Block(parameters)), random(B, T, H)
    w = arrays(block)
    normal = v.numpy() / np.sqrt((v.numpy() ** 2).mean(-1, keepdims=True) + 1e-5) * w["norm.weight"]
    u, gate = np.split(normal @ w["widen.weight"].T, 2, axis=-1)
    system = output(block.system, torch.tensor(silu(output(block.convolution, torch.tensor(u)))))
    expected = v.numpy() + (system * silu(gate)) @ w["narrow.weight"].T
    np.testing.assert_allclose(output(block, v), expected, rtol=0, atol=1e-13)


def test_the_selective_system_begins_as_its_authors_say() -> None:
    torch.manual_seed(0)
    w = arrays(SelectiveSSM(500, 3, 2).double())
    log_uniform_over_the_authors_steps(np.log1p(np.exp(w["step.bias"])))
    np.testing.assert_allclose(-np.exp(w["A"].T), np.tile([-1.0, -2.0, -3.0], (500, 1)), rtol=1e-6)


def slstm_without_stabiliser(w: dict[str, np.ndarray], x: np.ndarray, heads: int) -> np.ndarray:
    """The equations before m is introduced, one head and one unit group after another."""
    size = w["R"].shape[1]
    everything = []
    for head in range(heads):
        h, c, n = (np.zeros((len(x), size)) for _ in range(3))
        states = []
        for t in range(x.shape[1]):
            given = x[:, t] @ w["W"][head] + h @ w["R"][head] + w["b"][head]
            z, i, f, o = np.split(given, 4, axis=1)
            c = sigmoid(f) * c + np.exp(i) * np.tanh(z)
            n = sigmoid(f) * n + np.exp(i)
            h = sigmoid(o) * c / n
            states.append(h)
        everything.append(np.stack(states, axis=1))
    return np.concatenate(everything, axis=2)


@pytest.mark.parametrize("heads", [1, 2])
def test_slstm_is_its_equations_without_a_stabiliser(heads: int) -> None:
    layer, x = drawn_anew(SLSTM(C, H, heads)), random(B, T, C)
    expected = slstm_without_stabiliser(arrays(layer), x.numpy(), heads)
    np.testing.assert_allclose(output(layer, x), expected, rtol=0, atol=1e-13)


def test_the_gradient_of_slstm_is_that_without_a_stabiliser() -> None:
    """Through which, m being what it is, none needs to go."""
    layer, x = drawn_anew(SLSTM(C, H, 2)), random(B, T, C)
    layer(x).square().sum().backward()
    for weight in layer.parameters():
        place = tuple(torch.unravel_index(weight.grad.abs().argmax(), weight.shape))
        losses = []
        for change in (1e-6, -1e-6):
            weight.data[place] += change
            losses.append(np.square(slstm_without_stabiliser(arrays(layer), x.numpy(), 2)).sum())
            weight.data[place] -= change
        assert weight.grad[place].item() == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_slstm_survives_gates_whose_exponential_overflows(size: float) -> None:
    layer = SLSTM(1, H, 1)
    x = size * torch.tensor([1.0, -1.0, 1.0, -1.0, 0.5, 1.0])[None, :, None]
    states = layer(x)
    states.sum().backward()
    assert states.isfinite().all()
    assert states.abs().max() <= 1
    assert all(weight.grad.isfinite().all() for weight in layer.parameters())


def test_heads_of_slstm_do_not_see_each_other() -> None:
    layer, x = drawn_anew(SLSTM(C, H, 2)), random(B, T, C)
    before = output(layer, x)
    layer.R.data[1] += 1
    after = output(layer, x)
    assert np.array_equal(after[..., :2], before[..., :2])
    assert not np.isclose(after[:, 1:, 2:], before[:, 1:, 2:]).any()


def test_a_gated_block_is_its_parts_in_order() -> None:
    class Map(nn.Linear):
        def forward(self, x: Tensor, *, last_only: bool) -> Tensor:
            return super().forward(x[:, -1:] if last_only else x)

    block, x = drawn_anew(GatedBlock(Map(H, H), H)), random(B, T, H)
    w, v = arrays(block), x.numpy()
    normal = (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)
    mapped = (normal * w["norm.weight"] + w["norm.bias"]) @ w["layer.weight"].T + w["layer.bias"]
    active = mapped * (1 + np.vectorize(math.erf)(mapped / math.sqrt(2))) / 2
    values, gates = np.split(active @ w["gated.weight"].T + w["gated.bias"], 2, axis=-1)
    np.testing.assert_allclose(output(block, x), v + values * sigmoid(gates), rtol=0, atol=1e-13)
    block.last_only = True
    np.testing.assert_allclose(output(block, x), (v + values * sigmoid(gates))[:, -1:], rtol=0, atol=1e-13)


@each_model
@each_depth
def test_the_receptive_field_is_the_whole_window_and_no_step_after(name: str, layers: int) -> None:
    """An output at step t moves with every step up to t, and with none after it."""
    module = built(name, Shape(T, 1, 1, every_step=True), layers=layers)
    jacobian = torch.autograd.functional.jacobian(lambda x: module(x[None, :, None])[0, :, 0], random(T))
    sees = jacobian != 0
    assert torch.equal(sees, torch.ones(T, T).tril().bool())


@each_model
@each_depth
def test_outputs_at_every_step_never_see_the_next(name: str, layers: int) -> None:
    module = built(name, Shape(T, 1, C, every_step=True), layers=layers)
    x = random(B, T, C)
    later = x.clone()
    later[:, 5:] = 1e3
    assert np.array_equal(output(module, later)[:, :5], output(module, x)[:, :5])
    last = built(name, Shape(T, 1, C), layers=layers)
    np.testing.assert_allclose(output(last, x)[:, 0], output(module, x)[:, -1], rtol=0, atol=1e-13)


@each_model
def test_windows_that_end_early_are_read_to_their_end(name: str) -> None:
    module = built(name, Shape(T, 2, C, variable=True))
    x = random(2, T, C)
    x[0, 5:] = math.nan
    plain = built(name, Shape(T, 2, C))
    expected = np.concatenate([output(plain, x[:1, :5]), output(plain, x[1:])])
    np.testing.assert_allclose(output(module, x), expected, rtol=0, atol=1e-13)


@each_model
@pytest.mark.parametrize("shape", [Shape(T, 1, C, "classify", 3), Shape(T, 1, C, outputs=1)], ids=["classes", "other"])
def test_targets_may_be_other_values_than_the_channels(name: str, shape: Shape) -> None:
    assert output(built(name, shape), random(B, T, C)).shape == (B, *shape.targets)
