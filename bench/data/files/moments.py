"""Times as numbers or as dates: numbers, ISO 8601, or one format for the whole column.

Where no format is stated and a column is neither, common formats are tried on all rows. One that alone can be read is
taken, and said; where two give other times, both are named and neither is taken.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, types

from bench.data.base import WHOLE
from bench.data.files.order import newest_first
from bench.data.files.rounding import rounded_time, spacing
from bench.data.files.table import Unreadable, first_fault, shown
from bench.errors import DataError, one_line

_ZONE = re.compile(r":\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)$")
_RANGE = re.compile(r"^(.*\d) (?:-|–|to|/) (\d.*)$")
_MONTH = r"^[0-9]{4}-[0-9]{2}$"
_DAY = "(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])"
_HOUR = f"(19|20|21)[0-9]{{2}}{_DAY}([01][0-9]|2[0-3])"
_DIGITS = {
    6: ("%Y%m", "(1[89]|2[01])[0-9]{2}(0[1-9]|1[0-2])"),
    8: ("%Y%m%d", f"[0-9]{{4}}{_DAY}"),
    10: ("%Y%m%d%H", _HOUR),
    12: ("%Y%m%d%H%M", f"{_HOUR}[0-5][0-9]"),
    14: ("%Y%m%d%H%M%S", f"{_HOUR}[0-5][0-9][0-5][0-9]"),
}
"""Dates in digits alone: how many → the format, and what all texts match; seconds since 1970 begin with other years."""
_DATES = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y"),
    *("%b %Y", "%B %Y", "%m/%Y", "%Y/%m", "%b-%Y", "%b-%y", "%Y%m%d"),
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", "T%H%M%S")

Fits = Callable[[NDArray[Any]], bool]
"""Whether times can be those of the series: in one direction, without a gap that is too long."""


@dataclass(frozen=True, eq=False)
class Moments:
    """The times of a column.

    Parameters
    ----------
    time
        ``[N]`` datetime64, float64 or int64.
    utc
        Whether their zone is known; they are in UTC then.
    notes
        What was detected, as options of the suite or in words.
    """

    time: NDArray[Any]
    utc: bool = False
    notes: tuple[str, ...] = ()


def moments(column: Any, time_format: str | None, timezone: str | None, fits: Fits) -> Moments:
    """The times in `column`, none of which is missing.

    Parameters
    ----------
    column
        Texts without spaces around them, or Arrow numbers or times.
    time_format
        As for `datetime.strptime`; `None` for numbers, ISO 8601, or a format that alone can be read.
    timezone
        Where the clocks stood that wrote times without a zone; `None` leaves them without one.
    fits
        Which of several readings can be meant.

    Raises
    ------
    Unreadable
        A row holds something else.
    DataError
        The whole column does.
    """
    if time_format is not None:
        column = _digits(column)
    if time_format is not None and not types.is_string(column.type):
        raise DataError(f"expected texts, since time_format is stated, got {column.type}; leave time_format out")
    read = _of_texts(column, time_format, fits) if types.is_string(column.type) else _of_values(column)
    if timezone is None:
        return read
    if read.utc or read.time.dtype.kind != "M":
        came = "times that state their zone" if read.utc else "numbers"
        raise DataError(f"expected dates without a zone, since timezone is stated, got {came}; leave timezone out")
    order = slice(None, None, -1 if newest_first(read.time) else 1)  # an hour twice is resolved by its order
    return replace(read, time=_localized(read.time[order], timezone)[order], utc=True)


def _of_values(column: Any) -> Moments:
    kind = column.type
    if types.is_integer(kind):
        return _whole(column, column.cast(pa.string()))
    if types.is_floating(kind) or types.is_decimal(kind):
        if types.is_string((digits := _digits(column)).type):
            return _whole(column, digits)
        return _floats(column.cast(pa.string()) if types.is_decimal(kind) else column)
    if types.is_timestamp(kind) or types.is_date(kind):
        return Moments(np.asarray(column.to_numpy()), utc=types.is_timestamp(kind) and kind.tz is not None)
    raise DataError(f"expected times or numbers, got {kind}; store timestamps")


def _whole(numbers: Any, texts: Any) -> Moments:
    """Whole numbers: dates where all are written so, int64 where float64 would round them, else float64."""
    if (dates := _of_digits(texts)) is not None:
        return dates
    try:
        values = np.asarray(numbers.cast(pa.int64()).to_numpy())
    except pa.ArrowInvalid as error:
        raise DataError(f"expected whole numbers below 2^63, got larger ones: {one_line(error)}; fix them") from error
    exact = not len(values) or max(abs(int(values.max())), abs(int(values.min()))) <= WHOLE
    return Moments(values.astype(np.float64) if exact else values)


def _of_digits(texts: Any) -> Moments | None:
    """Dates that are written in digits alone, such as 201901 or 2019013123; `None` where one text is none."""
    time_format, pattern = _DIGITS.get(len(str(texts[0].as_py())) if len(texts) else 0, ("", ""))
    if not pattern or not compute.all(compute.match_substring_regex(texts, f"^{pattern}$")).as_py():
        return None
    time = _parsed(texts, time_format)
    return None if time is None else Moments(time, notes=(f'time_format: "{time_format}"',))


def _of_texts(texts: Any, time_format: str | None, fits: Fits) -> Moments:
    if time_format is not None:
        return _stated(texts, time_format)
    if (read := _numbers(texts)) is not None:
        return read
    if compute.all(compute.match_substring_regex(texts, _MONTH)).as_py():
        texts = compute.binary_join_element_wise(texts, "01", "-")
    first = str(texts[0].as_py())
    kind = _iso_kind(texts, first)
    iso = _cast(texts, kind)
    if iso is not None:
        return Moments(np.asarray(iso.to_numpy()), utc=kind.tz is not None)
    return _detected(texts, first, fits)


def _numbers(texts: Any) -> Moments | None:
    """Texts that are numbers; `None` where one is not."""
    if (whole := _cast(digits := _digits(texts), pa.int64())) is not None:
        return _whole(whole, digits)
    return None if _cast(texts, pa.float64()) is None else _floats(texts)


def _digits(column: Any) -> Any:
    """The digits of whole numbers, also of those that are stored as 201901.0; another column as it is."""
    if types.is_string(column.type):
        pattern = r"^([0-9]+)\.0+$"
        matches = compute.match_substring_regex(column, pattern)
        return compute.replace_substring_regex(column, pattern, r"\1") if compute.all(matches).as_py() else column
    is_number = types.is_integer(column.type) or types.is_floating(column.type) or types.is_decimal(column.type)
    whole = column if types.is_integer(column.type) else _cast(column, pa.int64()) if is_number else None
    return column if whole is None else whole.cast(pa.string())


def _floats(column: Any) -> Moments:
    values = np.asarray(column.cast(pa.float64()).to_numpy())
    if types.is_string(column.type):
        _refuse_rounding(values, column)
    return Moments(values)


def _refuse_rounding(values: NDArray[np.float64], texts: Any) -> None:
    if (row := rounded_time(values, texts)) is not None:
        raise Unreadable(
            row,
            f"times whose steps float64 resolves (its own are {spacing(values):g} here)",
            shown(str(texts[row].as_py())),
            "subtract an offset, such as the first time, from the column, or store whole numbers or dates",
        )


def _iso_kind(texts: Any, first: str) -> Any:
    """The Arrow type of ISO 8601 times: nanoseconds where any row has decimals."""
    precise = compute.any(compute.match_substring(texts, ".")).as_py()
    zone = "UTC" if _ZONE.search(first) else None
    kind = pa.timestamp("ns" if precise else "us", zone)
    if precise and _cast(texts, kind) is None:
        return pa.timestamp("us", zone)  # years before 1678 or after 2261
    return kind


def _cast(texts: Any, kind: Any) -> Any:
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return None


def _detected(texts: Any, first: str, fits: Fits) -> Moments:
    """The reading that alone is possible, of the formats that the first row allows."""
    starts, note = _starts(texts)
    readings: dict[str, NDArray[Any]] = {}
    for each in _formats(str(starts[0].as_py())):
        if (time := _parsed(starts, each)) is not None:
            readings[each] = time
    if len(readings) > 1:
        readings = {each: time for each, time in readings.items() if fits(time)} or readings
    if not readings:
        _refuse(texts, first)
    chosen, *others = readings.values()
    if not all(np.array_equal(chosen, other) for other in others):
        ways = " or ".join(f'time_format: "{each}"' for each in readings)
        raise Unreadable(0, "times that can be read in one way", shown(first), f"state {ways}")
    return Moments(chosen, notes=(f'time_format: "{next(iter(readings))}"', *note))


def _formats(text: str) -> Iterator[str]:
    """Those of the common formats that can read `text`."""
    for each, clock in product(_DATES, _CLOCKS):
        try:
            datetime.strptime(text, each + clock)
        except ValueError:
            continue
        yield each + clock


def _starts(texts: Any) -> tuple[Any, tuple[str, ...]]:
    """The starts of ranges of time, where all texts are such, and a note that says so."""
    if _RANGE.match(str(texts[0].as_py())) is None:
        return texts, ()
    matches = [_RANGE.match(text) for text in texts.to_pylist()]
    if not all(matches):
        return texts, ()
    return pa.chunked_array([[match[1] for match in matches if match]], pa.string()), (
        "of each range of time, the start was read",
    )


def _stated(texts: Any, time_format: str) -> Moments:
    starts, note = _starts(texts) if " - " not in time_format else (texts, ())
    time = _parsed(starts, time_format)
    if time is None:
        row = _first_unparsed(starts, time_format)
        raise Unreadable(row, f"a time such as {time_format!r}", shown(str(texts[row].as_py())))
    return Moments(time, utc="%z" in time_format, notes=note)


def _parsed(texts: Any, time_format: str) -> NDArray[Any] | None:
    """The times by one format, in UTC where it has a zone; `None` where a text is not written so."""
    import pandas as pd  # slow to import, and most files need none

    try:
        index = pd.to_datetime(texts.to_pandas(), format=time_format, exact=True, utc="%z" in time_format)
    except (ValueError, OverflowError):
        return None
    if index.isna().any() or index.dtype.kind != "M":
        return None
    naive = index.dt.tz_localize(None) if index.dt.tz is not None else index
    time = np.asarray(naive.to_numpy())
    short = time.astype("datetime64[us]")  # whatever unit this version of pandas has
    return short if np.array_equal(short, time) else time


def _first_unparsed(texts: Any, time_format: str) -> int:
    return first_fault(len(texts), lambda start, length: _parsed(texts.slice(start, length), time_format) is not None)


def _refuse(texts: Any, first: str) -> NoReturn:
    """Say which row is the first that is no time, and what may be meant.

    Raises
    ------
    Unreadable
        Always.
    """
    if re.match(r"^\d{1,2}:\d{2}(:\d{2})?$", first):
        advice = "it is a time of day: name the column of the dates too, as in time: [Date, Time]"
        raise Unreadable(0, "a date", shown(first), advice)
    kind, expected, advice = pa.float64(), "a number such as 1234.5", "fix it"
    if _cast(texts.slice(0, 1), kind) is None:
        kind, expected = _iso_kind(texts, first), "an ISO 8601 time such as 2013-02-08"
        if _cast(texts.slice(0, 1), kind) is not None:
            expected += ", as in row 1"
        else:
            advice = 'fix it, or state how times are written, as in time_format: "%d.%m.%Y %H:%M"'
    row = first_fault(len(texts), lambda start, length: _cast(texts.slice(start, length), kind) is not None)
    raise Unreadable(row, expected, shown(str(texts[row].as_py())), advice)


def _localized(time: NDArray[Any], timezone: str) -> NDArray[Any]:
    """Local times in UTC; an hour that a clock change repeats is resolved by its order.

    Raises
    ------
    DataError
        A time does not exist there, or occurs twice and its order does not say which is meant.
    """
    import pandas as pd

    try:
        index = pd.DatetimeIndex(time).tz_localize(timezone, ambiguous="infer", nonexistent="raise")
    except (ValueError, TypeError) as error:
        raise DataError(
            f"expected times that clocks in {timezone} showed once, got: {one_line(error)}; write the times in UTC or "
            "with offsets, or leave timezone out"
        ) from error
    return np.asarray(index.tz_convert("UTC").tz_localize(None).to_numpy())


def joined(columns: Sequence[Any]) -> Any:
    """Columns of texts as one, such as a date and a time of day."""
    first, *others = (column if types.is_string(column.type) else column.cast(pa.string()) for column in columns)
    return compute.binary_join_element_wise(first, *others, " ") if others else columns[0]
