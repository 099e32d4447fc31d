"""N-BEATS, generic: blocks of fully connected layers, each of which forecasts what the ones before left unexplained.

Oreshkin, Carpov, Chapados & Bengio, "N-BEATS: neural basis expansion analysis for interpretable time series
forecasting", ICLR 2020, section 3. It is a method for one variable: each channel is forecast from its own past, and all
channels share the weights; covariates are not read. The paper's ensemble over losses and window lengths is left out.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.modules import Linear
from bench.models.base import Shape
from bench.models.mlp import Perceptron
from bench.models.parameters import NBeatsParameters


class NBeatsBlock(nn.Module):
    """Expansion coefficients from fully connected layers, and a learned basis for each of the two outputs.

    Of the last block no backcast is used, so it has none.
    """

    def __init__(self, parameters: NBeatsParameters, shape: Shape, *, last: bool) -> None:
        super().__init__()
        steps, hidden, size = shape.sequence_length, parameters.hidden_size, parameters.expansion_size
        self.layers = Perceptron([steps, *[hidden] * parameters.layers], functional.relu)
        self.forecast = _expansion(hidden, size, shape.horizon)
        self.backcast = None if last else _expansion(hidden, size, steps)

    def forward(self, x: Tensor) -> tuple[Tensor | None, Tensor]:
        """Map ``[…, T]`` to the backcast ``[…, T]`` and the forecast ``[…, H]``."""
        h = self.layers(x)  # equation 1, first row
        return None if self.backcast is None else self.backcast(h), self.forecast(h)


def _expansion(hidden: int, size: int, steps: int) -> nn.Sequential:
    """``V θ + b`` with ``θ = W h``: equation 1, second row, and the generic basis of section 3.3."""
    return nn.Sequential(Linear(hidden, size, bias=False), Linear(size, steps))


class NBeats(nn.Module):
    """Doubly residual stacking (section 3.2): ``x_l = x_(l-1) - x̂_(l-1)`` and ``ŷ = Σ_l ŷ_l``.

    Generic stacks of the paper have one block each, so that blocks and stacks are the same.
    """

    stackable = True

    def __init__(self, parameters: NBeatsParameters, shape: Shape) -> None:
        super().__init__()
        self.own = shape.own
        last = parameters.blocks - 1
        self.blocks = nn.ModuleList(NBeatsBlock(parameters, shape, last=i == last) for i in range(parameters.blocks))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, D]``; stacked, ``[K, B, T, C]`` to ``[K, B, H, D]``."""
        rest, forecasts = x[..., : self.own].mT, []
        for block in self.blocks:
            backcast, forecast = block(rest)
            forecasts.append(forecast)
            rest = rest if backcast is None else rest - backcast
        return torch.stack(forecasts).sum(0).mT
