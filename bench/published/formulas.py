"""What the printed code must give, from its formula: counts that no training changes."""

from __future__ import annotations

GATES = {"rnn": 0, "gru": 2, "lstm": 3}
"""Gates of a cell: beside the candidate, each is one more block of weights."""


def window_count(points: int, sequence_length: int, horizon: int = 1, *, lost: int = 0) -> int:
    """Windows of `sequence_length` points, each with the `horizon` points after it, that `points` points give.

    The usual slip, ``range(len - L - 1)``, loses one.
    """
    return points - sequence_length - horizon + 1 - lost


def recurrent_parameters(
    cell: str, inputs: int, hidden: int, *, layers: int = 1, directions: int = 1, biases: int = 2
) -> int:
    """Trained numbers of recurrent layers.

    Each block of each layer and direction has ``hidden · (inputs + hidden)`` weights and `biases` vectors of biases:
    torch keeps two, Keras one (of a GRU two). An RNN has one block, a GRU three, an LSTM four.
    """
    blocks = GATES[cell] + 1
    widths = [inputs, *[directions * hidden] * (layers - 1)]
    return sum(directions * blocks * hidden * (width + hidden + biases) for width in widths)


def linear_parameters(inputs: int, outputs: int) -> int:
    """Trained numbers of a linear map with a constant."""
    return outputs * (inputs + 1)


def gates(parameters: int, inputs: int, hidden: int, outputs: int) -> float:
    """The gates of a one-layer network with a linear head, from the count of its parameters."""
    block = recurrent_parameters("rnn", inputs, hidden)
    return (parameters - linear_parameters(hidden, outputs)) / block - 1
