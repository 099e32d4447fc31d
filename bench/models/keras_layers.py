"""Keras's SimpleRNN, LSTM and GRU: the equations of torch's, with other initial weights and biases.

Keras 3: kernels are Glorot-uniform (Glorot & Bengio 2010), recurrent kernels are one orthogonal matrix over all gates
(Saxe, McClelland & Ganguli 2014), biases are zero, except 1 for the forget gate of an LSTM (Jozefowicz, Zaremba &
Sutskever 2015). A SimpleRNN and an LSTM have one bias vector where torch has two; a GRU has two (``reset_after=True``).
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from bench.kernels.dispatch import Weights
from bench.kernels.modules import GRU, LSTM, RNN, Layers
from bench.models.parameters import SizeParameters


class _OneBias(Layers):
    """Layers whose second bias is zero and no parameter."""

    def _register(self, layer: int, columns: int, *, reverse: bool) -> None:
        super()._register(layer, columns, reverse=reverse)
        delattr(self, f"bias_hh{_place(layer, reverse=reverse)}")

    def weights(self, layer: int, *, reverse: bool) -> Weights:
        """Those of one layer in one direction, with zeros for the second bias."""
        place = _place(layer, reverse=reverse)
        ih, hh, bias = (getattr(self, f"{name}{place}") for name in ("weight_ih", "weight_hh", "bias_ih"))
        return Weights(ih, hh, bias, torch.zeros_like(bias))


class KerasRNN(_OneBias, RNN):
    """As `keras.layers.SimpleRNN`."""


class KerasLSTM(_OneBias, LSTM):
    """As `keras.layers.LSTM`."""


_LAYERS: Mapping[str, Callable[..., Layers]] = {"rnn": KerasRNN, "lstm": KerasLSTM, "gru": GRU}


def keras_layers(cell: str, inputs: int, parameters: SizeParameters, **options: Any) -> Layers:
    """The stacked layers of `cell`, batch first, with Keras's initial weights; `options` as of `LayerOptions`."""
    layers = _LAYERS[cell](
        inputs,
        parameters.hidden_size,
        num_layers=parameters.layers,
        dropout=parameters.dropout,
        batch_first=True,
        **options,
    )
    for name, weight in layers.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight)
        elif name.startswith("weight_hh"):
            nn.init.orthogonal_(weight)
        else:
            nn.init.zeros_(weight)
            if cell == "lstm":
                nn.init.ones_(weight[parameters.hidden_size : 2 * parameters.hidden_size])
    return layers


def keras_dense(head: nn.Linear) -> nn.Linear:
    """`head` with the initial weights of `keras.layers.Dense`."""
    nn.init.xavier_uniform_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def _place(layer: int, *, reverse: bool) -> str:
    """How the name of a weight ends."""
    return f"_l{layer}{'_reverse' if reverse else ''}"
