"""Modules that each fail one check; the name says which."""

import os
import random
import time

import torch
from torch import nn


class Copies(nn.Module):
    """Persistence times one weight: nothing is wrong with it."""

    def __init__(self, horizon: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), gain))
        self.horizon = horizon

    def forward(self, x):
        return (x[:, -1:] * self.weight).expand(-1, self.horizon, -1)


class FailsShapes(Copies):
    def forward(self, x):
        return super().forward(x)[:, 0]


class FailsBatch(Copies):
    """Peeks at the windows next to it: of a test part, those hold its target."""

    def forward(self, x):
        return super().forward(x) + x.roll(-1, 0)[:, -1:]


class FailsSeeds(Copies):
    def __init__(self, horizon: int) -> None:
        super().__init__(horizon, random.random())


class NeverFinite(Copies):
    """It gives the same NaN alone and in a batch, and again with the same seed."""

    def forward(self, x):
        return super().forward(x) * float("nan")


class FailsNumbers(Copies):
    def forward(self, x):
        return super().forward(x) / x.std(1, keepdim=True)


class FailsGradients(Copies):
    def forward(self, x):
        return super().forward(x).detach()


class FailsTraining(Copies):
    def forward(self, x):
        return super().forward(x) * 0 + (self.weight - self.weight.detach()) ** 2


class Hangs(Copies):
    def forward(self, x):
        while self.training:
            time.sleep(0.05)
        return super().forward(x)


class Ends(Copies):
    def forward(self, x):
        os._exit(7)


class BatchNorm(nn.Module):
    """Sound, and trained one by one."""

    def __init__(self, sequence_length: int, horizon: int, outputs: int) -> None:
        super().__init__()
        self.norm, self.target = nn.BatchNorm1d(sequence_length), (horizon, outputs)
        self.head = nn.LazyLinear(horizon * outputs) if horizon < 0 else nn.Linear(sequence_length, horizon * outputs)

    def forward(self, x):
        return self.head(self.norm(x[..., 0])).unflatten(-1, self.target)
