"""Causal Transformer encoder: each step attends to itself and to the steps before it.

Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3: the encoder, with the decoder's mask. A sublayer
normalises its input unless stated: without a warm-up, the original order trains unreliably (Xiong et al., "On layer
normalization in the Transformer architecture", ICML 2020).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.modules import Linear
from bench.models.base import Shape
from bench.models.layers import Dropout, Head, LayerNorm
from bench.models.mlp import Perceptron
from bench.models.parameters import TransformerParameters


class Attention(nn.Module):
    """Multi-head self-attention (section 3.2.2); `causal` hides the steps after each step (section 3.2.3).

    The mask is made where it is used: as a buffer of the module it would be one more thing that members of a bank have.
    """

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.inputs = Linear(width, 3 * width)  # W^Q, W^K and W^V of all heads, as torch.nn.MultiheadAttention
        self.output = Linear(width, width)  # W^O

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[…, T, width]`` to the same shape."""
        parts = self.inputs(x).unflatten(-1, (3, self.heads, -1))  # […, T, 3, heads, width / heads]
        query, key, value = parts.transpose(-4, -2).unbind(-3)  # […, heads, T, width / heads] each
        output: Tensor = self.output(attend(query, key, value, causal=self.causal).transpose(-3, -2).flatten(-2))
        return output


def attend(query: Tensor, key: Tensor, value: Tensor, *, causal: bool) -> Tensor:
    """``softmax(Q Kᵀ / √d) V`` (equation 1) of ``[…, T, d]``; `causal`: over each step's past and itself."""
    scores = (query / math.sqrt(query.shape[-1])) @ key.mT  # […, T, T]
    if causal:
        steps = scores.shape[-1]
        scores = scores + torch.full((steps, steps), -math.inf, dtype=scores.dtype, device=scores.device).triu(1)
    return scores.softmax(-1) @ value


class EncoderLayer(nn.Module):
    """Attention, then two linear maps with `activation` between (equation 2), each added to what comes in.

    The norm is that of the sublayer's input (`norm_first`), else that of the sum, as published.
    """

    def __init__(
        self, parameters: TransformerParameters, activation: Callable[[Tensor], Tensor], *, causal: bool
    ) -> None:
        super().__init__()
        width, self.norm_first = parameters.hidden_size, parameters.norm_first
        self.attention = Attention(width, parameters.heads, causal=causal)
        self.expand = Perceptron([width, parameters.expansion * width], activation, parameters.dropout)
        self.reduce = Linear(parameters.expansion * width, width)
        self.norms = nn.ModuleList([LayerNorm(width), LayerNorm(width)])
        self.dropout = Dropout(parameters.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[…, T, width]`` to the same shape."""
        sublayers: tuple[Callable[[Tensor], Tensor], ...] = (self.attention, self._feed_forward)
        for norm, sublayer in zip(self.norms, sublayers, strict=True):
            added = self.dropout(sublayer(norm(x) if self.norm_first else x))
            x = x + added if self.norm_first else norm(x + added)
        return x

    def _feed_forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.reduce(self.expand(x))
        return output


def positions(steps: int, width: int, x: Tensor) -> Tensor:
    """``[steps, width]``: sines and cosines of wavelengths from 2π to 10000 · 2π (section 3.5), as `x` has them."""
    step = torch.arange(steps, dtype=x.dtype, device=x.device).unsqueeze(1)
    rate = torch.exp(torch.arange(0, width, 2, dtype=x.dtype, device=x.device) * (-math.log(10000.0) / width))
    angles = step * rate
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[:, :width]  # sine and cosine in turn


class Transformer(nn.Module):
    """Values and positions, encoder layers, and a linear map of the last step to the horizon, or of each step."""

    stackable = True

    def __init__(self, parameters: TransformerParameters, shape: Shape) -> None:
        super().__init__()
        self.width, self.every_step = parameters.hidden_size, shape.every_step
        self.embedding = Linear(shape.channels, self.width)
        layers = (EncoderLayer(parameters, functional.relu, causal=True) for _ in range(parameters.layers))
        self.layers = nn.Sequential(*layers)
        self.norm = LayerNorm(self.width) if parameters.norm_first else nn.Identity()  # of what no norm has seen
        self.dropout = Dropout(parameters.dropout)
        self.head = Head(self.width, shape)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, D]``, or ``[B, T, D]`` at every step; stacked, all with a first ``K``."""
        values = self.dropout(self.embedding(x) + positions(x.shape[-2], self.width, x))
        features = self.layers(values)
        output: Tensor = self.head(self.norm(features if self.every_step else features[..., -1, :]))
        return output
