"""Which values of the window an output depends on, by its gradient: the statements of docs/suites.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.models import MODELS
from bench.models.base import Shape
from bench.models.parameters import TCNParameters

torch.set_num_threads(1)

STEPS, HORIZON, CHANNELS, WINDOWS = 10, 3, 2, 32
OWN_CHANNEL = {"dlinear", "nlinear", "n-beats", "patchtst"}
STATE_MODELS = ["mingru", "minlstm", "slstm", "lru", "s4d", "selective-ssm"]
EVERYTHING = {"rnn", "lstm", "gru", "encoder-decoder", "mlp", "tcn", "tsmixer", "transformer", *STATE_MODELS}
AT_EVERY_STEP = ["rnn", "lstm", "gru", "tcn", "transformer", *STATE_MODELS]


def built(name: str, shape: Shape, **parameters: Any) -> nn.Module:
    torch.manual_seed(0)
    module = MODELS[name].build(MODELS[name].parameters(**parameters), shape).double()
    assert isinstance(module, nn.Module)
    return module


def windows(steps: int = STEPS) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(WINDOWS, steps, CHANNELS, generator=generator, dtype=torch.float64, requires_grad=True)


def seen(module: nn.Module, steps: int = STEPS) -> NDArray[np.bool_]:
    """``[U, D, T, C]``: whether the output has a gradient to the input, in any window."""
    x = windows(steps)
    output = module(x)
    found = np.zeros((*output.shape[1:], steps, CHANNELS), dtype=bool)
    for place in np.ndindex(*output.shape[1:]):
        (gradient,) = torch.autograd.grad(output[(slice(None), *place)].sum(), x, retain_graph=True)
        found[place] = (gradient != 0).any(0).numpy()
    return found


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_every_output_depends_on_the_whole_window(name: str) -> None:
    assert seen(built(name, Shape(STEPS, HORIZON, CHANNELS))).all()


@pytest.mark.parametrize("name", sorted(OWN_CHANNEL))
def test_a_channel_depends_on_its_own_past_alone(name: str) -> None:
    reads = seen(built(name, Shape(STEPS, HORIZON, CHANNELS)))
    for output, channel in np.ndindex(CHANNELS, CHANNELS):
        assert (reads[:, output, :, channel] == (output == channel)).all()


@pytest.mark.parametrize(("layers", "kernel_size", "field"), [(1, 2, 3), (2, 2, 7), (1, 4, 7), (2, 3, 13), (3, 2, 15)])
def test_a_tcn_depends_on_the_last_steps(layers: int, kernel_size: int, field: int) -> None:
    steps = 18
    module = built("tcn", Shape(steps, HORIZON, CHANNELS), layers=layers, kernel_size=kernel_size)
    assert TCNParameters(kernel_size=kernel_size).receptive_field(layers) == field
    reads = seen(module, steps)
    assert reads[:, :, steps - field :].all()
    assert not reads[:, :, : steps - field].any()


@pytest.mark.parametrize("kernel_size", [2, 3, 5])
def test_a_tcn_has_the_fewest_blocks_that_reach_over_the_window(kernel_size: int) -> None:
    parameters = TCNParameters(kernel_size=kernel_size)
    for steps in range(1, 300):
        blocks = parameters.blocks(steps)
        assert parameters.receptive_field(blocks) >= steps
        assert blocks == 1 or parameters.receptive_field(blocks - 1) < steps
    assert TCNParameters(layers=2).blocks(1000) == 2


@pytest.mark.parametrize("name", AT_EVERY_STEP)
def test_at_every_step_an_output_depends_on_the_steps_up_to_its_own(name: str) -> None:
    reads = seen(built(name, Shape(STEPS, 1, CHANNELS, "denoise", every_step=True)))
    for step in range(STEPS):
        assert reads[step, :, : step + 1].all()
        assert not reads[step, :, step + 1 :].any()


@pytest.mark.parametrize("name", AT_EVERY_STEP)
def test_a_forecast_at_every_step_is_a_forecast_from_each_beginning(name: str) -> None:
    module = built(name, Shape(STEPS, 1, CHANNELS, every_step=True))
    x = windows().detach()
    for step in range(STEPS):
        torch.testing.assert_close(module(x)[:, step], module(x[:, : step + 1])[:, -1], rtol=1e-11, atol=1e-12)


def test_every_kind_that_is_trained_to_forecast_states_what_it_depends_on() -> None:
    assert {name for name, kind in MODELS.items() if kind.gradient and "forecast" in kind.tasks} == (
        OWN_CHANNEL | EVERYTHING
    )
