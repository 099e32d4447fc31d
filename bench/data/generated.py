"""What every generated dataset shares: its seed, its stream, and the making of its `Series`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bench.data.base import FloatArray, Parameters, Provenance, Series
from bench.data.hashing import values_sha256
from bench.errors import DataError
from bench.seeds import generator


class Seeded(Parameters):
    """Parameters of a dataset that draws random numbers."""

    seed: int | None = Field(None, ge=0, description="Data seed; null for the suite's.")

    def data_seed(self, suite_seed: int) -> int:
        """The seed in force: the dataset's own where it has one, else the suite's."""
        return suite_seed if self.seed is None else self.seed


def stream(data_seed: int, kind: str) -> np.random.Generator:
    """The random stream of the datasets of one `kind`.

    Datasets of one kind draw the same numbers, so two of them that differ in one parameter are paired.
    """
    return generator(data_seed, "data", kind)


def generated(
    values: FloatArray,
    source: str,
    *,
    best: Callable[[int], FloatArray],
    seed: int | None = None,
    time: NDArray[Any] | None = None,
) -> Series:
    """The `Series` of generated `values` ``[N, C]``.

    Parameters
    ----------
    values
        ``[N, C]`` float64.
    source
        The formula with its parameters.
    best
        The best possible forecast, as in `Series`.
    seed
        The data seed, where random numbers were drawn.
    time
        ``[N]``, where the formula has a time.

    Raises
    ------
    DataError
        A value is not finite.
    """
    if not np.isfinite(values).all():
        point = int(np.argmin(np.isfinite(values).all(axis=1)))
        raise DataError(
            f"{source}: expected finite values, got {values[point].tolist()} at point {point + 1}; "
            "choose smaller parameters"
        )
    provenance = Provenance(source=source, sha256=values_sha256(values), seed=seed)
    return Series(values=values, provenance=provenance, time=time, best=best)


def always(expected: FloatArray) -> Callable[[int], FloatArray]:
    """The best forecast of a law whose expectation, ``[N, C]``, does not depend on what came before."""
    return lambda _horizon: expected
