"""Common parts of generated datasets: the seed, the random stream, and the resulting `Series` or `Sequences`."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bench.array_types import FloatArray, FloatArray32
from bench.data.base import (
    Parameters,
    Provenance,
    Sequences,
    Series,
    SeriesParameters,
    arrays_sha256,
    values_sha256,
)
from bench.data.stand_ins import data_generator
from bench.tasks import Task

Length = Annotated[int, Field(ge=2, le=100_000_000)]
"""How many points a formula gives; the bound is 0.8 GB."""

Spread = Annotated[float, Field(le=1e100)]
"""A standard deviation; far larger draws would overflow when they are squared."""

Step = Annotated[float, Field(gt=0, le=1e6)]
"""A step in t; the last t is then exact to less than 0.02."""

Stop = Annotated[float, Field(gt=0, le=1e14)]
"""The last t of an even grid from 0; the bound is that of `Length` steps of `Step`."""


class Seeded(Parameters):
    """Parameters of a dataset that draws random numbers."""

    seed: int | None = Field(None, ge=0, le=2**63 - 1, description="Data seed; null for the suite's.")

    def data_seed(self, suite_seed: int) -> int:
        """The seed in force: the dataset's own where it has one, else the suite's."""
        return suite_seed if self.seed is None else self.seed


class SeededSeries(Seeded, SeriesParameters):
    """Parameters of one series that draws random numbers."""


def stream(data_seed: int, kind: str) -> np.random.Generator:
    """The random stream of the datasets of one `kind`.

    Datasets of one kind draw the same numbers, so two of them that differ in one parameter are paired.
    """
    return data_generator(data_seed, "data", kind)


def generated(
    values: FloatArray,
    source: str,
    *,
    best: Callable[[int], FloatArray],
    seed: int | None = None,
    time: NDArray[Any] | None = None,
    autocovariance: Callable[[NDArray[np.int64]], FloatArray] | None = None,
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
    autocovariance
        As in `Series`, where it is known.

    Raises
    ------
    DataError
        A value is not finite, or too large to be squared.
    """
    provenance = Provenance(source=source, sha256=values_sha256(values), seed=seed)
    return Series(values=values, provenance=provenance, time=time, best=best, autocovariance=autocovariance)


def always(expected: FloatArray) -> Callable[[int], FloatArray]:
    """The best forecast of a law whose expectation, ``[N, C]``, does not depend on what came before."""
    return lambda _horizon: expected


def generated_sequences(
    inputs: FloatArray32,
    targets: FloatArray32,
    task: Task,
    *,
    source: str,
    seed: int,
    best: Callable[[], FloatArray],
) -> Sequences:
    """The `Sequences` of generated `inputs` ``[N, T, C]`` and `targets` ``[N, U, D]``; parameters as there."""
    provenance = Provenance(source=source, sha256=arrays_sha256(inputs, targets), seed=seed)
    return Sequences(inputs=inputs, targets=targets, task=task, provenance=provenance, best=best)
