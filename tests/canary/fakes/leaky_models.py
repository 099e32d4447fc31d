"""Models that see what they must not. Each looks like an honest one from outside."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


class Centred(nn.Module):
    """Centres its inputs on the mean of the batch, which holds later windows."""

    def __init__(self, parameters, shape) -> None:
        super().__init__()
        self.map = nn.Linear(shape.sequence_length, shape.horizon)

    def forward(self, x: Tensor) -> Tensor:
        return self.map((x - x.mean(dim=0)).transpose(1, 2)).transpose(1, 2)


class Peeking(nn.Module):
    """Asks for teacher forcing and hands back the very target instead of the one before."""

    takes_targets = True
    teacher_forced_prediction = True

    def __init__(self, parameters, shape) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, targets: Tensor) -> Tensor:
        return targets + self.offset


class Tracing:
    """A closed form that follows its windows back to the array that they are views of."""

    def __init__(self, parameters, shape) -> None:
        self.horizon = shape.horizon

    def fit(self, batches) -> None:
        array, _ = next(batches())
        while array.base is not None:
            array = array.base
        self.level = np.asarray(array).mean()

    def predict(self, x):
        return np.full((len(x), self.horizon, x.shape[2]), self.level)

    def parameter_count(self) -> int:
        return 1


class Backwards(nn.Module):
    """Denoises each step by the one after it, and does not say so."""

    def __init__(self, parameters, shape) -> None:
        super().__init__()
        self.map = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(torch.roll(x, -1, dims=1))


class Together(nn.Module):
    """Centres its inputs on the mean of the batch, which holds other sequences."""

    def __init__(self, parameters, shape) -> None:
        super().__init__()
        self.outputs = shape.targets
        self.map = nn.Linear(shape.sequence_length * shape.channels, self.outputs[0] * self.outputs[1])

    def forward(self, x: Tensor) -> Tensor:
        return self.map((x - x.mean(dim=0)).flatten(1)).unflatten(-1, self.outputs)


class Answering(nn.Module):
    """Asks for teacher forcing and is right a little more often than it can be."""

    takes_targets = True
    teacher_forced_prediction = True

    def __init__(self, parameters, shape) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(1))
        self.noise = torch.randn(1024, *shape.targets)

    def forward(self, x: Tensor, targets: Tensor) -> Tensor:
        return targets + self.noise[: len(targets)].to(targets) + self.offset
