"""Temporal convolutional network: residual blocks of causal dilated convolutions.

Bai, Kolter & Koltun, "An empirical evaluation of generic convolutional and recurrent networks for sequence modeling",
2018, section 3. A convolution is written as one matrix product over the steps that its taps see: the members of a bank
are then one batch of products, where convolutions with weights of their own would be one group each.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.modules import Linear, linear
from bench.models.base import Shape
from bench.models.layers import Dropout, Head
from bench.models.parameters import TCNParameters


class CausalConvolution(nn.Linear):
    """``F(s) = Σ_i f(i) · x_(s - d·i)``, i from 0 to k - 1 (section 3.2), with ``x = 0`` before the window.

    Weights are normalised: ``w = g v / ‖v‖`` for each output (Salimans & Kingma, "Weight normalization", 2016, equation
    2), `weight` being `v`, ``[out, k · in]``, the oldest tap first, and `gain` being `g`.
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, dilation: int) -> None:
        super().__init__(kernel_size * inputs, outputs)
        self.kernel_size, self.dilation = kernel_size, dilation
        self.gain = nn.Parameter(self.weight.detach().norm(dim=-1))  # so that w begins as v

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Map ``[…, T, in]`` to ``[…, T, out]``."""
        steps, reach = input.shape[-2], (self.kernel_size - 1) * self.dilation
        padded = functional.pad(input, (0, 0, reach, 0))
        taps = [padded.narrow(-2, tap * self.dilation, steps) for tap in range(self.kernel_size)]
        weight = self.weight * (self.gain / self.weight.norm(dim=-1)).unsqueeze(-1)
        return linear(torch.cat(taps, dim=-1), weight, self.bias)


class ResidualBlock(nn.Module):
    """``o = ReLU(x + F(x))`` (equation 2), F being two convolutions, each with ReLU and dropout (figure 1b)."""

    def __init__(self, inputs: int, parameters: TCNParameters, dilation: int) -> None:
        super().__init__()
        hidden, kernel_size = parameters.hidden_size, parameters.kernel_size
        self.first = CausalConvolution(inputs, hidden, kernel_size, dilation)
        self.second = CausalConvolution(hidden, hidden, kernel_size, dilation)
        self.shortcut = nn.Identity() if inputs == hidden else Linear(inputs, hidden)  # a convolution of one step
        self.dropout = Dropout(parameters.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[…, T, in]`` to ``[…, T, hidden]``."""
        inner = self.dropout(functional.relu(self.first(x)))
        inner = self.dropout(functional.relu(self.second(inner)))
        return functional.relu(self.shortcut(x) + inner)


class TCN(nn.Module):
    """Blocks with dilations 1, 2, 4, …; the last step's features are mapped to the horizon, or each step's own."""

    stackable = True

    def __init__(self, parameters: TCNParameters, shape: Shape) -> None:
        super().__init__()
        widths = [shape.channels] + [parameters.hidden_size] * (parameters.blocks(shape.sequence_length) - 1)
        self.blocks = nn.Sequential(*(ResidualBlock(width, parameters, 2**i) for i, width in enumerate(widths)))
        self.head = Head(parameters.hidden_size, shape)
        self.every_step = shape.every_step

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, D]``, or ``[B, T, D]`` at every step; stacked, all with a first ``K``."""
        features = self.blocks(x)
        output: Tensor = self.head(features if self.every_step else features[..., -1, :])
        return output
