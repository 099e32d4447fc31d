"""Floating-point operations of a model, by formula: torch's counter does not support fused recurrent layers.

Matrix products are counted, two operations for each multiply-add, as `torch.utils.flop_counter` counts them for the
same network written cell by cell; biases and activations are not. In the backward pass each product gives one for its
weights, and one for its input if that has a gradient: neither the window itself nor an initial state of zeros has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bench.models.base import Shape

GATES: Mapping[str, int] = {"rnn": 1, "gru": 3, "lstm": 4}


class Flops(NamedTuple):
    """Of one window.

    Parameters
    ----------
    forward
        One prediction.
    step
        Forward and backward pass of one training step; `None` for models that take none.
    """

    forward: int
    step: int | None = None


class Pass(NamedTuple):
    """Operations of some layers on one window: forward, and those of its backward pass for weights and for inputs."""

    forward: int
    weights: int
    inputs: int

    def and_then(self, other: Pass) -> Pass:
        """Both."""
        return Pass(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def flops(self) -> Flops:
        """Of a model that consists of this."""
        return Flops(self.forward, sum(self))


def linear(inputs: int, outputs: int, steps: int = 1) -> Pass:
    """A linear map of `steps` vectors, whose inputs have gradients."""
    product = 2 * inputs * outputs * steps
    return Pass(product, product, product)


def recurrent(cell: str, inputs: int, parameters: Any, steps: int, *, state_has_gradient: bool = False) -> Pass:
    """Recurrent layers on top of each other over `steps` inputs that have no gradient.

    Parameters
    ----------
    cell
        One of `GATES`.
    inputs
        Channels of the first layer's input.
    parameters
        With `hidden_size`, `layers` and `bidirectional`.
    steps
        How many inputs there are.
    state_has_gradient
        Whether the initial state was computed by other weights.
    """
    hidden, directions = parameters.hidden_size, 2 if parameters.bidirectional else 1
    forward = backward = 0
    for layer in range(parameters.layers):
        columns = hidden * directions if layer else inputs
        rows = 2 * GATES[cell] * hidden * directions  # operations for each column, all directions
        forward += steps * rows * (columns + hidden)
        backward += rows * (hidden * (steps if state_has_gradient else steps - 1) + (columns * steps if layer else 0))
    return Pass(forward, forward, backward)


def _recurrent(cell: str) -> Callable[[Any, Shape], Flops]:
    def count(parameters: Any, shape: Shape) -> Flops:
        directions = 2 if parameters.bidirectional else 1
        layers = recurrent(cell, shape.channels, parameters, shape.sequence_length)
        steps, values = shape.targets
        times, outputs = (steps, values) if shape.every_step else (1, steps * values)
        head = linear(directions * parameters.hidden_size, outputs, times)
        return layers.and_then(head).flops()

    return count


def _encoder_decoder(parameters: Any, shape: Shape) -> Flops:
    encoder = recurrent(parameters.cell, shape.channels, parameters, shape.sequence_length)
    one_way = parameters.model_copy(update={"bidirectional": False})
    decoder = recurrent(parameters.cell, shape.channels, one_way, shape.horizon, state_has_gradient=True)
    head = linear(parameters.hidden_size, shape.channels, shape.horizon)
    return encoder.and_then(decoder).and_then(head).flops()


def _linear_ar(_parameters: Any, shape: Shape) -> Flops:
    steps, values = shape.targets
    times, outputs = (steps, values) if shape.every_step else (1, steps * values)
    return Flops(linear(shape.sequence_length * shape.channels, outputs, times).forward)


def _logistic(_parameters: Any, shape: Shape) -> Flops:
    product = linear(shape.sequence_length * shape.channels, shape.targets[1]).forward
    return Pass(product, product, 0).flops()  # the window itself has no gradient


def _none(_parameters: Any, _shape: Shape) -> Flops:
    return Flops(0)


FORMULAS: Mapping[str, Callable[[Any, Shape], Flops]] = {
    "persistence": _none,
    "drift": _none,
    "mean": _none,
    "seasonal-naive": _none,
    "linear-ar": _linear_ar,
    "logistic-regression": _logistic,
    "rnn": _recurrent("rnn"),
    "gru": _recurrent("gru"),
    "lstm": _recurrent("lstm"),
    "encoder-decoder": _encoder_decoder,
}
"""By kind of model; a kind of another distribution has none, and its FLOPs are not known."""
