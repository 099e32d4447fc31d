"""Is the head slower than the base? A sequential test on one log ratio for each pair of processes.

Two error probabilities are bounded, whenever the measuring stops: that any benchmark is reported slower though none is
(`alpha`, for all benchmarks together, by Holm), and that a benchmark whose time has grown by `slowdown` is reported as
not slower (1 - `power`, for each benchmark). Each interim analysis spends half of what is left of both.

Ratios are tested by Student's t over pairs. Equal sides can be exchanged, so their log ratios are symmetric about 0,
where the test keeps its level also for long tails (Efron 1969), with as few as four pairs. A test on ranks could not
reach such levels with fewer than ten pairs.

References
----------
B. Efron, "Student's t-test under symmetry conditions", JASA 64 (1969); A. Wald, *Sequential Analysis*, 1947, for the
two errors. The interim analyses are combined by Bonferroni's inequality, so they may come at any time that the data do
not choose.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from bench.stats.paired import holm

FIRST_LOOK = 4
"""Pairs of processes before the first verdict; with fewer nothing can be said of their spread."""


@dataclass(frozen=True)
class Target:
    """The parameters of a comparison.

    Parameters
    ----------
    slowdown
        The growth of time that must not pass: 0.1 is 10 %.
    power
        The probability, at least, that it does not.
    alpha
        The probability, at most, that equal sides raise an alarm.
    """

    slowdown: float = 0.1
    power: float = 0.95
    alpha: float = 0.01

    @property
    def limit(self) -> float:
        """The slowdown as a log ratio."""
        return math.log1p(self.slowdown)


class Speed(StrEnum):
    """What is concluded for one work."""

    SLOWER = "slower"
    FASTER = "faster"
    FINE = "not slower"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Ratio:
    """The head's time over the base's.

    Parameters
    ----------
    value
        The geometric mean over pairs.
    low, high
        The interval: each end is passed with probability 1 - power at most, whenever the measuring stops.
    verdict
        See `judged`.
    pairs
        How many pairs in all the requested power takes at this spread; an order of magnitude.
    """

    value: float
    low: float
    high: float
    verdict: Speed
    pairs: int


@dataclass(frozen=True)
class Conclusion:
    """What one look at the data tells.

    Parameters
    ----------
    ratios
        Name of a work → its ratio.
    calibration
        The ratio of what neither side changes.
    unequal
        Whether the calibration differs, by half the slowdown and by a two-sided test: then the machine treats the
        two sides differently, and no verdict holds.
    count
        Pairs of processes.
    """

    ratios: Mapping[str, Ratio]
    calibration: Ratio
    unequal: bool
    count: int

    def having(self, *verdicts: Speed) -> list[str]:
        """Names of the works with one of these verdicts."""
        return [name for name, ratio in self.ratios.items() if ratio.verdict in verdicts]

    @property
    def settled(self) -> bool:
        """Whether more pairs can be done without: something is slower, or nothing is undecided."""
        return not self.unequal and bool(self.having(Speed.SLOWER) or not self.having(Speed.UNDECIDED))


def is_look(count: int) -> bool:
    """Whether verdicts are due after `count` pairs: 4, 6, 9, 13, 19, …, half as many again each time."""
    return count in _looks(count)


def judged(samples: Mapping[str, Sequence[float]], target: Target, *, look: int) -> dict[str, Ratio]:
    """A verdict for each work.

    `slower`: the ratio is above half the slowdown, and above 1 by the test. `not slower`: the interval ends below the
    slowdown. `faster`: both the other way round; it is reported, and nothing depends on it. Else `undecided`.

    Parameters
    ----------
    samples
        Name of a work → its log ratio in each pair, equally many of all, two at least.
    target
        What is requested.
    look
        How many times the data have been looked at, this one included.
    """
    values = np.array(list(samples.values()), dtype=np.float64)  # [works, pairs]
    share = 0.5**look
    mean, error = _standardised(values)
    freedom, count = values.shape[1] - 1, values.shape[1]
    slower, faster = (holm(stdtr(freedom, sign * mean / error) / share) <= target.alpha for sign in (-1, 1))
    reach = -stdtrit(freedom, (1 - target.power) * share) * error
    needed = _pairs(error * math.sqrt(count), target, benchmarks=len(values))
    ratios = {}
    for k, name in enumerate(samples):
        if slower[k] and mean[k] > target.limit / 2:
            verdict = Speed.SLOWER
        elif mean[k] + reach[k] < target.limit:
            verdict = Speed.FASTER if faster[k] and mean[k] < -target.limit / 2 else Speed.FINE
        else:
            verdict = Speed.UNDECIDED
        value, low, high = np.exp([mean[k], mean[k] - reach[k], mean[k] + reach[k]]).tolist()
        ratios[name] = Ratio(value, low, high, verdict, int(max(needed[k], count + 1)))
    return ratios


def concluded(
    samples: Mapping[str, Sequence[float]], calibration: Sequence[float], target: Target, *, look: int
) -> Conclusion:
    """The verdicts of one look, and whether the machine is to be trusted; see `judged`."""
    (own,) = judged({"calibration": calibration}, target, look=look).values()
    mean, error = _standardised(np.array([calibration], dtype=np.float64))
    p = 2 * stdtr(len(calibration) - 1, -np.abs(mean) / error) / 0.5**look
    unequal = bool(p[0] <= target.alpha and abs(mean[0]) > target.limit / 2)
    return Conclusion(judged(samples, target, look=look), own, unequal, len(calibration))


def _looks(most: int) -> list[int]:
    looks = [FIRST_LOOK]
    while looks[-1] < most:
        looks.append(looks[-1] + looks[-1] // 2)
    return looks


def _standardised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over pairs and their standard errors; never 0, so that equal values are a sure thing and not an error."""
    error = values.std(axis=1, ddof=1) / math.sqrt(values.shape[1])
    return values.mean(axis=1), np.maximum(error, 1e-12)


def _pairs(deviation: np.ndarray, target: Target, *, benchmarks: int) -> np.ndarray:
    """Pairs that tell no change from the slowdown with both errors as requested, by the normal approximation."""
    quantiles = -ndtri(target.alpha / benchmarks) + ndtri(target.power)
    return np.ceil((quantiles * deviation / target.limit) ** 2) + 2
