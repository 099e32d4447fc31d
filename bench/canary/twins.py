"""Twins of a series, equal up to a time; and of independent sequences, some of which are others."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from bench.data.base import FloatArray32, Sequences, Series
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


def with_other_inputs(sequences: Sequences, rows: slice, seed: int, *, after: int = 0) -> Sequences:
    """The inputs of the sequences `rows` moved as in `changed_from`, from step `after` on; NaN stays."""
    inputs = sequences.inputs.copy()
    inputs[rows, after:] += _shift(inputs[rows], seed)[:, after:]
    return dataclasses.replace(sequences, inputs=inputs, best=None)


def with_other_targets(sequences: Sequences, rows: slice, seed: int) -> Sequences:
    """The targets of the sequences `rows` moved as in `changed_from`; each class becomes another."""
    targets = sequences.targets.copy()
    if sequences.task == "classify":
        targets[rows] = np.roll(targets[rows], 1, axis=-1)
    else:
        targets[rows] += _shift(targets[rows], seed)
    return dataclasses.replace(sequences, targets=targets, best=None)


def with_larger(sequences: Sequences, rows: slice, factor: float) -> Sequences:
    """The sequences `rows`, and their targets but for classes, multiplied by `factor`."""
    inputs, targets = sequences.inputs.copy(), sequences.targets.copy()
    inputs[rows] *= np.float32(factor)
    if sequences.task != "classify":
        targets[rows] *= np.float32(factor)
    return dataclasses.replace(sequences, inputs=inputs, targets=targets, best=None)


def _shift(values: FloatArray32, seed: int) -> NDArray[np.float32]:
    """Up or down by once to twice the range of each channel, at random."""
    random = generator(seed, "canary", "twin")
    spread = np.nanmax(values, axis=(0, 1)) - np.nanmin(values, axis=(0, 1))
    size = random.uniform(1, 2, values.shape) * np.where(spread > 0, spread, 1.0)
    return (random.choice([-1.0, 1.0], values.shape) * size).astype(np.float32)
