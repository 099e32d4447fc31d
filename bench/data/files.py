"""A user's own CSV or Parquet file as a series: one column, and one of times.

A CSV file is comma-separated, in UTF-8, with one header line, whatever ends its lines, plain or gzipped. Apache Arrow
reads it, in a second for a million rows and with every decimal text rounded to the nearest double. Python's own reader
walks the file only to name the line of a fault.

`pandas.read_csv` was tried instead and hides faults: a row with too few values is filled up; of a row with too many the
rest is dropped where columns are chosen (``usecols``), and in the first row it shifts the columns. Without choosing
columns, 1 000 000 rows of 10 columns as text take 3.9 s and 350 MB, here 0.5 s and 67 MB.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, csv as arrow_csv, parquet, types
from pydantic import Field

from bench.array_types import FloatArray
from bench.data.base import LARGEST, DatasetKind, Parameters, Provenance, Series, file_sha256, first_unusable
from bench.errors import DataError, one_line
from bench.registry import unknown

RowLabel = Callable[[int], str]
"""How a message names a row: ``label(0)`` is the first data row, as in ``"row 1 (line 2)"``."""


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
        ``[N]`` datetime64 (UTC where the file states a zone) or float64; `None` where no column was requested.
    label
        How messages name each row.
    """

    path: Path
    values: FloatArray
    time: NDArray[Any] | None
    label: RowLabel


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
    path, label = columns.path, columns.label
    if not len(columns.values):
        raise DataError(f"{path}: expected rows of data, got none")
    if (row := first_unusable(columns.values)) is not None:
        came = columns.values[row]
        expected, advice = (
            (f"a number within ±{LARGEST:g}", "fix it, or scale the column down")
            if np.isfinite(came)
            else ("a finite number", _fill(int((~np.isfinite(columns.values)).sum()), len(columns.values)))
        )
        raise DataError(f"{path}: {label(row)}, column {column!r}: expected {expected}, got {came}; {advice}")
    if columns.time is not None:
        _check_order(path, columns.time, label)
        if max_gap is not None:
            _check_gaps(path, columns.time, label, max_gap=max_gap)


def _fill(count: int, total: int) -> str:
    """What to do about so many rows without a value, one wording for every mark and file format."""
    return f"rows without a value: {count} of {total}; fill them in, or leave out the rows before or after them"


def _check_order(path: Path, time: NDArray[Any], label: RowLabel) -> None:
    row = _first(~np.isfinite(time))
    if row is not None:
        advice = _fill(int((~np.isfinite(time)).sum()), len(time))
        raise DataError(f"{path}: {label(row)}: expected a time, got {_reported(time[row])}; {advice}")
    before = _first(~(time[1:] > time[:-1]))
    if before is None:
        return
    first, second = _reported(time[before]), _reported(time[before + 1])
    if time[before] == time[before + 1]:
        raise DataError(f"{path}: {label(before + 1)}: time {second} stands already at {label(before)}; keep one")
    raise DataError(
        f"{path}: {label(before + 1)}: expected a time after {first}, at {label(before)}, got {second}; "
        "sort the rows by time"
    )


def _check_gaps(path: Path, time: NDArray[Any], label: RowLabel, *, max_gap: float) -> None:
    steps = np.diff(time).astype(np.float64)
    if not len(steps):
        return
    usual = np.median(steps)
    before = _first(steps > max_gap * usual)
    if before is not None:
        raise DataError(
            f"{path}: {label(before + 1)}: time goes from {_reported(time[before])} to {_reported(time[before + 1])}, "
            f"{steps[before] / usual:.4g} times the usual step; fill the gap, or raise max_gap, now {max_gap:g} "
            "(null allows any gap)"
        )


def _first(fault: NDArray[np.bool_]) -> int | None:
    """The index of the first `True`."""
    return int(np.argmax(fault)) if fault.any() else None


def _reported(time: Any) -> str:
    return str(np.datetime_as_string(time, unit="auto")) if isinstance(time, np.datetime64) else repr(float(time))


def _separator_hint(names: Sequence[str]) -> str:
    if len(names) == 1 and (separators := [mark for mark in ";\t|" if mark in names[0]]):
        return f"; the columns seem to be separated by {separators[0]!r}: separate them by ','"
    return ""


_NUMBER = pa.float64()
_GZIP = b"\x1f\x8b"
_MISSING = frozenset(["", "null", "na", "n/a", "#n/a", "nan", "none", "-", ".", "?"])
"""How files mark a value that is missing, in small letters."""
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
    column = _spelled(names, column)
    time = None if time is None else _spelled(names, time)
    require_columns(path, column, time, names=names)
    table = _read(path, [column] if time is None else [column, time], one_column=len(names) == 1)
    return Columns(
        path=path,
        values=_parsed(path, column, table[column], _NUMBER),
        time=None if time is None else _parsed(path, time, table[time], _time_type(first[names.index(time)])),
        label=lambda row: _line_label(path, row)[0],
    )


def _spelled(names: Sequence[str], wanted: str) -> str:
    """`wanted` as the header spells it, where only spaces around it differ."""
    same = [name for name in names if name.strip() == wanted.strip()]
    return same[0] if wanted not in names and len(same) == 1 else wanted


