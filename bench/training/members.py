"""Members, the results of their training, and which of them may share a bank."""

import json
import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from bench import seeds
from bench.array_types import FloatArray
from bench.errors import InputError, is_out_of_memory
from bench.models.base import Parameters
from bench.spec import Training
from bench.store.schema import Status

log = logging.getLogger(__name__)

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


def _nobody(*_what: object) -> None:
    """Nobody listens."""


BANKS: ContextVar[Callable[[int], None]] = ContextVar("banks", default=_nobody)
"""Receives the number of members of each bank before it is made."""

STAGES: ContextVar[Callable[[str, int, int], None]] = ContextVar("stages", default=_nobody)
"""Receives how far a cell has come: so many of all its trials, its replicates, or the rounds of one bank."""

AT_ONCE: ContextVar[float] = ContextVar("members at once", default=math.inf)
"""How many members a bank may have, at most, where memory ran out with more."""


@contextmanager
def at_once(members: float | None) -> Iterator[None]:
    """Within the block a bank has no more members than so many; `None` for as many as are estimated to fit."""
    token = AT_ONCE.set(math.inf if members is None else members)
    try:
        yield
    finally:
        AT_ONCE.reset(token)


NOT_REAL = "expected predictions that are real numbers, got {}; correct the model's output"


def real(predictions: Any) -> FloatArray:
    """`predictions`, which must be real numbers.

    Raises
    ------
    InputError
        They are complex, or no numbers at all.
    """
    came = np.asarray(predictions)
    if came.dtype.kind not in "fiu":
        raise InputError(NOT_REAL.format(came.dtype))
    return came


T = TypeVar("T")


def retried_smaller(attempt: Callable[[], T], members: int) -> T:
    """What `attempt` gives, which trains so many members in banks; where memory runs out, in banks of half the size.

    Members of a bank do not depend on each other, so each comes out as it would in the whole one.

    Raises
    ------
    Exception
        As `attempt`, also where memory runs out with one member alone.
    """
    most = min(members, AT_ONCE.get())
    while True:
        try:
            with at_once(most):
                return attempt()
        except Exception as error:
            if most <= 1 or not is_out_of_memory(error):
                raise
            log.info("memory ran out with banks of %d members: once more with half of them", most, exc_info=error)
        most = math.ceil(most / 2)  # when the error is gone, and what its frames have held
        if torch := sys.modules.get("torch"):
            torch.cuda.empty_cache()


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
