"""A value and its interval."""

from __future__ import annotations

from dataclasses import dataclass

Bounds = tuple[float, float]
"""The low and the high end of a 95 % interval."""


@dataclass(frozen=True)
class Estimate:
    """A value over replicates; `interval` is `None` where one replicate, or copies of one, show no spread."""

    value: float
    interval: Bounds | None = None
