"""TCN, Transformer and PatchTST against torch's own layers with the same weights, and plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import InputError
from bench.models import MODELS
from bench.models.base import Shape
from bench.models.patchtst import PatchTST, patched
from bench.models.tcn import TCN, CausalConvolution
from bench.models.transformer import EncoderLayer, Transformer, attend, positions

torch.set_num_threads(1)

SHAPE = Shape(9, 3, 2)
BATCH = 4
DENOISE = Shape(9, 1, 2, "denoise", 3, every_step=True)
CLASSIFY = Shape(9, 1, 2, "classify", 5)


def built(name: str, shape: Shape = SHAPE, **parameters: Any) -> Any:
    torch.manual_seed(0)
    return MODELS[name].build(MODELS[name].parameters(hidden_size=6, **parameters), shape).double().eval()


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("kernel_size", "dilation"), [(2, 1), (3, 2), (4, 5)])
def test_a_causal_convolution_is_a_sum_over_earlier_steps(kernel_size: int, dilation: int) -> None:
    layer = CausalConvolution(2, 3, kernel_size, dilation).double()
    nn.init.normal_(layer.gain)
    v = layer.weight.detach().view(3, kernel_size, 2)
    w = v * (layer.gain.detach() / v.square().sum((1, 2)).sqrt()).view(3, 1, 1)
    x = random(BATCH, 9, 2)
    expected = torch.zeros(BATCH, 9, 3, dtype=torch.float64) + layer.bias.detach()
    for step in range(9):
        for tap in range(kernel_size):
            seen = step - dilation * tap  # F(s) = Σ f(i) x_(s - d i)
            if seen >= 0:
                expected[:, step] += x[:, seen] @ w[:, kernel_size - 1 - tap].T
    close(layer(x), expected)


def convolved(x: Tensor, layer: CausalConvolution) -> Tensor:
    """The same by `torch.nn.Conv1d` under torch's weight norm; ``[B, in, T]``."""
    outputs, taps = len(layer.weight), layer.kernel_size
    theirs = nn.Conv1d(layer.in_features // taps, outputs, taps, dilation=layer.dilation).double()
    theirs = nn.utils.parametrizations.weight_norm(theirs)
    v = layer.weight.detach().view(outputs, taps, -1).transpose(1, 2)
    theirs.load_state_dict(
        {
            "bias": layer.bias.detach(),
            "parametrizations.weight.original0": layer.gain.detach().view(-1, 1, 1),
            "parametrizations.weight.original1": v,
        }
    )
    output: Tensor = theirs(functional.pad(x, ((taps - 1) * layer.dilation, 0)))
    return output


@pytest.mark.parametrize("shape", [SHAPE, Shape(9, 2, 6), DENOISE, CLASSIFY], ids=str)
@pytest.mark.parametrize("sizes", [{}, {"layers": 1, "kernel_size": 4}], ids=str)
def test_a_tcn_is_torchs_convolutions(shape: Shape, sizes: dict[str, Any]) -> None:
    model = built("tcn", shape, **sizes)
    assert isinstance(model, TCN)
    for part in model.modules():
        if isinstance(part, CausalConvolution):
            nn.init.normal_(part.gain)
    x = random(BATCH, 9, shape.channels)
    h = x.mT
    for block in model.blocks:
        inner = convolved(h, block.first).relu()
        inner = convolved(inner, block.second).relu()
        shortcut = h if isinstance(block.shortcut, nn.Identity) else block.shortcut(h.mT).mT
        h = (inner + shortcut).relu()
    features = h.mT if shape.every_step else h[..., -1]
    expected = functional.linear(features, model.head.map.weight, model.head.map.bias)
    close(model(x), expected.view(BATCH, *shape.targets))
    assert isinstance(model.blocks[0].shortcut, nn.Identity) == (shape.channels == 6)
    assert [block.first.dilation for block in model.blocks] == [2**i for i in range(len(model.blocks))]


def test_weight_norm_begins_with_the_weights_as_they_are_drawn() -> None:
    layer = CausalConvolution(2, 3, 2, 1).double()
    torch.testing.assert_close(layer.gain, layer.weight.norm(dim=1))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("leading", [(), (4,), (3, 4, 2)], ids=str)
def test_attention_is_torchs(causal: bool, leading: tuple[int, ...]) -> None:
    query, key, value = (random(*leading, 7, 5, seed=seed) for seed in range(3))
    expected = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    close(attend(query, key, value, causal=causal), expected)
    if len(leading) == 3:
        close(torch.vmap(lambda *parts: attend(*parts, causal=causal))(query, key, value), expected)


def theirs(layer: EncoderLayer, activation: str) -> nn.TransformerEncoderLayer:
    """`torch.nn`'s layer with the same weights."""
    width, hidden = layer.reduce.out_features, layer.reduce.in_features
    other = nn.TransformerEncoderLayer(
        width,
        layer.attention.heads,
        hidden,
        dropout=0.0,
        activation=activation,
        batch_first=True,
        norm_first=layer.norm_first,
    )
    parts = {
        "self_attn.in_proj_": layer.attention.inputs,
        "self_attn.out_proj.": layer.attention.output,
        "linear1.": layer.expand.maps[0],
        "linear2.": layer.reduce,
        "norm1.": layer.norms[0],
        "norm2.": layer.norms[1],
    }
    weights = {f"{name}{of}": getattr(part, of).detach() for name, part in parts.items() for of in ("weight", "bias")}
    other.double().load_state_dict(weights)
    return other  # in training mode: torch's short cut for inference is another code


def spread(model: nn.Module) -> None:
    """Weights that every part of a layer shows with: norms and biases begin as ones and zeros."""
    for number, weight in enumerate(model.parameters()):
        if weight.ndim == 1:
            weight.data = 1 + random(*weight.shape, seed=number) / 4


def sinusoids(steps: int, width: int) -> Tensor:
    """Section 3.5, entry by entry."""
    table = np.zeros((steps, width))
    for step, place in np.ndindex(steps, width):
        angle = step / 10000 ** ((place - place % 2) / width)
        table[step, place] = math.cos(angle) if place % 2 else math.sin(angle)
    return torch.from_numpy(table)


@pytest.mark.parametrize("width", [6, 7, 1])
def test_positions_are_sines_and_cosines(width: int) -> None:
    close(positions(40, width, torch.zeros(1, dtype=torch.float64)), sinusoids(40, width))


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("shape", [SHAPE, DENOISE, CLASSIFY], ids=str)
def test_a_transformer_is_torchs_encoder(norm_first: bool, heads: int, shape: Shape) -> None:
    model = built("transformer", shape, norm_first=norm_first, heads=heads, expansion=3)
    assert isinstance(model, Transformer)
    spread(model)
    x = random(BATCH, 9, 2)
    h = functional.linear(x, model.embedding.weight, model.embedding.bias) + sinusoids(9, 6)
    mask = nn.Transformer.generate_square_subsequent_mask(9, dtype=torch.float64)
    for layer in model.layers:
        h = theirs(layer, "relu")(h, src_mask=mask, is_causal=True)
    if norm_first:
        h = functional.layer_norm(h, (6,), model.norm.weight, model.norm.bias)
    features = h if shape.every_step else h[:, -1]
    expected = functional.linear(features, model.head.map.weight, model.head.map.bias)
    close(model(x), expected.view(BATCH, *shape.targets))


@pytest.mark.parametrize("sizes", [{}, {"patch_length": 3, "stride": 3}, {"patch_length": 9, "stride": 1}], ids=str)
def test_a_patchtst_is_torchs_encoder_over_patches(sizes: dict[str, Any]) -> None:
    model = built("patchtst", heads=2, **sizes)
    assert isinstance(model, PatchTST)
    spread(model)
    length, stride = sizes.get("patch_length", 4), sizes.get("stride", 2)  # half of 9 steps, and half of a patch
    x = random(BATCH, 9, 2)
    expected = torch.zeros(BATCH, 3, 2, dtype=torch.float64)
    for channel in range(2):
        window = x[..., channel]
        mean, scale = window.mean(1, keepdim=True), (window.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
        normal = (window - mean) / scale
        ended = torch.cat([normal] + [normal[:, -1:]] * stride, 1)
        starts = range(0, 9 + stride - length + 1, stride)
        h = torch.stack([model.embedding(ended[:, start : start + length]) for start in starts], 1) + model.position
        assert len(starts) == (9 - length) // stride + 2
        for layer in model.layers:
            h = theirs(layer, "gelu")(h)
        expected[..., channel] = model.head(h.flatten(1)) * scale + mean
    close(model(x), expected)


def test_patches_of_a_window_that_they_divide_and_of_one_that_they_do_not() -> None:
    assert patched(torch.arange(6.0), 4, 2).tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 5, 5]]
    assert patched(torch.arange(7.0), 4, 2).tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 6]]


