"""The contract between a source of data and everything that reads it, and SHA-256 of files and generated values."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from bench.array_types import FloatArray, FloatArray32
from bench.errors import DataError
from bench.tasks import Task

WHOLE = 2.0**53
"""Up to here float64 holds every whole number."""
LARGEST = 1e150
"""The largest magnitude of a value: errors are squared, and squares beyond 1.8e308 are no float64."""


class Parameters(BaseModel):
    """What a suite may say about one kind of dataset; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def departures(self) -> tuple[str, ...]:
        """What of these departs from the protocol, as published systems do; it marks the rows `as published`."""
        return ()


Transform = Literal["returns", "log-returns", "difference"]


class SeriesParameters(Parameters):
    """What a suite may say about any dataset that is one series."""

    LATER: ClassVar[frozenset[str]] = frozenset({"transform"})
    """Options that came after cells had been stored: left out at their defaults, which keeps the ids of those."""

    transform: Transform | None = Field(
        None,
        description="What models are trained on and forecast in place of the values: their returns p/p' - 1, "
        "log-returns ln p - ln p', or differences p - p' from one point to the next; errors stay those of the values.",
    )

    @model_serializer(mode="wrap")
    def _without_later(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = write(self)
        defaults = {name: type(self).model_fields[name].default for name in self.LATER}
        return {name: value for name, value in content.items() if name not in defaults or value != defaults[name]}

    def widths(self) -> tuple[int, int]:
        """How many values of each point are forecast, and how many are inputs alone; as far as that is declared."""
        return 1, 0


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
    notes
        What a reader of the results has to know of how it was read: what was detected, and what looks wrong.
    """

    source: str
    sha256: str
    seed: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Series:
    """One series, in original units.

    Parameters
    ----------
    values
        ``[N, C]`` float64, finite and within ±`LARGEST`; points in time order, `C` channels.
    provenance
        Where it comes from.
    time
        ``[N]`` strictly increasing: datetime64, float64 seconds or int64; `None` where only the order is known.
    best
        For generated data: `best(h)` is the best possible forecast, ``[N, C]``: entry `i` is the expectation
        of ``values[i]`` given the generating law and everything up to ``i - h`` (NaN where ``i < h`` leaves
        nothing to condition on). Its error over the test targets is the noise floor. `None` where the world
        made the data.
    autocovariance
        `autocovariance(lags)` is the covariance, ``[lags]``, of two points of one channel so many steps apart, where
        the law is stationary and it is known (a sine has a random phase); it gives the best linear forecast.
    utc
        Whether `time` are moments in UTC; else clocks of an unknown zone showed them.
    breaks
        Ascending indices of points that follow a gap in time: no window reaches across one.
    covariates
        ``[N, P]``: what else is known of each point once it has passed; inputs alone, never scored.
    known_future
        ``[N, K]``: what is known of each point long before, such as the calendar; inputs alone.
    names
        Of the columns of `values`, `covariates` and `known_future`; empty where nothing has to be named.
    shifts
        Ascending indices of the first points at a new level, where the law that made the data says when it shifts.
    several
        Where these are several series, one after the other: the name and the index of the first point of each.

    Raises
    ------
    DataError
        `values` are not such; the message names the first point at fault and its value.
    """

    values: FloatArray
    provenance: Provenance
    time: NDArray[Any] | None = None
    best: Callable[[int], FloatArray] | None = None
    autocovariance: Callable[[NDArray[np.int64]], FloatArray] | None = None
    utc: bool = False
    breaks: tuple[int, ...] = ()
    covariates: FloatArray | None = None
    known_future: FloatArray | None = None
    names: tuple[str, ...] = ()
    shifts: tuple[int, ...] = ()
    several: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        self._check(self.values)
        for inputs in (self.covariates, self.known_future):
            if inputs is not None:
                self._check(inputs)
                if len(inputs) != len(self.values):
                    raise DataError(
                        f"{self.provenance.source}: expected covariates of {len(self.values)} points, got "
                        f"{len(inputs)}; fix it"
                    )

    def _check(self, values: FloatArray) -> None:
        source = self.provenance.source
        if values.ndim != 2 or values.dtype != np.float64:
            raise DataError(
                f"{source}: expected float64 values [N, C], got {values.dtype} {list(values.shape)}; fix it"
            )
        if (point := first_unusable(values)) is not None:
            channel = int(np.argmin(np.abs(values[point]) <= LARGEST))
            raise DataError(
                f"{source}: expected finite values within ±{LARGEST:g}, got {values[point, channel]} at point "
                f"{point + 1}, channel {channel + 1}; fix the values, or scale them down"
            )

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Sequences:
    """Many independent sequences, each with what is to be said of it; in original units.

    They are cut into train, validation and test in the order given, as the points of a series are.

    Parameters
    ----------
    inputs
        ``[N, T, C]`` float32. A sequence that is shorter than `T` is NaN after its end.
    targets
        ``[N, U, D]`` float32: to `denoise`, the clean sequence, ``U = T``; to `classify`, the class as one-hot,
        ``U = 1`` and `D` classes; to `forecast`, one value after the end, ``U = 1``.
    task
        What is requested.
    provenance
        Where they come from.
    best
        For generated data, `best()` is the expectation of each target given the generating law and what a causal
        model has seen, ``[N, U, D]``; its error is the noise floor. `None` where the world made the data.
    test
        How many of them, at the end, are a test part that the data comes with; `None` where there is none.

    Raises
    ------
    DataError
        The arrays are not such.
    """

    inputs: FloatArray32
    targets: FloatArray32
    task: Task
    provenance: Provenance
    best: Callable[[], FloatArray] | None = None
    test: int | None = None

    def __post_init__(self) -> None:
        source, inputs, targets = self.provenance.source, self.inputs, self.targets
        for name, array in (("inputs", inputs), ("targets", targets)):
            if array.ndim != 3 or array.dtype != np.float32:
                raise DataError(f"{source}: expected float32 {name} of 3 dimensions, got {array.dtype} {array.shape}")
        steps = inputs.shape[1] if self.task == "denoise" else 1
        if len(inputs) != len(targets) or targets.shape[1] != steps:
            raise DataError(
                f"{source}: expected targets [{len(inputs)}, {steps}, D] for inputs {list(inputs.shape)} of the task "
                f"{self.task}, got {list(targets.shape)}"
            )

    def __len__(self) -> int:
        return len(self.inputs)


def first_unusable(values: FloatArray) -> int | None:
    """The index of the first of ``values`` ``[N]`` or ``[N, C]`` that holds NaN or more than `LARGEST`."""
    # Extremes carry NaN along and need no arrays next to the values; only a fault is worth those.
    if values.min(initial=0.0) >= -LARGEST and values.max(initial=0.0) <= LARGEST:
        return None
    usable = np.abs(values.reshape(len(values), -1)) <= LARGEST
    return int(np.argmin(usable.all(axis=1)))


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
        ``load(parameters, seed)`` gives a `Series`, or `Sequences` where `steps` is given; `seed` is the data
        seed. Raises `DataError` for bad content and `DataUnavailable` when real data cannot be had.
    fingerprint
        ``fingerprint(parameters) -> str``: the SHA-256 of the bytes that `load` would read, known without
        parsing them; `None` for generated series, whose parameters and seed are their identity.
    task
        What it has to do.
    steps
        ``steps(parameters) -> T`` of `Sequences`, which is then the only sequence length; `None` for a `Series`.
    variable
        ``variable(parameters)``: whether some of the `Sequences` may be shorter than `T`; `None` where none is.
    values
        `C` and `D` of `Sequences` whose targets are none of their own channels, such as classes; else `None`.
    apart
        ``apart(parameters)``: of parameters that stand for several datasets, the name of each, and what changes for it,
        `None` where a parameter is left out; empty for those of one dataset.
    identity
        What else identifies its cells, such as a hash of its source; `None` for kinds of `bench` and of distributions,
        which are known by their versions.
    """

    summary: str
    parameters: type[Parameters]
    load: Callable[[Any, int], Any]
    fingerprint: Callable[[Any], str] | None = field(default=None)
    task: Task = "forecast"
    steps: Callable[[Any], int] | None = None
    variable: Callable[[Any], bool] | None = None
    values: tuple[int, int] | None = None
    apart: Callable[[Any], Mapping[str, Mapping[str, Any]]] | None = None
    identity: str | None = None


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of the file at `path`, read in pieces.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: expected a file that can be read, got: {error.strerror}; fix it") from error


def values_sha256(values: FloatArray) -> str:
    """SHA-256 of `values` as little-endian float64 in C order, the same on every machine."""
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").data).hexdigest()


def arrays_sha256(*arrays: FloatArray32) -> str:
    """SHA-256 of `arrays`, one after the other, as little-endian float32 in C order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype="<f4").data)
    return digest.hexdigest()
