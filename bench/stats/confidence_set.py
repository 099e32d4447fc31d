"""The model confidence set on one series: it contains the best model with a given probability."""

import math
from dataclasses import dataclass

import numpy as np

from bench.array_types import FloatArray
from bench.errors import InputError, pip_install
from bench.seeds import integer
from bench.stats.bootstrap import LEVEL
from bench.stats.paired import ROUNDING
from bench.stats.window_tests import MINIMUM_BLOCKS, block_length

RESAMPLES = 1000
_MOST = 4000
"""Test targets that are resampled one by one; of more, the means of neighbours are."""


@dataclass(frozen=True)
class ConfidenceSet:
    """Which of the models the data cannot rule out as the best.

    Parameters
    ----------
    level
        How likely the set holds the best model.
    included
        Places of the models in the set, in the order given.
    p
        Of each model, in the order given: it is in the set at every level above ``1 - p``.
    """

    level: float
    included: tuple[int, ...]
    p: tuple[float, ...]


def confidence_set(
    losses: FloatArray, *, horizon: int = 1, level: float = LEVEL, resamples: int = RESAMPLES
) -> ConfidenceSet | None:
    """The model confidence set of ``[models, T]`` `losses` at the same test targets, in the order of time.

    Parameters
    ----------
    losses
        Means over replicates. Models must be complete: `None` is returned where a loss is not finite, where the
        targets fill fewer than `MINIMUM_BLOCKS` blocks, and where the losses of two models differ by a constant.
    horizon
        Steps ahead: sets the length of the blocks, as in `bench.stats.window_tests`.
    level
        How likely the set is to hold the best model.
    resamples
        Bootstrap resamples.

    Raises
    ------
    InputError
        The package `arch` is not installed.

    References
    ----------
    P. R. Hansen, A. Lunde and J. M. Nason, "The Model Confidence Set", Econometrica 79 (2011); range statistic,
    stationary bootstrap, as implemented by K. Sheppard's `arch`.
    """
    models, points = losses.shape
    length = block_length(points, horizon)
    if not np.isfinite(losses).all() or points < MINIMUM_BLOCKS * length:
        return None
    apart, place_of = np.unique(losses, axis=0, return_inverse=True)  # between copies there is no variance
    if len(apart) == 1:
        return ConfidenceSet(level, tuple(range(models)), (1.0,) * models)
    if not _vary(apart):
        return None
    pooled, size = _pooled(apart / apart.max())  # scale cancels; squared errors of prices trouble the arithmetic
    p = _p_values(pooled, math.ceil(length / size), level=level, resamples=resamples)
    every = tuple(float(p[place]) for place in place_of.ravel())
    return ConfidenceSet(level, tuple(place for place, own in enumerate(every) if own > 1 - level), every)


def _pooled(losses: FloatArray) -> tuple[FloatArray, int]:
    """The means of so many neighbours, shorter than a block, that few enough are left; how many make up each."""
    points = losses.shape[1]
    size = math.ceil(points / _MOST)
    if size == 1:
        return losses, 1
    starts = np.arange(0, points, size)
    share = len(starts) / points  # of the last group too, which may be smaller: the mean of all stays what it was
    return np.add.reduceat(losses, starts, axis=1) * share, size


def _vary(losses: FloatArray) -> bool:
    """Whether the difference of every two models has a variance, by which the test divides it."""
    rounding = ROUNDING * losses.max()
    return all((np.ptp(losses[place + 1 :] - own, axis=1) > rounding).all() for place, own in enumerate(losses))


def _p_values(losses: FloatArray, length: int, *, level: float, resamples: int) -> FloatArray:
    try:
        from arch.bootstrap import MCS
    except ImportError as error:
        raise InputError(
            f"expected the package `arch` for the model confidence set, found none; run `{pip_install('stats')}`"
        ) from error
    seed = integer(0, "confidence set", *losses.shape) % 2**32
    procedure = MCS(losses.T, size=1 - level, reps=resamples, block_size=length, method="R", seed=seed)
    procedure.compute()
    return np.asarray(procedure.pvalues["Pvalue"].sort_index().to_numpy(), dtype=np.float64)
