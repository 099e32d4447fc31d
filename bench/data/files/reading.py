"""A data file, as a suite describes it, as a series: rows chosen, values and times read, missing values treated."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, types

from bench.array_types import FloatArray
from bench.data.base import DatasetKind, Provenance, Series, file_sha256
from bench.data.files import advice
from bench.data.files.binary import BINARY, BinaryReader
from bench.data.files.compressed import existing
from bench.data.files.delimited import read_delimited
from bench.data.files.moments import Moments, joined, moments
from bench.data.files.numerals import missing, numbers
from bench.data.files.options import File
from bench.data.files.order import Columns, check, gaps, largest_step, newest_first, one_direction, without
from bench.data.files.table import FileTable, Unreadable, shown, visible
from bench.errors import DataError
from bench.registry import unknown
from bench.text import plural

_DROP = "state missing: drop"
_ADVICE = f"{_DROP}, or missing: forward-fill (the value before, never a later one)"
_MOST_OTHERS = 32
"""Columns next to the values that are looked at for a likely cause."""
_READERS: Mapping[str, BinaryReader] = {
    **dict.fromkeys((".csv", ".txt", ".tsv"), read_delimited),
    **{f".csv{suffix}": read_delimited for suffix in (".gz", ".zip", ".zst", ".bz2", ".xz")},
    **{f".txt{suffix}": read_delimited for suffix in (".gz", ".zip", ".zst", ".bz2", ".xz")},
    **BINARY,
}


def load_file(parameters: File, _seed: int) -> Series:
    """The column as a series of one channel, every value and time checked.

    Raises
    ------
    DataError
        Something in the file is not as it must be; the message names the row and the value.
    """
    columns, notes = read_columns(parameters)
    holes = gaps(columns.time)
    if len(holes):
        ways = "windows reach across them (across_gaps)" if parameters.across_gaps else "no window reaches across one"
        notes = (*notes, f"{plural(len(holes), 'gap')} among {plural(len(columns.values), 'point')}: {ways}")
    source = f"{parameters.path}, column {str(parameters.column)!r}"
    return Series(
        values=columns.values[:, None],
        provenance=Provenance(source=source, sha256=file_sha256(columns.path), notes=notes),
        time=columns.time,
        utc=columns.utc,
        breaks=() if parameters.across_gaps else tuple(holes.tolist()),
    )


def read_columns(parameters: File) -> tuple[Columns, tuple[str, ...]]:
    """Values and times in the order of time, checked; and what was detected or looks wrong, for people.

    Raises
    ------
    DataError
        As for `load_file`.
    """
    table = _table(existing(parameters.path), parameters)
    return _series(_chosen(table, parameters), parameters)


def names_of_columns(path: Path) -> tuple[str, ...]:
    """Of a file of any kind that can be read.

    Raises
    ------
    DataError
        The file cannot be read, is empty, or is not UTF-8.
    """
    return _table(existing(str(path)), File(path=str(path), column=1)).names


def fingerprint(parameters: File) -> str:
    """SHA-256 of the file's bytes."""
    return file_sha256(existing(parameters.path))


