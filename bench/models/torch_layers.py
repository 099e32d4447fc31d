"""The same model with `torch.nn`'s own layers: what a user would deploy, and what the probe times.

The layers of `bench.kernels` have the parameters of `torch.nn`'s under the same names and the same results, so a model
may use either, and the state dict of one loads into the other.
"""

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.kernels.modules import Layers, Linear

_LAYERS: Mapping[str, type[nn.RNNBase]] = {"rnn_tanh": nn.RNN, "rnn_relu": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def with_torch_layers(module: nn.Module) -> nn.Module:
    """`module` itself, with every layer of `bench.kernels` in it replaced by `torch.nn`'s own of the same weights.

    It maps the same inputs to the same outputs, and its parameters keep their names. It is no longer `stackable`: such
    layers know nothing of the members of a bank.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Layers | Linear):
                setattr(parent, name, _same_weights(_torch_layer(child), child))
    module.stackable = False  # type: ignore[assignment]  # a plain attribute; torch's type says that all are tensors
    return module


def _torch_layer(layer: Layers | Linear) -> nn.Module:
    if isinstance(layer, Linear):
        return nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    options = layer.options
    keywords: dict[str, Any] = {
        "num_layers": options.num_layers,
        "bias": options.bias,
        "batch_first": options.batch_first,
        "dropout": options.dropout,
        "bidirectional": options.bidirectional,
    }
    if layer.cell.startswith("rnn_"):
        keywords["nonlinearity"] = layer.cell.removeprefix("rnn_")
    own: Any = _last_only(layer.cell) if options.last_only else _LAYERS[layer.cell]
    made: nn.Module = own(layer.input_size, layer.hidden_size, **keywords)
    return made


def _same_weights(new: nn.Module, old: nn.Module) -> nn.Module:
    """`new` with the weights, dtype, device and mode of `old`; a bias that `old` has not (Keras's) is 0."""
    weight = next(old.parameters())
    lacking = {name: torch.zeros_like(part) for name, part in new.named_parameters()}
    new.to(device=weight.device, dtype=weight.dtype).load_state_dict({**lacking, **old.state_dict()})
    return new.train(old.training)


class _LastOnly:
    """Mixed into a layer of `torch.nn`: its output is the top layer's state after the last step walked."""

    bidirectional: bool

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Map a batch to ``[B, directions · H]``, forward first, and the last states of all layers."""
        _, last = super().forward(x, state)  # type: ignore[misc]  # of the layer that this is mixed into
        hidden = last[0] if isinstance(last, tuple) else last  # [layers · directions, B, H]
        top = hidden[-2:] if self.bidirectional else hidden[-1:]
        return torch.cat(tuple(top), dim=-1), last


@functools.cache
def _last_only(cell: str) -> type[nn.RNNBase]:
    layer = _LAYERS[cell]
    return type(layer.__name__, (_LastOnly, layer), {})
