"""How the members of a bank are trained: together over stacked weights, or one after another.

A stepper is the contract between a bank and what holds its weights. One after another, each member is an ordinary
module with an optimiser of torch: for modules that cannot be stacked, and as the reference for the fused form.

Together, the weights are stacked: one call of the model and one pass of Adam serve all members. Each member's loss
depends on its own weights only, so the gradient of the sum of the losses contains each member's own gradient, and a
member that diverges does not affect the others. Where a member's pass is long, the processor's caches matter more than
the number of calls: then each member has a call of its own over its part of the stacked weights (`OWN_PASS_BYTES`).

What the layers of `bench.kernels` compute for a member is the same to the last bit in any company; products of torch
agree to rounding.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.dispatch import LOSSES, compiled
from bench.kernels.modules import Layers
from bench.models.base import Shape
from bench.models.layers import Dropout
from bench.spec import Training
from bench.training.adam import CONSTANT, Adam, Rates, Schedule, Stacked
from bench.training.members import Member
from bench.training.recorded import Recorded
from bench.training.vmapped import arguments, forces_prediction, own_buffers, vmapped

CROSS_ENTROPY = "cross-entropy"

OWN_PASS_BYTES = 13 * 2**18
"""What one member's forward pass may keep for its backward pass and still share a call with other members: 3.25 MiB.

Measured on one core with a cache of 1 MiB: with up to 3.2 MiB a member-step of eight takes 0.2 to 0.7 of the time of
the module alone; with 3.5 MiB or more 0.6 to 1.4 of it, and with a pass of its own about as long. No other member is in
the measure: a result does not depend on its company.
"""


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


def carries_state(module: nn.Module) -> bool:
    """Whether the module starts a batch of training from the state that the batch before ended in."""
    return bool(getattr(module, "carries_state", False))


def kept_bytes(call: Callable[[], object]) -> int:
    """Bytes that autograd keeps of what `call` computes; torch's global generator is left alone."""
    kept: list[int] = []

    def count(tensor: Tensor) -> None:
        kept.append(tensor.nbytes)  # a hook that keeps the output of an operation makes a cycle that none frees

    with torch.autograd.graph.saved_tensors_hooks(count, lambda nothing: nothing), torch.random.fork_rng(devices=[]):
        call()
    return sum(kept)


def streams(seeds: Sequence[int], device: torch.device) -> list[torch.Generator]:
    """A generator of dropout for each member."""
    return [torch.Generator(device).manual_seed(seed) for seed in seeds]


class Looped:
    """`Stepper` over K modules."""

    how = "one by one"

    def __init__(
        self,
        modules: Sequence[nn.Module],
        members: Sequence[Member],
        device: torch.device,
        *,
        loss: str | None = None,
        schedule: Schedule = CONSTANT,
    ) -> None:
        self.members = tuple(members)
        self._loss = loss or members[0].training.loss
        self.modules = [module.to(device) for module in modules]
        self.optimisers = [_adam(module, member) for module, member in zip(self.modules, members, strict=True)]
        self.schedulers = [schedule.of_torch(optimiser) for optimiser in self.optimisers]
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
        if scheduler := self.schedulers[k]:
            scheduler.step()
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
        module.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        eps=settings.epsilon,
        fused=True,
    )


