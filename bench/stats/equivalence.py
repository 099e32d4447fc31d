"""Whether two errors are equal within a stated share: what a test that finds no difference does not show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from bench.stats.intervals import FloatArray, IntArray
from bench.stats.paired import Pairs, paired


@dataclass(frozen=True, eq=False)
class Equivalence:
    """Two one-sided tests in each cell, ``[...]``; NaN where not known.

    Parameters
    ----------
    within
        The threshold θ: equivalent means that ``mean(new) / mean(old)`` lies in ``1 - θ .. 1 + θ``.
    count
        Pairs of replicates that both sides have.
    p
        Of "not equivalent", the larger of the two one-sided p-values: a small one shows equivalence.
    ratio, low, high
        ``mean(new) / mean(old)`` with Fieller's 90 % interval: it lies within the threshold exactly when p < 0.05.
    """

    within: float
    count: IntArray
    p: FloatArray
    ratio: FloatArray
    low: FloatArray
    high: FloatArray


def equivalence(new: FloatArray, old: FloatArray, *, within: float) -> Equivalence:
    """Test whether ``[..., seeds]`` `new` equals `old`, not negative, within the share `within`.

    Pairs with a value that is not finite are left out. Copies of one fit have no spread to test with: p is NaN.

    References
    ----------
    D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987); for the ratio of two means
    D. Hauschke et al., Statistics in Medicine 18 (1999).
    """
    pairs = Pairs.of(new, old)
    (above, _), (below, _) = pairs.t(within), pairs.t(-within)
    compared = paired(new, old, level=0.90)
    return Equivalence(
        within=within,
        count=pairs.count,
        p=np.maximum(stdtr(pairs.freedom, above), stdtr(pairs.freedom, -below)),
        ratio=compared.ratio,
        low=compared.ratio_low,
        high=compared.ratio_high,
    )
