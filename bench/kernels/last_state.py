"""A recurrent layer, a linear map of its last state and a loss, trained in one pass over the bank.

The pass goes forward and back with a few rows of one member at a time, while all that they need is in the cache. Two
passes, with the loss in between, keep every step of every row, and with many members wait for memory: at 32 members of
32 units they take half as long again or more.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from bench.errors import InputError
from bench.kernels.call import Inputs, Options, check
from bench.kernels.recurrent import Weights, compiled, recurrent
from bench.registry import lookup

LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}

SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "mse": lambda error: 2 * error,
    "mae": torch.sign,
    "huber": lambda error: error.clamp(-1, 1),
}
"""The derivatives of `LOSSES`, before the mean, by the error."""


def losses_and_gradients(
    cell: str, x: Tensor, target: Tensor, weights: Weights, head: tuple[Tensor, Tensor], *, loss: str
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The loss of each member ``[K]``, and its gradients to the weights given and to those of the head, in their order.

    Nothing is recorded for autograd. Members do not meet, as in `bench.kernels.recurrent`.

    Parameters
    ----------
    cell
        A cell of `bench.kernels.recurrent.recurrent`; it starts from zeros.
    x
        Inputs ``[K, B, T, C]``; ``[1, B, T, C]`` is shared by all members.
    target
        What the map should give, ``[K, B, O]`` or ``[1, B, O]``.
    weights
        Of K members.
    head
        Weights ``[K, O, H]`` and biases ``[K, O]`` of the linear map.
    loss
        ``"mse"``, ``"mae"`` or ``"huber"``, as `torch.nn.functional` defines them, mean over rows and outputs.

    Raises
    ------
    InputError
        A shape, dtype or device does not fit: the argument, what was expected and what came.
    """
    lookup(LOSSES, loss, "loss")
    inputs = Inputs(x, None, None, *weights)
    check(cell, inputs)
    check_head(inputs, target, head, width=inputs.weight_hh.shape[2])
    if not compiled(x):
        return _by_autograd(cell, x, target, weights, head, loss)
    from bench.kernels.native import run_training

    options = Options(cell, reverse=False, all_steps=False, keep=False)
    losses, _, *gradients = run_training(options, inputs, (*head, target), loss)
    biased = weights.bias_ih is not None
    return losses, tuple(gradients if biased else gradients[:2] + gradients[4:])


def check_head(inputs: Inputs, target: Tensor, head: tuple[Tensor, Tensor], *, width: int) -> None:
    """Refuse a head or targets that do not fit the layer, whose last states are `width` wide."""
    weight, bias = head
    batch = inputs.x.shape[1]
    members, outputs = inputs.weight_hh.shape[0], weight.shape[1] if weight.ndim > 1 else 1
    expected = {
        "head weight": (weight, "K, O, H", (members, outputs, width)),
        "head bias": (bias, "K, O", (members, outputs)),
        "target": (target, "K, B, O", (1 if target.shape[:1] == (1,) else members, batch, outputs)),
    }
    for name, (tensor, letters, shape) in expected.items():
        if tensor.shape != shape:
            raise InputError(f"{name}: expected [{letters}] = {list(shape)}, got {list(tensor.shape)}")
        if (tensor.dtype, tensor.device) != (inputs.x.dtype, inputs.x.device):
            raise InputError(
                f"{name}: expected {inputs.x.dtype} on {inputs.x.device}, as x, got {tensor.dtype} on {tensor.device}"
            )


def _by_autograd(
    cell: str, x: Tensor, target: Tensor, weights: Weights, head: tuple[Tensor, Tensor], loss: str
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same by torch, for other devices and dtypes."""
    leaves = [tensor.detach().requires_grad_() for tensor in (*weights, *head) if tensor is not None]
    with torch.enable_grad():
        state = recurrent(cell, x, Weights(*leaves[:-2]), all_steps=False).h
        output = state @ leaves[-2].mT + leaves[-1].unsqueeze(1)
        losses = LOSSES[loss](output, target.expand_as(output), reduction="none").flatten(1).mean(1)
        return losses.detach(), torch.autograd.grad(losses.sum(), leaves)
