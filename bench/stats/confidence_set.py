"""The model confidence set on one series: it contains the best models with a given probability."""

import math
from dataclasses import dataclass

import numpy as np

from bench.array_types import BoolArray, FloatArray
from bench.stats.ratios import LEVEL
from bench.stats.window_tests import long_enough, over_window


@dataclass(frozen=True)
class ConfidenceSet:
    """Which of the models the data cannot rule out as the best.

    Parameters
    ----------
    level
        How likely the set holds the best model; all of the best, where several are equally good.
    included
        Places of the models in the set, in the order given.
    p
        Of each model, in the order given: it is in the set at every level above ``1 - p``.
    """

    level: float
    included: tuple[int, ...]
    p: tuple[float, ...]


def confidence_set(losses: FloatArray, *, horizon: int = 1, level: float = LEVEL) -> ConfidenceSet | None:
    """The model confidence set of ``[models, T]`` `losses` at the same test targets, in the order of time.

    As long as two of the models that are left differ, the one that loses the clearest comparison leaves. Of the tests
    of all pairs that are left, `over_window` each, the smallest p-value counts, times their number (Bonferroni): any
    correlation of the losses is allowed for.

    Parameters
    ----------
    losses
        Means over replicates. `None` is returned where a loss is not finite, or the window is too short for a test.
    horizon
        Steps ahead, as in `over_window`.
    level
        How likely the set is to hold the best models.

    References
    ----------
    P. R. Hansen, A. Lunde and J. M. Nason, "The Model Confidence Set", Econometrica 79 (2011): the sequence of tests,
    whose level is kept by any test of equal losses that keeps its own.
    """
    models, points = losses.shape
    if not np.isfinite(losses).all() or not long_enough(points, horizon):
        return None
    smaller = _p_values(losses, horizon)
    left = np.ones(models, dtype=np.bool_)
    p, reached = np.ones(models), 0.0
    while left.sum() > 1:
        worst, smallest = _clearest(smaller, left)
        reached = max(reached, min(1.0, smallest * math.comb(int(left.sum()), 2)))
        p[worst], left[worst] = reached, False
    included = tuple(int(place) for place in np.flatnonzero(p > 1 - level))
    return ConfidenceSet(level, included, tuple(p.tolist()))


def _clearest(smaller: FloatArray, left: BoolArray) -> tuple[int, float]:
    """Which of the models that are left loses a comparison with the smallest p-value, and that value."""
    p = np.where(left[:, None] & left[None], smaller, np.inf)
    worst, _ = np.unravel_index(int(p.argmin()), p.shape)
    return int(worst), float(p.min())


def _p_values(losses: FloatArray, horizon: int) -> FloatArray:
    """``[models, models]``: of each model against every other one with a smaller loss, or an equal one."""
    first, second = np.triu_indices(len(losses), k=1)
    test = over_window(losses[first], losses[second], horizon=horizon)
    p = np.full((len(losses),) * 2, np.inf)
    test_p = np.where(np.isnan(test.p), 1.0, test.p)  # neither makes an error
    p[first, second] = np.where(test.ratio >= 1, test_p, np.inf)
    p[second, first] = np.where(test.ratio >= 1, np.inf, test_p)
    return p
