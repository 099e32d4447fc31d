"""The contract between a bank and what holds its weights: how members are stepped, one by one or as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from bench.kernels.last_state import LOSSES


class Stepper(Protocol):
    """K members: weights, optimiser and dropout streams.

    `L` counts the live members, those of the last `select`; all are live at first.
    """

    how: str
    """How the members are stepped, for the `bank` column of `runs`."""

    def select(self, live: Sequence[int]) -> None:
        """Go on with these live members alone, given in increasing order; `restore` brings the others back."""

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One step of gradient descent on ``x`` ``[L, B, T, C]`` and ``y`` ``[L, B, H, C]``: the losses ``[L]``."""

    def predict(self, x: Tensor, y: Tensor) -> Tensor:
        """``[L, B, H, C]`` from inputs ``[B, T, C]`` that all see; `y` is for teacher-forced prediction."""

    def keep(self, members: Sequence[int]) -> None:
        """Remember the present weights of `members`, which are live, as their best."""

    def restore(self) -> None:
        """Make all members live, each with its best weights."""


def arguments(module: nn.Module, x: Tensor, y: Tensor, *, forced: bool) -> tuple[Tensor, ...]:
    """What `module` is called with: its inputs, and the targets where it is `forced` and takes them."""
    return (x, y) if forced and getattr(module, "takes_targets", False) else (x,)


def member_losses(name: str, output: Tensor, y: Tensor) -> Tensor:
    """The loss of each member, ``[L]``.

    Raises
    ------
    ValueError
        The output has not the shape of the targets.
    """
    if output.shape[1:] != y.shape[1:]:
        raise ValueError(f"a model returned {list(output.shape[1:])}; expected [B, H, C] = {list(y.shape[1:])}")
    return LOSSES[name](output, y, reduction="none").flatten(1).mean(1)


def forces_prediction(module: nn.Module) -> bool:
    """Whether the module's prediction is fed true past values inside the horizon."""
    return bool(getattr(module, "teacher_forced_prediction", False))


def streams(seeds: Sequence[int], device: torch.device) -> list[torch.Generator]:
    """A generator of dropout for each member."""
    return [torch.Generator(device).manual_seed(seed) for seed in seeds]
