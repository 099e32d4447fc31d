"""A CSV file as a table of texts: UTF-8, any ends of lines, plain or compressed, one or more lines of names.

Apache Arrow reads it, in some two seconds for a million rows. Python's own reader walks the file where there are
quotes, on which the two have to agree, and to name the line of a fault.

`pandas.read_csv` was tried instead and hides faults: a row with too few values is filled up; of a row with too many the
rest is dropped where columns are chosen (``usecols``), and in the first row it shifts the columns. Without choosing
columns, 1 000 000 rows of 10 columns as text take 3.9 s and 350 MB, here 0.5 s and 67 MB.
"""

import csv
import io
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
from pyarrow import compute, csv as arrow_csv

from bench.data.files.compressed import UNREADABLE, opened, refuse_compressed, refuse_inflated
from bench.data.files.table import Dialect, FileTable, Name, Unreadable, known_by, row_number, shown, undecoded
from bench.errors import DataError, one_line

_HEAD = 60
"""Lines at the start of a file among which the names of the columns are looked for."""
SEPARATORS = (",", ";", "\t", "|")
_MOST_HEADER_LINES = 4
_SHOWN = 12
"""Names that a message shows."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class CsvLayout:
    """How the lines of a file are cut.

    Parameters
    ----------
    separator
        Between the values of a row.
    header
        The lines of names, ``[lines][columns]``.
    first_line
        Lines before the first row of data.
    notes
        What was detected.
    """

    separator: str
    header: tuple[tuple[str, ...], ...]
    first_line: int
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many values a row has."""
        return len(self.header[0])


def read_delimited(path: Path, dialect: Dialect, wanted: Sequence[Name] = ()) -> FileTable:
    """The file at `path` as a table of texts.

    Parameters
    ----------
    path
        A CSV file.
    dialect
        How it is written, as far as that is stated.
    wanted
        Columns that it should have: where it has them under another separator or below other lines alone, that is
        how it is read.

    Raises
    ------
    DataError
        The file cannot be read, is empty, or is not UTF-8. Loading columns raises it too, for rows that do not have
        as many values as there are names.
    """
    refuse_compressed(path)
    refuse_inflated(path)
    layout, hint = _layout(path, dialect, wanted)
    with closing(_records(path, layout)) as records:
        rows = [fields for _, fields in islice(records, _HEAD)]
    if not rows:
        raise DataError(f"{path}: expected rows of data below the header, got none")
    return FileTable(
        path,
        layout.header,
        load=partial(_load, path, layout),
        label=lambda row: _row_label(path, layout, row),
        head=tuple(row for row in rows if len(row) == layout.width),
        hint=hint,
        notes=layout.notes,
    )


def _layout(path: Path, dialect: Dialect, wanted: Sequence[Name]) -> tuple[CsvLayout, str]:
    """How the file is cut, and what to say of the separator where a column is not there."""
    head = _head(path)
    plain = _attempt(path, head, dialect.separator or ",", dialect)
    if isinstance(plain, CsvLayout) and _has(plain, wanted):
        return plain, ""
    separators = SEPARATORS if dialect.separator is None else (dialect.separator,)
    fitting = [layout for each in separators if (layout := _detected(head, each, dialect, wanted)) is not None]
    if len(fitting) == 1:
        return fitting[0], ""
    if isinstance(plain, DataError):
        raise plain
    return plain, _hint(path, head, plain, dialect)


def _attempt(path: Path, head: Sequence[str], separator: str, dialect: Dialect) -> CsvLayout | DataError:
    """The layout under `separator`, or why there is none."""
    try:
        return _cut(path, head, separator, dialect.skip_rows, dialect.header)
    except DataError as error:
        return error


def _has(layout: CsvLayout, wanted: Sequence[Name]) -> bool:
    """Whether every wanted column is there; a number stands for a name, or for any column that far."""
    return all(
        known_by(layout.header, name) or (isinstance(name, int) and 1 <= name <= layout.width) for name in wanted
    )