def _read(path: Path, names: Sequence[str], *, one_column: bool) -> Any:
    """The Arrow table of the texts in the columns `names`; one thread, since only so do its errors name rows."""
    try:
        with pa.input_stream(str(path), compression="gzip" if _gzipped(path) else None) as stream:
            table = arrow_csv.read_csv(
                stream,
                read_options=arrow_csv.ReadOptions(use_threads=False),
                # A blank line among several columns holds no row; in a single column it is a missing value.
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=not one_column),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=names, column_types=dict.fromkeys(names, pa.binary()), null_values=[]
                ),
            )
    except (pa.ArrowException, OSError) as error:
        _refuse_table(path, error)
    _refuse_open_quote(path)
    return table


def _refuse_table(path: Path, error: Exception) -> NoReturn:
    """Say what Arrow found wrong with the shape of the file, with the row and the line."""
    said = one_line(error)
    row, names = re.search(r"Row #(\d+)", said), header(path)
    label, fields = _line_label(path, int(row[1]) - 2) if row else ("", names)  # Arrow counts the header as row 1
    if len(fields) != len(names):
        raise DataError(
            f"{path}: {label}: expected {len(names)} values as in the header, got {len(fields)}; fix the row "
            "(a value that holds a comma needs quotes)"
        ) from error
    raise DataError(f"{path}: expected a CSV file that can be read, got an error: {said}; fix it") from error


def _parsed(path: Path, name: str, texts: Any, kind: Any) -> NDArray[Any]:
    """The texts of the column `name` as values of the Arrow type `kind`; spaces around them do not matter."""
    values = _cast(texts, kind)
    if values is None:
        _refuse_value(path, name, texts, kind)
    return np.asarray(values.to_numpy())


def _cast(texts: Any, kind: Any) -> Any:
    """The Arrow array of the values; `None` where one is not of that `kind`."""
    try:
        return compute.ascii_trim_whitespace(texts.cast(pa.string())).cast(kind)
    except pa.ArrowInvalid:
        return None


def _refuse_value(path: Path, name: str, texts: Any, kind: Any) -> NoReturn:
    """Say which row is the first without a value of that `kind`, and how many have none at all."""
    missing = [row for row, text in enumerate(texts.to_pylist()) if _is_missing(text)]
    row = min([_first_unreadable(texts, kind), *missing[:1]])
    label, fields = _line_label(path, row)
    expected = "a number such as 1234.5" if kind == _NUMBER else "an ISO 8601 time such as 2013-02-08, as in row 1"
    advice = _fill(len(missing), len(texts)) if row in missing[:1] else "fix it"
    text = fields[header(path).index(name)]
    raise DataError(f"{path}: {label}, column {name!r}: expected {expected}, got {_shown(text)}; {advice}")


def _is_missing(text: bytes) -> bool:
    return text.decode("utf-8", "replace").strip().lower() in _MISSING


def _first_unreadable(texts: Any, kind: Any) -> int:
    """The first row that is not of that `kind`, by halves; the last row where all are."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        if _cast(texts.slice(low, middle - low), kind) is None:
            high = middle
        else:
            low = middle
    return low


def _refuse_open_quote(path: Path) -> None:
    """Refuse a quote that is never closed: Arrow takes all that follows as one value, without a word."""
    with _open(path) as file:
        quotes = sum(chunk.count(b'"') for chunk in iter(lambda: file.read(1 << 20), b""))
    if quotes % 2:
        for _ in _records(path):
            pass


def _start(path: Path) -> tuple[list[str], list[str]]:
    """The names of the columns and the first row."""
    if not _gzipped(path):
        with path.open("rb") as file:
            if file.read(len(_GZIP)) == _GZIP:
                raise DataError(f"{path}: expected CSV text, got a file that gzip has compressed; name it .csv.gz")
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


def _line_label(path: Path, row: int) -> tuple[str, list[str]]:
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
            lines = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")  # any end of a line
            reader = csv.reader(lines, strict=True)
            for fields in reader:
                width = width or len(fields)
                if fields or width == 1:
                    yield start, fields or [""]
                start = reader.line_num + 1
    except _UNREADABLE as error:
        place = f" line {start}:" if isinstance(error, csv.Error) else ""
        said = "a quote that is never closed" if str(error) == "unexpected end of data" else f"an error: {error}"
        raise DataError(f"{path}:{place} expected a CSV file that can be read, got {said}; fix it") from error


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
        said = one_line(error)
        raise DataError(f"{path}: expected a Parquet file that can be read, got an error: {said}; fix it") from error
    return Columns(
        path=path,
        values=_numbers(path, column, table[column]),
        time=None if time is None else _times(path, time, table[time]),
        label=_row_label,
    )


def _row_label(row: int) -> str:
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
        advice = _fill(column.null_count, len(column))
        raise DataError(f"{path}: {_row_label(row)}, column {name!r}: expected a value, got null; {advice}")


Reader = Callable[[Path, str, str | None], Columns]
_READERS: dict[str, Reader] = {".csv": read_delimited, ".csv.gz": read_delimited, ".parquet": read_parquet}


class File(Parameters):
    """Parameters of `file`."""

    path: str = Field(min_length=1, description="The file: .csv, .csv.gz or .parquet.")
    column: str = Field(min_length=1, description="The column of the values.")
    time: str | None = Field(
        None, description="The column of the times, ISO dates or numbers; '' for one without a name."
    )
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
        raise DataError(
            f"{path}: expected a file, got {came}; correct the path (in a suite file, a relative one begins at the "
            "folder of that file)"
        )
    return path


def _reader(path: Path) -> Reader:
    for suffix, reader in _READERS.items():
        if path.name.lower().endswith(suffix):
            return reader
    raise DataError(f"{path}: expected a file ending in {', '.join(_READERS)}; convert it to one of these")


FILE = DatasetKind("a column of a CSV or Parquet file of yours", File, load_file, fingerprint)
