"""A data file, as a suite describes it, as a series: rows chosen, values and times read, missing values treated."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, types

from bench.array_types import FloatArray
from bench.data.base import Provenance, Series, file_sha256
from bench.data.files import advice
from bench.data.files.binary import BINARY, BinaryReader
from bench.data.files.compressed import existing
from bench.data.files.delimited import SEPARATORS, read_delimited
from bench.data.files.moments import Moments, joined, moments
from bench.data.files.numerals import missing, numbers
from bench.data.files.options import CALENDAR, Channels, File
from bench.data.files.order import Columns, check, gaps, largest_step, newest_first, one_direction, without
from bench.data.files.table import FIX, FileTable, Name, Unreadable, known_by, shown, visible
from bench.errors import DataError
from bench.registry import unknown
from bench.text import plural

_DROP = "state missing: drop"
_ADVICE = f"{_DROP}, or missing: forward-fill (the value before, never a later one)"
READ_WITH = "read with"
"""How a note begins that says what was detected."""
_MOST_OTHERS = 32
"""Columns next to the values that are looked at for a likely cause."""
_READERS: Mapping[str, BinaryReader] = {
    **dict.fromkeys((".csv", ".txt", ".tsv"), read_delimited),
    **{f".csv{suffix}": read_delimited for suffix in (".gz", ".zip", ".zst", ".bz2", ".xz")},
    **{f".txt{suffix}": read_delimited for suffix in (".gz", ".zip", ".zst", ".bz2", ".xz")},
    **BINARY,
}


def load_one(parameters: File) -> Series:
    """The columns as a series, every value and time checked.

    Raises
    ------
    DataError
        Something in the file is not as it must be; the message names the row and the value.
    """
    columns, notes = read_columns(parameters)
    holes = gaps(columns.time)
    if len(holes):
        notes = (*notes, of_gaps(len(holes), len(columns.values), parameters))
    source = f"{parameters.path}, {parameters.described()}"
    return Series(
        **channels_of(columns, parameters),
        provenance=Provenance(source=source, sha256=file_sha256(columns.path), notes=notes),
        time=columns.time,
        utc=columns.utc,
        breaks=() if parameters.across_gaps else tuple(holes.tolist()),
    )


def of_gaps(holes: int, points: int, parameters: File) -> str:
    """How many gaps there are, and what becomes of them."""
    ways = "windows reach across them (across_gaps)" if parameters.across_gaps else "no window reaches across one"
    return f"{plural(holes, 'gap')} among {plural(points, 'point')}: {ways}"


def channels_of(columns: Columns, parameters: Channels) -> dict[str, Any]:
    """What was read of a table as the fields of a `Series`: the values, their covariates, and all names."""
    values = columns.values[:, None] if columns.more is None else np.column_stack([columns.values, columns.more])
    forecast, past = len(parameters.targets), len(parameters.past)
    parts = {"covariates": values[:, forecast : forecast + past], "known_future": values[:, forecast + past :]}
    given = {name: np.ascontiguousarray(part) for name, part in parts.items() if part.shape[1]}
    names = tuple(str(each) for each in parameters.channels) if values.shape[1] > 1 else ()
    return {"values": np.ascontiguousarray(values[:, :forecast]), "names": names, **given}


def read_columns(parameters: File) -> tuple[Columns, tuple[str, ...]]:
    """Values and times in the order of time, checked; and what was detected or looks wrong, for people.

    Raises
    ------
    DataError
        As for `load_one`.
    """
    table = table_of(existing(parameters.path), parameters)
    return as_series(chosen_rows(table, parameters), parameters)


def names_of_columns(path: Path) -> tuple[str, ...]:
    """Of a file of any kind that can be read; of text, under the separator that gives more than one.

    Raises
    ------
    DataError
        The file cannot be read, is empty, or is not UTF-8.
    """
    table = table_of(existing(str(path)), File(path=str(path), column=1))
    if len(table.names) > 1 or path.suffix.lower() in BINARY:
        return table.names
    others = (table_of(table.path, File(path=str(path), column=1, separator=each)) for each in SEPARATORS)
    return next((other.names for other in others if len(other.names) > 1 and other.head), table.names)


def whole_table(path: Path) -> pa.Table:
    """All columns of a Parquet, Feather or Excel file, texts trimmed.

    Raises
    ------
    DataError
        The file cannot be read, is damaged, or would fill the memory.
    """
    table = table_of(path, File(path=str(path), column=1))
    return pa.table(table.load(range(len(table.names))), names=table.names)


def table_of(path: Path, parameters: File) -> FileTable:
    """The file at `path` as a table.

    Raises
    ------
    DataError
        It is of no kind that can be read, or it cannot be read.
    """
    for suffix, reader in _READERS.items():
        if path.name.lower().endswith(suffix):
            if reader in BINARY.values() and parameters.separator is not None:
                raise DataError(f"{path}: expected a CSV file, since separator is stated; leave separator out")
            return reader(path, parameters.dialect, parameters.read)
    raise DataError(
        f"{path}: expected a file ending in .csv, .txt (or these with .gz, .zip, .zst, .bz2, .xz), "
        f"{', '.join(BINARY)}; convert it to one of these"
    )


@dataclass(frozen=True, eq=False)
class FileRows:
    """The rows that are read, as Arrow arrays of equal length.

    Parameters
    ----------
    table
        Where they come from.
    rows
        ``[N]`` their numbers in it, from 0.
    channels
        Their columns, by name.
    times
        Those of the times, none to two.
    used
        The numbers of all these columns.
    series
        The column of the names of several series; `None` for one series.
    """

    table: FileTable
    rows: NDArray[np.int64]
    channels: Mapping[Name, Any]
    times: tuple[Any, ...]
    used: frozenset[int]
    series: Any = None

    def present(self, chosen: NDArray[np.bool_]) -> Self:
        """The chosen ones of them."""
        if chosen.all():
            return self
        channels = {name: column.filter(chosen) for name, column in self.channels.items()}
        times = tuple(column.filter(chosen) for column in self.times)
        series = None if self.series is None else self.series.filter(chosen)
        return replace(self, rows=self.rows[chosen], channels=channels, times=times, series=series)

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
        except (Unreadable, DataError):
            loaded = [(number, column) for number in numbers for column in _loaded(self.table, number)]
        return {self.table.names[number]: column.take(self.rows) for number, column in loaded}


def _loaded(table: FileTable, number: int) -> Iterator[Any]:
    try:
        yield from table.load([number])
    except (Unreadable, DataError):
        return


def chosen_rows(table: FileTable, parameters: File) -> FileRows:
    """The rows that `where` chooses, all of them by default."""
    channels = [each for each in parameters.channels if not _follows_from_time(each, table, parameters)]
    own = () if parameters.series is None else (parameters.series,)
    names = (*channels, *parameters.times, *(parameters.where or ()), *own)
    ahead = channels[len(parameters.targets) + len(parameters.past) :]
    numbers = [table.number(name, or_else=CALENDAR if name in ahead else ()) for name in names]
    stated = len(channels) + len(parameters.times)
    twice = next((name for name, number in zip(names, numbers[:stated], strict=False) if numbers.count(number) > 1), "")
    if len(set(numbers[:stated])) < stated:
        raise DataError(
            f"{table.path}: expected two columns for values and times, got {twice!r} for both; name another"
        )
    unique = list(dict.fromkeys(numbers))
    loaded = dict(zip(unique, _load(table, unique), strict=True))
    values, times, conditions = (
        [loaded[number] for number in part]
        for part in (numbers[: len(channels)], numbers[len(channels) : stated], numbers[stated:])
    )
    chosen = np.ones(len(values[0]), bool)
    for (name, value), column in zip((parameters.where or {}).items(), conditions, strict=False):
        equal = _equal(column, value)
        if not equal.any():
            known = [visible(str(each)) for each in compute.unique(column).to_pylist()[:20]]
            raise DataError(f"{table.path}: where: {unknown(str(value), known, f'value of {name!r}')}")
        chosen &= equal
    if not chosen.any() and parameters.where:
        raise DataError(f"{table.path}: expected rows with all that where says, got none; leave a condition out")
    by_name = dict(zip(channels, values, strict=True))
    series = conditions[-1] if own else None
    return FileRows(table, np.arange(len(chosen)), by_name, tuple(times), frozenset(numbers), series).present(chosen)


def _follows_from_time(name: Name, table: FileTable, parameters: File) -> bool:
    """Whether `name` is no column, but one of `CALENDAR`."""
    known = name not in (*parameters.targets, *parameters.past)
    return known and name in CALENDAR and not known_by(table.header, name)


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


def as_series(rows: FileRows, parameters: File) -> tuple[Columns, tuple[str, ...]]:
    """Values and times in the order of time, checked; and what was detected or looks wrong."""
    path = rows.table.path
    rows, gone = _treated(rows, parameters)
    if not len(rows.rows):
        raise DataError(f"{path}: expected rows of data, got none")
    several = [_values(rows, name, gone[name], parameters=parameters) for name in rows.channels]
    notes, warnings = (tuple(dict.fromkeys(chain.from_iterable(part))) for part in list(zip(*several, strict=True))[1:])
    read = _times(rows, parameters)
    time = None if read is None else read.time
    backwards = time is not None and newest_first(time)
    order = slice(None, None, -1 if backwards else 1)
    remarks = tuple(_remarks([*rows.table.notes, *notes, *(read.notes if read else ())], backwards=backwards))
    if time is None:
        warnings += tuple(advice.without_times(rows.others(numbers_too=False), _reads_dates))
    kept = rows.rows[order]

    def label(row: int) -> str:
        return rows.table.label(int(kept[row]))

    values = {name: _filled(part[0][order], label, path) for name, part in zip(rows.channels, several, strict=True)}
    first, *others = values
    columns = Columns(
        path=path,
        values=values[first],
        time=None if time is None else time[order],
        label=label,
        utc=read.utc if read else False,
    )
    local = read is not None and not read.utc and read.time.dtype.kind == "M"
    check(
        columns,
        str(first),
        parameters.max_gap,
        disordered=lambda wrong: advice.of_disorder(wrong, rows.others(numbers_too=True), local=local),
    )
    for name in others:
        check(replace(columns, values=values[name], time=None), str(name), None)
    return _with_more(columns, values, parameters), (*remarks, *warnings)


def _with_more(columns: Columns, values: Mapping[Name, FloatArray], parameters: File) -> Columns:
    """The columns with all channels, in their order; those of the calendar follow from the time."""
    names = parameters.channels[1:]
    more = [values[name] if name in values else _calendar(str(name), columns, parameters.timezone) for name in names]
    return replace(columns, more=np.column_stack(more)) if more else columns


def _calendar(name: str, columns: Columns, timezone: str | None) -> FloatArray:
    """``[N]``: the hour 0 … 23, weekday 0 (Monday) … 6, month 1 … 12 or day of the year of each point.

    Of moments, it is that of the clocks in the stated time zone, else in UTC.

    Raises
    ------
    DataError
        The times are no dates.
    """
    import pandas as pd  # slow to import

    if columns.time is None or columns.time.dtype.kind != "M":
        came = "no times" if columns.time is None else "times that are numbers"
        raise DataError(
            f"{columns.path}: known_future: {name!r} is no column, and follows from dates alone, got {came}; state the "
            "column of the dates as time, or name a column"
        )
    clock = pd.DatetimeIndex(columns.time)
    if columns.utc and timezone:
        clock = clock.tz_localize("UTC").tz_convert(timezone)
    return np.asarray(getattr(clock, "day_of_week" if name == "weekday" else name), np.float64)


def _remarks(detected: Sequence[str], *, backwards: bool) -> Iterator[str]:
    """What was detected, as options of the suite where there are such; and whether the rows were turned round."""
    options = [note for note in detected if ": " in note]
    if options:
        yield f"{READ_WITH} {', '.join(options)}: state this in the suite to fix it"
    yield from (note for note in detected if note not in options)
    if backwards:
        yield "newest first in the file: read in the order of time"


def _treated(rows: FileRows, parameters: File) -> tuple[FileRows, dict[Name, NDArray[np.bool_]]]:
    """The rows that are kept, and which of them have no value in each column; as `missing` says."""
    untimed = np.zeros(len(rows.rows), bool)
    for name, times in zip(parameters.times, rows.times, strict=True):
        gone = missing(times)
        if gone.any() and parameters.missing != "drop":
            way = without(int(gone.sum()), len(gone), _DROP)
            with rows.about(name):
                row = int(np.argmax(gone))
                raise Unreadable(row, "a time", came(times, row), way)
        untimed |= gone
    without_value = {name: missing(column) for name, column in rows.channels.items()}
    dropped = np.any([*without_value.values()], axis=0) if parameters.missing == "drop" else False
    kept = ~untimed & ~np.asarray(dropped)
    return rows.present(kept), {name: each[kept] for name, each in without_value.items()}


def came(column: Any, row: int) -> str:
    """What stands in a row, for a message."""
    value = column[row].as_py()
    return "null" if value is None else shown(value) if isinstance(value, str) else str(value)


def _values(
    rows: FileRows, name: Name, gone: NDArray[np.bool_], *, parameters: File
) -> tuple[FloatArray, tuple[str, ...], tuple[str, ...]]:
    """``[N]`` with NaN where there is no value, what was detected, and warnings."""
    column, is_input = rows.channels[name], name not in parameters.targets
    if is_input:
        column = _without_truth(column, gone)
    refused = int(np.argmax(gone)) if gone.any() and parameters.missing == "refuse" else None
    there = np.flatnonzero(~gone)
    with rows.about(name):
        try:
            read = numbers(column.filter(~gone), parameters.decimal_mark, parameters.thousands)
        except Unreadable as error:
            if refused is None or there[error.row] < refused:
                raise (_encoded(error) if is_input else error).within(there) from None
            read = None
        if refused is not None or read is None:
            expected = "a number such as 1234.5" if types.is_string(column.type) else "a value"
            row = refused or 0
            raise Unreadable(row, expected, came(column, row), without(int(gone.sum()), len(gone), _ADVICE))
    values = np.full(len(gone), np.nan)
    values[there] = read.values  # noqa: PD011 - no DataFrame
    return values, read.notes, read.warnings


def _without_truth(column: Any, gone: NDArray[np.bool_]) -> Any:
    """Truth values, stored as such or written as true and false, as 1 and 0; every other column as it is."""
    if types.is_boolean(column.type):
        return column.cast(pa.int8())
    if not types.is_string(column.type):
        return column
    small = compute.utf8_lower(column)
    is_true = compute.fill_null(compute.equal(small, "true"), fill_value=False)
    is_false = compute.fill_null(compute.equal(small, "false"), fill_value=False)
    if gone.all() or not (np.asarray(is_true) | np.asarray(is_false) | gone).all():
        return column
    return is_true.cast(pa.int8())


def _encoded(error: Unreadable) -> Unreadable:
    """What to do about a covariate that is a text, where nothing else is to be done."""
    return (
        replace(error, advice="write it as numbers, such as a column of 0 and 1 for each name")
        if (error.advice == FIX)
        else error
    )


def _times(rows: FileRows, parameters: File) -> Moments | None:
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
