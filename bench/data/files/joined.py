"""A data file as a dataset: one series, or several that a column tells apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.base import DatasetKind, Provenance, Series, file_sha256
from bench.data.files import advice, reading
from bench.data.files.compressed import existing
from bench.data.files.numerals import missing
from bench.data.files.options import File
from bench.data.files.order import Columns, gaps
from bench.data.files.table import Unreadable, visible
from bench.errors import DataError


def load_file(parameters: File, _seed: int) -> Series:
    """The columns as a series, or as several, one after the other; every value and time checked.

    Raises
    ------
    DataError
        Something in the file is not as it must be; the message names the row and the value.
    """
    return reading.load_one(parameters) if parameters.series is None else _joined(parameters)


def fingerprint(parameters: File) -> str:
    """SHA-256 of the file's bytes."""
    return file_sha256(existing(parameters.path))


def _joined(parameters: File) -> Series:
    """The series that a column tells apart, one after the other in the order of their first rows.

    Raises
    ------
    DataError
        As for `load_file`; or they are not written in one way.
    """
    if parameters.fit == "local":
        raise DataError(f"{parameters.path}: expected fit: global to read several series as one dataset, got local")
    rows = reading.chosen_rows(reading.table_of(existing(parameters.path), parameters), parameters)
    names, read = _each(rows, parameters)
    notes, columns = _notes_of_all(names, read, parameters), [each for each, _ in read]
    starts = np.cumsum([0, *(len(each.values) for each in columns)])
    holes = np.concatenate([gaps(each.time) + start for each, start in zip(columns, starts, strict=False)]).tolist()
    if holes:
        notes = (*notes, reading.of_gaps(len(holes), int(starts[-1]), parameters))
    source = f"{parameters.path}, {parameters.described()}"
    return Series(
        **_arrays([reading.channels_of(each, parameters) for each in columns]),
        provenance=Provenance(source=source, sha256=file_sha256(rows.table.path), notes=notes),
        time=None if columns[0].time is None else np.concatenate([each.time for each in columns]),
        utc=columns[0].utc,
        breaks=tuple(sorted({*starts[1:-1].tolist(), *([] if parameters.across_gaps else holes)})),
        several=tuple(zip(names, starts[:-1].tolist(), strict=True)) if len(names) > 1 else (),
    )


def _arrays(channels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The fields of all series, of which arrays are put one after the other."""
    arrays = {name: np.concatenate([each[name] for each in channels]) for name in channels[0] if name != "names"}
    return {**arrays, "names": channels[0]["names"]}


def _each(rows: reading.FileRows, parameters: File) -> tuple[list[str], list[tuple[Columns, tuple[str, ...]]]]:
    """The names of the series, and what was read of each."""
    codes, names = _series_of(rows, parameters)
    read = []
    for number, name in enumerate(names):
        try:
            read.append(reading.as_series(rows.present(codes == number), parameters))
        except DataError as error:
            raise DataError(f"{error} (series {visible(name)!r})") from None
    return names, read


def _series_of(rows: reading.FileRows, parameters: File) -> tuple[NDArray[np.int64], list[str]]:
    """The number of the series of each row, and the names of all.

    Raises
    ------
    DataError
        A row has no name, or names are no names.
    """
    column, name = rows.series, parameters.series
    with rows.about(name):
        gone = missing(column)
        if gone.any():
            row = int(np.argmax(gone))
            raise Unreadable(row, "the name of a series", reading.came(column, row), "name it, or leave the row out")
        codes, names = advice.codes_of(column)
        if not names:
            raise DataError(f"expected names of series, texts or whole numbers, got {column.type}; name another column")
    return codes, names


def _notes_of_all(
    names: Sequence[str], read: Sequence[tuple[Columns, tuple[str, ...]]], parameters: File
) -> tuple[str, ...]:
    """What was detected in all series, and how many there are.

    Raises
    ------
    DataError
        They were not read in one way.
    """
    first, options = read[0][0], [[note for note in notes if note.startswith(reading.READ_WITH)] for _, notes in read]
    for name, (columns, _), own in zip(names, read, options, strict=True):
        kinds = [None if each.time is None else each.time.dtype.kind for each in (first, columns)]
        if own != options[0] or kinds[0] != kinds[1] or columns.utc != first.utc:
            raise DataError(
                f"{parameters.path}: expected series that are written in one way, got {visible(names[0])!r} "
                f"{'; '.join(options[0]) or 'as it stands'} and {visible(name)!r} {'; '.join(own) or 'otherwise'}; "
                "state decimal, thousands, time_format or timezone"
            )
    notes = dict.fromkeys(note for _, own in read for note in own)
    return (*notes, f"{len(names)} series")


def names_of_series(parameters: File) -> Mapping[str, Mapping[str, Any]]:
    """Where each series is to be a dataset of its own: their names, and what of the parameters changes for each.

    `None` leaves a parameter out.

    Raises
    ------
    DataError
        As for `load_file`.
    """
    if parameters.series is None or parameters.fit != "local":
        return {}
    rows = reading.chosen_rows(reading.table_of(existing(parameters.path), parameters), parameters)
    _, names = _series_of(rows, parameters)
    column = rows.table.names[rows.table.number(parameters.series)]
    left_out = {"series": None, "fit": None}
    return {name: {**left_out, "where": {**(parameters.where or {}), column: name}} for name in names}


FILE = DatasetKind(
    "one or several columns of a CSV, Parquet, Feather or Excel file of yours",
    File,
    load_file,
    fingerprint,
    apart=names_of_series,
)
