"""Files that are read without times: a note where the rows seem to be several series or newest first, and none else."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bench.data.files.joined import FILE
from bench.data.files.options import File

ROWS = 80


def _notes(folder: Path, kind: str, columns: dict[str, Sequence[Any]]) -> tuple[str, ...]:
    path = folder / f"mine.{kind}"
    columns = {**columns, "x": range(ROWS)}
    if kind == "parquet":
        parquet.write_table(pa.table({name: pa.array(list(column)) for name, column in columns.items()}), path)
    else:
        rows = zip(*columns.values(), strict=True)
        path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return FILE.load(File(path=str(path), column="x"), 0).provenance.notes


def _column(value: Callable[[int], Any]) -> list[Any]:
    return [value(row) for row in range(ROWS)]


def _month(row: int) -> int:
    return (2019 + row // 12) * 100 + row % 12 + 1


NAMES = {
    "blocks": ("shelf", lambda row: 1 + row // 40, "(1, 2)"),
    "blocks of three, by name": ("store", lambda row: 7 if row < 30 else 9 if row < 47 else 8, "(7, 9, 8)"),
    "turns": ("shelf", lambda row: 1 + row % 2, "(1, 2)"),
    "turns of three": ("shelf", lambda row: 500 - row % 3, "(500, 499, 498)"),
    "turns of seven, by name": ("sensorId", lambda row: 1 + row % 7, "(1, 2, 3, 4 and 3 more)"),
    "turns of texts": ("shelf", lambda row: "ab"[row % 2], "(a, b)"),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("case", NAMES)
def test_numbers_and_texts_that_change_like_names_are_said(case: str, kind: str, tmp_path: Path) -> None:
    name, value, listed = NAMES[case]
    (note,) = _notes(tmp_path, kind, {name: _column(value)})
    assert note.startswith(f"{name!r} changes like the name of a series {listed}, and all rows were read as one: state")


BACKWARDS = {
    "seconds": ("times", lambda row: 1_700_000_000 - 3600 * row),
    "seconds of working days": ("times", lambda row: 1_700_000_000 - 86400 * (row + row // 5 * 2)),
    "milliseconds": ("times", lambda row: 1_700_000_000_000 - 1000 * row),
    "nanoseconds": ("times", lambda row: 1_700_000_000_000_000_000 - 1000 * row),
    "months": ("dates", lambda row: _month(ROWS - row)),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("case", BACKWARDS)
def test_numbers_that_are_times_newest_first_are_said(case: str, kind: str, tmp_path: Path) -> None:
    what, value = BACKWARDS[case]
    (note,) = _notes(tmp_path, kind, {"when": _column(value)})
    assert note == f"'when' holds {what}, newest first, and the rows were read as they stand: state time: when"


@pytest.mark.parametrize("time", [lambda row: 1_700_000_000 + 60 * row, _month], ids=["seconds", "months"])
@pytest.mark.parametrize("turns", [False, True])
def test_series_are_known_by_numbers_that_are_times(time: Callable[[int], int], turns: bool, tmp_path: Path) -> None:
    columns = {"when": _column(lambda row: time(row // 2 if turns else row % 40))}
    columns["shelf"] = _column(lambda row: 3 + (row % 2 if turns else row // 40))
    (note,) = _notes(tmp_path, "csv", columns)
    assert note.startswith("several series seem to be in this file: 'shelf' has 3, 4; state the one to read")


RANDOM = np.random.default_rng(0)
HONEST = {
    "count": ("n", lambda row: row),
    "remaining life": ("rul", lambda row: ROWS - row),
    "large and falling": ("stock", lambda row: 1_700_000_000 - row * row),
    "large measurements": ("volume", lambda row: int(RANDOM.integers(4 * 10**8, 10**9))),
    "years": ("season", lambda row: 2020 + row // 20),
    "unnamed years": ("c", lambda row: 2020 + row // 20),
    "months": ("month", lambda row: 1 + row // 28),
    "hours": ("h", lambda row: row % 24),
    "days of the week": ("d", lambda row: row % 7),
    "named days": ("d", lambda row: ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[row % 7]),
    "quarters": ("Quarter", lambda row: row % 4 + 1),
    "day of the week": ("dayOfWeek", lambda row: row % 5),
    "a switch": ("open", lambda row: row // 40),
    "a state": ("valve", lambda row: 3 if row < 50 else 4),
    "alternating": ("am", lambda row: row % 2),
    "dice": ("dice", lambda row: int(RANDOM.integers(1, 7))),
    "constant": ("store", lambda row: 4),
    "months in order": ("when", _month),
    "seconds in order": ("when", lambda row: 1_700_000_000 + 3600 * row),
    "decimals": ("y", lambda row: row // 40 + 0.5),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("case", HONEST)
def test_other_numbers_get_no_note(case: str, kind: str, tmp_path: Path) -> None:
    name, value = HONEST[case]
    assert _notes(tmp_path, kind, {name: _column(value)}) == ()
