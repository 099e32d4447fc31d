"""What may be behind times that are out of order, and behind a file read without times: likely causes and ways out."""

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
        codes, ids = _codes(column)
        if 2 <= len(ids) <= min(_MOST_SERIES, len(time) // 2):
            order = np.argsort(codes, kind="stable")
            inside = codes[order][1:] == codes[order][:-1]
            steps = time[order][1:] > time[order][:-1]
            back = time[order][1:] < time[order][:-1]
            if steps[inside].all() or back[inside].all():
                yield (
                    f"several series seem to be in this file: {name!r} has {_listed(ids)}; state the one to read, as "
                    f"in where: {{{name}: {visible(ids[0])}}}"
                )


def _codes(column: Any) -> tuple[NDArray[np.int64], list[str]]:
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
            yield f"{name!r} holds dates, newest first, and the rows were read as they stand: state time: {name}"
        elif not direction and (ids := next(_series_columns(time, rest), "")):
            yield ids
        return
    for name, column in others.items():
        if _is_blocks(column):
            _, series = _codes(column)
            yield (
                f"{name!r} changes like the name of a series ({_listed(series)}), and all rows were read as one: state "
                f"the one to read, as in where: {{{name}: {visible(series[0])}}}"
            )
            return


def _dates(column: Any, read: Any) -> NDArray[Any] | None:
    """The dates in `column`; `None` where it holds none."""
    try:
        time: NDArray[Any] = read(column).time
    except (Unreadable, DataError, IndexError):
        return None
    return time if time.dtype.kind == "M" else None


def _is_blocks(column: Any) -> bool:
    """Whether texts stand in blocks: each of a few in rows that follow one another."""
    if not types.is_string(column.type):
        return False
    codes, ids = _codes(column)
    runs = int((codes[1:] != codes[:-1]).sum()) + 1
    return 2 <= len(ids) == runs <= len(codes) // 5
