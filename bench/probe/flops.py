"""Floating-point operations of a model, by formula: torch's counter does not support fused recurrent layers.

Matrix products are counted, two operations for each multiply-add, as `torch.utils.flop_counter` counts them for the
same network written cell by cell; biases and activations are not. In the backward pass each product gives one for its
weights, and one for its input if that has a gradient: neither the window itself nor an initial state of zeros has one.

A diagonal state matrix counts as a matrix, with its entries alone: it is what a state space model has for an LSTM's
recurrent weights. State space models are counted as recurrences, step by step, whatever computes them; a complex number
is two real ones, and multiplies another as a 2 × 2 matrix does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
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


def first(inputs: int, outputs: int, steps: int = 1) -> Pass:
    """A linear map of `steps` vectors of the window itself, which has no gradient."""
    return linear(inputs, outputs, steps)._replace(inputs=0)


def chain(*parts: Pass) -> Pass:
    """All of them."""
    return functools.reduce(Pass.and_then, parts, Pass(0, 0, 0))


def diagonal(states: int, steps: int, size: int = 1) -> Pass:
    """Products of `steps` states, the first of them 0, with a diagonal matrix of blocks of `size`."""
    product = 2 * size * states
    return Pass(product * steps, product * steps, product * (steps - 1))


def layer_chain(sizes: Sequence[int], steps: int = 1) -> Pass:
    """Linear maps of `steps` vectors from each of `sizes` to the next."""
    return chain(*(linear(a, b, steps) for a, b in pairwise(sizes)))


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
    decoder = recurrent(parameters.cell, shape.own, one_way, shape.horizon, state_has_gradient=True)
    head = linear(parameters.hidden_size, shape.own, shape.horizon)
    return encoder.and_then(decoder).and_then(head).flops()


def _linear_ar(_parameters: Any, shape: Shape) -> Flops:
    steps, values = shape.targets
    times, outputs = (steps, values) if shape.every_step else (1, steps * values)
    return Flops(linear(shape.sequence_length * shape.channels, outputs, times).forward)


def _logistic(_parameters: Any, shape: Shape) -> Flops:
    return first(shape.sequence_length * shape.channels, shape.targets[1]).flops()


def _head(features: int, shape: Shape) -> Pass:
    steps, values = shape.targets
    return linear(features, values, steps) if shape.every_step else linear(features, steps * values)


def _stacked(gates: int) -> Callable[[Any, Shape], Flops]:
    """Layers that map each step to their gates, without recurrent weights."""

    def count(parameters: Any, shape: Shape) -> Flops:
        hidden, steps = parameters.hidden_size, shape.sequence_length
        lowest = first(shape.channels, gates * hidden, steps)
        others = [linear(hidden, gates * hidden, steps)] * (parameters.layers - 1)
        return chain(lowest, *others, _head(hidden, shape)).flops()

    return count


def _mlp(parameters: Any, shape: Shape) -> Flops:
    hidden = parameters.hidden_size
    deeper = layer_chain([hidden] * parameters.layers)
    return chain(first(shape.sequence_length * shape.channels, hidden), deeper, _head(hidden, shape)).flops()


def _one_map(maps: int) -> Callable[[Any, Shape], Flops]:
    def count(_parameters: Any, shape: Shape) -> Flops:
        return first(shape.sequence_length, shape.horizon, maps * shape.own).flops()

    return count


def _slstm(parameters: Any, shape: Shape) -> Flops:
    hidden, steps = parameters.hidden_size, shape.sequence_length
    lowest = first(shape.channels, 4 * hidden, steps)
    others = [linear(hidden, 4 * hidden, steps)] * (parameters.layers - 1)
    own = [diagonal(4 * hidden, steps, hidden // parameters.heads)] * parameters.layers
    return chain(lowest, *others, *own, _head(hidden, shape)).flops()


def _blocks(layer: Callable[[Any, int, int], Pass]) -> Callable[[Any, Shape], Flops]:
    """An encoder of each step, and blocks around `layer` of parameters, steps that it reads and steps that it gives."""

    def count(parameters: Any, shape: Shape) -> Flops:
        hidden, steps = parameters.hidden_size, shape.sequence_length
        encoder = first(shape.channels, hidden, steps)
        below = [layer(parameters, steps, steps)] * (parameters.layers - 1)
        top = layer(parameters, steps, steps if shape.every_step or shape.variable else 1)
        return chain(encoder, *below, top, _head(hidden, shape)).flops()

    return count


def _lru(parameters: Any, steps: int, given: int) -> Pass:
    hidden, states = parameters.hidden_size, parameters.state_size
    maps = linear(hidden, 2 * states, steps), linear(2 * states, hidden, given), linear(hidden, 2 * hidden, given)
    return chain(*maps, diagonal(2 * states, steps, 2))


def _s4d(parameters: Any, steps: int, given: int) -> Pass:
    hidden, pairs = parameters.hidden_size, parameters.state_size // 2
    in_and_out = [linear(1, 2, times * hidden * pairs) for times in (steps, given)]
    return chain(*in_and_out, diagonal(2 * pairs * hidden, steps, 2), linear(hidden, 2 * hidden, given))


def _selective(parameters: Any, steps: int, given: int) -> Pass:
    hidden, states, rank = parameters.hidden_size, parameters.state_size, parameters.rank
    inner = parameters.expand * hidden
    block = linear(hidden, 2 * inner, steps), linear(parameters.kernel_size, inner, steps), linear(inner, hidden, given)
    select = linear(inner, rank + 2 * states, steps), linear(rank, inner, steps)
    in_and_out = [linear(inner, states, steps)] * 2
    return chain(*block, *select, *in_and_out, diagonal(inner * states, steps))


def _echo_state(parameters: Any, shape: Shape) -> Flops:
    units = parameters.reservoir_size
    reservoir = linear(shape.channels + units, units, shape.sequence_length)
    return Flops(reservoir.forward + _head(shape.channels + units, shape).forward)


def _tcn(parameters: Any, shape: Shape) -> Flops:
    steps, hidden, taps = shape.sequence_length, parameters.hidden_size, parameters.kernel_size
    blocks = parameters.blocks(steps)
    parts = [first(taps * shape.channels, hidden, steps), *[linear(taps * hidden, hidden, steps)] * (2 * blocks - 1)]
    if shape.channels != hidden:
        parts.append(first(shape.channels, hidden, steps))
    return chain(*parts, _head(hidden, shape)).flops()


def _n_beats(parameters: Any, shape: Shape) -> Flops:
    steps, channels = shape.sequence_length, shape.own
    hidden, size = parameters.hidden_size, parameters.expansion_size
    layers = layer_chain([hidden] * parameters.layers, channels)
    forecast, backcast = (layer_chain([hidden, size, of], channels) for of in (shape.horizon, steps))
    later = [linear(steps, hidden, channels), layers, backcast, forecast] * (parameters.blocks - 1)
    return chain(first(steps, hidden, channels), layers, forecast, *later).flops()


def _tsmixer(parameters: Any, shape: Shape) -> Flops:
    steps, channels, hidden = shape.sequence_length, shape.channels, parameters.hidden_size
    layer = linear(steps, steps, channels).and_then(layer_chain([channels, hidden, channels], steps))
    return chain(*[layer] * parameters.layers, linear(steps, shape.horizon, shape.own)).flops()


def _encoder(parameters: Any, steps: int, windows: int = 1) -> Pass:
    """Attention and feed-forward layers over `steps` vectors; scores of later steps, hidden, are computed too."""
    width = parameters.hidden_size
    attention = linear(width, 2 * steps, windows * steps)._replace(weights=0)  # each step with each: QKᵀ and PV
    attention = attention._replace(inputs=2 * attention.forward)  # both factors have gradients
    maps = layer_chain([width, parameters.expansion * width, width], windows * steps)
    layer = chain(linear(width, 4 * width, windows * steps), attention, maps)
    return chain(*[layer] * parameters.layers)


def _transformer(parameters: Any, shape: Shape) -> Flops:
    steps, width = shape.sequence_length, parameters.hidden_size
    return chain(first(shape.channels, width, steps), _encoder(parameters, steps), _head(width, shape)).flops()


def _patchtst(parameters: Any, shape: Shape) -> Flops:
    length, _, count = parameters.patches(shape.sequence_length)
    width, channels = parameters.hidden_size, shape.own
    head = linear(count * width, shape.horizon, channels)
    return chain(first(length, width, channels * count), _encoder(parameters, count, channels), head).flops()


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
    "mingru": _stacked(2),
    "minlstm": _stacked(3),
    "slstm": _slstm,
    "lru": _blocks(_lru),
    "s4d": _blocks(_s4d),
    "selective-ssm": _blocks(_selective),
    "echo-state": _echo_state,
    "mlp": _mlp,
    "dlinear": _one_map(2),
    "nlinear": _one_map(1),
    "tcn": _tcn,
    "n-beats": _n_beats,
    "tsmixer": _tsmixer,
    "transformer": _transformer,
    "patchtst": _patchtst,
}
"""By kind of model; a kind of another distribution has none, and its FLOPs are not known."""
