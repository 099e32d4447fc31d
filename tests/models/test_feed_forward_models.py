"""MLP, DLinear, NLinear, N-BEATS and TSMixer against their equations in plain NumPy, and what follows from these."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.models import MODELS
from bench.models.base import Shape
from bench.models.layers import Dropout, LayerNorm

torch.set_num_threads(1)

Array = NDArray[np.float64]
EXACT = {"rtol": 0, "atol": 1e-12}
SHAPE = Shape(7, 3, 2)
BATCH = 4


def model(name: str, shape: Shape = SHAPE, **parameters: Any) -> tuple[nn.Module, dict[str, Array]]:
    torch.manual_seed(0)
    module = MODELS[name].build(MODELS[name].parameters(**parameters), shape).double().eval()
    return module, {key: value.numpy() for key, value in module.state_dict().items()}


def inputs(shape: Shape = SHAPE) -> Array:
    return np.random.default_rng(0).normal(size=(BATCH, shape.sequence_length, shape.channels))


def output(module: nn.Module, x: Array) -> Array:
    return module(torch.from_numpy(x)).detach().numpy()


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def affine(x: Array, weights: dict[str, Array], name: str) -> Array:
    return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0.0)


def count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize("layers", [1, 3])
def test_an_mlp_is_its_products(layers: int) -> None:
    module, weights = model("mlp", layers=layers, hidden_size=5)
    x = inputs()
    h = x.reshape(BATCH, -1)
    for number in range(layers):
        h = relu(affine(h, weights, f"hidden.maps.{number}"))
    np.testing.assert_allclose(output(module, x), affine(h, weights, "head.map").reshape(BATCH, 3, 2), **EXACT)
    assert count(module) == (14 + 1) * 5 + (layers - 1) * (5 + 1) * 5 + (5 + 1) * 6


def test_an_mlp_classifies() -> None:
    module, _ = model("mlp", Shape(7, 1, 2, "classify", 4))
    assert output(module, inputs()).shape == (BATCH, 1, 4)


@pytest.mark.parametrize("width", [1, 3, 25])
def test_dlinear_maps_trend_and_remainder(width: int) -> None:
    module, weights = model("dlinear", kernel_size=width)
    x = inputs()
    ends = (width - 1) // 2
    expected = np.zeros((BATCH, 3, 2))
    for row, channel in np.ndindex(BATCH, 2):
        window = x[row, :, channel]
        trend = np.convolve(np.pad(window, ends, mode="edge"), np.full(width, 1 / width), mode="valid")
        expected[row, :, channel] = affine(trend, weights, "trend") + affine(window - trend, weights, "remainder")
    np.testing.assert_allclose(output(module, x), expected, **EXACT)
    assert count(module) == 2 * (7 + 1) * 3


def test_nlinear_by_hand() -> None:
    """The mean step of the window goes on: weights 1/6 and -1/6 at its ends, as drift has them."""
    module, _ = model("nlinear", Shape(7, 2, 1))
    weight = torch.zeros(2, 7)
    weight[:, 0] = torch.tensor([-1 / 6, -2 / 6])  # the last value is 0 after it is subtracted
    module.load_state_dict({"map.weight": weight, "map.bias": torch.tensor([0.5, 0.0])})
    x = inputs(Shape(7, 2, 1))
    step = (x[:, -1] - x[:, 0]) / 6
    expected = np.stack([x[:, -1] + step + 0.5, x[:, -1] + 2 * step], axis=1)
    np.testing.assert_allclose(output(module, x), expected, rtol=0, atol=1e-7)  # 1/6 in float32


def test_nlinear_without_weights_is_persistence_and_moves_with_the_level() -> None:
    module, _ = model("nlinear")
    x = inputs()
    np.testing.assert_allclose(output(module, x + 100), output(module, x) + 100, rtol=0, atol=1e-11)
    module.load_state_dict({"map.weight": torch.zeros(3, 7), "map.bias": torch.zeros(3)})
    np.testing.assert_array_equal(output(module, x), np.repeat(x[:, -1:], 3, axis=1))


@pytest.mark.parametrize(("blocks", "layers"), [(1, 1), (3, 2)])
def test_n_beats_sums_what_its_blocks_forecast_of_the_rest(blocks: int, layers: int) -> None:
    module, weights = model("n-beats", blocks=blocks, layers=layers, hidden_size=5, expansion_size=2)
    x = inputs()
    rest, total = np.swapaxes(x, 1, 2), np.zeros((BATCH, 2, 3))
    for block in range(blocks):
        h = rest
        for number in range(layers):
            h = relu(affine(h, weights, f"blocks.{block}.layers.maps.{number}"))
        of = {
            part: affine(affine(h, weights, f"blocks.{block}.{part}.0"), weights, f"blocks.{block}.{part}.1")
            for part in ("forecast", "backcast")
            if f"blocks.{block}.{part}.0.weight" in weights
        }
        total = total + of["forecast"]
        assert ("backcast" in of) == (block < blocks - 1)
        rest = rest - of.get("backcast", 0.0)
    np.testing.assert_allclose(output(module, x), np.swapaxes(total, 1, 2), **EXACT)
    layer = (7 + 1) * 5 + (layers - 1) * (5 + 1) * 5
    forecast, backcast = 5 * 2 + (2 + 1) * 3, 5 * 2 + (2 + 1) * 7
    assert count(module) == blocks * (layer + forecast) + (blocks - 1) * backcast


def test_a_backcast_that_explains_everything_leaves_nothing_to_forecast() -> None:
    """Blocks whose forecasts have no bias see zeros once the first has taken the whole window away."""
    module, _ = model("n-beats", Shape(7, 3, 1), blocks=2, layers=1, hidden_size=14, expansion_size=7)
    eye, nothing = torch.eye(7, dtype=torch.float64), torch.zeros(7, dtype=torch.float64)
    first, second = module.blocks
    first.layers.maps[0].load_state_dict({"weight": torch.cat([eye, -eye]), "bias": torch.cat([nothing, nothing])})
    first.backcast[0].load_state_dict({"weight": torch.cat([eye, -eye], 1)})  # relu(x) - relu(-x) = x
    first.backcast[1].load_state_dict({"weight": eye, "bias": nothing})
    for part in (second.layers.maps[0], second.forecast[1]):
        part.load_state_dict({"weight": part.weight, "bias": torch.zeros_like(part.bias)})
    x = torch.from_numpy(inputs(Shape(7, 3, 1)))
    _, alone = first(x.mT)
    torch.testing.assert_close(module(x), alone.mT, rtol=0, atol=1e-12)


def normal(x: Array, weights: dict[str, Array], name: str) -> Array:
    """Over steps and channels of each window."""
    mean, variance = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


@pytest.mark.parametrize("layers", [1, 2])
def test_tsmixer_mixes_steps_then_channels(layers: int) -> None:
    module, _ = model("tsmixer", layers=layers, hidden_size=5)
    for norm in (part for part in module.modules() if isinstance(part, LayerNorm)):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    weights = {key: value.numpy() for key, value in module.state_dict().items()}
    x = y = inputs()
    for number in range(layers):
        name = f"layers.{number}"
        steps = relu(affine(np.swapaxes(normal(y, weights, f"{name}.time_norm"), 1, 2), weights, f"{name}.time.maps.0"))
        y = y + np.swapaxes(steps, 1, 2)
        hidden = relu(affine(normal(y, weights, f"{name}.channel_norm"), weights, f"{name}.expand.maps.0"))
        y = y + affine(hidden, weights, f"{name}.reduce")
    expected = np.swapaxes(affine(np.swapaxes(y, 1, 2), weights, "projection"), 1, 2)
    np.testing.assert_allclose(output(module, x), expected, **EXACT)
    assert count(module) == layers * (4 * 14 + (7 + 1) * 7 + (2 + 1) * 5 + (5 + 1) * 2) + (7 + 1) * 3


@pytest.mark.parametrize("of", [(4,), (3, 4)])
def test_a_stacked_norm_is_torchs_norm_of_each_member(of: tuple[int, ...]) -> None:
    norms = [nn.LayerNorm(of).double() for _ in range(3)]
    for norm in norms:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    stacked = LayerNorm(of)
    stacked.weight, stacked.bias = (
        nn.Parameter(torch.stack([getattr(norm, name).detach() for norm in norms])) for name in ("weight", "bias")
    )
    x = torch.randn(3, 5, 3, 4, dtype=torch.float64)
    for inputs, members in ((x, [0, 1, 2]), (x[:1], [0, 0, 0])):
        expected = torch.stack([norm(inputs[row]) for norm, row in zip(norms, members, strict=True)])
        torch.testing.assert_close(stacked(inputs), expected, rtol=0, atol=1e-13)


def streams(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_dropout_zeroes_its_share_and_keeps_the_mean() -> None:
    dropout, ones = Dropout(0.3), torch.ones(2, 100_000)
    dropout.draw_from(streams(1, 2))
    values = dropout(ones)
    assert set(values.unique().tolist()) == {0.0, (ones[0, 0] / 0.7).item()}
    # five standard errors of a share of 100 000
    assert (values == 0).double().mean(1) == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / 100_000))
    assert dropout.eval()(ones) is ones


def test_a_members_dropout_is_its_own_in_any_company() -> None:
    dropout, x = Dropout(0.5), torch.randn(3, 4, 5)

    def dropped(x: Tensor, *seeds: int) -> Tensor:
        dropout.draw_from(streams(*seeds))
        values: Tensor = dropout(x)
        return values

    together = dropped(x, 7, 8, 9)
    for row, seed in enumerate((7, 8, 9)):
        assert torch.equal(dropped(x[row : row + 1], seed)[0], together[row])
        assert torch.equal(dropped(x[row], seed), together[row])  # a pass of its own
    for one, other in pairwise(together):
        assert not torch.equal(one == 0, other == 0)
