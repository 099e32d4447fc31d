"""How far numbers moved that should be equal, digit for digit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.data.windows import Windows

_CHUNK = 4096  # windows compared at once


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
    """The `distance` of the inputs, and of the `targets` where asked, of the first `count` windows."""
    if before.places != after.places:
        return math.inf
    sizes = [0.0]
    for start in range(0, count, _CHUNK):
        which = slice(start, min(start + _CHUNK, count))
        sizes.append(distance(before.inputs(which), after.inputs(which)))
        if targets:
            sizes.append(distance(before.targets(which), after.targets(which)))
    return max(sizes)
