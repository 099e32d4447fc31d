"""A column of a user's own CSV or Parquet file as a series.

CSV is comma-separated, UTF-8, with one header line, LF or CRLF, plain or gzipped. Apache Arrow reads the file, in
seconds for millions of rows, and rounds every decimal text to the nearest double. Python's own reader walks the file
only to find the line of an error. The checks of the selected columns are the same for every file format.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, parquet, types
from pyarrow import csv as arrow_csv
from pydantic import Field

from bench.arrays import FloatArray
from bench.data.base import LARGEST, DatasetKind, Parameters, Provenance, Series, file_sha256, first_unusable
from bench.errors import DataError
from bench.registry import unknown

Place = Callable[[int], str]
"""Where a row stands, for a message: ``place(0)`` is the first data row, as in ``"row 1 (line 2)"``."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Two columns of one table, in the file's order.

    Parameters
    ----------
    path
        The file.
    values
        ``[N]`` float64.
    time
        ``[N]`` datetime64 (UTC where the file states a zone) or float64; `None` where no column was asked for.
    place
        Where each row stands in the file.
    """

    path: Path
    values: FloatArray
    time: NDArray[Any] | None
    place: Place


def require_columns(path: Path, column: str, time: str | None, *, names: Sequence[str]) -> None:
    """Refuse a `column` or `time` that the file lacks or has twice, and one column for both."""
    for wanted in (column, time):
        if wanted is None:
            continue
        if wanted not in names:
            raise DataError(f"{path}: {unknown(wanted, names, 'column')}{_separator_hint(names)}")
        if names.count(wanted) > 1:
            raise DataError(f"{path}: expected one column {wanted!r}, got {names.count(wanted)}; rename the others")
    if column == time:
        raise DataError(f"{path}: expected two columns for values and times, got {column!r} for both; name another")


def check(columns: Columns, column: str, max_gap: float | None) -> None:
    """Refuse values that are not finite or too large, and times that are not strictly increasing or leave a gap.

    Parameters
    ----------
    columns
        What was read.
    column
        The name of the values' column, for messages.
    max_gap
        The largest step in time, in multiples of the median step; `None` for any.

    Raises
    ------
    DataError
        With the first row at fault and its value.
    """
    path, place = columns.path, columns.place
    if not len(columns.values):
        raise DataError(f"{path}: expected rows of data, got none")
    if (row := first_unusable(columns.values)) is not None:
        came = columns.values[row]
        expected, advice = (
            (f"a number within ±{LARGEST:g}", "mend it, or scale the column down")
            if np.isfinite(came)
            else ("a finite number", "fill it in, or leave out the rows before or after it")
        )
        raise DataError(f"{path}: {place(row)}, column {column!r}: expected {expected}, got {came}; {advice}")
    if columns.time is not None:
        _check_order(path, columns.time, place)
        if max_gap is not None:
            _check_gaps(path, columns.time, place, max_gap=max_gap)


def _check_order(path: Path, time: NDArray[Any], place: Place) -> None:
    row = _first(~np.isfinite(time))
    if row is not None:
        raise DataError(f"{path}: {place(row)}: expected a time, got {_told(time[row])}; mend it")
    before = _first(~(time[1:] > time[:-1]))
    if before is None:
        return
    first, second = _told(time[before]), _told(time[before + 1])
    if time[before] == time[before + 1]:
        raise DataError(f"{path}: {place(before + 1)}: time {second} stands already at {place(before)}; keep one")
    raise DataError(
        f"{path}: {place(before + 1)}: expected a time after {first}, at {place(before)}, got {second}; "
        "sort the rows by time"
    )


def _check_gaps(path: Path, time: NDArray[Any], place: Place, *, max_gap: float) -> None:
    steps = np.diff(time).astype(np.float64)
    if not len(steps):
        return
    usual = np.median(steps)
    before = _first(steps > max_gap * usual)
    if before is not None:
        raise DataError(
            f"{path}: {place(before + 1)}: time goes from {_told(time[before])} to {_told(time[before + 1])}, "
            f"{steps[before] / usual:.4g} times the usual step; fill the gap, or raise max_gap, now {max_gap:g} "
            "(null allows any gap)"
        )


def _first(fault: NDArray[np.bool_]) -> int | None:
    """The index of the first `True`."""
    return int(np.argmax(fault)) if fault.any() else None


def _told(time: Any) -> str:
    return str(np.datetime_as_string(time, unit="auto")) if isinstance(time, np.datetime64) else repr(float(time))


def _separator_hint(names: Sequence[str]) -> str:
    if len(names) == 1 and (found := [mark for mark in ";\t|" if mark in names[0]]):
        return f"; the columns seem to be separated by {found[0]!r}: separate them by ','"
    return ""


_NUMBER = pa.float64()
_ZONE = re.compile(r":\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)$")
_UNREADABLE = (OSError, EOFError, zlib.error, csv.Error)


def header(path: Path) -> list[str]:
    """The names of the columns.

    Raises
    ------
    DataError
        The file cannot be read, is empty, or is not UTF-8.
    """
    return _start(path)[0]


def read_delimited(path: Path, column: str, time: str | None) -> Columns:
    """The values of `column`, and the times of the column `time` where one is named.

    Times are numbers, or ISO 8601 dates or date-times as the first row has them.

    Raises
    ------
    DataError
        The file cannot be read, lacks a column, or holds something else than numbers and times; the message names
        the data row, the line of the file, and the value.
    """
    names, first = _start(path)
    require_columns(path, column, time, names=names)
    types = {column: _NUMBER}
    if time is not None:
        types[time] = _time_type(dict(zip(names, first, strict=False)).get(time, ""))
    table = _read(path, types, one_column=len(names) == 1)
    return Columns(
        path=path,
        values=table[column].to_numpy(),
        time=None if time is None else table[time].to_numpy(),
        place=lambda row: _line_place(path, row)[0],
    )


def _read(path: Path, types: dict[str, Any], *, one_column: bool) -> Any:
    """The Arrow table of the columns named in `types`; one thread, since only so do its errors name rows."""
    try:
        with pa.input_stream(str(path), compression="gzip" if _gzipped(path) else None) as stream:
            table = arrow_csv.read_csv(
                stream,
                read_options=arrow_csv.ReadOptions(use_threads=False),
                # A blank line among several columns holds no row; in a single column it is a missing value.
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=not one_column),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(types), column_types=types, null_values=[]
                ),
            )
    except (pa.ArrowException, OSError) as error:
        _refuse(path, types, error)
    _refuse_open_quote(path)
    return table


def _refuse(path: Path, types: dict[str, Any], error: Exception) -> NoReturn:
    """Say what Arrow found wrong, with the row, the line and the value."""
    said = " ".join(str(error).split())
    row, at = re.search(r"Row #(\d+)", said), re.search(r"CSV column #(\d+)", said)
    names = header(path)
    place, fields = _line_place(path, int(row[1]) - 2) if row else ("", names)  # Arrow counts the header as row 1
    if len(fields) != len(names):
        raise DataError(
            f"{path}: {place}: expected {len(names)} values as in the header, got {len(fields)}; mend the row "
            "(a value that holds a comma needs quotes)"
        ) from error
    if not (row and at):
        raise DataError(f"{path}: expected a CSV file that can be read, got an error: {said}; mend it") from error
    column, text = names[int(at[1])], fields[int(at[1])]
    number = types[column] == _NUMBER
    expected = "a number such as 1234.5" if number else "an ISO 8601 time such as 2013-02-08, as in row 1"
    raise DataError(f"{path}: {place}, column {column!r}: expected {expected}, got {_shown(text)}; mend it") from error


def _refuse_open_quote(path: Path) -> None:
    """Refuse a quote that is never closed: Arrow takes all that follows as one value, without a word."""
    with _open(path) as file:
        quotes = sum(chunk.count(b'"') for chunk in iter(lambda: file.read(1 << 20), b""))
    if quotes % 2:
        for _ in _records(path):
            pass


def _start(path: Path) -> tuple[list[str], list[str]]:
    """The names of the columns and the first row, empty where there is none."""
    records = _records(path)
    _, names = next(records, (0, None))
    if names is None:
        raise DataError(f"{path}: expected a header and rows of data, got an empty file")
    if any(map(_undecoded, names)):
        raise DataError(f"{path}: line 1: expected UTF-8 text, got {_shown(','.join(names))}; save the file as UTF-8")
    _, first = next(records, (0, None))
    if first is None:
        raise DataError(f"{path}: expected rows of data below the header, got none")
    return names, first


def _line_place(path: Path, row: int) -> tuple[str, list[str]]:
    """Where the data row `row`, counted from 0, stands, and its fields."""
    for number, (line, fields) in enumerate(_records(path), start=-1):
        if number == row:
            return f"row {row + 1} (line {line})", fields
    return f"row {row + 1}", []


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line that it starts on, the header first, blank lines skipped as Arrow skips them."""
    width, start = 0, 1
    try:
        with _open(path) as file:
            lines = (line.decode("utf-8-sig" if not at else "utf-8", "surrogateescape") for at, line in enumerate(file))
            reader = csv.reader(lines, strict=True)
            for fields in reader:
                width = width or len(fields)
                if fields or width == 1:
                    yield start, fields or [""]
                start = reader.line_num + 1
    except _UNREADABLE as error:
        place = f" line {start}:" if isinstance(error, csv.Error) else ""
        said = "a quote that is never closed" if str(error) == "unexpected end of data" else f"an error: {error}"
        raise DataError(f"{path}:{place} expected a CSV file that can be read, got {said}; mend it") from error


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if _gzipped(path) else path.open("rb")


def _gzipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _time_type(text: str) -> Any:
    """The Arrow type of the times that look like `text`."""
    try:
        float(text)
    except ValueError:
        return pa.timestamp("ns" if "." in text else "us", "UTC" if _ZONE.search(text) else None)
    return _NUMBER


def _undecoded(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)


def _shown(text: str) -> str:
    """`text` for a message, at most 60 characters of it; as bytes where it is not UTF-8."""
    shown = text if len(text) <= 60 else f"{text[:59]}…"
    return repr(shown.encode("utf-8", "surrogateescape") if _undecoded(shown) else shown)


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


def load_file(parameters: File, _seed: int) -> Series:
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


FILE = DatasetKind("a column of a CSV or Parquet file of yours", File, load_file, fingerprint)
