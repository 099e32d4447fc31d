"""The columns that were asked for of a user's table, and the checks that hold for every file format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.base import LARGEST, FloatArray, first_unusable
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