def _table(path: Path, parameters: File) -> FileTable:
    for suffix, reader in _READERS.items():
        if path.name.lower().endswith(suffix):
            if reader in BINARY.values() and parameters.separator is not None:
                raise DataError(f"{path}: expected a CSV file, since separator is stated; leave separator out")
            return reader(path, parameters.dialect, parameters.columns)
    raise DataError(
        f"{path}: expected a file ending in .csv, .txt (or these with .gz, .zip, .zst, .bz2, .xz), "
        f"{', '.join(BINARY)}; convert it to one of these"
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows that are read, as Arrow arrays of equal length.

    Parameters
    ----------
    table
        Where they come from.
    rows
        ``[N]`` their numbers in it, from 0.
    values, times
        Their columns; of the times none to two.
    used
        The numbers of all these columns.
    """

    table: FileTable
    rows: NDArray[np.int64]
    values: Any
    times: tuple[Any, ...]
    used: frozenset[int]

    def present(self, chosen: NDArray[np.bool_]) -> Self:
        """The chosen ones of them."""
        if chosen.all():
            return self
        values, *times = (column.filter(chosen) for column in (self.values, *self.times))
        return replace(self, rows=self.rows[chosen], values=values, times=tuple(times))

    @contextmanager
    def about(self, name: object) -> Iterator[None]:
        """Say of which column, and at which row, what is raised within is true."""
        path = self.table.path
        try:
            yield
        except Unreadable as error:
            label = self.table.label(int(self.rows[error.row]))
            raise DataError(
                f"{path}: {label}, column {name!r}: expected {error.expected}, got {error.came}; {error.advice}"
            ) from None
        except DataError as error:
            raise DataError(f"{path}: column {name!r}: {error}") from None

    def others(self, *, numbers_too: bool) -> dict[str, Any]:
        """The columns next to them, by name; those that cannot be read are left out, and numbers where requested."""
        rest = (number for number in range(len(self.table.names)) if number not in self.used)
        numbers = [number for number in rest if numbers_too or self.table.may_name(number)][:_MOST_OTHERS]
        try:
            loaded = list(zip(numbers, self.table.load(numbers), strict=True)) if numbers else []
        except Unreadable:
            loaded = [(number, column) for number in numbers for column in _loaded(self.table, number)]
        return {self.table.names[number]: column.take(self.rows) for number, column in loaded}


def _loaded(table: FileTable, number: int) -> Iterator[Any]:
    try:
        yield from table.load([number])
    except Unreadable:
        return


def _chosen(table: FileTable, parameters: File) -> _Rows:
    """The rows that `where` chooses, all of them by default."""
    names = parameters.columns
    numbers = [table.number(name) for name in names]
    stated = 1 + len(parameters.times)
    if len(set(numbers[:stated])) < stated:
        raise DataError(
            f"{table.path}: expected two columns for values and times, got {parameters.column!r} for both; name another"
        )
    unique = list(dict.fromkeys(numbers))
    loaded = dict(zip(unique, _load(table, unique), strict=True))
    values, *others = (loaded[number] for number in numbers)
    times, conditions = others[: stated - 1], others[stated - 1 :]
    chosen = np.ones(len(values), bool)
    for (name, value), column in zip((parameters.where or {}).items(), conditions, strict=True):
        equal = _equal(column, value)
        if not equal.any():
            known = [visible(str(each)) for each in compute.unique(column).to_pylist()[:20]]
            raise DataError(f"{table.path}: where: {unknown(str(value), known, f'value of {name!r}')}")
        chosen &= equal
    if not chosen.any() and parameters.where:
        raise DataError(f"{table.path}: expected rows with all that where says, got none; leave a condition out")
    return _Rows(table, np.arange(len(values)), values, tuple(times), frozenset(numbers)).present(chosen)


def _load(table: FileTable, numbers: Sequence[int]) -> list[Any]:
    try:
        return table.load(numbers)
    except Unreadable as fault:
        for number in numbers:  # which of them cannot be read
            if not list(_loaded(table, number)):
                raise DataError(
                    f"{table.path}: {table.label(fault.row)}, column {table.names[number]!r}: expected "
                    f"{fault.expected}, got {fault.came}; {fault.advice}"
                ) from None
        raise


def _equal(column: Any, value: str | float) -> NDArray[np.bool_]:
    """``[N]``: which rows have this value, a number or how it is written."""
    try:
        equal = compute.equal(column, str(value) if types.is_string(column.type) else value)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, TypeError):  # values of another type
        equal = compute.equal(column.cast(pa.string()), str(value))
    return np.asarray(compute.fill_null(equal, fill_value=False))


def _series(rows: _Rows, parameters: File) -> tuple[Columns, tuple[str, ...]]:
    """Values and times in the order of time, checked; and what was detected or looks wrong."""
    path = rows.table.path
    rows, gone = _treated(rows, parameters)
    if not len(rows.rows):
        raise DataError(f"{path}: expected rows of data, got none")
    values, notes, warnings = _values(rows, gone, parameters)
    read = _times(rows, parameters)
    time = None if read is None else read.time
    backwards = time is not None and newest_first(time)
    order = slice(None, None, -1 if backwards else 1)
    remarks = _remarks([*rows.table.notes, *notes, *(read.notes if read else ())], backwards=backwards)
    if time is None:
        warnings += tuple(advice.without_times(rows.others(numbers_too=False), _reads_dates))
    kept = rows.rows[order]
    columns = Columns(
        path=path,
        values=_filled(values[order], lambda row: rows.table.label(int(kept[row])), path),
        time=None if time is None else time[order],
        label=lambda row: rows.table.label(int(kept[row])),
        utc=read.utc if read else False,
    )
    local = read is not None and not read.utc and read.time.dtype.kind == "M"
    check(
        columns,
        str(parameters.column),
        parameters.max_gap,
        disordered=lambda wrong: advice.of_disorder(wrong, rows.others(numbers_too=True), local=local),
    )
    return columns, (*remarks, *warnings)


def _remarks(detected: Sequence[str], *, backwards: bool) -> Iterator[str]:
    """What was detected, as options of the suite where there are such; and whether the rows were turned round."""
    options = [note for note in detected if ": " in note]
    if options:
        yield f"read with {', '.join(options)}: state this in the suite to fix it"
    yield from (note for note in detected if note not in options)
    if backwards:
        yield "newest first in the file: read in the order of time"


def _treated(rows: _Rows, parameters: File) -> tuple[_Rows, NDArray[np.bool_]]:
    """The rows that are kept, and which of them have no value; as `missing` says."""
    untimed = np.zeros(len(rows.rows), bool)
    for name, times in zip(parameters.times, rows.times, strict=True):
        gone = missing(times)
        if gone.any() and parameters.missing != "drop":
            way = without(int(gone.sum()), len(gone), _DROP)
            with rows.about(name):
                row = int(np.argmax(gone))
                raise Unreadable(row, "a time", _came(times, row), way)
        untimed |= gone
    gone = missing(rows.values)
    kept = ~untimed & ~gone if parameters.missing == "drop" else ~untimed
    return rows.present(kept), gone[kept]


def _came(column: Any, row: int) -> str:
    value = column[row].as_py()
    return "null" if value is None else shown(value) if isinstance(value, str) else str(value)


def _values(
    rows: _Rows, gone: NDArray[np.bool_], parameters: File
) -> tuple[FloatArray, tuple[str, ...], tuple[str, ...]]:
    """``[N]`` with NaN where there is no value, what was detected, and warnings."""
    refused = int(np.argmax(gone)) if gone.any() and parameters.missing == "refuse" else None
    there = np.flatnonzero(~gone)
    with rows.about(parameters.column):
        try:
            read = numbers(rows.values.filter(~gone), parameters.decimal, parameters.thousands)
        except Unreadable as error:
            if refused is None or there[error.row] < refused:
                raise error.within(there) from None
            read = None
        if refused is not None or read is None:
            expected = "a number such as 1234.5" if types.is_string(rows.values.type) else "a value"
            row = refused or 0
            raise Unreadable(row, expected, _came(rows.values, row), without(int(gone.sum()), len(gone), _ADVICE))
    values = np.full(len(gone), np.nan)
    values[there] = read.values
    return values, read.notes, read.warnings


def _times(rows: _Rows, parameters: File) -> Moments | None:
    if not rows.times:
        return None
    largest = parameters.max_gap or np.inf

    def fits(time: NDArray[Any]) -> bool:
        return one_direction(time) != 0 and largest_step(time) <= largest

    name = parameters.time if isinstance(parameters.time, str | int) else " ".join(map(str, parameters.times))
    with rows.about(name):
        return moments(joined(rows.times), parameters.time_format, parameters.timezone, fits)


def _reads_dates(column: Any) -> Moments:
    """The times in a column that nobody named as such."""
    if missing(column).any():
        raise DataError("expected a time in every row")
    return moments(column, None, None, lambda time: one_direction(time) != 0)


def _filled(values: FloatArray, label: Any, path: Path) -> FloatArray:
    """Values in the order of time, NaN replaced by the last value before it.

    Raises
    ------
    DataError
        Nothing stands before the first.
    """
    gone = np.isnan(values)
    if not gone.any():
        return values
    if gone[0]:
        raise DataError(
            f"{path}: {label(0)}: expected a value before the first that is missing, got none; state missing: drop"
        )
    last = np.maximum.accumulate(np.where(gone, 0, np.arange(len(values))))
    return values[last]


FILE = DatasetKind("a column of a CSV, Parquet, Feather or Excel file of yours", File, load_file, fingerprint)
