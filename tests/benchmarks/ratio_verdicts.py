"""Did a benchmark's ratio change? The ratios of some passes now against those of some passes stored.

Passes are the unit: the samples within one share the accidents of its process. Log ratios are compared by Welch's t,
which needs no more than a few passes of each; a bootstrap of five values is too narrow.

What another hour or another machine adds is in neither sample and looks like a change. Hence the wide band:
a verdict needs the whole interval on one side of it.

References
----------
B. L. Welch, "The generalization of 'Student's' problem when several different population variances are involved",
Biometrika 34 (1947).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from ratios import CannotCompare, Place, Ratios
from scipy.special import stdtrit

THRESHOLD = 0.25
"""The change of a ratio that is reported: it grows by a quarter, or shrinks by the same factor."""

REFERENCES = ("numpy", "pandas", "pyarrow", "torch")
"""The libraries that references are written with."""

LEVEL = 0.99
"""Of the interval of each benchmark."""


class Verdict(StrEnum):
    """What is concluded for one benchmark."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Change:
    """The ratio now over the ratio stored, of geometric means over passes, with its interval."""

    stored: float
    now: float
    low: float
    high: float
    verdict: Verdict

    @property
    def value(self) -> float:
        return self.now / self.stored


@dataclass(frozen=True)
class Comparison:
    """Every benchmark: compared, or only on one side.

    `other` tells what of the references themselves is not the same; where there is any, no verdict closes anything.
    """

    changes: Mapping[str, Change]
    new: Mapping[str, float]
    vanished: tuple[str, ...]
    other: tuple[str, ...]
    places: tuple[Place, Place]

    @property
    def status(self) -> int:
        """2 where it cannot be compared, 1 where a benchmark is slower, else 0."""
        if self.other:
            return 2
        if any(change.verdict is Verdict.SLOWER for change in self.changes.values()):
            return 1
        return 2 if self.vanished or not self.changes else 0


def compared(stored: Ratios, now: Ratios, *, threshold: float = THRESHOLD) -> Comparison:
    """A verdict for each benchmark that both have."""
    both = [name for name in now.ratios if name in stored.ratios]
    return Comparison(
        changes={name: judged(stored.ratios[name], now.ratios[name], threshold=threshold) for name in both},
        new={name: _mean(each) for name, each in now.ratios.items() if name not in stored.ratios},
        vanished=tuple(name for name in stored.ratios if name not in now.ratios),
        other=tuple(_other(stored.place, now.place)),
        places=(stored.place, now.place),
    )


def judged(stored: Sequence[float], now: Sequence[float], *, threshold: float = THRESHOLD) -> Change:
    """`slower` or `faster` where the whole interval is beyond the threshold, `same` where it is within, else undecided.

    Parameters
    ----------
    stored, now
        Positive ratios, one of each pass, two at least.
    threshold
        0.25: a ratio may grow by a quarter, or shrink by the same factor.
    """
    if min(len(stored), len(now)) < 2:
        raise CannotCompare(f"expected two passes or more of each side, came {len(stored)} stored and {len(now)} now")
    logs = [np.log(each) for each in (stored, now)]
    parts = np.maximum([each.var(ddof=1) / len(each) for each in logs], 1e-24)  # equal values are a sure thing
    freedom = parts.sum() ** 2 / sum(part**2 / (len(each) - 1) for part, each in zip(parts, logs, strict=True))
    middle, reach = logs[1].mean() - logs[0].mean(), stdtrit(freedom, (1 + LEVEL) / 2) * math.sqrt(parts.sum())
    low, high = middle - reach, middle + reach
    return Change(_mean(stored), _mean(now), math.exp(low), math.exp(high), _verdict(low, high, math.log1p(threshold)))


def _verdict(low: float, high: float, limit: float) -> Verdict:
    if low > limit:
        return Verdict.SLOWER
    if high < -limit:
        return Verdict.FASTER
    return Verdict.SAME if -limit < low and high < limit else Verdict.UNDECIDED


def _mean(ratios: Sequence[float]) -> float:
    return float(np.exp(np.log(ratios).mean()))


def _other(stored: Place, now: Place) -> list[str]:
    """Where the references are other code: another minor version of Python, another version of a library of theirs."""
    python = [".".join(place.python.split(".")[:2]) for place in (stored, now)]
    versions = {"Python": python}
    for name in REFERENCES:
        versions[name] = [place.libraries.get(name, "none").partition("+")[0] for place in (stored, now)]
    return [f"{name} {old} stored, {new} here" for name, (old, new) in versions.items() if old != new]
