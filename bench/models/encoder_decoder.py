"""Encoder–decoder: one network reads the window, a second writes the forecast step by step.

Sutskever, Vinyals & Le, "Sequence to sequence learning with neural networks", 2014; Cho et al., "Learning phrase
representations using RNN encoder–decoder for statistical machine translation", 2014. Their start symbol is here
the last value of the window. The encoder reads covariates too; the decoder is fed what is forecast.
"""

from typing import Any

import torch
from torch import Tensor, nn

from bench.kernels.modules import Linear
from bench.models.base import Shape
from bench.models.parameters import EncoderDecoderParameters
from bench.models.recurrent import recurrent_layers

State = Tensor | tuple[Tensor, Tensor]
"""Of a GRU, or the hidden and cell states of an LSTM: ``[layers, B, hidden]`` each."""


class EncoderDecoder(nn.Module):
    """The encoder's final state starts the decoder; each of the decoder's steps is mapped linearly to a value.

    Step `k` is fed the value of step `k - 1`: the true one under teacher forcing, else the model's own.
    Forcing needs targets, and happens while training, or always where `teacher_forced_prediction`; a
    free-running model that predicts does not look at targets even when it is given them.

    The two states of a bidirectional encoder are added: the decoder keeps its size and gains no weights, so
    one and two directions differ in the encoder alone.
    """

    takes_targets = True
    stackable = True
    without_autograd = True

    def __init__(self, parameters: EncoderDecoderParameters, shape: Shape) -> None:
        super().__init__()
        self.teacher_forced_prediction = parameters.prediction == "teacher-forced"
        self.horizon, self.own = shape.horizon, shape.own
        self.directions = 2 if parameters.bidirectional else 1
        self.encoder = recurrent_layers(
            parameters.cell, shape.channels, parameters, bidirectional=parameters.bidirectional, last_only=True
        )
        self.decoder = recurrent_layers(parameters.cell, shape.own, parameters)
        self.head = Linear(parameters.hidden_size, shape.own)

    def forward(self, x: Tensor, targets: Tensor | None = None) -> Tensor:
        """Map ``[B, T, C]``, and true values ``[B, H, D]`` where it is forced, to ``[B, H, D]``.

        Stacked, all of them have a first dimension of members.
        """
        state = self._encode(x)
        if targets is None or not (self.training or self.teacher_forced_prediction):
            return self._free_running(x[..., -1:, : self.own], state)
        return self._step(_fed(x[..., : self.own], targets), state)[0]

    def losses_and_gradients(self, x: Tensor, targets: Tensor, loss: str, weights: Tensor) -> tuple[Tensor, Tensor]:
        """What stacked members are trained by where the compiled kernels are (`without_autograd`).

        The loss of each member ``[K]`` and its gradients to the `weights`, which are the parameters' ``[K, …]`` one
        after another, from ``[K, B, T, C]`` and ``[K, B, H, D]``.
        """
        from bench.kernels import fused  # imports what compiles

        stacks, inputs = (self.encoder, self.decoder), (x, _fed(x[..., : self.own], targets))
        outputs = fused.MapOutput(every_step=True)
        return fused.losses_and_gradients(stacks, inputs, targets, weights, loss=loss, outputs=outputs)

    def _encode(self, x: Tensor) -> State:
        _, state = self.encoder(x)
        if isinstance(state, tuple):
            hidden, memory = state
            return self._add_directions(hidden), self._add_directions(memory)
        return self._add_directions(state)

    def _add_directions(self, state: Tensor) -> Tensor:
        added: Tensor = state.unflatten(0, (-1, self.directions)).sum(1)  # [layers · directions, …] to [layers, …]
        return added

    def _free_running(self, value: Tensor, state: State) -> Tensor:
        values = []
        for _ in range(self.horizon):
            value, state = self._step(value, state)
            values.append(value)
        return torch.cat(values, dim=-2)

    def _step(self, inputs: Tensor, state: State) -> tuple[Tensor, Any]:
        hidden, state = self.decoder(inputs, state)
        return self.head(hidden), state


def _fed(x: Tensor, targets: Tensor) -> Tensor:
    """What a forced decoder reads, ``[…, B, H, D]``: the window's last value, and all targets but the last."""
    return torch.cat([x[..., -1:, :], targets[..., :-1, :]], dim=-2)
