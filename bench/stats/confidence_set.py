"""The model confidence set: the models among which the best one is, on one series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.errors import InputError
from bench.seeds import integer
from bench.stats.blocks import MINIMUM_BLOCKS, block_length
from bench.stats.intervals import LEVEL, FloatArray

RESAMPLES = 1000


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
        Means over replicates. Models must be complete: `None` is returned where a loss is not finite, and where the
        targets fill fewer than `MINIMUM_BLOCKS` blocks.
    horizon
        Steps ahead: sets the length of the blocks, as in `bench.stats.blocks`.
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
    _, kept = np.unique(losses, axis=0, return_index=True)  # copies of one model would have no variance between them
    if len(kept) == 1:
        return ConfidenceSet(level, tuple(range(models)), (1.0,) * models)
    p = _p_values(losses[np.sort(kept)], length, level=level, resamples=resamples)
    same = (losses[:, None] == losses[np.sort(kept)]).all(axis=2).argmax(axis=1)
    every = tuple(float(p[place]) for place in same)
    return ConfidenceSet(level, tuple(place for place, own in enumerate(every) if own > 1 - level), every)


def _p_values(losses: FloatArray, length: int, *, level: float, resamples: int) -> FloatArray:
    try:
        from arch.bootstrap import MCS
    except ImportError as error:
        raise InputError(
            "expected the package `arch` for the model confidence set, found none; run `pip install 'bench[stats]'`"
        ) from error
    seed = integer(0, "confidence set", *losses.shape) % 2**32
    # Their scale cancels; squared errors of prices or of tiny signals would trouble the arithmetic.
    found = MCS(losses.T / losses.mean(), size=1 - level, reps=resamples, block_size=length, method="R", seed=seed)
    found.compute()
    return np.asarray(found.pvalues["Pvalue"].sort_index().to_numpy(), dtype=np.float64)
