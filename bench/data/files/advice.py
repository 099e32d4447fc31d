"""What may be behind times that are out of order, and behind a file read without times: likely causes and ways out."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, types

from bench.data.files.order import one_direction
from bench.data.files.table import Unreadable, visible
from bench.errors import DataError

_MOST_SERIES = 1000
_SHOWN = 4
_ZONES = (
    *("Europe/Berlin", "America/New_York", "Europe/London", "Australia/Sydney", "America/Santiago", "Asia/Jerusalem"),
    *("Africa/Cairo", "Asia/Tehran", "America/Sao_Paulo", "Pacific/Auckland"),
)
"""Zones whose clock changes stand for those of their neighbours."""
LOST = "to keep every row, write times in UTC or with offsets, or leave the times out (the rows then keep their order)"

Others = Mapping[str, Any]
"""The columns that are neither values nor times, by name, as Arrow arrays; texts are trimmed."""


def of_disorder(time: NDArray[Any], others: Others, *, local: bool) -> str:
    """What to do where times are not strictly increasing; nothing of it loses a reading.

    Parameters
    ----------
    time
        ``[N]`` as in the file.
    others
        The other columns.
    local
        Whether the times are dates without a zone.
    """
    if ids := next(_series_columns(time, others), ""):
        return ids
    if local and (zone := _changing_zone(time)):
        return (
            f"{_repeated(time)}; likely a clock change in local time, as on that day in {zone}: state timezone: {zone} "
            f"if clocks stood so and each time is the one they showed; {LOST}"
        )
    if len(np.unique(time)) == len(time):
        return "no time is there twice: sort the rows by time"
    return f"{_repeated(time)}; {LOST}"


def _repeated(time: NDArray[Any]) -> str:
    count = len(time) - len(np.unique(time))
    return f"{count} of {len(time)} times are there already" if count else "no time is there twice"


def _series_columns(time: NDArray[Any], others: Others) -> Iterator[str]:
    """What to say of each column whose values split the rows into series, each in the order of time."""
    for name, column in others.items():
        codes, ids = codes_of(column)
        if 2 <= len(ids) <= min(_MOST_SERIES, len(time) // 2):
            order = np.argsort(codes, kind="stable")
            inside = codes[order][1:] == codes[order][:-1]
            steps = time[order][1:] > time[order][:-1]
            back = time[order][1:] < time[order][:-1]
            if steps[inside].all() or back[inside].all():
                yield (
                    f"several series seem to be in this file: {name!r} has {_listed(ids)}; state the one to read, as "
                    f"in where: {{{name}: {visible(ids[0])}}}, or series: {name} for all of them"
                )


def codes_of(column: Any) -> tuple[NDArray[np.int64], list[str]]:
    """The number of each row's value among the distinct ones, and those; none for what cannot be a name."""
    if not (types.is_string(column.type) or types.is_integer(column.type)):
        return np.zeros(len(column), np.int64), []
    texts = column.cast(pa.string())
    encoded = compute.dictionary_encode(compute.fill_null(texts, "")).combine_chunks()
    if len(encoded) == 0:
        return np.zeros(0, np.int64), []
    return np.asarray(encoded.indices.to_numpy(), np.int64), encoded.dictionary.to_pylist()


