"""Recurrent models and encoder–decoder against the cells' equations in a plain NumPy loop.

Equations: the documentation of torch.nn.RNN, torch.nn.LSTM and torch.nn.GRU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.models import MODELS
from bench.models.base import Shape

torch.set_num_threads(1)

Array = NDArray[np.float64]
State = tuple[Array, ...]  # h, and c of an LSTM; [B, hidden]
Weights = dict[str, Array]
EXACT = {"rtol": 0, "atol": 1e-12}


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def rnn_step(from_x: Array, from_h: Array, state: State) -> State:
    return (np.tanh(from_x + from_h),)


def relu_step(from_x: Array, from_h: Array, state: State) -> State:
    return (np.maximum(from_x + from_h, 0),)


def lstm_step(from_x: Array, from_h: Array, state: State) -> State:
    i, f, g, o = np.split(from_x + from_h, 4, axis=1)
    c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(from_x: Array, from_h: Array, state: State) -> State:
    (r_x, z_x, n_x), (r_h, z_h, n_h) = np.split(from_x, 3, axis=1), np.split(from_h, 3, axis=1)
    r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
    n = np.tanh(n_x + r * n_h)
    return ((1 - z) * n + z * state[0],)


STEPS: dict[str, Callable[[Array, Array, State], State]] = {
    "rnn": rnn_step, "relu": relu_step, "lstm": lstm_step, "gru": gru_step,
}  # fmt: skip


def layer(step: str, weights: Weights, name: str, x: Array, state: State) -> tuple[Array, State]:
    """Run one direction of one layer over ``x`` ``[B, T, C]``: its states ``[B, T, hidden]`` and the last."""
    states = []
    for t in range(x.shape[1]):
        from_x = x[:, t] @ weights[f"weight_ih_{name}"].T + weights[f"bias_ih_{name}"]
        from_h = state[0] @ weights[f"weight_hh_{name}"].T + weights[f"bias_hh_{name}"]
        state = STEPS[step](from_x, from_h, state)
        states.append(state[0])
    return np.stack(states, axis=1), state


def stack(
    step: str, weights: Weights, x: Array, start: list[State], *, bidirectional: bool
) -> tuple[Array, list[State]]:
    """Run every layer: the top states ``[B, T, directions · hidden]`` and each layer's and direction's last."""
    final = []
    for number in range(len(start) // (1 + bidirectional)):
        outputs, state = layer(step, weights, f"l{number}", x, start[len(final)])
        final.append(state)
        if bidirectional:
            backward, state = layer(step, weights, f"l{number}_reverse", x[:, ::-1], start[len(final)])
            final.append(state)
            outputs = np.concatenate([outputs, backward[:, ::-1]], axis=2)
        x = outputs
    return x, final


def zeros(step: str, count: int, batch: int, hidden: int) -> list[State]:
    return [(np.zeros((batch, hidden)),) * (2 if step == "lstm" else 1)] * count


def under(weights: Weights, name: str) -> Weights:
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}


def model(name: str, shape: Shape, **parameters: Any) -> tuple[torch.nn.Module, Weights]:
    torch.manual_seed(0)
    module = MODELS[name].build(MODELS[name].parameters(hidden_size=5, **parameters), shape).double().eval()
    return module, {key: value.numpy() for key, value in module.state_dict().items()}


def inputs(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("length", "horizon"), [(1, 1), (6, 3)])
def test_recurrent_models_follow_the_equations(step: str, layers: int, bidirectional: bool, length: int, horizon: int):
    name, options = ("rnn", {"nonlinearity": "relu"}) if step == "relu" else (step, {})
    shape = Shape(length, horizon, 2)
    module, weights = model(name, shape, layers=layers, bidirectional=bidirectional, **options)
    x = inputs(4, length, 2)

    start = zeros(step, layers * (1 + bidirectional), 4, 5)
    _, final = stack(step, under(weights, "layers"), x, start, bidirectional=bidirectional)
    top = np.concatenate([state[0] for state in final[-(1 + bidirectional) :]], axis=1)  # each has seen the window
    expected = (top @ weights["head.weight"].T + weights["head.bias"]).reshape(4, horizon, 2)

    np.testing.assert_allclose(module(torch.from_numpy(x)).detach().numpy(), expected, **EXACT)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("teacher", [False, True])
@pytest.mark.parametrize(("length", "horizon"), [(1, 1), (6, 4)])
def test_encoder_decoder_follows_the_equations(
    cell: str, layers: int, bidirectional: bool, teacher: bool, length: int, horizon: int
):
    shape = Shape(length, horizon, 2)
    module, weights = model("encoder-decoder", shape, cell=cell, layers=layers, bidirectional=bidirectional)
    x, targets = inputs(4, length, 2), inputs(4, horizon, 2)
    directions = 1 + bidirectional

    start = zeros(cell, layers * directions, 4, 5)
    _, final = stack(cell, under(weights, "encoder"), x, start, bidirectional=bidirectional)
    state = [
        tuple(sum(parts) for parts in zip(*final[i : i + directions], strict=True))
        for i in range(0, len(final), directions)
    ]
    value, values = x[:, -1], []
    for k in range(horizon):
        if teacher and k > 0:
            value = targets[:, k - 1]
        output, state = stack(cell, under(weights, "decoder"), value[:, None], state, bidirectional=False)
        value = output[:, 0] @ weights["head.weight"].T + weights["head.bias"]
        values.append(value)

    given_targets = (torch.from_numpy(targets),) if teacher else ()
    output = module.train(teacher)(torch.from_numpy(x), *given_targets).detach().numpy()
    np.testing.assert_allclose(output, np.stack(values, axis=1), **EXACT)
