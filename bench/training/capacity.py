"""How many members fit in memory at once."""

from __future__ import annotations

import math

import psutil
import torch
from torch import Tensor, nn

from bench.models.base import Shape
from bench.training.stepper import arguments, member_losses

SHARE = 0.25  # of the free memory: other processes train beside this one, and estimates are estimates
ROWS = 4  # of the batch that is measured
COPIES = 6  # of a member's weights: themselves, gradient twice, two moments, best


def members_at_once(module: nn.Module, shape: Shape, batch_size: int, device: torch.device) -> int:
    """The most members of this architecture that may be stepped as one, at least 1, in batches of `batch_size`.

    What a step keeps for its backward pass is measured on a few rows, whatever the module does, and grows with the
    batch.
    """
    weights = COPIES * sum(weight.nbytes for weight in module.parameters())
    needed = weights + batch_size * _kept_bytes(module, shape) / ROWS
    return max(1, math.floor(SHARE * _free_bytes(device) / needed))


def _kept_bytes(module: nn.Module, shape: Shape) -> int:
    """Bytes that autograd keeps for `ROWS` windows."""
    kept = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.nbytes
        return tensor

    x = torch.zeros(ROWS, shape.sequence_length, shape.channels)
    y = torch.zeros(ROWS, *shape.targets)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor), torch.random.fork_rng(devices=[]):
        output = module(*arguments(module, x, y, forced=True))
        member_losses("mse", output[None], y[None]).sum()
    return kept


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
