"""RNN, LSTM and GRU: a recurrent layer over the window and a linear map of its final state.

Equations and initial weights are those of `torch.nn.RNN`, `torch.nn.LSTM` and `torch.nn.GRU`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from bench.kernels.last_state import losses_and_gradients
from bench.kernels.linear import Linear
from bench.kernels.modules import GRU, LSTM, RNN, Layers
from bench.kernels.recurrent import Weights
from bench.models.base import Shape
from bench.models.parameters import RecurrentParameters, RNNParameters

LAYERS: Mapping[str, Callable[..., Layers]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def recurrent_layers(cell: str, inputs: int, parameters: RecurrentParameters, **options: Any) -> Layers:
    """The stacked layers of `cell`, batch first; `options` are keywords of the torch layer."""
    return LAYERS[cell](
        inputs,
        parameters.hidden_size,
        num_layers=parameters.layers,
        dropout=parameters.dropout,
        batch_first=True,
        **options,
    )


class Recurrent(nn.Module):
    """The final state of the top layer, mapped linearly to the whole horizon.

    Bidirectional layers give two final states, each of which has seen the whole window: the forward one after
    the last step and the backward one after the first. They are set side by side, forward first.
    """

    stackable = True

    def __init__(self, cell: str, parameters: RecurrentParameters, shape: Shape, **options: Any) -> None:
        super().__init__()
        self.outputs = (shape.horizon, shape.channels)
        self.layers = recurrent_layers(
            cell, shape.channels, parameters, bidirectional=parameters.bidirectional, last_only=True, **options
        )
        self.one_pass = parameters.layers == 1 and not parameters.bidirectional
        directions = 2 if parameters.bidirectional else 1
        self.head = Linear(directions * parameters.hidden_size, shape.horizon * shape.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, C]``; stacked, ``[K, B, T, C]`` to ``[K, B, H, C]``."""
        top, _ = self.layers(x)  # […, B, directions · hidden]
        output: Tensor = self.head(top).unflatten(-1, self.outputs)
        return output

    def losses_and_gradients(self, x: Tensor, targets: Tensor, loss: str) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What stacked members of one layer and direction (`one_pass`) are trained by, without autograd.

        The loss of each member ``[K]`` and its gradients to the parameters, in their order, from ``[K, B, T, C]`` and
        ``[K, B, H, C]``.
        """
        weights = Weights(*self.layers.parameters())
        head = self.head.weight, self.head.bias
        return losses_and_gradients(self.layers.cell, x, targets.flatten(2), weights, head, loss=loss)


def build_rnn(parameters: RNNParameters, shape: Shape) -> Recurrent:
    """A simple recurrent network."""
    return Recurrent("rnn", parameters, shape, nonlinearity=parameters.nonlinearity)


def build_lstm(parameters: RecurrentParameters, shape: Shape) -> Recurrent:
    """A long short-term memory."""
    return Recurrent("lstm", parameters, shape)


def build_gru(parameters: RecurrentParameters, shape: Shape) -> Recurrent:
    """A gated recurrent unit."""
    return Recurrent("gru", parameters, shape)
