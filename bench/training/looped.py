"""Members stepped one after another, each an ordinary module with an optimiser of torch.

For modules that cannot be stacked; and the reference that the fused form is held against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

from bench.training.members import Member
from bench.training.stepper import arguments, carries_state, forces_prediction, member_losses, streams


class Looped:
    """`Stepper` over K modules."""

    how = "one by one"

    def __init__(
        self, modules: Sequence[nn.Module], members: Sequence[Member], device: torch.device, *, loss: str | None = None
    ) -> None:
        self.members = tuple(members)
        self._loss = loss or members[0].training.loss
        self.modules = [module.to(device) for module in modules]
        self.optimisers = [_adam(module, member) for module, member in zip(self.modules, members, strict=True)]
        self.best = [deepcopy(module.state_dict()) for module in self.modules]
        self.live = list(range(len(members)))
        self.device = device
        self._dropout = [g.get_state() for g in streams([member.integer("dropout") for member in members], device)]

    def select(self, live: Sequence[int]) -> None:
        """Go on with these members alone."""
        self.live = list(live)

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One step of each live member: the losses ``[L]``."""
        return torch.stack([self._step(k, x[row], y[row]) for row, k in enumerate(self.live)])

    def _step(self, k: int, x: Tensor, y: Tensor) -> Tensor:
        module, training = self.modules[k].train(), self.members[k].training
        with self._drawing_from(k):
            output = module(*arguments(module, x, y, forced=True))
        loss = member_losses(self._loss, output[None], y[None])[0]
        self.optimisers[k].zero_grad(set_to_none=True)
        loss.backward()
        if training.clip_norm is not None:
            nn.utils.clip_grad_norm_(module.parameters(), training.clip_norm)
        self.optimisers[k].step()
        return loss.detach()

    @torch.inference_mode()
    def predict(self, x: Tensor, y: Tensor) -> Tensor:
        """``[L, B, U, D]``."""
        modules = [self.modules[k].eval() for k in self.live]
        return torch.stack([module(*arguments(module, x, y, forced=forces_prediction(module))) for module in modules])

    def reset_state(self) -> None:
        """Begin from zero where modules carry state from batch to batch."""
        for k in self.live:
            if carries_state(self.modules[k]):
                self.modules[k].reset_state()  # type: ignore[operator]

    def keep(self, members: Sequence[int]) -> None:
        """Remember the present weights of `members` as their best."""
        for k in members:
            self.best[k] = deepcopy(self.modules[k].state_dict())

    def restore(self) -> None:
        """Make all members live, each with its best weights."""
        self.live = list(range(len(self.members)))
        for module, best in zip(self.modules, self.best, strict=True):
            module.load_state_dict(best)

    @contextmanager
    def _drawing_from(self, k: int) -> Iterator[None]:
        """Let torch's global generator stand for member `k`'s dropout stream."""
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            _set_state(self._dropout[k], self.device)
            yield
            self._dropout[k] = _state(self.device)


def _adam(module: nn.Module, member: Member) -> torch.optim.Optimizer:
    settings = member.training
    return torch.optim.Adam(
        module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )


def _set_state(state: Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


def _state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
