"""Parquet, Feather and Excel files as tables: values keep their types, and damage is refused where it shows.

The checksums of Parquet pages are verified where the file has them. Where it does not, the bounds that it states for
each column of numbers or times have to hold.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet, types

from bench.content_sizes import expanded, inflated, refused_size
from bench.data.files.compressed import refuse_inflated_workbook
from bench.data.files.feather import content
from bench.data.files.table import Dialect, FileTable, Name
from bench.errors import DataError, one_line, pip_install


def read_parquet(path: Path, _dialect: Dialect, _wanted: Sequence[Name]) -> FileTable:
    """The Parquet file at `path`.

    Raises
    ------
    DataError
        It cannot be read or is damaged; loading columns raises it too.
    """
    with _readable(path, "Parquet"), parquet.ParquetFile(path) as file:
        names = tuple(file.schema_arrow.names)
        _refuse_inflated(path, file.metadata.num_rows * len(names))
    return FileTable(path, (names,), partial(_parquet_columns, path, names))


_BYTES = 8  # of a value


def _refuse_inflated(path: Path, values: int) -> None:
    if problem := inflated(values, path.stat().st_size):
        raise DataError(f"{path}: {problem}; if it is yours, write it as CSV")


def _parquet_columns(path: Path, names: Sequence[str], columns: Sequence[int]) -> list[Any]:
    wanted = [names[column] for column in columns]
    twice = next((name for name in wanted if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: expected one column {twice!r}, got {names.count(twice)}; rename the others")
    with _readable(path, "Parquet"):
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            if problem := refused_size(file, path, path.stat().st_size, set(wanted)):
                raise DataError(f"{path}: {problem}; if it is yours, write it as CSV")
            table = file.read(columns=wanted, use_threads=False)
            table.validate(full=True)
            for name in wanted:
                _check_bounds(file.metadata, name, _plain(table[name]))
        return [_plain(table[name]) for name in wanted]


def _check_bounds(metadata: Any, name: str, values: Any) -> None:
    """Values lie between the bounds that the file states for each of its groups of rows.

    Raises
    ------
    ValueError
        Some do not: they are not those that were written.
    """
    start = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        part = values.slice(start, group.num_rows)
        start += group.num_rows
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema == name and column.is_stats_set and column.statistics.has_min_max:
                _check_part(column.statistics, part)


def _check_part(stated: Any, values: Any) -> None:
    ordered = (types.is_integer, types.is_floating, types.is_decimal, types.is_timestamp, types.is_date)
    if not any(test(values.type) for test in ordered):
        return
    extremes = compute.min_max(values).as_py()
    low, high = extremes["min"], extremes["max"]
    least, most = stated.min, stated.max
    if stated.logical_type.type == "FLOAT16":  # which Arrow leaves as bytes
        least, most = (float(np.frombuffer(bound, "<f2")[0]) for bound in (least, most))
    if isinstance(low, Decimal) and not isinstance(least, Decimal):  # without their scale
        return
    try:
        inside = low is None or low != low or (least <= low and high <= most)  # noqa: PLR0124 - NaN
    except TypeError:  # bounds of another type than the values
        return
    if not inside:
        raise ValueError(f"values from {low} to {high}, where the file states {least} to {most}: it is damaged")


def read_feather(path: Path, _dialect: Dialect, _wanted: Sequence[Name]) -> FileTable:
    """The Feather file at `path`.

    Raises
    ------
    DataError
        It cannot be read or is damaged.
    """
    from pyarrow import feather

    with _readable(path, "Feather"):
        with path.open("rb") as file:
            first_version = file.read(4) == b"FEA1"
        if not first_version:  # which has no compression
            rows, size, columns = content(path)
            _refuse_inflated(path, max(rows * columns, size // _BYTES))
        table = feather.read_table(path, use_threads=False, memory_map=False)
        table.validate(full=True)
        texts = sum(expanded(chunk) for column in table.columns for chunk in column.chunks)
        _refuse_inflated(path, texts // _BYTES)
    return FileTable(
        path, (tuple(table.column_names),), lambda columns: [_plain(table.column(each)) for each in columns]
    )


def read_excel(path: Path, dialect: Dialect, _wanted: Sequence[Name]) -> FileTable:
    """The first sheet of the Excel file at `path`.

    Raises
    ------
    DataError
        It cannot be read, or the package that reads it is not installed.
    """
    import pandas as pd  # slow to import

    try:
        with _readable(path, "Excel"):
            refuse_inflated_workbook(path)
            sheets = pd.read_excel(
                path, sheet_name=None, header=None, dtype=object, na_filter=False, skiprows=dialect.skip_rows
            )
    except ImportError as error:
        raise DataError(f"{path}: expected openpyxl, which reads .xlsx, got none; {pip_install('excel')}") from error
    depth, (name, frame) = dialect.header, next(iter(sheets.items()))
    if len(frame) <= depth:
        raise DataError(f"{path}: expected rows of data below the header, got none")
    names = [tuple(map(str, frame.iloc[line])) for line in range(depth)]
    header = tuple(names) or (tuple(str(number + 1) for number in range(frame.shape[1])),)
    first = dialect.skip_rows + depth + 1
    return FileTable(
        path,
        header,
        lambda columns: [_of_cells(frame.iloc[depth:, each].tolist()) for each in columns],
        label=lambda row: f"row {row + 1} (line {first + row})",
        notes=(f"of {len(sheets)} sheets, the first was read, {name!r}",) if len(sheets) > 1 else (),
    )


def _of_cells(cells: Sequence[Any]) -> Any:
    """The cells of one column as numbers, as times, or else as texts."""
    cells = [None if cell == "" else cell for cell in cells]
    if any(isinstance(cell, str | bool) for cell in cells):
        return pa.chunked_array([[None if cell is None else str(cell).strip() for cell in cells]], pa.string())
    return _plain(pa.chunked_array([pa.array(cells)]))


def _plain(column: Any) -> Any:
    """Texts without the spaces around them, categories as what they stand for, and halves as wider floats."""
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_float16(column.type):  # for which Arrow cannot compute
        column = column.cast(pa.float32())
    if types.is_large_string(column.type) or types.is_string_view(column.type):
        column = column.cast(pa.string())
    return compute.utf8_trim_whitespace(column) if types.is_string(column.type) else column


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Whatever a library raises for bytes that are not as they should be, as one line."""
    try:
        yield
    except (DataError, ImportError):
        raise
    except Exception as error:  # damaged bytes: any library may raise anything
        said = one_line(error)[:300]
        raise DataError(f"{path}: expected a {kind} file that can be read, got an error: {said}; fix it") from error


BinaryReader = Callable[[Path, Dialect, Sequence[Name]], FileTable]
BINARY: Mapping[str, BinaryReader] = {
    ".parquet": read_parquet,
    ".feather": read_feather,
    ".arrow": read_feather,
    ".xlsx": read_excel,
}
"""How the names of such files end → what reads them."""