def _listed(ids: list[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(visible(each) for each in ids[:_SHOWN]) + more


def _changing_zone(time: NDArray[Any]) -> str:
    """A zone whose clocks changed on the day of the first time that is out of order; empty where there is none."""
    row = int(np.argmax(~(time[1:] > time[:-1]))) + 1
    moment = time[row].astype("datetime64[s]").item()
    if not isinstance(moment, datetime) or not 1900 < moment.year < 2200:
        return ""
    day = datetime(moment.year, moment.month, moment.day)
    for name in _ZONES:
        try:
            zone = ZoneInfo(name)
        except ZoneInfoNotFoundError:
            continue
        if day.replace(tzinfo=zone).utcoffset() != (day + timedelta(days=1)).replace(tzinfo=zone).utcoffset():
            return name
    return ""


def without_times(others: Others, read: Any) -> Iterator[str]:
    """Warnings about a file that is read in the order of its rows.

    Parameters
    ----------
    others
        The columns next to the values.
    read
        ``read(column)`` gives the times in a column, or raises `Unreadable` or `DataError`.
    """
    for name, column in others.items():
        time = _dates(column, read)
        if time is None or len(time) < 3:
            continue
        rest = {other: each for other, each in others.items() if other != name}
        direction = one_direction(time)
        if direction < 0:
            kind = "dates" if time.dtype.kind == "M" else "times"
            yield f"{name!r} holds {kind}, newest first, and the rows were read as they stand: state time: {name}"
        elif not direction and (ids := next(_series_columns(time, rest), "")):
            yield ids
        elif not direction:
            continue
        return
    for name, column in others.items():
        codes, series = codes_of(column)
        if 2 <= len(series) <= len(codes) // 5 and _names_series(name, codes, series):
            yield (
                f"{name!r} changes like the name of a series ({_listed(series)}), and all rows were read as one: state "
                f"the one to read, as in where: {{{name}: {visible(series[0])}}}, or series: {name} for all of them"
            )
            return


def _dates(column: Any, read: Any) -> NDArray[Any] | None:
    """The dates in `column`, or the numbers that count from 1970; `None` where it holds neither."""
    try:
        time: NDArray[Any] = read(column).time
    except (Unreadable, DataError, IndexError):
        return None
    return time if time.dtype.kind == "M" or _counts_from_1970(time) else None


def _counts_from_1970(time: NDArray[Any]) -> bool:
    """Whether numbers can be times of the years 1980 to 2100, in seconds, or in milli-, micro- or nanoseconds.

    Measurements may be as large; times have a usual step, which half of all steps are.
    """
    low, high, steps = float(time.min()), float(time.max()), np.abs(np.diff(time))
    if not any(3.15e8 * unit <= low <= high <= 4.11e9 * unit for unit in (1.0, 1e3, 1e6, 1e9)):
        return False
    moved = steps[steps > 0]
    return len(moved) > 0 and 2 * int((moved == np.median(moved)).sum()) >= len(moved)


_CALENDAR = re.compile(
    "years?|yyyy|yr|months?|mon|weeks?|week(of|in)year|kw|(week|work)?days?|day(of|in)(week|month|year)|do[wmy]|wday|"
    "hours?|hr|minutes?|min|seconds?|sec|quarters?|qtr|seasons?|jahr|monat|woche|(wochen|arbeits)?tag|stunde|quartal|"
    "mois|semaine|jour|heure|mes|semana|hora"
)
"""Parts of the names of columns that divide a calendar."""
_IDENTITY = re.compile(
    "id|ids|name|key|code|sku|store|shop|item|product|series|group|unit|site|station|sensor|device|meter|machine|engine|"
    "asset|symbol|ticker|subject|patient|user|customer|client|region|country|city|building|zone|plant|household"
)
"""Parts of the names of columns that name series."""
_DAYS_AND_MONTHS = (
    *("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
)
_CYCLES = (7, 12, 24)
"""Days of a week, months of a year and hours of a day."""


def _names_series(name: str, codes: NDArray[np.int64], ids: list[str]) -> bool:
    """Whether a column's values are in blocks, or take turns, as the names of series do, and are nothing else.

    Numbers may also be a state, a setpoint or the calendar: where the column is not called as one that names series is,
    their blocks have to be of one length.
    """
    starts = np.flatnonzero(np.diff(codes)) + 1
    blocks = len(ids) == len(starts) + 1
    turns = bool((codes == np.arange(len(codes)) % len(ids)).all())  # codes count in the order of their first rows
    parts = re.split(r"[\W_\d]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    if not (blocks or turns) or any(map(_CALENDAR.fullmatch, parts)):
        return False
    if not all(each.removeprefix("-").isdecimal() for each in ids):
        return not all(each.lower().startswith(_DAYS_AND_MONTHS) for each in ids)
    if any(map(_IDENTITY.fullmatch, parts)):
        return True
    equal = turns or len(set(np.diff([0, *starts, len(codes)]).tolist())) == 1
    return equal and not _counts(sorted(map(int, ids)))


def _counts(numbers: list[int]) -> bool:
    """Whether distinct numbers, from the smallest, are a switch, years, days of a week, months or hours."""
    low, high, count = numbers[0], numbers[-1], len(numbers)
    whole_cycle = count in _CYCLES and low in (0, 1) and high - low == count - 1
    return numbers == [0, 1] or 1800 <= low <= high < 2200 or whole_cycle
