"""PatchTST: a Transformer encoder over patches of the window, each channel on its own.

Nie, Nguyen, Sinthong & Kalagnanam, "A time series is worth 64 words: long-term forecasting with Transformers", ICLR
2023, section 3.1. All channels share the weights; covariates are not read. Layer normalisation stands where the paper
has batch normalisation: a window is then predicted the same in any company, and the members of a bank train as one.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.modules import Linear
from bench.models.base import Shape
from bench.models.layers import Dropout
from bench.models.parameters import PatchTSTParameters
from bench.models.transformer import EncoderLayer

EPSILON = 1e-5  # of the reversible instance normalisation


class PatchTST(nn.Module):
    """Patches of a window are embedded, attend to each other, and are mapped together to the horizon."""

    stackable = True

    def __init__(self, parameters: PatchTSTParameters, shape: Shape) -> None:
        super().__init__()
        self.own = shape.own
        self.length, self.stride, count = parameters.patches(shape.sequence_length)
        width = parameters.hidden_size
        self.embedding = Linear(self.length, width)  # W_p
        self.position = nn.Parameter(nn.init.uniform_(torch.empty(count, width), -0.02, 0.02))  # W_pos
        layers = (EncoderLayer(parameters, functional.gelu, causal=False) for _ in range(parameters.layers))
        self.layers = nn.Sequential(*layers)
        self.dropout = Dropout(parameters.dropout)
        self.head = Linear(count * width, shape.horizon)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, D]``; stacked, ``[K, B, T, C]`` to ``[K, B, H, D]``."""
        channels = x[..., : self.own].mT  # […, B, D, T]
        mean, scale = level_and_scale(channels)
        patches = patched((channels - mean) / scale, self.length, self.stride)
        position = self.position.unsqueeze(-3).unsqueeze(-3)  # […, 1, 1, N, width]: of all windows and channels
        features = self.layers(self.dropout(self.embedding(patches) + position))
        output: Tensor = self.head(features.flatten(-2)) * scale + mean
        return output.mT


def level_and_scale(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each window ``[…, T]``: taken out first, and given back to the forecast.

    Kim et al., "Reversible instance normalization for accurate time-series forecasting", ICLR 2022, equations 1 to 3,
    without their affine map.
    """
    return x.mean(-1, keepdim=True), (x.var(-1, correction=0, keepdim=True) + EPSILON).sqrt()


def patched(x: Tensor, length: int, stride: int) -> Tensor:
    """The patches ``[…, N, length]`` of ``[…, T]``, a stride apart; first the last value is repeated `stride` times."""
    padding = x[..., -1:].expand(*x.shape[:-1], stride)
    return torch.cat([x, padding], dim=-1).unfold(-1, length, stride)