def _detected(head: Sequence[str], separator: str, dialect: Dialect, wanted: Sequence[Name]) -> CsvLayout | None:
    """The first place in `head` at which all wanted columns are named; `None` where there is none."""
    if dialect.header != 1:
        skips, depths = [dialect.skip_rows], [dialect.header]
    else:
        lines = [number for number, line in enumerate(head) if line.strip() or not number]
        skips = [dialect.skip_rows] if dialect.skip_rows else lines
        depths = list(range(1, _MOST_HEADER_LINES + 1))
    for skip in skips:
        for depth in depths if skip == skips[0] else depths[:1]:
            try:
                layout = _cut(Path(), head, separator, skip, depth)
            except DataError:
                continue
            if all(known_by(layout.header, name) for name in wanted):
                return CsvLayout(separator, layout.header, layout.first_line, tuple(_stated(separator, skip, depth)))
    return None


def _stated(separator: str, skip: int, depth: int) -> Iterator[str]:
    if separator != ",":
        yield f"separator: {separator!r}".replace("'", '"')
    if skip:
        yield f"skip_rows: {skip}"
    if depth > 1:
        yield f"header: {depth}"


def _hint(path: Path, head: Sequence[str], plain: CsvLayout, dialect: Dialect) -> str:
    """Which separator the names seem to have, where it is not the one that was taken."""
    for separator in SEPARATORS:
        if dialect.separator is None and separator != plain.separator:
            other = _attempt(path, head, separator, dialect)
            if isinstance(other, CsvLayout) and other.width > plain.width:
                names = ", ".join(shown(name) for name in other.header[0][:_SHOWN])
                more = ", …" if other.width > _SHOWN else ""
                return f"; the columns seem to be separated by {separator!r}: {names}{more}"
    return ""


def _head(path: Path) -> list[str]:
    """The first lines."""
    try:
        with opened(path) as file, _lines(file) as text:
            lines = list(islice(text, _HEAD))
    except UNREADABLE as error:
        _refuse(path, error)
    if not any(line.strip("\r\n") for line in lines):
        raise DataError(f"{path}: expected a header and rows of data, got an empty file")
    return lines


def _lines(file: Any) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")  # any end of a line


def _cut(path: Path, head: Sequence[str], separator: str, skip: int, depth: int) -> CsvLayout:
    """The layout with the names in the first `depth` records after `skip` lines; none of them numbers the columns."""
    reader = csv.reader(head[skip:], delimiter=separator, strict=True)
    records: list[tuple[str, ...]] = []
    lines = 0
    try:
        for fields in reader:
            if fields:
                records.append(tuple(fields))
                if len(records) >= max(depth, 1):
                    lines = reader.line_num
                    break
    except csv.Error as error:
        _refuse(path, error, line=skip + 1)
    if len(records) < max(depth, 1) or len({len(record) for record in records}) > 1:
        raise DataError(
            f"{path}: expected {max(depth, 1)} line{'s' if depth > 1 else ''} of names, each of as many columns, after "
            f"{skip} lines, got other lines; state skip_rows and header as the file has them"
        )
    if any(undecoded(name) for name in records[0]):
        came = shown(separator.join(records[0]))
        raise DataError(f"{path}: line {skip + lines}: expected UTF-8 text, got {came}; save the file as UTF-8")
    if depth == 0:
        return CsvLayout(separator, (tuple(str(number + 1) for number in range(len(records[0]))),), skip)
    return CsvLayout(separator, tuple(records), skip + lines)


def _load(path: Path, layout: CsvLayout, columns: Sequence[int]) -> list[Any]:
    """The texts of the columns; one thread, since only so are the rows those of the file."""
    names = [str(column) for column in range(layout.width)]
    wanted = [names[column] for column in columns]
    try:
        with opened(path) as stream:
            table = arrow_csv.read_csv(
                stream,
                read_options=arrow_csv.ReadOptions(use_threads=False, skip_rows=layout.first_line, column_names=names),
                # A blank line among several columns holds no row; in a single column it is a missing value.
                parse_options=arrow_csv.ParseOptions(
                    delimiter=layout.separator, newlines_in_values=True, ignore_empty_lines=layout.width > 1
                ),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=wanted, column_types=dict.fromkeys(wanted, pa.binary()), null_values=[]
                ),
            )
    except UNREADABLE as error:
        _refuse_shape(path, layout, error)
    if _has_quotes(path) and (rows := _checked(path, layout)) != table.num_rows:
        raise DataError(
            f"{path}: expected quotes that all readers take the same way, got {rows} rows by one and "
            f"{table.num_rows} by another; quote whole values"
        )
    return [_trimmed(table[name]) for name in wanted]


