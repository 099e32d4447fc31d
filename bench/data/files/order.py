"""Values and times of a file, and whether they can be a series: finite, in order, without gaps that are too long."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.array_types import FloatArray
from bench.data.base import LARGEST, first_unusable
from bench.errors import DataError


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of one table, in the order of time.

    Parameters
    ----------
    path
        The file.
    values
        ``[N]`` float64.
    time
        ``[N]`` datetime64 (UTC where the file states a zone), float64 or int64; `None` where no column was requested.
    label
        ``label(0)`` is what messages call the first row, as in ``"row 1 (line 2)"``.
    utc
        Whether `time` are moments: the file or the suite states their zone.
    more
        ``[N, C - 1]`` float64: further channels; `None` where there is none.
    """

    path: Path
    values: FloatArray
    time: NDArray[Any] | None
    label: Callable[[int], str]
    utc: bool = False
    more: FloatArray | None = None


_REGULAR = 0.95
"""The share of steps that are as usual in a series that is said to be regular."""
_TOLERANCE = 0.1
"""Months have 28 to 31 days: steps that differ by less are equal."""
_FEWEST = 20
"""Steps below which nothing is said to be regular."""

FILL = "fill them in, or leave out the rows before or after them"


def check(
    columns: Columns,
    column: str,
    max_gap: float | None,
    *,
    advice: str = FILL,
    disordered: Callable[[NDArray[Any]], str] | None = None,
) -> None:
    """Refuse values that are not finite or too large, and times that are not strictly increasing or leave a gap.

    Parameters
    ----------
    columns
        What was read.
    column
        The name of the values' column, for messages.
    max_gap
        The largest step in time, in multiples of the median step; `None` for any.
    advice
        What to do about rows without a value.
    disordered
        ``disordered(time)`` says what to do about times that are not in order.

    Raises
    ------
    DataError
        With the first row at fault and its value.
    """
    if not len(columns.values):
        raise DataError(f"{columns.path}: expected rows of data, got none")
    _check_values(columns, column, advice)
    if columns.time is not None:
        _check_known(columns, columns.time, advice)
        if (problem := disorder(columns.time)) is not None:
            way = (disordered or _advice)(columns.time)
            raise DataError(f"{columns.path}: {disorder_text(columns, *problem)}; {way}")
        if max_gap is not None:
            _check_gaps(columns, columns.time, max_gap)


def _check_values(columns: Columns, column: str, advice: str) -> None:
    row = first_unusable(columns.values)
    if row is None:
        return
    came = columns.values[row]
    expected, fix = f"a number within ±{LARGEST:g}", "fix it, or scale the column down"
    if not np.isfinite(came):
        expected = "a finite number"
        fix = without(int((~np.isfinite(columns.values)).sum()), len(columns.values), advice)
    raise DataError(f"{columns.path}: {columns.label(row)}, column {column!r}: expected {expected}, got {came}; {fix}")


def without(count: int, total: int, advice: str) -> str:
    """What to do about so many rows without a value, one wording for every mark and file format."""
    return f"rows without a value: {count} of {total}; {advice}"


def _check_known(columns: Columns, time: NDArray[Any], advice: str) -> None:
    row = _first(~np.isfinite(time))
    if row is not None:
        fix = without(int((~np.isfinite(time)).sum()), len(time), advice)
        raise DataError(f"{columns.path}: {columns.label(row)}: expected a time, got {moment(time[row])}; {fix}")


def disorder(time: NDArray[Any]) -> tuple[int, int] | None:
    """The first row whose time is not after that of the row before, and how many such rows there are; else `None`."""
    back = ~(time[1:] > time[:-1])
    row = _first(back)
    return None if row is None else (row + 1, int(back.sum()))


def disorder_text(columns: Columns, row: int, count: int) -> str:
    """What is wrong with the order of the times at `row`; `count` rows are like it."""
    time, label = columns.time, columns.label
    assert time is not None  # noqa: S101 - only called where there is one
    before, after = moment(time[row - 1]), moment(time[row])
    more = f", as at {count - 1} more row{'s' if count > 2 else ''}" if count > 1 else ""
    if time[row] == time[row - 1]:
        return f"{label(row)}: time {after} stands already at {label(row - 1)}{more}"
    return f"{label(row)}: expected a time after {before}, at {label(row - 1)}, got {after}{more}"


def _advice(time: NDArray[Any]) -> str:
    """A way out that loses no reading."""
    if len(np.unique(time)) == len(time):
        return "no time is there twice: sort the rows by time"
    return "give each row a time of its own, or leave the times out: the rows then keep their order"


def _check_gaps(columns: Columns, time: NDArray[Any], max_gap: float) -> None:
    steps = _steps(time)
    if not len(steps):
        return
    usual, label = np.median(steps), columns.label
    before = _first(steps > max_gap * usual)
    if before is not None:
        raise DataError(
            f"{columns.path}: {label(before + 1)}: time goes from {moment(time[before])} to "
            f"{moment(time[before + 1])}, {steps[before] / usual:.4g} times the usual step; fill the gap, or raise "
            f"max_gap, now {max_gap:g} (null allows any gap)"
        )


def gaps(time: NDArray[Any] | None) -> NDArray[np.int64]:
    """The rows before which points are missing: the steps to them are longer than the usual one, in a regular series.

    A series is regular where at least 95 % of its steps are within 10 % of the median step. Where longer steps are
    common, as over the weekends of daily prices, they belong to its rhythm and are no gaps.
    """
    if time is None or len(time) <= _FEWEST:
        return np.zeros(0, np.int64)
    steps = _steps(time)
    usual = np.median(steps)
    regular = np.abs(steps - usual) <= _TOLERANCE * usual
    if regular.mean() < _REGULAR:
        return np.zeros(0, np.int64)
    return np.flatnonzero(steps > 1.5 * usual) + 1


def one_direction(time: NDArray[Any]) -> int:
    """1 where the times increase strictly, -1 where they decrease strictly, else 0."""
    ahead, back = time[1:] > time[:-1], time[1:] < time[:-1]
    return 1 if ahead.all() else -1 if back.all() else 0


def newest_first(time: NDArray[Any]) -> bool:
    """Whether more steps go back than ahead: in local times, an hour that clocks show twice is one step ahead."""
    return int((time[1:] < time[:-1]).sum()) > int((time[1:] > time[:-1]).sum())


def largest_step(time: NDArray[Any]) -> float:
    """The longest step in multiples of the median step; 0 for fewer than two times."""
    steps = np.abs(_steps(time))
    return float(steps.max() / np.median(steps)) if len(steps) else 0.0


def _steps(time: NDArray[Any]) -> NDArray[np.float64]:
    return np.diff(time).astype(np.float64)


def _first(fault: NDArray[np.bool_]) -> int | None:
    """The index of the first `True`."""
    return int(np.argmax(fault)) if fault.any() else None


def moment(time: Any) -> str:
    """A time for a message."""
    if isinstance(time, np.datetime64):
        return str(np.datetime_as_string(time, unit="auto"))
    return repr(int(time)) if isinstance(time, np.integer) else repr(float(time))
