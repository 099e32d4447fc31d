"""One column of a CSV or Parquet file of the user's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from bench.data.base import DatasetKind, Parameters, Provenance, Series
from bench.data.columns import Columns, check
from bench.data.delimited import read_delimited
from bench.data.hashing import file_sha256
from bench.data.parquet import read_parquet
from bench.errors import DataError

Reader = Callable[[Path, str, str | None], Columns]
_READERS: dict[str, Reader] = {".csv": read_delimited, ".csv.gz": read_delimited, ".parquet": read_parquet}


class File(Parameters):
    """Parameters of `file`."""

    path: str = Field(min_length=1, description="The file: .csv, .csv.gz or .parquet.")
    column: str = Field(min_length=1, description="The column of the values.")
    time: str | None = Field(None, min_length=1, description="The column of the times: ISO dates or numbers.")
    max_gap: float | None = Field(
        10.0,
        ge=1,
        description="Largest step in time, in multiples of the median step (10 lets weekends and holidays of daily "
        "data pass); null for any.",
    )


def load(parameters: File, _seed: int) -> Series:
    """The column as a series of one channel, every value and time checked.

    Raises
    ------
    DataError
        Something in the file is not as it must be; the message names the row and the value.
    """
    path = _existing(parameters.path)
    columns = _reader(path)(path, parameters.column, parameters.time)
    check(columns, parameters.column, parameters.max_gap)
    source = f"{parameters.path}, column {parameters.column!r}"
    provenance = Provenance(source=source, sha256=file_sha256(path))
    return Series(values=columns.values[:, None], provenance=provenance, time=columns.time)


def fingerprint(parameters: File) -> str:
    """SHA-256 of the file's bytes."""
    return file_sha256(_existing(parameters.path))


def _existing(text: str) -> Path:
    path = Path(text)
    try:
        came = None if path.is_file() else "a folder" if path.is_dir() else "none there"
    except OSError as error:  # a name that is too long, a folder that may not be entered
        came = error.strerror
    if came:
        raise DataError(f"{path}: expected a file, got {came}; correct the path (it is relative to {Path.cwd()})")
    return path


def _reader(path: Path) -> Reader:
    for suffix, reader in _READERS.items():
        if path.name.lower().endswith(suffix):
            return reader
    raise DataError(f"{path}: expected a file ending in {', '.join(_READERS)}; convert it to one of these")


FILE = DatasetKind("a column of a CSV or Parquet file of yours", File, load, fingerprint)
