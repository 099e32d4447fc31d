"""Models with `torch.nn`'s own layers are the same models."""

from __future__ import annotations

import itertools
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.kernels.modules import Layers, Linear
from bench.models import MODELS
from bench.models.base import Shape
from bench.models.torch_layers import with_torch_layers
from bench.training.vmapped import why_not

torch.set_num_threads(1)

CASES = [
    (name, {"layers": layers, "bidirectional": both})
    for name, layers, both in itertools.product(("rnn", "lstm", "gru", "encoder-decoder"), (1, 2), (False, True))
] + [
    ("rnn", {"nonlinearity": "relu"}),
    ("encoder-decoder", {"cell": "gru", "prediction": "teacher-forced"}),
]
SHAPE = Shape(sequence_length=6, horizon=3, channels=2)


def pair(name: str, parameters: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    """One model with the project's layers and one with torch's, of the same weights, in float64."""
    kind = MODELS[name]
    ours = kind.build(kind.parameters(hidden_size=5, **parameters), SHAPE).double()
    return ours, with_torch_layers(deepcopy(ours))


def outputs(module: nn.Module) -> list[Tensor]:
    x = torch.randn(4, 6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    trained = module(x, y) if getattr(module, "takes_targets", False) else module(x)
    module.zero_grad()
    (trained - y).square().sum().backward()
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    with torch.no_grad():
        module.eval()
        given = (x, y) if getattr(module, "teacher_forced_prediction", False) else (x,)
        predicted = module(*given)
    return [trained.detach(), predicted, *gradients]


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=str)
def test_the_two_have_equal_weights_outputs_and_gradients(name: str, parameters: dict[str, Any]) -> None:
    ours, theirs = pair(name, parameters)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    for mine, other in zip(outputs(ours), outputs(theirs), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", [name for name, kind in MODELS.items() if kind.gradient and "forecast" in kind.tasks])
def test_every_kind_is_the_same_model_with_torchs_layers(name: str) -> None:
    kind = MODELS[name]
    ours = kind.build(kind.parameters(), SHAPE).double()
    theirs = with_torch_layers(deepcopy(ours))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert not any(isinstance(module, Layers | Linear) for module in theirs.modules())
    for mine, other in zip(outputs(ours), outputs(theirs), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("name", "parameters"), CASES[::3], ids=str)
def test_the_state_dict_of_one_loads_into_the_other(name: str, parameters: dict[str, Any]) -> None:
    ours, theirs = pair(name, parameters)
    for source, target in ((ours, theirs), (theirs, ours)):
        for weight in source.parameters():
            nn.init.normal_(weight, std=0.3)
        target.load_state_dict(source.state_dict())
        for mine, other in zip(outputs(source), outputs(target), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["lstm", "encoder-decoder"])
def test_every_layer_is_torchs_and_the_model_is_trained_member_by_member(name: str) -> None:
    ours, theirs = pair(name, {})
    assert any(isinstance(module, nn.LSTM) for module in theirs.modules())
    for module in theirs.modules():
        assert not isinstance(module, Layers | Linear)
    assert why_not(ours, SHAPE) is None
    assert "torch.nn.LSTM" in str(why_not(theirs, SHAPE))


def test_dtype_and_mode_are_kept() -> None:
    module = MODELS["gru"].build(MODELS["gru"].parameters(), SHAPE).double().eval()
    layer = with_torch_layers(module).layers
    assert (layer.training, layer.weight_hh_l0.dtype) == (False, torch.float64)
