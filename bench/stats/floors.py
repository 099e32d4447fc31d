"""Skill and learnable fraction over replicates: how far from persistence, and how much of the way to the floor."""

from __future__ import annotations

import numpy as np

from bench.stats.intervals import LEVEL, FloatArray, Interval
from bench.stats.paired import paired


def skill(mse: FloatArray, persistence: FloatArray, *, level: float = LEVEL) -> Interval:
    """``1 - mean(mse) / mean(persistence)``, ``[..., seeds]`` each, with Fieller's interval of the ratio.

    Pairs with a value that is not finite are left out; NaN where persistence makes no error.
    """
    found = paired(mse, persistence, level=level)
    return Interval(1 - found.ratio, 1 - found.ratio_high, 1 - found.ratio_low, found.count)


def learnable_fraction(
    mse: FloatArray, persistence: FloatArray, floor: FloatArray, *, level: float = LEVEL
) -> Interval:
    """``mean(persistence - mse) / mean(persistence - floor)``, with Fieller's interval of the ratio.

    Empty, NaN throughout, where the denominator is not above 0, or varies over replicates and is within noise of 0:
    its own interval at `level` holds 0. Where all replicates saw one series it does not vary; whether it is within
    the noise of the test targets is then told by the column `learnable_fraction`, which is empty where it is.

    Parameters
    ----------
    mse, persistence, floor
        ``[..., seeds]``: errors on the same targets. What is not finite is missing, and its pair is left out.
    level
        Coverage.
    """
    learned, learnable = persistence - mse, persistence - floor
    found = paired(learned, learnable, level=level)
    room = paired(np.where(np.isfinite(learned), learnable, np.nan), np.zeros_like(learnable), level=level)
    clear = (room.difference > 0) & ~(room.low <= 0)
    value, low, high = (
        np.where(clear, numbers, np.nan) for numbers in (found.ratio, found.ratio_low, found.ratio_high)
    )
    return Interval(value, low, high, found.count)
