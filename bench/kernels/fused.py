"""Recurrent networks, a linear map of their states and a loss, trained without autograd.

A single pass goes forward and back through the whole network with a few rows of one member at a time, while all that
they need is in the cache. Layer after layer would keep every step of every row, and with many members would wait for
memory; and with one member of few units, autograd takes longer than the kernels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.errors import InputError
from bench.kernels.compiled import Array
from bench.kernels.dispatch import LOSSES
from bench.kernels.modules import Layers
from bench.kernels.native import DTYPES, absent, flat, run_network
from bench.kernels.passes import TRAIN
from bench.kernels.sizes import Network, Places, Stack, parameters_of_network, plan_pass
from bench.registry import lookup


def losses_and_gradients(
    stacks: Sequence[Layers],
    inputs: Sequence[Tensor],
    targets: Tensor,
    weights: Tensor,
    *,
    loss: str,
    every_step: bool = False,
) -> tuple[Tensor, Tensor]:
    """The loss of each member ``[K]``, and its gradients to all weights, laid out as those.

    For what the compiled kernels take. Nothing is recorded for autograd. Members do not meet, as in
    `bench.kernels.dispatch`.

    Parameters
    ----------
    stacks
            Layers with biases, which start from zeros; or such an encoder, and a decoder of one direction, which starts
        from the encoder's last states, those of both directions added.
    inputs
        Of each stack, ``[K, B, T, C]``; ``[1, B, T, C]`` is shared by all members.
    targets
        What a linear map of the top layer's states should give: ``[K, B, O]`` of the last state, ``[K, B, T, O]`` where
        `every_step`; a first dimension of 1 is shared by all members.
    weights
        The parameters of all stacks, and then the map's weights ``[O, directions · H]`` and biases ``[O]``: of each
        its ``[K, …]``, one after another.
    loss
        ``"mse"``, ``"mae"`` or ``"huber"``, as `torch.nn.functional` defines them, mean over rows, steps and outputs.

    Raises
    ------
    InputError
        A shape or dtype does not fit: the argument, what was expected and what came.
    """
    lookup(LOSSES, loss, "loss")
    dtype = weights.dtype
    dropout = stacks[0].active_dropout
    network = Network(
        tuple(_stack(layers, x) for layers, x in zip(stacks, inputs, strict=True)),
        outputs=targets.shape[-1],
        every_step=every_step,
        dropout=dropout > 0,
    )
    members = weights.numel() // parameters_of_network(network)
    places = plan_pass(network, members, inputs[0].shape[1], DTYPES[dtype])
    _check(places, network, inputs, targets, weights)
    losses, gradients = torch.empty(members, dtype=dtype), torch.empty_like(weights)
    nothing = absent(dtype)
    arrays = nothing._replace(
        operands=nothing.operands._replace(
            x=flat(inputs[0], dtype),
            fed=flat(inputs[-1], dtype),
            weights=weights.detach().numpy(),
            draws=_draws(stacks, places, dtype) if dropout else nothing.operands.draws,
            targets=flat(targets, dtype),
        ),
        gradients=nothing.gradients._replace(weights=gradients.numpy(), losses=losses.numpy()),
    )
    run_network(TRAIN, places, arrays, loss=loss, dropout=(dropout, 1 / (1 - dropout) if dropout < 1 else 0.0))
    return losses, gradients


def _stack(layers: Layers, x: Tensor) -> Stack:
    if x.ndim != 4 or x.shape[3] != layers.input_size:
        raise InputError(f"inputs: expected [K, B, T, C] with C = {layers.input_size}, got {list(x.shape)}")
    options = layers.options
    return Stack(
        layers.cell, layers.input_size, layers.hidden_size, options.num_layers, layers.directions, steps=x.shape[2]
    )


def _draws(stacks: Sequence[Layers], places: Places, dtype: torch.dtype) -> Array:
    """The numbers that decide dropout, drawn below each layer but the lowest, for all members."""
    plan = places.plan
    sizes = [plan.members * plan.batch * steps * width for steps, width in places.masks]
    drawn = torch.empty(sum(sizes))
    above = [layers for layers in stacks for _ in range(layers.options.num_layers - 1)]
    for layers, part, (steps, width) in zip(above, drawn.split(sizes), places.masks, strict=True):
        layers.draw(part.view(plan.members, plan.batch, steps, width))
    array: Array = drawn.to(dtype).numpy()
    return array


def _check(places: Places, network: Network, inputs: Sequence[Tensor], targets: Tensor, weights: Tensor) -> None:
    """Refuse what the kernels would read beyond its end, or as another type."""
    plan = places.plan
    members, batch, last = plan.members, plan.batch, network.stacks[-1]
    if weights.shape != (members * places.parameters,):
        raise InputError(
            f"weights: expected K · {places.parameters} of K members, got {list(weights.shape)}"
        )
    steps = (last.steps,) if network.every_step else ()
    named = [("inputs", x, (batch, stack.steps, stack.channels)) for x, stack in zip(inputs, network.stacks, strict=True)]
    for name, tensor, shape in [*named, ("targets", targets, (batch, *steps, plan.outputs))]:
        if tensor.shape[1:] != shape or len(tensor) not in (1, members):
            raise InputError(f"{name}: expected {[members, *shape]}, or 1 for K, got {list(tensor.shape)}")
        if (tensor.dtype, tensor.device) != (weights.dtype, weights.device):
            raise InputError(
                f"{name}: expected {weights.dtype} on {weights.device}, as the weights are, "
                f"got {tensor.dtype} on {tensor.device}"
            )
