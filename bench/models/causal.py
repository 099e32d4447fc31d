"""What the models of causal layers share: a linear map of the layers' outputs, and the residual block around a layer.

Causal layers map ``[B, T, C]`` to ``[B, T, hidden]``, where the output of a step depends on no later step, so an output
of the last step has seen the whole window.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.models.base import Shape
from bench.models.state_parameters import StateParameters


class Causal(nn.Module):
    """Causal layers, and a linear map: of the last step's output to the whole horizon, or of each one to its own step.

    Windows that end early, in NaN, are mapped from the output of their own last step.

    Parameters
    ----------
    layers
        Maps ``[B, T, C]`` to ``[B, T, hidden_size]``, or to ``[B, 1, hidden_size]`` where `only_last`.
    hidden_size
        Width of their output.
    shape
        Of the data.
    """

    def __init__(self, layers: nn.Module, hidden_size: int, shape: Shape) -> None:
        super().__init__()
        self.every_step, self.variable = shape.every_step, shape.variable
        steps, values = shape.targets
        self.outputs = (1 if shape.every_step else steps, values)
        self.layers = layers
        self.head = nn.Linear(hidden_size, self.outputs[0] * values)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, D]``, or ``[B, T, D]`` at every step."""
        ends = None
        if self.variable:
            unseen = x.isnan()
            ends = (~unseen[..., :1]).sum(-2, keepdim=True) - 1  # [B, 1, 1]
            x = x.masked_fill(unseen, 0.0)
        states = self.layers(x)
        if not self.every_step:
            states = states[..., -1, :] if ends is None else torch.take_along_dim(states, ends, dim=-2).squeeze(-2)
        output: Tensor = self.head(states)
        return output if self.every_step else output.unflatten(-1, self.outputs)


def only_last(shape: Shape) -> bool:
    """Whether nothing but the output of the last step is read, so that the top layer needs to give no other."""
    return not (shape.every_step or shape.variable)


class GatedBlock(nn.Module):
    """``x + GLU(GELU(layer(LayerNorm(x))))``: the block of the LRU's and S4D's authors.

    ``GLU(v) = (W v + b) ⊙ σ(V v + c)`` (Dauphin et al., "Language modeling with gated convolutional networks", 2017,
    equation 1).

    Parameters
    ----------
    layer
        Maps ``[B, T, width]`` to the same shape, or called with ``last_only=True`` to ``[B, 1, width]``.
    width
        Of inputs and outputs.
    last_only
        Whether only the last step is given.
    """

    def __init__(self, layer: nn.Module, width: int, *, last_only: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layer = layer
        self.gated = nn.Linear(width, 2 * width)
        self.last_only = last_only

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, width]`` to the same shape, or to ``[B, 1, width]``."""
        mapped = self.layer(self.norm(x), last_only=self.last_only)
        x = x[..., -1:, :] if self.last_only else x
        return x + functional.glu(self.gated(functional.gelu(mapped)), dim=-1)


def gated_blocks(layer: Callable[[], nn.Module], parameters: StateParameters, shape: Shape) -> Causal:
    """A linear encoder of each step, gated blocks around new layers, and the linear map."""
    width, top = parameters.hidden_size, parameters.layers - 1
    blocks = [GatedBlock(layer(), width, last_only=k == top and only_last(shape)) for k in range(parameters.layers)]
    return Causal(nn.Sequential(nn.Linear(shape.channels, width), *blocks), width, shape)
