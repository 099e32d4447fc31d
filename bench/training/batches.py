"""Batches gathered from one tensor of the series, by index: the windows themselves are never stored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from bench.data.windows import Windows

EVALUATION_BATCH = 1024


class TensorWindows:
    """`Windows` over a float32 tensor ``[N, C]`` of the series on a device."""

    def __init__(self, windows: Windows, series: torch.Tensor) -> None:
        self.windows = windows
        self.series = series
        self._past = torch.arange(-windows.sequence_length, 0, device=series.device)  # [T]
        self._future = torch.arange(windows.horizon, device=series.device)  # [H]

    def batch(self, which: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs ``[B, T, C]`` and targets ``[B, H, C]`` of the windows numbered `which`."""
        places = self.windows.places
        first = torch.from_numpy(places.start + which * places.step).to(self.series.device)[:, None]  # [B, 1]
        targets = (first + self._future).clamp_max_(self.windows.end - 1)
        return self.series[first + self._past], self.series[targets]

    def in_order(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Every window once, in order, in batches for evaluation."""
        for start in range(0, len(self.windows), EVALUATION_BATCH):
            yield self.batch(np.arange(start, min(start + EVALUATION_BATCH, len(self.windows))))


def epoch_order(generator: np.random.Generator, windows: int, limit: int | None) -> NDArray[np.int64]:
    """The numbers of the train windows of one epoch, shuffled; at most `limit` of them."""
    if limit is None or limit >= windows:
        return generator.permutation(windows)
    return generator.choice(windows, size=limit, replace=False)
