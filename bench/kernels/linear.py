"""A linear map that, like the layers here, also takes the members of a bank at once, and its loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.last_state import LOSSES, SLOPES


class Linear(nn.Linear):
    """As `torch.nn.Linear`; stacked, that is with weights ``[K, …]``, it maps ``[K, …, in]`` or ``[1, …, in]``."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Map the last dimension."""
        if self.weight.ndim == 2:
            return functional.linear(input, self.weight, self.bias)
        output = input.flatten(1, -2) @ self.weight.mT  # [K, rows, out]
        if self.bias is not None:
            output = output + self.bias.unsqueeze(1)
        return output.view(len(output), *input.shape[1:-1], -1)


def map_losses(
    values: Tensor, target: Tensor, head: tuple[Tensor, Tensor], loss: str
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """The losses ``[K]`` of a linear map, and the gradients to what it maps and to its weights.

    Parameters
    ----------
    values, target
        ``[K, rows, in]`` and ``[K, rows, out]``.
    head
        Weights ``[K, out, in]`` and biases ``[K, out]``.
    loss
        As of `bench.kernels.last_state.losses_and_gradients`.
    """
    weight, bias = head
    with torch.no_grad():
        output = values @ weight.mT + bias.unsqueeze(1)
        losses = LOSSES[loss](output, target.expand_as(output), reduction="none").flatten(1).mean(1)
        slope = SLOPES[loss](output - target) / output[0].numel()  # [K, rows, out]
        return losses, slope @ weight, (slope.mT @ values, slope.sum(1))
