"""Recurrent networks, a linear map of their states and a loss, trained without autograd.

A single pass goes forward and back through the whole network with a few rows of one member at a time, while all that
they need is in the cache. Layer after layer would keep every step of every row, and with many members would wait for
memory; and with one member of few units, autograd takes longer than the kernels.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from bench.errors import InputError
from bench.kernels.arrays import CallArrays, Gradients, Operands
from bench.kernels.compiled import Array
from bench.kernels.dispatch import LOSSES
from bench.kernels.modules import Layers
from bench.kernels.native import DTYPES, absent, flat, run_network
from bench.kernels.passes import TRAIN
from bench.kernels.sizes import NetworkSizes, Places, Stack, parameters_of, plan_pass
from bench.registry import lookup


class MapOutput(NamedTuple):
    """What a network gives: a linear map of its top layer's last state or of each one, or the tanh of the map."""

    every_step: bool = False
    squash: bool = False


LAST = MapOutput()


def losses_and_gradients(
    stacks: Sequence[Layers],
    inputs: Sequence[Tensor],
    targets: Tensor,
    weights: Tensor,
    *,
    loss: str,
    outputs: MapOutput = LAST,
) -> tuple[Tensor, Tensor]:
    """The loss of each member ``[K]``, and its gradients to all weights, laid out as those.

    For what the compiled kernels take. Nothing is recorded for autograd. Members do not meet, as in
    `bench.kernels.dispatch`.

    Parameters
    ----------
    stacks
        Layers with biases, which start from zeros; or such an encoder, and a decoder of as many, in one direction and
        with the same dropout, which starts from the encoder's last states, those of both directions added.
    inputs
        Of each stack, ``[K, B, T, C]``; ``[1, B, T, C]`` is shared by all members.
    targets
        What a linear map of the top layer's states should give: ``[K, B, O]`` of the last state, ``[K, B, T, O]`` where
        `outputs.every_step`; a first dimension of 1 is shared by all members.
    weights
        The parameters of all stacks, and then the map's weights ``[O, directions · H]`` and biases ``[O]``: of each
        its ``[K, …]``, one after another.
    loss
        ``"mse"``, ``"mae"`` or ``"huber"``, as `torch.nn.functional` defines them, mean over rows, steps and outputs.
    outputs
        What is compared with the targets.

    Raises
    ------
    InputError
        A shape or dtype does not fit: the argument, what was expected and what came.
    """
    lookup(LOSSES, loss, "loss")
    dtype, dropout = weights.dtype, stacks[0].active_dropout
    _check_kinds(inputs, targets, weights)
    shapes = tuple(each.shape for each in (*inputs, targets, weights))
    keys = tuple(layers.key for layers in stacks)
    places = _planned(keys, shapes, dtype, every_step=outputs.every_step, dropout=dropout > 0)
    losses, gradients = torch.empty(places.plan.members, dtype=dtype), torch.empty_like(weights)
    nothing = absent(dtype)
    draws = _draws(stacks, places, dtype) if dropout else nothing.operands.draws
    x, fed, y = (flat(each, dtype) for each in (inputs[0], inputs[-1], targets))
    operands = Operands(x, fed, nothing.operands.h, nothing.operands.c, weights.detach().numpy(), draws, y)
    results = Gradients(*nothing.gradients[:3], gradients.numpy(), losses.numpy(), nothing.gradients.sums)
    arrays = CallArrays(operands, nothing.results, nothing.upstream, results)
    rest = 1 / (1 - dropout) if dropout < 1 else 0.0
    run_network(TRAIN, places, arrays, loss=loss, squash=outputs.squash, dropout=(dropout, rest))
    return losses, gradients


def _check_kinds(inputs: Sequence[Tensor], targets: Tensor, weights: Tensor) -> None:
    """Refuse what the kernels would read as another type."""
    for name, tensor in (*(("inputs", x) for x in inputs), ("targets", targets)):
        if tensor.dtype != weights.dtype or tensor.device != weights.device:
            raise InputError(
                f"{name}: expected {weights.dtype} on {weights.device}, as the weights are, "
                f"got {tensor.dtype} on {tensor.device}"
            )


@lru_cache(maxsize=1024)
def _planned(
    keys: tuple[tuple[str, int, int, int, int], ...],
    shapes: tuple[torch.Size, ...],
    dtype: torch.dtype,
    *,
    every_step: bool,
    dropout: bool,
) -> Places:
    """The plan of a call; refuses shapes by which the kernels would read beyond the end of an array."""
    *inputs, targets, weights = shapes
    stacks = []
    for (cell, channels, hidden, layers, directions), x in zip(keys, inputs, strict=True):
        if len(x) != 4 or x[3] != channels or 0 in x:
            raise InputError(f"inputs: expected [K, B, T, C] with C = {channels}, got {list(x)}")
        stacks.append(Stack(cell, channels, hidden, layers, directions, steps=x[2]))
    encoder, decoder = keys[0], keys[-1]
    if len(keys) > 1 and (decoder[0], *decoder[2:]) != (encoder[0], *encoder[2:4], 1):
        raise InputError(
            f"stacks: expected a decoder in one direction with the encoder's sizes {encoder}, got {decoder}"
        )
    network = NetworkSizes(tuple(stacks), outputs=targets[-1], every_step=every_step, dropout=dropout)
    parameters, batch = parameters_of(network), inputs[0][1]
    members = weights.numel() // parameters
    if tuple(weights) != (members * parameters,) or members == 0:
        raise InputError(f"weights: expected K · {parameters} of K members, got {list(weights)}")
    steps = (stacks[-1].steps,) if every_step else ()
    wanted = [("inputs", x, (batch, *x[2:])) for x in inputs] + [("targets", targets, (batch, *steps, targets[-1]))]
    for name, shape, rest in wanted:
        if tuple(shape[1:]) != rest or shape[0] not in (1, members):
            raise InputError(f"{name}: expected {[members, *rest]}, or 1 for K, got {list(shape)}")
    return plan_pass(network, members, batch, DTYPES[dtype])


def _draws(stacks: Sequence[Layers], places: Places, dtype: torch.dtype) -> Array:
    """The numbers that decide dropout, drawn below each layer but the lowest, for all members."""
    plan = places.plan
    sizes = [plan.members * plan.batch * steps * width for steps, width in places.masks]
    uniforms = torch.empty(sum(sizes))
    above = [layers for layers in stacks for _ in range(layers.options.num_layers - 1)]
    for layers, part, (steps, width) in zip(above, uniforms.split(sizes), places.masks, strict=True):
        layers.draw(part.view(plan.members, plan.batch, steps, width))
    array: Array = uniforms.to(dtype).numpy()
    return array
