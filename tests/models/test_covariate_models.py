"""Models that are given more channels than they forecast: what they read of them, and what they give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.errors import InputError
from bench.models import MODELS
from bench.models.base import Shape
from bench.models.own_module import module_kind
from bench.models.recurrent import Recurrent
from bench.probe.flops import FORMULAS

torch.set_num_threads(1)

SHAPES = [
    Shape(6, 3, 4, outputs=1, covariates=3),
    Shape(6, 2, 3, outputs=2, covariates=1),
]
KINDS = [name for name, kind in MODELS.items() if "forecast" in kind.tasks and not kind.forecaster]
SETTINGS: dict[str, dict[str, Any]] = {
    "sklearn": {"estimator": "sklearn.linear_model.Ridge"},
    "echo-state": {"reservoir_size": 20},
    "dlinear": {"kernel_size": 3},
}
shapes = pytest.mark.parametrize("shape", SHAPES, ids=["one", "two"])


def windows(shape: Shape, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(0)
    return draws.normal(size=(count, 6, shape.channels)), draws.normal(size=(count, *shape.targets))


def predictor(name: str, shape: Shape) -> Any:
    """``predict(x)`` of a model whose initial weights, or fit, are always the same; `x` has the channels of `shape`."""
    kind = MODELS[name]
    parameters = kind.parameters.model_validate(SETTINGS.get(name, {}))
    torch.manual_seed(0)
    model = kind.build(parameters, shape)
    if kind.gradient:
        model.eval()
        return lambda x: model(torch.as_tensor(x, dtype=torch.float32)).detach().numpy()
    x, y = windows(SHAPES[0] if shape.targets[1] == 1 else SHAPES[1])
    model.fit(lambda: iter([(x[..., : shape.channels], y)]))
    return model.predict


@shapes
@pytest.mark.parametrize("name", KINDS)
def test_each_model_forecasts_its_targets_and_reads_what_it_says(name: str, shape: Shape) -> None:
    x, _ = windows(shape)
    predict = predictor(name, shape)
    before = predict(x)
    assert before.shape == (len(x), *shape.targets)
    for channel in range(shape.own, shape.channels):
        other = x.copy()
        other[..., channel] += 1 + np.arange(6)  # no constant, which a model may take out
        assert (predict(other) != before).any() == MODELS[name].reads_covariates
    if not MODELS[name].reads_covariates:
        alone = predictor(name, shape.without_covariates)(x[..., : shape.own])
        np.testing.assert_allclose(before, alone, rtol=1e-6, atol=1e-6)


@shapes
def test_a_forecaster_is_given_what_is_forecast_alone(shape: Shape) -> None:
    assert MODELS["ets"].seen(shape) == Shape(6, shape.horizon, shape.own)
    assert not MODELS["ets"].reads_covariates


def test_flops_of_models_that_read_no_covariates_are_those_without() -> None:
    shape = SHAPES[0]
    for name in ("dlinear", "nlinear", "n-beats", "patchtst"):
        parameters = MODELS[name].parameters()
        assert FORMULAS[name](parameters, shape) == FORMULAS[name](parameters, shape.without_covariates)
    lstm = MODELS["lstm"].parameters()
    assert FORMULAS["lstm"](lstm, shape) != FORMULAS["lstm"](lstm, shape.without_covariates)


@shapes
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_compiled_gradients_are_those_of_autograd(cell: str, shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = MODELS[cell].parameters.model_validate({"hidden_size": 5})
    model = Recurrent(cell, parameters, shape)
    draws = torch.Generator().manual_seed(0)
    for part in model.modules():
        for name, weight in part._parameters.items():
            own = torch.randn(2, *weight.shape, generator=draws, dtype=torch.float64)
            part._parameters[name] = nn.Parameter(own / 3)
    x = torch.randn(2, 9, 6, shape.channels, generator=draws, dtype=torch.float64)
    targets = torch.randn(2, 9, *shape.targets, generator=draws, dtype=torch.float64)
    weights = list(model.parameters())
    losses, gradients = model.losses_and_gradients(x, targets, "mse", torch.cat([each.flatten() for each in weights]))
    monkeypatch.setenv("BENCH_KERNELS", "reference")
    expected = ((model(x) - targets) ** 2).mean((1, 2, 3))
    slopes = torch.autograd.grad(expected.sum(), weights)
    torch.testing.assert_close(losses, expected.detach(), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(gradients, torch.cat([each.flatten() for each in slopes]), rtol=1e-9, atol=1e-12)


class Flat(nn.Module):
    """A module of a user's own, which is given C and D."""

    def __init__(self, sequence_length: int, horizon: int, channels: int, outputs: int) -> None:
        super().__init__()
        self.outputs = horizon, outputs
        self.map = nn.Linear(sequence_length * channels, horizon * outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x.flatten(1)).unflatten(1, self.outputs)


class Same(nn.Module):
    """One that gives as many channels as it is given."""

    def __init__(self, sequence_length: int, horizon: int) -> None:
        super().__init__()
        self.map = nn.Linear(sequence_length, horizon)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x.mT).mT


@shapes
def test_modules_of_ones_own_give_what_is_forecast_or_are_refused(shape: Shape) -> None:
    kind = module_kind("Flat", Flat, "")
    kind.check(kind.parameters(), shape)
    other = module_kind("Same", Same, "")
    other.check(other.parameters(), shape.without_covariates)
    with pytest.raises(InputError, match=rf"\[.*{shape.targets[1]}\]"):
        other.check(other.parameters(), shape)


def test_recursion_without_what_comes_is_refused() -> None:
    kind = MODELS["sklearn"]
    parameters = kind.parameters.model_validate({**SETTINGS["sklearn"], "strategy": "recursive"})
    kind.check(parameters, Shape(6, 3, 2))
    with pytest.raises(InputError, match=r"expected a series without covariates, since strategy recursive .* got 3"):
        kind.check(parameters, SHAPES[0])


def test_a_shape_without_covariates_is_that_of_the_series_alone() -> None:
    assert SHAPES[1].without_covariates == Shape(6, 2, 2)
    classes = replace(SHAPES[1], covariates=0, outputs=7)
    assert classes.without_covariates == classes
