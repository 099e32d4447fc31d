"""Members, the results of their training, and which of them may share a bank."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench import seeds
from bench.models.base import Parameters
from bench.spec import Training
from bench.store.schema import Status

OWN_SETTINGS = frozenset({"learning_rate", "weight_decay", "clip_norm"})
"""Training settings in which the members of one bank may differ; they share every other, and their shape."""


@dataclass(frozen=True)
class Member:
    """One (hyperparameters, seed) pair, trained inside a bank.

    `name` is its part of the name of every random stream it draws from, such as ``("replicate", 3)``: the same
    replicate of two models starts from streams of one name and sees the train windows in the same order.
    """

    parameters: Parameters
    training: Training
    seed: int
    name: tuple[str, int]

    def generator(self, stream: str) -> np.random.Generator:
        """NumPy generator of this member's `stream`."""
        return seeds.generator(self.seed, stream, *self.name)

    def integer(self, stream: str) -> int:
        """A seed for torch from this member's `stream`."""
        return seeds.integer(self.seed, stream, *self.name)


@dataclass
class Fit:
    """How one member's training went.

    Parameters
    ----------
    status, reason
        `ok` or `diverged`, and why.
    epochs, best_epoch
        Rounds trained, and the one (from 1) whose weights were kept; 0 for closed forms. A round is an epoch, or the
        steps from one validation to the next where the budget is in steps.
    steps
        Steps of the optimiser.
    validation_mse
        Mean squared error over all validation targets with the kept weights, in scaled units.
    train_losses, validation_mses
        By round.
    pruned
        Whether an observer ended it early.
    fit_s
        Its share of the bank's seconds.
    """

    status: Status = Status.OK
    reason: str | None = None
    epochs: int = 0
    best_epoch: int = 0
    steps: int = 0
    validation_mse: float = float("inf")
    train_losses: list[float] = field(default_factory=list)
    validation_mses: list[float] = field(default_factory=list)
    pruned: bool = False
    fit_s: float = 0.0


Observer = Callable[[int, int, float], bool]
"""``observer(member, number, validation_mse) -> stop``: called once per live member and round, with the number of the
round, from 1; true ends the member."""


def never_stop(_member: int, _number: int, _validation_mse: float) -> bool:
    """The observer that lets every member train on."""
    return False


def group(members: Sequence[Member]) -> list[list[int]]:
    """Positions of `members` that may share a bank, in order of first appearance."""
    groups: dict[str, list[int]] = {}
    for position, member in enumerate(members):
        shared = member.training.model_dump(exclude=set(OWN_SETTINGS))
        key = json.dumps([member.parameters.model_dump(), shared], sort_keys=True)
        groups.setdefault(key, []).append(position)
    return list(groups.values())