def _trimmed(texts: Any) -> Any:
    """The texts without the spaces around them.

    Raises
    ------
    Unreadable
        One is not UTF-8.
    """
    try:
        return compute.utf8_trim_whitespace(texts.cast(pa.string()))
    except pa.ArrowInvalid:
        for row, text in enumerate(texts.to_pylist()):
            if undecoded(decoded := text.decode("utf-8", "surrogateescape")):
                raise Unreadable(row, "UTF-8 text", shown(decoded), "save the file as UTF-8") from None
        raise


def _has_quotes(path: Path) -> bool:
    """Whether quotes or line ends leave room for another reading.

    Raises
    ------
    DataError
        A carriage return stands alone in a file whose lines end otherwise.
    """
    feeds, alone, last = False, 0, b""
    with opened(path) as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            if b'"' in chunk:
                return True
            feeds = feeds or b"\n" in chunk
            text = last + chunk
            if b"\r" in text:
                alone += len(re.findall(rb"\r(?=[^\r\n])", text))
            last = b"\r" if text.endswith(b"\r") else b""
    if feeds and alone:
        raise DataError(
            f"{path}: expected lines that end in one way, got {alone} carriage return{'s' if alone > 1 else ''} within "
            "lines that end with a line feed; quote the values that hold them, or remove them"
        )
    return False


def _checked(path: Path, layout: CsvLayout) -> int:
    """How many rows there are; each has as many values as there are names, and no quote is out of place."""
    rows = 0
    with closing(_records(path, layout)) as records:
        for line, fields in records:
            rows += 1
            if len(fields) != layout.width:
                _refuse_width(path, layout, f"row {rows} (line {line})", fields)
    return rows


def _refuse_shape(path: Path, layout: CsvLayout, error: BaseException) -> NoReturn:
    """Say what Arrow found wrong with the shape of the file, with the row and the line."""
    _checked(path, layout)
    _refuse(path, error)


def _refuse_width(path: Path, layout: CsvLayout, label: str, fields: Sequence[str]) -> NoReturn:
    raise DataError(
        f"{path}: {label}: expected {layout.width} values as in the header, got {len(fields)}; fix the row "
        f"(a value that holds {shown(layout.separator)} needs quotes)"
    )


def _refuse(path: Path, error: BaseException, line: int = 0) -> NoReturn:
    place = f" line {line}:" if line and isinstance(error, csv.Error) else ""
    unclosed = str(error) == "unexpected end of data"
    said = "a quote that is never closed" if unclosed else f"an error: {one_line(error)}"
    raise DataError(f"{path}:{place} expected a CSV file that can be read, got {said}; fix it") from error


def _row_label(path: Path, layout: CsvLayout, row: int) -> str:
    with closing(_records(path, layout)) as records:
        for line, _ in islice(records, row, None):
            return f"row {row + 1} (line {line})"
    return row_number(row)


def _records(path: Path, layout: CsvLayout) -> Generator[tuple[int, list[str]], None, None]:
    """Each row with the line that it starts on, blank lines skipped as Arrow skips them."""
    start = layout.first_line + 1
    try:
        with opened(path) as file, _lines(file) as text:
            reader = csv.reader(islice(text, layout.first_line, None), delimiter=layout.separator, strict=True)
            for fields in reader:
                if fields or layout.width == 1:
                    yield start, fields or [""]
                start = layout.first_line + reader.line_num + 1
    except UNREADABLE as error:
        _refuse(path, error, start)
