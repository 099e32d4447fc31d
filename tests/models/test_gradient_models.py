"""What holds for every model trained by gradient: shapes, sizes, determinism, and who may look at what."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor, nn

from bench.models import MODELS
from bench.models.base import Shape

torch.set_num_threads(1)

GRADIENT = [name for name, kind in MODELS.items() if kind.gradient and "forecast" in kind.tasks]
RECURRENT = ["rnn", "lstm", "gru", "encoder-decoder"]
GATES = {"rnn": 1, "lstm": 4, "gru": 3}  # matrices in one layer
SIZES = [{"layers": layers, "bidirectional": both} for layers, both in itertools.product((1, 2), (False, True))]
VARIANTS: dict[str, list[dict[str, Any]]] = {
    **dict.fromkeys(RECURRENT, SIZES),
    **{name: [{}, {"layers": 2}] for name in ("mingru", "minlstm", "lru", "s4d", "selective-ssm")},
    "slstm": [{}, {"layers": 2, "heads": 3}],
    "mlp": [{}, {"layers": 1}],
    "dlinear": [{}, {"kernel_size": 3}],
    "tcn": [{}, {"layers": 2, "kernel_size": 2}],
    "n-beats": [{}, {"blocks": 1, "layers": 2}],
    "tsmixer": [{}, {"layers": 1}],
    "transformer": [{}, {"norm_first": False, "heads": 1}],
    "patchtst": [{}, {"norm_first": True, "patch_length": 1}],
}
CASES = [(name, sizes) for name in GRADIENT for sizes in VARIANTS.get(name, [{}])]

shapes = st.builds(Shape, sequence_length=st.integers(1, 7), horizon=st.integers(1, 4), channels=st.integers(1, 3))
each_model = pytest.mark.parametrize("name", GRADIENT)
each_size = pytest.mark.parametrize("sizes", SIZES, ids=str)
each_case = pytest.mark.parametrize(("name", "sizes"), CASES, ids=str)


def built(name: str, shape: Shape, seed: int = 0, **parameters: Any) -> nn.Module:
    kind = MODELS[name]
    torch.manual_seed(seed)
    width = {"hidden_size": 6} if "hidden_size" in kind.parameters.model_fields else {}
    module = kind.build(kind.parameters(**width, **parameters), shape)
    assert isinstance(module, nn.Module)
    return module


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def forced(module: nn.Module, x: Tensor, targets: Tensor) -> Tensor:
    output = module(x, targets) if getattr(module, "takes_targets", False) else module(x)
    assert isinstance(output, Tensor)
    return output


@each_case
@given(shape=shapes, batch=st.integers(1, 5), dtype=st.sampled_from([torch.float32, torch.float64]))
@settings(deadline=None, max_examples=10)
def test_shapes_and_numbers(name: str, sizes: dict[str, Any], shape: Shape, batch: int, dtype: torch.dtype):
    module = built(name, shape, **sizes).to(dtype)
    x = random(batch, shape.sequence_length, shape.channels).to(dtype)
    targets = random(batch, shape.horizon, shape.channels).to(dtype)
    for output in (module(x), forced(module, x, targets), module.eval()(x)):
        assert output.shape == (batch, shape.horizon, shape.channels)
        assert output.dtype == dtype
        assert output.isfinite().all()


@pytest.mark.parametrize("name", RECURRENT)
@each_size
@pytest.mark.parametrize(("horizon", "channels"), [(1, 1), (3, 2)])
def test_parameter_counts(name: str, sizes: dict[str, Any], horizon: int, channels: int):
    hidden, layers, directions = 6, sizes["layers"], 1 + sizes["bidirectional"]

    def stack(cell: str, directions: int) -> int:
        inputs = [channels] + [directions * hidden] * (layers - 1)
        return sum(directions * GATES[cell] * (hidden * width + hidden * hidden + 2 * hidden) for width in inputs)

    if name == "encoder-decoder":
        expected = stack("lstm", directions) + stack("lstm", 1) + (hidden + 1) * channels
    else:
        expected = stack(name, directions) + (directions * hidden + 1) * horizon * channels
    module = built(name, Shape(5, horizon, channels), **sizes)
    assert sum(p.numel() for p in module.parameters()) == expected


@each_case
def test_every_weight_learns(name: str, sizes: dict[str, Any]):
    module = built(name, Shape(5, 3, 2), **sizes).double()
    targets = random(4, 3, 2, seed=2)
    (forced(module, random(4, 5, 2), targets) - targets).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in module.parameters())


@each_model
def test_the_same_seed_gives_the_same_model(name: str):
    shape, x = Shape(5, 3, 2), random(4, 5, 2).float()
    first, second = built(name, shape), built(name, shape)
    assert torch.equal(first(x), second(x))
    assert not torch.equal(first(x), built(name, shape, seed=1)(x))


@each_case
def test_a_window_is_predicted_alike_in_any_company(name: str, sizes: dict[str, Any]):
    module = built(name, Shape(5, 3, 2), **sizes).double().eval()
    x = random(6, 5, 2)
    alone = torch.cat([module(window[None]) for window in x])
    torch.testing.assert_close(module(x), alone, rtol=0, atol=1e-14)
    torch.testing.assert_close(module(x.flip(0)).flip(0), alone, rtol=0, atol=1e-14)


@each_case
@pytest.mark.parametrize("way", ["stacked", "vmap"])
def test_members_together_are_members_alone(name: str, sizes: dict[str, Any], way: str):
    models = [built(name, Shape(5, 3, 2), seed=seed, **sizes).double() for seed in range(3)]
    if way == "stacked" and not getattr(models[0], "stackable", False):
        return  # it is given one member's weights alone
    names = [key for key, _ in models[0].named_parameters()]
    weights = {key: torch.stack([dict(model.named_parameters())[key].detach() for model in models]) for key in names}
    for weight in weights.values():
        weight.requires_grad_()
    x, weigh = random(3, 4, 5, 2), random(3, 4, 3, 2, seed=2)

    def call(own: dict[str, Tensor], inputs: Tensor) -> Tensor:
        output: Tensor = torch.func.functional_call(models[0], own, (inputs,))
        return output

    output = call(weights, x) if way == "stacked" else torch.vmap(call)(weights, x)
    together = torch.autograd.grad((output * weigh).sum(), list(weights.values()))
    for k, model in enumerate(models):
        torch.testing.assert_close(output[k], model(x[k]), rtol=1e-12, atol=1e-13)
        alone = torch.autograd.grad((model(x[k]) * weigh[k]).sum(), list(model.parameters()))
        for both, mine in zip(together, alone, strict=True):
            torch.testing.assert_close(both[k], mine, rtol=1e-10, atol=1e-11)
    if way == "stacked":
        torch.testing.assert_close(call(weights, x[:1])[1], models[1](x[0]), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in GRADIENT if "dropout" in MODELS[name].parameters.model_fields])
def test_dropout_acts_while_training_only(name: str):
    module = built(name, Shape(5, 3, 2), layers=2, dropout=0.5).double()
    x, targets = random(4, 5, 2), random(4, 3, 2, seed=2)
    assert not torch.equal(forced(module, x, targets), forced(module, x, targets))
    module.eval()
    assert torch.equal(module(x), module(x))
    plain = built(name, Shape(5, 3, 2), layers=2).double()
    assert torch.equal(module(x), plain.eval()(x))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@each_size
def test_a_step_never_sees_its_own_or_a_later_target(cell: str, sizes: dict[str, Any]):
    module = built("encoder-decoder", Shape(5, 4, 2), cell=cell, **sizes).double().train()
    x, targets = random(3, 5, 2), random(3, 4, 2, seed=2)
    before = module(x, targets)
    for k in range(4):
        perturbed = targets.clone()
        perturbed[:, k:] += 10
        after = module(x, perturbed)
        assert torch.equal(after[:, : k + 1], before[:, : k + 1])
        assert all((after[:, step] != before[:, step]).all() for step in range(k + 1, 4))


def test_a_free_running_prediction_ignores_targets():
    x, targets = random(3, 5, 2), random(3, 4, 2, seed=2)
    module = built("encoder-decoder", Shape(5, 4, 2)).double().eval()
    assert module.takes_targets is True
    assert module.teacher_forced_prediction is False
    assert torch.equal(module(x, targets), module(x))


def test_a_teacher_forced_prediction_uses_them():
    x, targets = random(3, 5, 2), random(3, 4, 2, seed=2)
    module = built("encoder-decoder", Shape(5, 4, 2), prediction="teacher-forced").double()
    assert module.teacher_forced_prediction is True
    assert torch.equal(module.eval()(x, targets), module.train()(x, targets))
    assert not torch.equal(module.eval()(x, targets), module(x))
