"""The contract between a source of data and everything that reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

FloatArray = NDArray[np.float64]


class Parameters(BaseModel):
    """What a suite may say about one kind of dataset; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Provenance:
    """Where a series comes from.

    Parameters
    ----------
    source
        The formula, or the address of the file.
    sha256
        SHA-256 of the file's bytes, or of the generated values (little-endian float64, C order).
    seed
        The data seed, for generated series.
    """

    source: str
    sha256: str
    seed: int | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """One series, in original units.

    Parameters
    ----------
    values
        ``[N, C]`` float64, finite; points in time order, `C` channels.
    provenance
        Where it comes from.
    time
        ``[N]`` strictly increasing: datetime64 or float64 seconds; `None` where only the order is known.
    best
        For generated data: `best(h)` is the best possible forecast, ``[N, C]``: entry `i` is the expectation
        of ``values[i]`` given the generating law and everything up to ``i - h`` (NaN where ``i < h`` leaves
        nothing to condition on). Its error over the test targets is the noise floor. `None` where the world
        made the data.
    """

    values: FloatArray
    provenance: Provenance
    time: NDArray[Any] | None = None
    best: Callable[[int], FloatArray] | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise ValueError(f"Series.values: expected shape [N, C], got {self.values.shape}")

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class DatasetKind:
    """One registered kind of dataset.

    Parameters
    ----------
    summary
        One line for ``bench list datasets``.
    parameters
        What a suite may set, with defaults and ranges.
    load
        ``load(parameters, seed) -> Series``; `seed` is the data seed. Raises `DataError` for bad content and
        `DataUnavailable` when real data cannot be had.
    fingerprint
        ``fingerprint(parameters) -> str``: the SHA-256 of the bytes that `load` would read, known without
        parsing them; `None` for generated series, whose parameters and seed are their identity.
    """

    summary: str
    parameters: type[Parameters]
    load: Callable[[Any, int], Series]
    fingerprint: Callable[[Any], str] | None = field(default=None)
