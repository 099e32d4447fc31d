"""What a canary is, the outcomes it can have, and how numbers that should be equal are compared digit for digit."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from bench.canary.pieces import Pieces
from bench.protocol.examples import Examples
from bench.protocol.windows import Windows
from bench.training.members import Fit


class CheckVerdict(StrEnum):
    """How a check ended."""

    QUIET = "quiet"
    ALARM = "alarm"
    DOES_NOT_APPLY = "does not apply"
    COULD_NOT_RUN = "could not run"


@dataclass(frozen=True)
class CheckOutcome:
    """What one canary says of one cell.

    Parameters
    ----------
    verdict, words
        How the check ended, and its numbers or the reason, in one line.
    statistic
        What was measured: the largest movement, or a p-value; `None` where nothing was.
    false_alarm_rate
        The chance, at most, of an alarm over an honest cell; 0 for a check in which chance plays no part.
    """

    verdict: CheckVerdict
    words: str
    statistic: float | None = None
    false_alarm_rate: float = 0.0


@dataclass(frozen=True)
class Canary:
    """One check for leaks.

    Parameters
    ----------
    name, summary
        What it is called, and what it does in one line.
    check
        ``check(pieces) -> Outcome``; what it raises means that it could not run.
    own_data
        Whether it brings its own series: then cells that differ in their dataset alone share one check.
    """

    name: str
    summary: str
    check: Callable[[Pieces], CheckOutcome]
    own_data: bool = False


_AT_ONCE = 4096  # windows


@dataclass(frozen=True)
class Move:
    """What was compared, what was done to the data, and by how much that moved it; 0 where it did not."""

    what: str
    cause: str
    size: float


def judged(moves: Sequence[Move], *, where: str, besides: str = "") -> CheckOutcome:
    """Whether anything moved; `where` was compared, and what there is to say `besides`."""
    moved = [move for move in moves if move.size > 0]
    if not moved:
        return CheckOutcome(CheckVerdict.QUIET, f"{len(moves)} comparisons {where}: nothing moved{besides}", 0.0)
    worst = max(moved, key=lambda move: move.size)
    return CheckOutcome(
        CheckVerdict.ALARM,
        f"{worst.cause} moved {worst.what} by {worst.size:.3g}; "
        f"{len(moved)} of {len(moves)} comparisons: {', '.join(dict.fromkeys(move.what for move in moved))}",
        worst.size,
    )


def distance(before: ArrayLike, after: ArrayLike) -> float:
    """The largest difference; infinite where there is no number for it, such as between arrays of two shapes."""
    before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if np.array_equal(before, after, equal_nan=True):
        return 0.0
    if before.shape != after.shape:
        return math.inf
    largest = float(np.max(np.abs(before - after)))
    return math.inf if math.isnan(largest) else largest


def windows_distance(before: Windows, after: Windows, count: int, *, targets: bool = False) -> float:
    """The `distance` of the inputs, and of the `targets` where requested, of the first `count` windows.

    Of a long series, those are the last ones, and every k-th of all: no more than fit into memory.
    """
    if not np.array_equal(before.places, after.places):
        return math.inf
    sizes = [0.0]
    for which in (slice(max(0, count - _AT_ONCE), count), slice(0, count, 1 + count // _AT_ONCE)):
        sizes.append(distance(before.inputs(which), after.inputs(which)))
        if targets:
            sizes.append(distance(before.targets(which), after.targets(which)))
    return max(sizes)


def examples_distance(before: Examples, after: Examples) -> float:
    """The `distance` of all inputs and targets, a few at a time."""
    if len(before) != len(after):
        return math.inf
    sizes = [0.0]
    for start in range(0, len(before), _AT_ONCE):
        which = slice(start, start + _AT_ONCE)
        sizes.append(distance(before.inputs(which), after.inputs(which)))
        sizes.append(distance(before.targets(which), after.targets(which)))
    return max(sizes)


def fit_distance(before: Fit, after: Fit) -> float:
    """How far the course of two trainings differs."""

    def course(fit: Fit) -> list[float]:
        return [fit.epochs, fit.best_epoch, fit.validation_mse, *fit.train_losses, *fit.validation_mses]

    return distance(course(before), course(after))
