"""Holm's correction: many claims in one report, and the chance that any of them is false kept at its level."""

from __future__ import annotations

import numpy as np

from bench.stats.intervals import FloatArray


def holm(p: FloatArray) -> FloatArray:
    """The p-values of one family, corrected; in any shape, and the same shape comes back.

    NaN is a claim that could not be tested: it stays NaN and does not count among the others.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    order = np.argsort(p[tested], kind="stable")
    ranked = p[tested][order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(ranked), 1.0)
    adjusted[tested] = corrected
    return adjusted
