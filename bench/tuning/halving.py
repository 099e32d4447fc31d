"""Successive halving: all trials of a batch start at once, and at each rung the better half of them goes on.

K. Jamieson & A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016. Their trials
are compared after the same round of training, all at once, so nothing depends on the order in which banks are trained,
and the trials of one shape share a bank from the first round on.
"""

import math
from collections.abc import Collection, Sequence
from itertools import islice

from bench.models.base import ModelKind
from bench.protocol.windows import TrainingData, shape_of
from bench.store.schema import Status
from bench.training.fit import Fitting
from bench.training.members import Fit, Member, group

HALVINGS = 4
"""The first rung is after a 16th of the rounds: with a learning rate that rises first, earlier errors say little."""


def rungs(rounds: int) -> list[int]:
    """The rounds of training after which trials of so many `rounds` are compared, ascending.

    >>> rungs(100), rungs(5)
    ([6, 12, 25, 50], [1, 2])
    """
    return sorted({rounds // 2**power for power in range(1, HALVINGS + 1)} - {0})


def better_half(fits: Sequence[Fit], contenders: Sequence[int]) -> list[int]:
    """Of the numbers of `contenders`, those of the smaller best validation errors so far, of an odd number one more.

    One that has diverged is none of them; of equal ones the first is the better.
    """
    sound = [number for number in contenders if fits[number].status is Status.OK]
    ranked = sorted(sound, key=lambda number: (fits[number].validation_mse, number))
    return ranked[: math.ceil(len(sound) / 2)]


def fit_by_halving(
    kind: ModelKind,
    members: Sequence[Member],
    data: TrainingData,
    *,
    kept: Collection[int],
    device: str,
    deadline: float,
) -> list[Fit]:
    """Train `members`, of a kind with gradients and of any shapes, and prune the worse half of them at each rung.

    One that has spent its budget by a rung, or has stopped early, is still compared, and takes a place. Those
    with the numbers `kept` are compared too, and never pruned.

    Raises
    ------
    OutOfTime
        `deadline` (`work_s()`) passed.
    """
    from bench.training.bank import split_bank  # torch: only where a gradient is needed

    fits: dict[int, Fit] = {}
    banks: list[tuple[Fitting, list[int]]] = []  # with the numbers of its members
    shape = shape_of(data, members[0].training)
    for numbers in group(members):
        left, own = iter(numbers), [members[number] for number in numbers]
        for bank in split_bank(kind, shape, own, data=data, device=device, deadline=deadline):
            fitting, inside = Fitting(bank), list(islice(left, len(bank)))
            banks.append((fitting, inside))
            fits |= dict(zip(inside, fitting.fits, strict=True))
    ordered = [fits[number] for number in range(len(members))]
    rounds = max(member.training.rounds for member in members)
    contenders = list(range(len(members)))
    for rung in rungs(rounds):
        for fitting, _ in banks:
            fitting.until(rung)
        contenders = better_half(ordered, contenders)
        for fitting, inside in banks:
            fitting.prune([k for k in fitting.live if inside[k] not in contenders and inside[k] not in kept])
    for fitting, _ in banks:
        fitting.until(rounds)
    return ordered
