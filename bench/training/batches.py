"""Batches gathered from one tensor of the series, by index: the windows themselves are never stored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.windows import Windows

EVALUATION_BATCH = 1024


class TensorWindows:
    """`Windows` over a float32 tensor ``[N, C]`` of the series on a device."""

    def __init__(self, windows: Windows, series: Tensor) -> None:
        self.windows = windows
        self._inputs = series.unfold(0, windows.sequence_length, 1).transpose(1, 2)  # [N - T + 1, T, C], a view
        self._series = series
        self._future = torch.arange(windows.horizon, device=series.device)  # [H]

    def batch(self, which: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Inputs ``[…, T, C]`` and targets ``[…, H, C]`` of the windows numbered `which`, of any shape."""
        places = self.windows.places
        first = torch.from_numpy(places.start + which * places.step).to(self._series.device)
        targets = (first.unsqueeze(-1) + self._future).clamp_max_(self.windows.end - 1)
        return self._inputs[first - self.windows.sequence_length], self._series[targets]

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every window once, in order, in batches for evaluation."""
        for start in range(0, len(self.windows), EVALUATION_BATCH):
            yield self.batch(np.arange(start, min(start + EVALUATION_BATCH, len(self.windows))))


def epoch_order(generator: np.random.Generator, windows: int, limit: int | None) -> NDArray[np.int64]:
    """The numbers of the train windows of one epoch, shuffled; at most `limit` of them."""
    if limit is None or limit >= windows:
        return generator.permutation(windows)
    return generator.choice(windows, size=limit, replace=False)
