"""`RNN`, `LSTM` and `GRU` with the parameters and semantics of `torch.nn`, computed by the operators here.

The state dict of one loads into the other, and the same seed gives both the same initial weights. Unlike those of
`torch.nn`, these modules work for the members of a bank at once: in ``torch.vmap`` over `torch.func.functional_call`,
or, at less cost, called with weights that have a first dimension of members. Either is one call of a kernel.

Not supported: projections, packed sequences, and sequences of different lengths.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import InputError
from bench.kernels.dispatch import GATES, Outputs, Weights, recurrent

State = Tensor | tuple[Tensor, Tensor]


@dataclass(frozen=True)
class LayerOptions:
    """The keywords of the modules, as `torch.nn` has them but for `last_only`.

    Parameters
    ----------
    num_layers
        Layers on top of each other.
    bias
        Whether there are bias weights.
    batch_first
        Whether inputs and outputs are ``[B, T, …]``, else ``[T, B, …]``.
    dropout
        The probability with which an output of any layer but the last is zeroed in training.
    bidirectional
        Whether a second network walks the steps backwards, in each layer.
    last_only
        Whether `output` holds only the state after the last step walked, ``[B, directions · H]``, and the states of
        the top layer's other steps are not written.
    """

    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False
    last_only: bool = False

    def __post_init__(self) -> None:
        if self.num_layers < 1:
            raise InputError(f"num_layers: expected at least 1, got {self.num_layers}")
        if not 0 <= self.dropout <= 1:
            raise InputError(f"dropout: expected a probability from 0 to 1, got {self.dropout}")


class Layers(nn.Module):
    """Layers of one kind of cell; `cell` is a name of `bench.kernels.dispatch`.

    Stacked, that is with weights ``[K, …]``, inputs are ``[K, B, T, C]``, or ``[1, B, T, C]`` for all members, and
    a dimension ``K`` follows the first of every state.
    """

    def __init__(self, cell: str, input_size: int, hidden_size: int, **options: Any) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if size < 1:
                raise InputError(f"{name}: expected at least 1, got {size}")
        self.cell, self.input_size, self.hidden_size = cell, input_size, hidden_size
        self.options = LayerOptions(**options)
        self.directions = 2 if self.options.bidirectional else 1
        self.key = (cell, input_size, hidden_size, self.options.num_layers, self.directions)
        self._generators: Sequence[torch.Generator] | None = None
        for layer in range(self.options.num_layers):
            columns = hidden_size * self.directions if layer else input_size
            for reverse in self.ways:
                self._register(layer, columns, reverse=reverse)
        self.reset_parameters()

    def _register(self, layer: int, columns: int, *, reverse: bool) -> None:
        rows = GATES[self.cell] * self.hidden_size
        shapes = [(rows, columns), (rows, self.hidden_size)] + [(rows,), (rows,)] * self.options.bias
        for name, shape in zip(Weights._fields, shapes, strict=False):
            self.register_parameter(_parameter(name, layer, reverse=reverse), nn.Parameter(torch.empty(shape)))

    def reset_parameters(self) -> None:
        """Draw all weights anew, uniformly within 1/√H, in the order of `torch.nn`."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        """What `repr` shows."""
        given = [f"{field.name}={getattr(self.options, field.name)}" for field in fields(LayerOptions)]
        return ", ".join([str(self.input_size), str(self.hidden_size), *given])

    @property
    def stacked(self) -> bool:
        """Whether the weights are those of the members of a bank."""
        weight: Any = self.weight_hh_l0
        return bool(weight.ndim == 3)

    @property
    def ways(self) -> tuple[bool, ...]:
        """Whether each direction walks backwards."""
        return (False, True)[: self.directions]

    def weights(self, layer: int, *, reverse: bool) -> Weights:
        """Those of one layer in one direction, as they are."""
        names = [_parameter(name, layer, reverse=reverse) for name in Weights._fields]
        return Weights(*(getattr(self, name) for name in names[: 4 if self.options.bias else 2]))

    def shapes(self, batch: int, steps: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """What a batch gives, as `torch.nn` documents it: ``[B, T, directions · H]``, and the last hidden states."""
        hidden = (self.options.num_layers * self.directions, batch, self.hidden_size)
        return (batch, steps, self.directions * self.hidden_size), hidden

    def draw_from(self, generators: Sequence[torch.Generator]) -> None:
        """Draw dropout from a generator for each member: then no member's masks depend on the others."""
        self._generators = generators

    def walk(self, x: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """All layers; the output, and the last states ``[layers · directions, B, H]``."""
        self._check_states(x, () if state is None else state)
        if self.stacked:
            return self._walk_bank(x, state)
        if x.ndim == 2:
            return self._walk_one(x, state)
        if x.ndim != 3:
            raise InputError(f"input: expected 2 or 3 dimensions, got {x.ndim}: {list(x.shape)}")
        time_first = not self.options.batch_first
        values = x.transpose(0, 1) if time_first else x
        output, states = self._walk_bank(values.unsqueeze(0), state and tuple(part.unsqueeze(1) for part in state))
        output = output.squeeze(0)
        if time_first and not self.options.last_only:
            output = output.transpose(0, 1)
        return output, tuple(part.squeeze(1) for part in states)

    def _check_states(self, x: Tensor, state: tuple[Tensor, ...]) -> None:
        """Refuse states of other layers or dimensions; sizes beyond are checked with those of the weights."""
        count = self.options.num_layers * self.directions
        for part in state:
            if part.ndim != x.ndim or len(part) != count:
                raise InputError(
                    f"state: expected {x.ndim} dimensions as the input has, the first {count} = layers · directions, "
                    f"got {list(part.shape)}"
                )

    def _walk_one(self, x: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One sequence ``[T, C]``, as a batch of one."""
        batched = x.unsqueeze(0 if self.options.batch_first else 1)
        output, states = self.walk(batched, state and tuple(part.unsqueeze(1) for part in state))
        dimension = 0 if self.options.batch_first or self.options.last_only else 1
        return output.squeeze(dimension), tuple(part.squeeze(1) for part in states)

    def _walk_bank(self, x: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """All members over ``[K, B, T, C]``."""
        last: list[Outputs] = []
        values = x
        for layer in range(self.options.num_layers):
            outputs = [self._layer(values, layer, state, reverse=reverse) for reverse in self.ways]
            last += outputs
            top = layer == self.options.num_layers - 1
            values = torch.cat([each.h if top and self.options.last_only else each.y for each in outputs], dim=-1)
            if not top:
                values = self._dropped(values)
        return values, (torch.stack([each.h for each in last]), torch.stack([each.c for each in last]))

    def _dropped(self, values: Tensor) -> Tensor:
        """Dropout of ``[K, B, T, …]``."""
        mask = self.dropout_mask(values)
        return values if mask is None else values * mask

    @property
    def active_dropout(self) -> float:
        """The share of a layer's outputs that is zeroed now; the rest is scaled to the same mean."""
        return self.options.dropout if self.training else 0.0

    def dropout_mask(self, values: Tensor) -> Tensor | None:
        """What dropout multiplies ``[K, B, T, …]`` by; `None` where that is 1."""
        share = self.active_dropout
        if share == 0:
            return None
        if self._generators is None or share == 1:
            return functional.dropout(torch.ones_like(values), share)
        return (self.draw(torch.empty(values.shape, device=values.device)) >= share).to(values.dtype) / (1 - share)

    def draw(self, out: Tensor) -> Tensor:
        """Fill ``[K, …]`` with the numbers from 0 to 1 that decide dropout: below its share they drop a value."""
        generators: Sequence[torch.Generator | None] = self._generators or [None] * len(out)
        for own, generator in zip(out, generators, strict=True):
            torch.rand(own.shape, generator=generator, out=own)
        return out

    def _layer(self, x: Tensor, layer: int, state: tuple[Tensor, ...] | None, *, reverse: bool) -> Outputs:
        """One layer in one direction, over ``[K, B, T, C]``."""
        weights = self.weights(layer, reverse=reverse)
        index = layer * self.directions + reverse
        return recurrent(
            self.cell,
            x,
            weights if self.stacked else Weights(*(each.unsqueeze(0) for each in weights if each is not None)),
            None if state is None else tuple(part[index] for part in state),
            reverse=reverse,
            all_steps=layer < self.options.num_layers - 1 or not self.options.last_only,
        )


def _parameter(name: str, layer: int, *, reverse: bool) -> str:
    """The name that `torch.nn` gives a weight."""
    return f"{name}_l{layer}{'_reverse' if reverse else ''}"


class RNN(Layers):
    """As `torch.nn.RNN`.

    Parameters
    ----------
    input_size, hidden_size
        Channels of the input, and hidden units.
    nonlinearity
        ``"tanh"`` or ``"relu"``.
    options
        See `LayerOptions`.
    """

    def __init__(self, input_size: int, hidden_size: int, *, nonlinearity: str = "tanh", **options: Any) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise InputError(f"nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(f"rnn_{nonlinearity}", input_size, hidden_size, **options)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map inputs and an initial state to the outputs of all steps and the last state; shapes as `torch.nn`."""
        output, states = self.walk(x, None if state is None else (state,))
        return output, states[0]


class GRU(Layers):
    """As `torch.nn.GRU`; `options` see `LayerOptions`."""

    def __init__(self, input_size: int, hidden_size: int, **options: Any) -> None:
        super().__init__("gru", input_size, hidden_size, **options)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map inputs and an initial state to the outputs of all steps and the last state; shapes as `torch.nn`."""
        output, states = self.walk(x, None if state is None else (state,))
        return output, states[0]


class LSTM(Layers):
    """As `torch.nn.LSTM`; `options` see `LayerOptions`."""

    def __init__(self, input_size: int, hidden_size: int, **options: Any) -> None:
        super().__init__("lstm", input_size, hidden_size, **options)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Map inputs and the initial states h, c to the outputs of all steps and the last states; as `torch.nn`."""
        output, (h, c) = self.walk(x, state)
        return output, (h, c)


class Linear(nn.Linear):
    """As `torch.nn.Linear`; stacked, that is with weights ``[K, …]``, it maps ``[K, …, in]`` or ``[1, …, in]``."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Map the last dimension."""
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As `torch.nn.functional.linear`; with weights ``[K, out, in]`` for ``[K, …, in]`` or ``[1, …, in]``."""
    if weight.ndim == 2:
        return functional.linear(x, weight, bias)
    output = x.flatten(1, -2) @ weight.mT  # [K, rows, out]
    if bias is not None:
        output = output + bias.unsqueeze(1)
    return output.view(len(output), *x.shape[1:-1], -1)
