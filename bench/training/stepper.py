"""The contract between a bank and what holds its weights: how members are stepped, one by one or as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.last_state import LOSSES
from bench.models.base import Shape
from bench.suite.spec import Training

CROSS_ENTROPY = "cross-entropy"


class Stepper(Protocol):
    """K members: weights, optimiser and dropout streams.

    `L` counts the live members, those of the last `select`; all are live at first.
    """

    how: str
    """How the members are stepped, for the `bank` column of `runs`."""

    def select(self, live: Sequence[int]) -> None:
        """Go on with these live members alone, given in increasing order; `restore` brings the others back."""

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One step of gradient descent on ``x`` ``[L, B, T, C]`` and ``y`` ``[L, B, U, D]``: the losses ``[L]``."""

    def predict(self, x: Tensor, y: Tensor) -> Tensor:
        """``[L, B, U, D]`` from inputs ``[B, T, C]`` that all see; `y` is for teacher-forced prediction."""

    def reset_state(self) -> None:
        """Begin from zero where modules carry state from batch to batch; called before each epoch."""

    def keep(self, members: Sequence[int]) -> None:
        """Remember the present weights of `members`, which are live, as their best."""

    def restore(self) -> None:
        """Make all members live, each with its best weights."""


def arguments(module: nn.Module, x: Tensor, y: Tensor, *, forced: bool) -> tuple[Tensor, ...]:
    """What `module` is called with: its inputs, and the targets where it is `forced` and takes them."""
    return (x, y) if forced and getattr(module, "takes_targets", False) else (x,)


def loss_of(shape: Shape, training: Training) -> str:
    """What is minimised: the suite's loss, or the cross-entropy of classes."""
    return CROSS_ENTROPY if shape.task == "classify" else training.loss


def member_losses(name: str, output: Tensor, y: Tensor) -> Tensor:
    """The loss of each member, ``[L]``: of values, or of logits against ``y`` that is one-hot.

    Raises
    ------
    ValueError
        The output has not the shape of the targets.
    """
    if output.shape[1:] != y.shape[1:]:
        raise ValueError(f"a model returned {list(output.shape[1:])}; expected [B, U, D] = {list(y.shape[1:])}")
    if name == CROSS_ENTROPY:
        return -(y * functional.log_softmax(output, dim=-1)).sum(-1).flatten(1).mean(1)
    return LOSSES[name](output, y, reduction="none").flatten(1).mean(1)


def forces_prediction(module: nn.Module) -> bool:
    """Whether the module's prediction is fed true past values inside the horizon."""
    return bool(getattr(module, "teacher_forced_prediction", False))


def carries_state(module: nn.Module) -> bool:
    """Whether the module starts a batch of training from the state that the batch before ended in."""
    return bool(getattr(module, "carries_state", False))


def streams(seeds: Sequence[int], device: torch.device) -> list[torch.Generator]:
    """A generator of dropout for each member."""
    return [torch.Generator(device).manual_seed(seed) for seed in seeds]
