"""Read columns of a Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, parquet, types

from bench.data.columns import Columns, require_columns
from bench.errors import DataError


def read_parquet(path: Path, column: str, time: str | None) -> Columns:
    """The values of `column`, and the times of the column `time` where one is named.

    Raises
    ------
    DataError
        The file cannot be read, lacks a column, or holds something else than numbers and times, or a null; the
        message names the row and the value.
    """
    wanted = [column] if time is None else [column, time]
    try:
        with parquet.ParquetFile(path) as file:
            require_columns(path, column, time, names=file.schema_arrow.names)
            table = file.read(columns=wanted, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        said = " ".join(str(error).split())
        raise DataError(f"{path}: expected a Parquet file that can be read, got an error: {said}; mend it") from error
    return Columns(
        path=path,
        values=_numbers(path, column, table[column]),
        time=None if time is None else _times(path, time, table[time]),
        place=_place,
    )


def _place(row: int) -> str:
    return f"row {row + 1}"


def _numbers(path: Path, name: str, column: Any) -> NDArray[np.float64]:
    if not _is_number(column.type):
        raise DataError(f"{path}: column {name!r}: expected numbers, got {column.type}; store it as float64")
    _refuse_null(path, name, column)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy())


def _times(path: Path, name: str, column: Any) -> NDArray[Any]:
    if _is_number(column.type):
        return _numbers(path, name, column)
    if not (types.is_timestamp(column.type) or types.is_date(column.type)):
        raise DataError(f"{path}: column {name!r}: expected times or numbers, got {column.type}; store timestamps")
    _refuse_null(path, name, column)
    return np.asarray(column.to_numpy())


def _is_number(kind: Any) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _refuse_null(path: Path, name: str, column: Any) -> None:
    if column.null_count:
        row = compute.index(compute.is_null(column), value=True).as_py()
        raise DataError(f"{path}: {_place(row)}, column {name!r}: expected a value, got null; fill it in")
