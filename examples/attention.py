"""One layer of causal attention over the window: a model of your own for bench."""

import math

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Map windows ``[B, T, C]`` to forecasts ``[B, H, D]``.

    bench gives `sequence_length`, `horizon`, `channels` and `outputs` to parameters of these names; the suite sets
    `width`. The mask is a buffer that training leaves as it is, so the replicates are trained as one.
    """

    def __init__(self, sequence_length: int, horizon: int, channels: int, outputs: int, width: int = 16) -> None:
        super().__init__()
        self.places = nn.Parameter(0.02 * torch.randn(sequence_length, width))
        self.embed = nn.Linear(channels, width)
        self.queries, self.keys, self.values = (nn.Linear(width, width) for _ in range(3))
        self.head = nn.Linear(2 * width, horizon * outputs)
        self.register_buffer("future", torch.ones(sequence_length, sequence_length).triu(1).bool())
        self.target = horizon, outputs

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, C] -> [B, H, D]``."""
        h = self.embed(x) + self.places  # [B, T, W]
        scores = self.queries(h) @ self.keys(h).transpose(-1, -2) / math.sqrt(h.shape[-1])  # [B, T, T]
        read = scores.masked_fill(self.future, float("-inf")).softmax(-1) @ self.values(h)
        last = torch.cat([h[:, -1], read[:, -1]], dim=-1)  # [B, 2 W]
        return self.head(last).unflatten(-1, self.target)
