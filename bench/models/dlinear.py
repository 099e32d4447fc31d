"""DLinear and NLinear: one linear map of the window to the horizon, after a simple change of it.

Zeng, Chen, Zhang & Xu, "Are Transformers effective for time series forecasting?", AAAI 2023, section 4. A channel is
forecast from its own past; all channels share the weights, as in the paper's tables. Covariates are not read.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.modules import Linear
from bench.models.base import Shape
from bench.models.parameters import DLinearParameters, NoParameters


class DLinear(nn.Module):
    """A trend and a remainder, each mapped on its own: ``ŷ = W_t trend + b_t + W_r (x - trend) + b_r``.

    The trend is the moving average of an odd number of steps around each step. The window's first and last values are
    repeated beyond its ends (Wu et al., "Autoformer", NeurIPS 2021, equation 1).
    """

    stackable = True

    def __init__(self, parameters: DLinearParameters, shape: Shape) -> None:
        super().__init__()
        self.kernel_size, self.own = parameters.kernel_size, shape.own
        self.trend = Linear(shape.sequence_length, shape.horizon)
        self.remainder = Linear(shape.sequence_length, shape.horizon)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, D]``; stacked, ``[K, B, T, C]`` to ``[K, B, H, D]``."""
        channels = x[..., : self.own].mT  # […, B, D, T]
        trend = moving_average(channels, self.kernel_size)
        output: Tensor = self.trend(trend) + self.remainder(channels - trend)
        return output.mT


def moving_average(x: Tensor, width: int) -> Tensor:
    """The mean of the `width` steps around each step of ``[…, T]``; its ends are repeated. `width` is odd."""
    ends = (width - 1) // 2
    shape = (*x.shape[:-1], ends)
    padded = torch.cat([x[..., :1].expand(shape), x, x[..., -1:].expand(shape)], dim=-1)
    rows = padded.flatten(0, -2).unsqueeze(1)
    return functional.avg_pool1d(rows, width, stride=1).view(x.shape)


class NLinear(nn.Module):
    """The window less its last value, mapped, and that value added again: ``ŷ = W (x - x_T) + b + x_T``."""

    stackable = True

    def __init__(self, _parameters: NoParameters, shape: Shape) -> None:
        super().__init__()
        self.own = shape.own
        self.map = Linear(shape.sequence_length, shape.horizon)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, D]``; stacked, ``[K, B, T, C]`` to ``[K, B, H, D]``."""
        x = x[..., : self.own]
        last = x[..., -1:, :]
        output: Tensor = self.map((x - last).mT)
        return output.mT + last