@pytest.mark.parametrize("steps", [1, 2, 3, 31, 32, 33, 100])
def test_patches_follow_the_window(steps: int) -> None:
    length, stride, count = MODELS["patchtst"].parameters().patches(steps)
    assert 1 <= stride <= length <= min(16, max(1, steps / 2))
    assert len(patched(torch.zeros(steps), length, stride)) == count


def test_a_patchtst_keeps_to_the_units_of_its_window() -> None:
    model, x = built("patchtst"), 100 * random(BATCH, 9, 2)
    torch.testing.assert_close(model(1000 * x - 7), 1000 * model(x) - 7, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"patch_length": 12},
            "expected patch_length ≤ sequence_length, got patch_length 12 and sequence_length 9; lengthen the "
            "sequence, exclude it for this model, or leave patch_length out",
        ),
        (
            {"stride": 5},
            "expected stride ≤ patch_length, so that no step is left out, got stride 5 and patch_length 4; lower "
            "stride or leave it out",
        ),
    ],
)
def test_patches_that_do_not_fit_the_window_are_refused(given: dict[str, int], said: str) -> None:
    with pytest.raises(InputError) as caught:
        built("patchtst", **given)
    assert str(caught.value) == said


OWN_CHANNELS = ["dlinear", "nlinear", "n-beats", "tsmixer", "patchtst"]


@pytest.mark.parametrize("name", OWN_CHANNELS)
def test_what_forecasts_each_channel_as_itself_needs_targets_of_its_channels(name: str) -> None:
    with pytest.raises(InputError, match=r"^expected targets of the window's own 2 channels, got 1 other"):
        MODELS[name].build(MODELS[name].parameters(), Shape(9, 1, 2, outputs=1))


@pytest.mark.parametrize("name", ["mlp", *OWN_CHANNELS])
def test_what_sees_the_whole_window_has_no_output_at_every_step(name: str) -> None:
    with pytest.raises(InputError, match=r"^expected targets after the window alone"):
        MODELS[name].build(MODELS[name].parameters(), Shape(9, 1, 2, every_step=True))


@pytest.mark.parametrize("name", ["mlp", "tcn", "transformer", *OWN_CHANNELS])
def test_windows_that_end_early_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"^expected windows of one length"):
        MODELS[name].build(MODELS[name].parameters(), Shape(9, 1, 2, variable=True))
