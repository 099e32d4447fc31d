"""Multinomial logistic regression: what can be said of a class without any order of the steps."""

from __future__ import annotations

from torch import Tensor, nn

from bench.kernels.linear import Linear
from bench.models.base import Shape
from bench.models.parameters import NoParameters


class LogisticRegression(nn.Module):
    """A linear map of all `T · C` inputs to the logits of the classes."""

    stackable = True

    def __init__(self, _parameters: NoParameters, shape: Shape) -> None:
        super().__init__()
        self.head = Linear(shape.sequence_length * shape.channels, shape.targets[1])

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, 1, D]``; stacked, ``[K, B, T, C]`` to ``[K, B, 1, D]``."""
        logits: Tensor = self.head(x.flatten(-2)).unsqueeze(-2)
        return logits
