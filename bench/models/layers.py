"""The layers that networks are built of: those of `bench.kernels`, or within `torch_layers` `torch.nn`'s own.

Both have the same parameters under the same names, draw the same initial weights from one seed and map the same
inputs to the same outputs, so the state dict of a model built with one loads into the same model built with the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from bench.kernels.linear import Linear
from bench.kernels.modules import GRU, LSTM, RNN, Layers
from bench.models.parameters import RecurrentParameters

State = Tensor | tuple[Tensor, Tensor]
"""Of an RNN or a GRU, or the hidden and cell states of an LSTM: ``[layers · directions, B, hidden]`` each."""

_torch: ContextVar[bool] = ContextVar("torch_layers", default=False)


@contextmanager
def torch_layers() -> Iterator[None]:
    """Models built within the block hold `torch.nn`'s own layers: what a user would deploy."""
    token = _torch.set(True)
    try:
        yield
    finally:
        _torch.reset(token)


_OURS: Mapping[str, Callable[..., nn.Module]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
_TORCH: Mapping[str, Callable[..., nn.Module]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def recurrent_layers(
    cell: str, inputs: int, parameters: RecurrentParameters, *, last_only: bool = False, **options: Any
) -> nn.Module:
    """The stacked layers of `cell`, batch first.

    Parameters
    ----------
    cell
        ``"rnn"``, ``"lstm"`` or ``"gru"``.
    inputs
        Channels of the input.
    parameters
        Sizes, layers and dropout.
    last_only
        Whether the outputs of the top layer's other steps are not needed; `torch.nn` writes them all the same.
    options
        Further keywords of the torch layer.
    """
    sizes = {"num_layers": parameters.layers, "dropout": parameters.dropout, "batch_first": True}
    if _torch.get():
        return _TORCH[cell](inputs, parameters.hidden_size, **sizes, **options)
    return _OURS[cell](inputs, parameters.hidden_size, last_only=last_only, **sizes, **options)


def top_state(state: State, directions: int) -> Tensor:
    """The last states of the top layer side by side, forward first: ``[B, directions · H]``."""
    hidden = state[0] if isinstance(state, tuple) else state
    return torch.cat(tuple(hidden[-directions:]), dim=-1)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear map of the last dimension."""
    return (nn.Linear if _torch.get() else Linear)(inputs, outputs)


def takes_members(layers: nn.Module) -> bool:
    """Whether `layers` also work for the members of a bank at once, as those of `bench.kernels` do."""
    return isinstance(layers, Layers)
