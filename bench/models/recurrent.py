"""RNN, LSTM and GRU: recurrent layers over the window and a linear map of their states.

Equations and initial weights are those of `torch.nn.RNN`, `torch.nn.LSTM` and `torch.nn.GRU`, or Keras's.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.kernels.modules import GRU, LSTM, RNN, Layers, Linear, State
from bench.models.base import Shape
from bench.models.keras_layers import keras_dense, keras_layers
from bench.models.parameters import RecurrentParameters, RNNParameters, SizeParameters

LAYERS: Mapping[str, Callable[..., Layers]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def recurrent_layers(cell: str, inputs: int, parameters: SizeParameters, **options: Any) -> Layers:
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
    """The top layer's states, mapped linearly: the last one to the whole horizon, or each one to its own step.

    Bidirectional layers give two states, set side by side, forward first. Of the last ones, each has seen the whole
    window: the forward one after the last step and the backward one after the first. Windows that end early, in NaN,
    are read up to their own last step.

    Gradients through `truncate` steps at most (Williams & Peng 1990): the window is cut into pieces of so many steps,
    counted from its end, and none flow from one into the one before.
    """

    stackable = True

    def __init__(self, cell: str, parameters: RecurrentParameters, shape: Shape, **options: Any) -> None:
        super().__init__()
        self.every_step, self.variable, self.truncate = shape.every_step, shape.variable, parameters.truncate
        self.carries_state = parameters.carries_state
        self.last_only = not (shape.every_step or shape.variable)
        self.squash = parameters.activation == "tanh"
        steps, values = shape.targets
        self.outputs = (1 if shape.every_step else steps, values)
        build = keras_layers if parameters.layer == "keras" else recurrent_layers
        self.layers = build(
            cell,
            shape.channels,
            parameters,
            bidirectional=parameters.bidirectional,
            last_only=self.last_only,
            **options,
        )
        self.without_autograd = _is_plain(parameters, shape)
        directions = 2 if parameters.bidirectional else 1
        head = Linear(directions * parameters.hidden_size, self.outputs[0] * values)
        self.head = keras_dense(head) if parameters.layer == "keras" else head
        self.reset_state()

    def reset_state(self) -> None:
        """Begin from zero: what the last batch ended in is forgotten."""
        self._state: State | None = None

    def select_state(self, members: Tensor) -> None:
        """Go on with the states of some of the stacked members alone."""
        if isinstance(self._state, tuple):
            self._state = self._state[0].index_select(-3, members), self._state[1].index_select(-3, members)
        elif self._state is not None:
            self._state = self._state.index_select(-3, members)  # […, K, B, hidden]

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, C]`` to ``[B, H, D]``, or ``[B, T, D]`` at every step; stacked, all with a first ``K``."""
        output: Tensor = self.head(self._states(x))
        output = output if self.every_step else output.unflatten(-1, self.outputs)
        return output.tanh() if self.squash else output

    def _states(self, x: Tensor) -> Tensor:
        """What is mapped: the top layer's states ``[…, B, T, directions · hidden]``, or the last ``[…, B, …]``."""
        ends = None
        if self.variable:
            unseen = x.isnan()
            ends = (~unseen[..., :1]).sum(-2, keepdim=True) - 1  # […, B, 1, 1]
            x = x.masked_fill(unseen, 0.0)
        output = self._walk(x)
        if ends is None or self.every_step:
            return output
        return torch.take_along_dim(output, ends, dim=-2).squeeze(-2)

    def _walk(self, x: Tensor) -> Tensor:
        """The output of the layers after all steps, in pieces between which no gradient flows."""
        carries = self.carries_state and self.training
        state: Any = _rows(self._state, x.shape[-3]) if carries and self._state is not None else None
        outputs = []
        for piece in x.split(self._pieces(x.shape[-2]), dim=-2):
            output, state = self.layers(piece, None if state is None else _detached(state))
            outputs.append(output)
        if carries:
            self._state = _detached(state)
        return outputs[-1] if self.last_only else torch.cat(outputs, dim=-2)

    def _pieces(self, steps: int) -> list[int]:
        """Into how many steps each the window is cut; only training requests gradients."""
        if self.truncate is None or not self.training:
            return [steps]
        whole, first = divmod(steps, self.truncate)
        return [first] * (first > 0) + [self.truncate] * whole

    def losses_and_gradients(self, x: Tensor, targets: Tensor, loss: str, weights: Tensor) -> tuple[Tensor, Tensor]:
        """What stacked members are trained by where the compiled kernels are (`without_autograd`).

        The loss of each member ``[K]`` and its gradients to the `weights`, which are the parameters' ``[K, …]`` one
        after another, from ``[K, B, T, C]`` and ``[K, B, H, D]``.
        """
        from bench.kernels import fused  # imports what compiles

        wanted = targets if self.every_step else targets.flatten(2)
        outputs = fused.MapOutput(every_step=self.every_step, squash=self.squash)
        return fused.losses_and_gradients((self.layers,), (x,), wanted, weights, loss=loss, outputs=outputs)


def _is_plain(parameters: RecurrentParameters, shape: Shape) -> bool:
    """Whether layers of torch's weights go from zero through whole windows to a linear map and a loss of values.

    The output may be the tanh of the map.
    """
    cut = parameters.truncate is not None and parameters.truncate < shape.sequence_length
    return (
        parameters.layer == "torch"
        and not (parameters.carries_state or cut or shape.variable)
        and shape.task != "classify"  # whose loss the kernels do not know
    )


def _detached(state: State) -> State:
    return (state[0].detach(), state[1].detach()) if isinstance(state, tuple) else state.detach()


def _rows(state: State, count: int) -> State:
    """The states of the first `count` rows of a batch, for a last batch that has fewer."""
    if isinstance(state, tuple):
        return state[0][..., :count, :], state[1][..., :count, :]
    return state[..., :count, :]


def build_rnn(parameters: RNNParameters, shape: Shape) -> Recurrent:
    """A simple recurrent network."""
    return Recurrent("rnn", parameters, shape, nonlinearity=parameters.nonlinearity)


def build_lstm(parameters: RecurrentParameters, shape: Shape) -> Recurrent:
    """A long short-term memory."""
    return Recurrent("lstm", parameters, shape)


def build_gru(parameters: RecurrentParameters, shape: Shape) -> Recurrent:
    """A gated recurrent unit."""
    return Recurrent("gru", parameters, shape)
