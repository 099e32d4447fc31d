"""Twins of a series: equal up to a time, other values from it on."""

from __future__ import annotations

import dataclasses

import numpy as np

from bench.data.base import Series
from bench.seeds import generator


def changed_from(series: Series, t: int, seed: int) -> Series:
    """Every point from `t` on moved, up or down, by once to twice the range of its channel."""
    random = generator(seed, "canary", "twin", t)
    values = series.values.copy()
    spread = np.ptp(values, axis=0)
    shape = values[t:].shape
    values[t:] += random.choice([-1.0, 1.0], shape) * random.uniform(1, 2, shape) * np.where(spread > 0, spread, 1.0)
    return dataclasses.replace(series, values=values, best=None)


def multiplied_from(series: Series, t: int, factor: float) -> Series:
    """Every point from `t` on multiplied by `factor`."""
    values = series.values.copy()
    values[t:] *= factor
    return dataclasses.replace(series, values=values, best=None)
