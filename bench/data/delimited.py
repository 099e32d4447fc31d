"""Read columns of a CSV file: comma-separated, UTF-8, one header line, LF or CRLF, plain or gzipped.

Apache Arrow reads the file, in seconds for millions of rows and with every decimal text rounded to the nearest
double. Python's own reader walks the file only to name the line of a fault.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

import pyarrow as pa
from pyarrow import csv as arrow_csv

from bench.data.columns import Columns, require_columns
from bench.errors import DataError

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
        place=lambda row: _place(path, row)[0],
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
    place, fields = _place(path, int(row[1]) - 2) if row else ("", names)  # Arrow counts the header as row 1
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


def _place(path: Path, row: int) -> tuple[str, list[str]]:
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