def _set_state(state: Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


def _state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


class OwnPass(NamedTuple):
    """One member's part of a bank's stacked weights and of the gradients to them: views, one for each parameter."""

    weights: list[Tensor]
    gradients: list[Tensor]


class Fused:
    """`Stepper` over stacked weights."""

    def __init__(
        self,
        modules: Sequence[nn.Module],
        members: Sequence[Member],
        device: torch.device,
        *,
        loss: str | None = None,
        schedule: Schedule = CONSTANT,
    ) -> None:
        self.members = tuple(members)
        self._loss = loss or members[0].training.loss
        self._schedule = schedule
        self.module = modules[0].to(device)
        self.device = device
        stackable = getattr(self.module, "stackable", False)
        self.how = "as one" if stackable else "as one, by vmap"
        self._own_pass: bool | None = None  # known from the first step on
        self._own: list[OwnPass] | None = None
        self._buffers = {} if stackable else own_buffers(modules, device)  # [K, …]
        self._generators = streams([member.integer("dropout") for member in members], device)
        self.best = Stacked.of(modules).to(device)
        self.adam = self._new_adam()
        self.live = list(range(len(members)))
        self._bind()

    def select(self, live: Sequence[int]) -> None:
        """Go on with these members alone."""
        if list(live) != self.live:
            rows = self._index([self.live.index(k) for k in live])
            self.adam = self.adam.rows(rows)
            if carries_state(self.module):
                self.module.select_state(rows)  # type: ignore[operator]
            self.live = list(live)
            self._bind()

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One step of all live members: the losses ``[L]``."""
        losses, gradients = self.losses_and_gradients(x, y)
        self.adam.step(gradients)
        return losses

    def losses_and_gradients(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """What a step is made from: the losses ``[L]``, and the gradients laid out as the stacked weights."""
        if not self.module.training:
            self.module.train()  # which asks every part of the module
        plain = getattr(self.module, "without_autograd", False)
        if plain and compiled(x):
            return self.module.losses_and_gradients(x, y, self._loss, self.adam.weights.flat)  # type: ignore[operator, no-any-return]
        if plain and not self._drops:  # a graph would draw the same numbers again and again
            losses, gradients = self._recorded(x, y)
            return losses.clone(), gradients
        return self._one_pass_each(x, y) if self._takes_own_passes(x, y) else self._by_autograd(x, y)

    def _by_autograd(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        output = self._call(*arguments(self.module, x, y, forced=True))
        losses = member_losses(self._loss, output, y)
        leaves = self.adam.weights.leaves
        gradients = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
        return losses.detach(), torch.cat([gradient.reshape(-1) for gradient in gradients])

    def _takes_own_passes(self, x: Tensor, y: Tensor) -> bool:
        """Whether each member has a pass of its own, as the first step decides; layers of `bench.kernels` have none."""
        if self._own_pass is None:
            kernels = any(isinstance(part, Layers) for part in self.module.modules())
            able = self.device.type == "cpu" and not kernels and not self._buffers
            self._own_pass = able and self._kept_bytes(x, y) > OWN_PASS_BYTES
            self.how = "as one, one pass each" if self._own_pass else self.how
        return self._own_pass

    def _kept_bytes(self, x: Tensor, y: Tensor) -> int:
        """What autograd keeps of the first member's forward pass, which draws from no dropout stream."""
        self._put(self._members[0].weights)
        self.module.eval()
        kept = kept_bytes(lambda: self.module(*arguments(self.module, x[0], y[0], forced=True)))
        self.module.train()
        self._put(self.adam.weights.leaves)
        return kept

    def _one_pass_each(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        losses = []
        for row, (k, member) in enumerate(zip(self.live, self._members, strict=True)):
            self._put(member.weights)
            self._draw_from([self._generators[k]])
            output = self.module(*arguments(self.module, x[row], y[row], forced=True))
            loss = member_losses(self._loss, output[None], y[row, None])[0]
            parts = torch.autograd.grad(loss, member.weights, allow_unused=True, materialize_grads=True)
            torch._foreach_copy_(member.gradients, parts)
            losses.append(loss.detach())
        self._put(self.adam.weights.leaves)
        self._draw_from([self._generators[k] for k in self.live])
        return torch.stack(losses), self._gradients

    @torch.no_grad()
    def predict(self, x: Tensor, y: Tensor) -> Tensor:
        """``[L, B, U, D]``."""
        self.module.eval()
        forced = forces_prediction(self.module)
        if self._own_pass:
            outputs = []
            for member in self._members:
                self._put(member.weights)
                outputs.append(self.module(*arguments(self.module, x, y, forced=forced)))
            self._put(self.adam.weights.leaves)
            return torch.stack(outputs)
        return self._call(*arguments(self.module, x[None], y[None], forced=forced))

    def _call(self, *inputs: Tensor) -> Tensor:
        """The output ``[L, B, U, D]`` for inputs ``[L, B, …]``, or ``[1, B, …]`` for all members."""
        if getattr(self.module, "stackable", False):
            output: Tensor = self.module(*inputs)
            return output
        own = {name: buffer[self._index(self.live)] for name, buffer in self._buffers.items()}
        weights = {**dict(self.module.named_parameters()), **own}
        return vmapped(self.module, weights, *(each.expand(len(self.live), *each.shape[1:]) for each in inputs))

    def reset_state(self) -> None:
        """Begin from zero where modules carry state from batch to batch."""
        if carries_state(self.module):
            self.module.reset_state()  # type: ignore[operator]

    def keep(self, members: Sequence[int]) -> None:
        """Remember the present weights of `members` as their best."""
        rows = self.adam.weights.rows(self._index([self.live.index(k) for k in members]))
        self.best.put(self._index(members), rows)

    def restore(self) -> None:
        """Make all members live, each with its best weights."""
        self.adam = self._new_adam()
        self.live = list(range(len(self.members)))
        self._bind()

    def _new_adam(self) -> Adam:
        """Over a copy of the best weights of all members."""
        weights, rates = self.best.to(self.device), _rates(self.members, self.device)
        return Adam(weights, rates, epsilon=self.members[0].training.epsilon, schedule=self._schedule)

    def _bind(self) -> None:
        """Let the module compute with the stacked weights of the live members, and with their dropout streams."""
        self._own = None
        self._recorded = Recorded(self._by_autograd, self.device)
        self._put(self.adam.weights.leaves)
        self._draw_from([self._generators[k] for k in self.live])

    def _put(self, weights: Sequence[Tensor]) -> None:
        """Let the module compute with these, plain tensors ``[L, …]`` or of one member, in the order of its own."""
        for (parameters, name), weight in zip(self._places, weights, strict=True):
            parameters[name] = weight

    @cached_property
    def _places(self) -> list[tuple[dict[str, Any], str]]:
        """Where the module keeps each of its parameters."""
        names = [name.rpartition(".") for name, _ in self.module.named_parameters()]
        return [(self.module.get_submodule(owner)._parameters, own) for owner, _, own in names]

    @property
    def _members(self) -> list[OwnPass]:
        """The live members, each over its part of the stacked weights, for passes of their own."""
        if self._own is None:
            weights = self.adam.weights
            self._gradients = torch.empty_like(weights.flat)
            gradients = Stacked(self._gradients, weights.shapes).leaves
            self._own = [
                OwnPass(
                    [leaf.detach()[row].requires_grad_() for leaf in weights.leaves],
                    [gradient.detach()[row] for gradient in gradients],
                )
                for row in range(weights.members)
            ]
        return self._own

    def _draw_from(self, generators: Sequence[torch.Generator]) -> None:
        """Let dropout draw from these, one for each member of a pass."""
        for part in self._dropouts:
            part.draw_from(generators)

    @cached_property
    def _drops(self) -> bool:
        return any(isinstance(part, Layers) and part.options.dropout > 0 for part in self._dropouts)

    @cached_property
    def _dropouts(self) -> list[Layers | Dropout]:
        return [part for part in self.module.modules() if isinstance(part, Layers | Dropout)]

    def _index(self, members: Sequence[int]) -> Tensor:
        return torch.tensor(list(members), device=self.device)


def _rates(members: Sequence[Member], device: torch.device) -> Rates:
    settings = [member.training for member in members]
    columns = (
        [one.learning_rate for one in settings],
        [one.weight_decay for one in settings],
        [math.inf if one.clip_norm is None else one.clip_norm for one in settings],
    )
    return Rates(*(torch.tensor(column, dtype=torch.float32, device=device) for column in columns))
