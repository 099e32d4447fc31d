"""Layers for one model or for the members of a bank at once, after those of `torch.nn`.

Stacked, that is with weights ``[K, …]``, they take ``[K, B, …]``, or ``[1, B, …]`` for all members. A model that is
made of these, of `bench.kernels.modules.Linear` and of functions without weights is `stackable`: one call serves all.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.modules import Linear
from bench.models.base import Shape


class LayerNorm(nn.LayerNorm):
    """As `torch.nn.LayerNorm`: Ba, Kiros & Hinton, "Layer normalization", 2016, equations 3 and 4."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Normalise the last dimensions, as many as weights of one member have."""
        if self.weight.ndim == len(self.normalized_shape):
            return super().forward(input)
        normal = functional.layer_norm(input, self.normalized_shape, eps=self.eps)
        return torch.addcmul(_over(self.bias, input), normal, _over(self.weight, input))


def _over(weight: Tensor, x: Tensor) -> Tensor:
    """A member's weights ``[K, …]`` with dimensions of 1 after the first, as many as ``x`` has dimensions."""
    return weight.reshape(len(weight), *[1] * (x.ndim - weight.ndim), *weight.shape[1:])


class Dropout(nn.Module):
    """As `torch.nn.Dropout`; each member of a bank has a random stream of its own."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self._generators: Sequence[torch.Generator] | None = None

    def draw_from(self, generators: Sequence[torch.Generator]) -> None:
        """Draw from a generator for each member: then no member's masks depend on the others.

        Of a single member, inputs have a first dimension of members or not.
        """
        self._generators = generators

    def forward(self, x: Tensor) -> Tensor:
        """Zero a share of the values while training, and scale the rest to the same mean."""
        if not self.training or self.share == 0:
            return x
        if self._generators is None:
            return functional.dropout(x, self.share)
        mask = torch.empty_like(x)
        members = mask if len(self._generators) > 1 else [mask]
        for own, generator in zip(members, self._generators, strict=True):
            own.bernoulli_(1 - self.share, generator=generator)
        return x * mask.div_(1 - self.share)


class Head(nn.Module):
    """A linear map of features: of a window to its whole target, or of each step to the step's own."""

    def __init__(self, features: int, shape: Shape) -> None:
        super().__init__()
        steps, values = shape.targets
        self.outputs = (1 if shape.every_step else steps, values)
        self.map = Linear(features, self.outputs[0] * values)
        self.every_step = shape.every_step

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, features]`` to ``[B, T, D]`` at every step, else ``[B, features]`` to ``[B, H, D]``."""
        output: Tensor = self.map(x)
        return output if self.every_step else output.unflatten(-1, self.outputs)
