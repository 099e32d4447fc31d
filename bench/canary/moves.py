"""How far numbers moved that should be equal, digit for digit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.data.windows import Windows

_AT_ONCE = 4096  # windows


@dataclass(frozen=True)
class Move:
    """What was compared, when the points from `t` on were changed, and by how much it moved; 0 where it did not."""

    what: str
    t: int
    size: float


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
    """The `distance` of the inputs, and of the `targets` where asked, of the first `count` windows.

    Of a long series, those are the last ones, and every k-th of all: no more than fit into memory.
    """
    if before.places != after.places:
        return math.inf
    sizes = [0.0]
    for which in (slice(max(0, count - _AT_ONCE), count), slice(0, count, 1 + count // _AT_ONCE)):
        sizes.append(distance(before.inputs(which), after.inputs(which)))
        if targets:
            sizes.append(distance(before.targets(which), after.targets(which)))
    return max(sizes)
