"""Whether an improvement is larger than an honest change can make it: then targets have leaked, most likely.

Three bounds, each of which an improvement may go beyond:

- **Noise floor**: no forecast has a smaller error than the best possible one, where that is known.
- **Persistence** repeats the last value and learns nothing: its error changes only with what it is shown or compared
  with.
- **Luck**: a better model is better on the validation part, too. What the test error gains beyond that is chance, and
  chance has a bound. The logarithm of a mean of T squared errors has the variance 2 / T where errors are Gaussian and
  independent, and at horizon h at least T / h of them are. Four such means are compared, old and new on both parts;
  that old and new errors are of the same targets only makes the difference smaller. The bound is one-sided, at `alpha`
  over all cells of the comparison (Bonferroni).

An improvement has been found significant before it comes here: two runs of equal code are called too good even
more rarely than improved.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bench.array_types import FloatArray
from bench.cells import CellKey
from bench.comparing.pairs import Pairs, ResultSet
from bench.text import number, percent

_ROUNDING = 1e-12
"""A mean squared error below this share of the squared range of the data is rounding."""


@dataclass(frozen=True, eq=False)
class Credible:
    """What improvements of one comparison are credible.

    Parameters
    ----------
    pairs
        The cells.
    gained
        ``[cells]``: how far the logarithm of the test MSE fell beyond that of the validation MSE, the mean over
        replicates; NaN where either is not known.
    lucky
        ``[cells]``: how much of that luck explains at most.
    """

    pairs: Pairs
    gained: FloatArray
    lucky: FloatArray

    @classmethod
    def of(cls, pairs: Pairs, *, alpha: float) -> Credible:
        """The bounds for all cells of `pairs`, at `alpha` over all of them."""
        test, validation = (_fall(pairs, name) for name in ("mse_scaled", "validation_mse_scaled"))
        targets = [_targets(pairs, name) for name in ("test_points", "validation_points")]
        horizons = np.array([key.horizon for key in pairs.keys], np.float64)
        with np.errstate(divide="ignore"):  # without a validation part nothing is bounded
            spread = np.sqrt(sum(4 * horizons / points for points in targets))
        level = 1 - alpha / max(len(pairs.keys), 1)
        return cls(pairs, test - validation, spread * float(ndtri(level)))

    def doubt(self, at: int, *, rmse: float, threshold: float) -> str:
        """Why the improvement of the cell `at` is too good, in words; empty where it is not.

        Parameters
        ----------
        rmse
            Its RMSE now, in original units.
        threshold
            The smallest relative change that counts.
        """
        key = self.pairs.keys[at]
        floor = self.pairs.new.sides[key].noise_floor_mse
        if floor and rmse * (1 + threshold) < math.sqrt(floor):
            return f"its RMSE {number(rmse)} is below {number(math.sqrt(floor))}, that of the best possible forecast"
        if _kind(self.pairs.new, key) == "persistence":
            return "persistence learns nothing: no change can make it better"
        gained, lucky = float(self.gained[at]), float(self.lucky[at])
        if gained > max(lucky, 2 * math.log1p(threshold)):
            return (
                f"its RMSE fell by {percent(-math.expm1(-gained / 2))} more on the test part than on the validation "
                f"part; luck explains {percent(-math.expm1(-lucky / 2))} at most"
            )
        return ""


def _fall(pairs: Pairs, name: str) -> FloatArray:
    """``[cells]``: by how much the logarithm of the column `name` fell, the mean over replicates; NaN for none."""
    old, new = (np.log(np.maximum(values, _ROUNDING)) for values in pairs.values(name))
    known = np.isfinite(old) & np.isfinite(new)
    total = np.where(known, old - new, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))


def _targets(pairs: Pairs, name: str) -> FloatArray:
    """``[cells]``: the largest value of the column `name`; NaN where none is stored."""
    values = pairs.new.values(name, pairs.keys, pairs.seeds)
    largest = np.where(np.isnan(values), -np.inf, values).max(axis=1, initial=-np.inf)
    return np.asarray(np.where(np.isfinite(largest), largest, np.nan))


def _kind(results: ResultSet, key: CellKey) -> str:
    """The kind of the cell's model; empty where no spec is stored."""
    models = results.settings[key]["model"]
    return str(json.loads(next(iter(models))).get("kind", "")) if models else ""
