"""A computation that is recorded as one CUDA graph when it is first done, and launched whole from then on.

A step of a recurrent bank is a chain of small batched products: a thousand kernels and more, one after another, each
of which the processor needs longer to launch than the GPU to compute. A graph launches all of them at once (Gray,
"Getting started with CUDA graphs", 2019; `torch.cuda.CUDAGraph`). It reads its inputs where they were recorded, so
those of each call are copied there. On other devices nothing is recorded, and all else is the same.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[..., tuple[Tensor, ...]]

WARM_UP = 3
"""Calls before one is recorded, in which libraries choose and allocate what they use, as torch's manual requests."""


class Recorded:
    """`function`, recorded once for each shape of its inputs.

    Parameters
    ----------
    function
        From tensors to tensors. It changes none, draws no random number, does not look at values, and reads other
        tensors, such as weights, at places that stay.
    device
        Of all its tensors.
    """

    def __init__(self, function: Function, device: torch.device) -> None:
        self._function, self._device = function, device
        self._calls: dict[tuple[torch.Size, ...], _Call] = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What the function gives; it is overwritten by the next call."""
        shapes = tuple(each.shape for each in inputs)
        if shapes not in self._calls:
            self._calls[shapes] = _Call(self._function, inputs, self._device)
        return self._calls[shapes](inputs)


class _Call:
    """The function over inputs that stay at their places; on a CUDA device its graph, and where it leaves results."""

    def __init__(self, function: Function, inputs: tuple[Tensor, ...], device: torch.device) -> None:
        self._function = function
        self._inputs = [each.clone(memory_format=torch.contiguous_format) for each in inputs]
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            with torch.cuda.device(device):
                self._record()

    def _record(self) -> None:
        apart = torch.cuda.Stream()
        apart.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(apart):
            for _ in range(WARM_UP):
                self._function(*self._inputs)
        torch.cuda.current_stream().wait_stream(apart)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = self._function(*self._inputs)

    def __call__(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        for mine, given in zip(self._inputs, inputs, strict=True):
            mine.copy_(given)
        if self._graph is None:
            return self._function(*self._inputs)
        self._graph.replay()
        return self._outputs
