"""Keras's layers in torch: their counts and initial weights; and equal to Keras itself where it is installed."""

from __future__ import annotations

import importlib.util
import math
import os
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from bench.models import MODELS
from bench.models.base import Shape
from bench.models.keras_layers import keras_layers
from bench.models.parameters import RecurrentParameters
from bench.models.recurrent import Recurrent

torch.set_num_threads(1)

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported, where it is

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
each_cell = pytest.mark.parametrize("cell", GATES)
with_keras = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason="needs Keras: pip install keras, and KERAS_BACKEND=torch"
)


def built(cell: str, shape: Shape, **parameters: Any) -> Recurrent:
    kind = MODELS[cell]
    model = kind.build(kind.parameters(layer="keras", **parameters), shape)
    assert isinstance(model, Recurrent)
    return model


def test_the_published_counts() -> None:
    model = built("rnn", Shape(20, 1, 1), hidden_size=16)
    counts = [sum(weight.numel() for weight in part.parameters()) for part in (model.layers, model.head)]
    assert counts == [288, 17]


@each_cell
@pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
def test_counts(cell: str, both: bool) -> None:
    model = built(cell, Shape(5, 1, 3), hidden_size=4, layers=2, bidirectional=both)
    ways, biases = 1 + both, 2 if cell == "gru" else 1
    expected = sum(ways * GATES[cell] * 4 * (inputs + 4 + biases) for inputs in (3, ways * 4))
    assert sum(weight.numel() for weight in model.layers.parameters()) == expected


@each_cell
def test_the_equations_are_torch_s_with_a_second_bias_of_zero(cell: str) -> None:
    layers = keras_layers(cell, 3, RecurrentParameters(hidden_size=4, layers=2), bidirectional=True).double()
    other = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    truth = other(3, 4, num_layers=2, bidirectional=True, batch_first=True).double()
    for weight in layers.parameters():
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(weight.numel()))
    zeros = {name: torch.zeros_like(weight) for name, weight in truth.named_parameters() if "bias_hh" in name}
    truth.load_state_dict(zeros | layers.state_dict())
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    for mine, theirs in zip(layers(x), truth(x), strict=True):
        torch.testing.assert_close(mine, theirs)


@each_cell
def test_initial_weights(cell: str) -> None:
    torch.manual_seed(0)
    inputs, hidden, gates = 40, 30, GATES[cell]
    model = built(cell, Shape(5, 1, inputs, outputs=7), hidden_size=hidden)
    weights = {name.removesuffix("_l0"): weight.detach() for name, weight in model.layers.named_parameters()}
    limit = math.sqrt(6 / (inputs + gates * hidden))
    kernel = weights["weight_ih"].numpy().ravel()
    assert stats.kstest(kernel, stats.uniform(-limit, 2 * limit).cdf).pvalue > 1e-3
    recurrent = weights["weight_hh"]  # [gates · H, H]: one orthogonal matrix over all gates
    torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(hidden), rtol=0, atol=1e-5)
    bias = torch.zeros(gates * hidden)
    if cell == "lstm":
        bias[hidden : 2 * hidden] = 1
    assert torch.equal(weights["bias_ih"], bias)
    assert torch.equal(weights.get("bias_hh", torch.zeros(0)), torch.zeros(gates * hidden if cell == "gru" else 0))
    head = model.head.weight.detach().numpy().ravel()
    limit = math.sqrt(6 / (hidden + 7))
    assert stats.kstest(head, stats.uniform(-limit, 2 * limit).cdf).pvalue > 1e-3
    assert not model.head.bias.any()


def keras_model(cell: str, sizes: tuple[int, int, int, int]) -> Any:
    """Keras's own: one recurrent layer and a Dense of its last output, from ``(T, C, H, D)``."""
    import keras

    steps, channels, hidden, values = sizes
    layer = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    return keras.Sequential([keras.Input((steps, channels)), layer(hidden), keras.layers.Dense(values)])


def as_keras(model: Recurrent, cell: str) -> list[np.ndarray]:
    """The weights of `model` in the order and layout of Keras: kernels transposed, a GRU's gates z, r, n."""

    def gates(weight: Tensor) -> Tensor:
        if cell != "gru":
            return weight
        r, z, n = weight.chunk(3)
        return torch.cat([z, r, n])

    own = {name.removesuffix("_l0"): gates(weight.detach()) for name, weight in model.layers.named_parameters()}
    bias = torch.stack([own["bias_ih"], own["bias_hh"]]) if cell == "gru" else own["bias_ih"]
    head = model.head.weight.detach().T, model.head.bias.detach()
    return [weight.numpy() for weight in (own["weight_ih"].T, own["weight_hh"].T, bias, *head)]


@with_keras
@pytest.mark.filterwarnings("default")
@each_cell
def test_equal_to_keras_in_outputs_and_gradients(cell: str) -> None:
    torch.manual_seed(0)
    theirs = keras_model(cell, (6, 3, 5, 2))
    model = built(cell, Shape(6, 1, 3, outputs=2), hidden_size=5)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    theirs.set_weights(as_keras(model, cell))
    x = torch.randn(4, 6, 3)
    mine, other = model(x)[:, 0], theirs(x)
    torch.testing.assert_close(mine, other.cpu(), rtol=1e-5, atol=1e-6)
    model.zero_grad()
    mine.square().sum().backward()
    other.square().sum().backward()
    found = built(cell, Shape(6, 1, 3, outputs=2), hidden_size=5)
    for holder, weight in zip(found.parameters(), model.parameters(), strict=True):
        assert weight.grad is not None
        holder.data = weight.grad
    for ours, variable in zip(as_keras(found, cell), theirs.trainable_variables, strict=True):
        np.testing.assert_allclose(ours, variable.value.grad.cpu().numpy(), rtol=1e-4, atol=1e-5)


@with_keras
@pytest.mark.filterwarnings("default")
@each_cell
def test_initial_weights_are_distributed_as_keras_s(cell: str) -> None:
    sizes = 3, 2, 8, 4
    import keras

    keras.utils.set_random_seed(1)
    theirs = [[weight.copy() for weight in keras_model(cell, sizes).get_weights()] for _ in range(40)]
    ours = [as_keras(built(cell, Shape(3, 1, 2, outputs=4), hidden_size=8), cell) for _ in range(40)]
    for mine, other in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True):
        mine_all, other_all = np.stack(mine), np.stack(other)
        assert mine_all.shape == other_all.shape
        if np.ptp(other_all, axis=0).max() == 0:  # biases
            np.testing.assert_array_equal(mine_all[0], other_all[0])
            continue
        assert stats.ks_2samp(mine_all.ravel(), other_all.ravel()).pvalue > 1e-3
        # Rows against rows: those of an orthogonal matrix give 0 and 1, but for rounding.
        products = [np.einsum("kij,klj->kil", part, part).round(4) + 0.0 for part in (mine_all, other_all)]
        assert stats.ks_2samp(*(part.ravel() for part in products)).pvalue > 1e-3


@with_keras
@pytest.mark.filterwarnings("default")
def test_keras_counts_as_many() -> None:
    theirs = keras_model("rnn", (20, 1, 16, 1))
    assert [layer.count_params() for layer in theirs.layers] == [288, 17]
