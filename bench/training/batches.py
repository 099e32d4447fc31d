"""Batches gathered from tensors by index: windows themselves are never stored."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.models.base import Shape
from bench.protocol.windows import Examples, Selection, Windows
from bench.spec import AsPublished, Training

EVALUATION_BATCH = 1024
"""Examples that are evaluated at once, at most."""
EVALUATION_STEPS = 1 << 18
"""Steps of examples of all members that are evaluated at once, at most: the layers' outputs at each are kept."""


class Tensors(Protocol):
    """Examples as tensors on a device."""

    @property
    def examples(self) -> Examples:
        """What they are made of."""

    def batch(self, which: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Inputs ``[…, T, C]`` and targets ``[…, U, D]`` of the examples numbered `which`, of any shape."""


class TensorWindows:
    """`Windows` over a float32 tensor ``[N, C]`` of the series on a device.

    `ahead` says which points are the targets, counted from the first after the window; the horizon where it is
    `None`.
    """

    def __init__(self, windows: Windows, series: Tensor, ahead: Tensor | None = None) -> None:
        self.examples = self.windows = windows
        self._inputs = series.unfold(0, windows.sequence_length, 1).transpose(1, 2)  # [N - T + 1, T, C], a view
        self._series = series
        self._ahead = (torch.arange(windows.horizon) if ahead is None else ahead).to(series.device)  # [U]

    def batch(self, which: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Inputs ``[…, T, C]`` and targets ``[…, U, C]`` of the windows numbered `which`, of any shape."""
        first = torch.from_numpy(self.windows.first_targets(which)).to(self._series.device)
        last = torch.as_tensor(self.windows.last_targets(which), device=self._series.device)
        targets = torch.minimum(first.unsqueeze(-1) + self._ahead, last.unsqueeze(-1))
        return self._inputs[first - self.windows.sequence_length], self._series[targets]


class TensorSequences:
    """`Selection` over tensors of all sequences on a device."""

    def __init__(self, selection: Selection, inputs: Tensor, targets: Tensor) -> None:
        self.examples = selection
        self._inputs, self._targets = inputs, targets

    def batch(self, which: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Inputs ``[…, T, C]`` and targets ``[…, U, D]`` of the sequences numbered `which`, of any shape."""
        rows = torch.from_numpy(self.examples.places.start + which).to(self._inputs.device)
        return self._inputs[rows], self._targets[rows]


class OnDevice:
    """The data of one bank on its device: all parts share one copy."""

    def __init__(self, examples: Examples, device: str) -> None:
        self._sources = _arrays(examples)
        self._arrays = [torch.from_numpy(array.astype(np.float32, copy=False)).to(device) for array in self._sources]

    def holds(self, examples: Examples) -> bool:
        """Whether `examples` lie over the same data."""
        return all(mine is theirs for mine, theirs in zip(self._sources, _arrays(examples), strict=True))

    def tensors(self, examples: Examples, ahead: Tensor | None = None) -> Tensors:
        """`examples`, which must lie over the same data."""
        if isinstance(examples, Selection):
            return TensorSequences(examples, self._arrays[0], self._arrays[1])
        if isinstance(examples, Windows):
            return TensorWindows(examples, self._arrays[0], ahead)
        raise TypeError(f"expected Windows or a Selection, got {type(examples).__name__}")


def _arrays(examples: Examples) -> list[NDArray[Any]]:
    """What the `examples` are parts of."""
    if isinstance(examples, Selection):
        return [examples.all_inputs, examples.all_targets]
    if isinstance(examples, Windows):
        return [examples.values]
    raise TypeError(f"expected Windows or a Selection, got {type(examples).__name__}")


def targets_ahead(shape: Shape, as_published: AsPublished) -> Tensor | None:
    """The points to predict in train windows of a series, where outputs at every step are wanted; else `None`.

    Each step predicts the value after it, or all of them for the one value after the window.
    """
    if not shape.every_step or shape.task != "forecast":
        return None
    steps = shape.sequence_length
    if as_published.targets == "same-at-every-step":
        return torch.zeros(steps, dtype=torch.int64)
    return torch.arange(1 - steps, 1)


def in_order(tensors: Tensors, members: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Every example once, in order, in batches for the evaluation of so many `members`."""
    count, steps = len(tensors.examples), tensors.examples.sequence_length
    size = min(EVALUATION_BATCH, max(64, EVALUATION_STEPS // (members * steps)))
    for start in range(0, count, size):
        yield tensors.batch(np.arange(start, min(start + size, count)))


class Epochs:
    """Which train examples an epoch goes through, and in what batches.

    Parameters
    ----------
    count
        Train examples.
    training
        Batch size, and examples in an epoch.
    as_published
        Order, and whether a last batch that is not full is dropped.
    stride
        Where state is carried from one batch to the next: the steps of a window. Then row `b` of each batch goes on
        where row `b` of the batch before ended, and the order is fixed. Else `None`.
    """

    def __init__(self, count: int, training: Training, as_published: AsPublished, stride: int | None = None) -> None:
        self._count, self._limit, self._size = count, training.windows_per_epoch, training.batch_size
        self._in_order = as_published.order == "in-order"
        self._drops = as_published.last_batch == "dropped"
        self._stride = stride

    def order(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """The numbers of the examples of one epoch, batch after batch; at most `windows_per_epoch` of them."""
        if self._stride is not None:
            return self._streams(self._stride)
        limit = self._examples
        if self._in_order:
            return np.arange(limit)
        if limit == self._count:
            return generator.permutation(self._count)
        return generator.choice(self._count, size=limit, replace=False)

    def _streams(self, stride: int) -> NDArray[np.int64]:
        """Windows that lie end to end, dealt to the rows of the batches in runs of equal length."""
        rows, batches = self._grid(stride)
        return (np.arange(rows)[None, :] * batches + np.arange(batches)[:, None]).reshape(-1) * stride

    def _grid(self, stride: int) -> tuple[int, int]:
        """Rows of a batch whose windows lie end to end, and batches."""
        windows = -(-self._count // stride)
        rows = min(self.size, windows)
        return rows, windows // rows

    @property
    def _examples(self) -> int:
        """In one epoch."""
        if self._stride is not None:
            return math.prod(self._grid(self._stride))
        return self._count if self._limit is None else min(self._limit, self._count)

    @property
    def size(self) -> int:
        """Examples in a batch."""
        return self._count if self._size == "all" else min(self._size, self._count)

    @property
    def cuts(self) -> list[slice]:
        """The batches of an epoch, as parts of its order."""
        count = self._examples
        cuts = [slice(start, min(start + self.size, count)) for start in range(0, count, self.size)]
        return cuts[:-1] if self._drops and len(cuts) > 1 and count % self.size else cuts

    def batches(self, order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Cut ``order`` ``[L, examples]`` into batches ``[L, B]``."""
        for cut in self.cuts:
            yield order[:, cut]


class Batches:
    """The batches of members that are trained together, epoch after epoch, each member in an order of its own.

    Parameters
    ----------
    epochs
        Over the train examples.
    generators
        Of the order of each member.
    """

    def __init__(self, epochs: Epochs, generators: Sequence[np.random.Generator]) -> None:
        self._epochs, self._generators = epochs, generators
        self._orders: dict[int, NDArray[np.int64]] = {}
        self._cuts = epochs.cuts
        self._next = 0

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch."""
        return len(self._cuts)

    @property
    def begin_an_epoch(self) -> bool:
        """Whether the next batch is the first of an epoch."""
        return self._next == 0

    def take(self, live: Sequence[int]) -> NDArray[np.int64]:
        """The next batch of the `live` members, ``[L, B]``: one that left before has no batch any more."""
        if self.begin_an_epoch:
            self._orders = {k: self._epochs.order(self._generators[k]) for k in live}
        cut = self._cuts[self._next]
        self._next = (self._next + 1) % self.per_epoch
        return np.stack([self._orders[k][cut] for k in live])
