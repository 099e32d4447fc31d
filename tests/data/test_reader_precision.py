"""Levels, steps and dates that a file states in digits: kept as they are, or refused where float64 cannot keep them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from bench.data.base import Series
from bench.data.files.joined import FILE
from bench.data.files.options import File
from bench.errors import DataError

ROWS = 60


def _read(path: Path, **parameters: Any) -> Series:
    return FILE.load(File.model_validate({"path": str(path), "column": "x", **parameters}), 0)


def _refusal(path: Path, **parameters: Any) -> str:
    with pytest.raises(DataError) as caught:
        _read(path, **parameters)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def _csv(path: Path, columns: dict[str, Sequence[object]]) -> Path:
    path = path / "mine.csv"
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def _parquet(path: Path, columns: dict[str, Any]) -> Path:
    path = path / "mine.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("whole", [True, False])
def test_decimals_that_lie_between_their_bounds_are_read(whole: bool, tmp_path: Path) -> None:
    table = pa.table({"x": pa.array(_fixed("-7.25", "0.5"), pa.decimal128(9, 2))})
    parquet.write_table(table, tmp_path / "mine.parquet", store_decimal_as_integer=whole)
    assert _read(tmp_path / "mine.parquet").values[:, 0].tolist() == [-7.25 + 0.5 * row for row in range(ROWS)]


def _fixed(first: str, step: str, rows: int = ROWS) -> list[Decimal]:
    return [Decimal(first) + Decimal(step) * row for row in range(rows)]


@pytest.mark.parametrize("options", [{}, {"thousands": ","}])
def test_changes_below_the_step_of_float64_are_refused(options: dict[str, str], tmp_path: Path) -> None:
    levels = _fixed("1000000000000.0001", "0.0001")
    said = "expected numbers whose changes float64 resolves (its steps are 0.00012207 here), got '1000000000000.0001'"
    assert said in _refusal(_csv(tmp_path, {"x": levels}), **options)
    assert said in _refusal(_parquet(tmp_path, {"x": pa.array(levels, pa.decimal128(30, 4))}))


def test_changes_that_float64_rounds_by_a_share_are_refused(tmp_path: Path) -> None:
    levels = [f"100000000000000{row % 7}.{row * 7 % 10}" for row in range(ROWS)]
    said = "row 2 (line 3), column 'x': expected numbers whose changes float64 resolves (its steps are 0.125 here), got"
    assert _refusal(_csv(tmp_path, {"x": levels})).startswith(said)


@pytest.mark.parametrize(
    "texts",
    [
        ["0.1", "0.10000000000000002"],  # neighbouring doubles, as programs print them
        ["0.10000000000000001", "0.10000000000000002"],
        ["0.1000000000000000055511151231257827", "0.100000000000000019428902930940239457"],
        ["0.10000000000000000000000000", "0.2"],
        ["1000000000.01", "1000000000.43"],  # a million steps of float64 in each change
        ["4503599627370495.5", "4503599627370494.5", "4503599627370400.5"],  # exact
        ["9007199254740991", "9007199254740990", "9007199254740900"],
        ["0.0", "5e-324"],
        ["1e12", "1000000000001"],
        ["1000000000000.000123", "1000000000000.000123"],
    ],
)
def test_digits_that_float64_keeps_are_read(texts: list[str], tmp_path: Path) -> None:
    series = _read(_csv(tmp_path, {"x": texts, "i": range(len(texts))}))
    assert series.values[:, 0].tolist() == [float(text) for text in texts]


@pytest.mark.parametrize("scale", [0, 9])
def test_whole_times_that_are_stored_as_decimals_are_exact(scale: int, tmp_path: Path) -> None:
    times = _fixed("1700000000000000000", "1")
    path = _parquet(tmp_path, {"t": pa.array(times, pa.decimal128(30, scale)), "x": range(ROWS)})
    time = _read(path, time="t").time
    assert time is not None
    assert time.tolist() == [1_700_000_000_000_000_000 + row for row in range(ROWS)]


def test_times_whose_steps_float64_rounds_are_refused(tmp_path: Path) -> None:
    times = _fixed("1700000000.000000001", "0.000000001")
    said = "expected times whose steps float64 resolves (its own are 2.38419e-07 here), got '1700000000.000000001'"
    path = _parquet(tmp_path, {"t": pa.array(times, pa.decimal128(30, 9)), "x": range(ROWS)})
    assert said in _refusal(path, time="t")
    assert said in _refusal(_csv(tmp_path, {"t": times, "x": range(ROWS)}), time="t")


def test_times_in_milliseconds_are_the_nearest_doubles(tmp_path: Path) -> None:
    times = _fixed("1700000000.001", "0.001")
    path = _parquet(tmp_path, {"t": pa.array(times, pa.decimal128(30, 9)), "x": range(ROWS)})
    for each in (path, _csv(tmp_path, {"t": times, "x": range(ROWS)})):
        time = _read(each, time="t").time
        assert time is not None
        assert time.tolist() == [float(moment) for moment in times]


DIGITS = [
    ("%Y%m", [datetime(2019 + row // 12, row % 12 + 1, 1) for row in range(ROWS)]),
    ("%Y%m%d", [datetime(2019, 1, 1) + timedelta(days=row) for row in range(ROWS)]),
    ("%Y%m%d%H", [datetime(2019, 1, 1) + timedelta(hours=row) for row in range(ROWS)]),
    ("%Y%m%d%H%M", [datetime(2019, 1, 1) + timedelta(minutes=15 * row) for row in range(ROWS)]),
    ("%Y%m%d%H%M%S", [datetime(2019, 1, 1) + timedelta(seconds=15 * row) for row in range(ROWS)]),
]


@pytest.mark.parametrize("kind", ["csv", "int", "float", "decimal", "csv float"])
@pytest.mark.parametrize(("time_format", "moments"), DIGITS)
def test_dates_in_digits_are_dates(kind: str, time_format: str, moments: list[datetime], tmp_path: Path) -> None:
    numbers = [int(moment.strftime(time_format)) for moment in moments]
    columns: dict[str, Any] = {"t": numbers, "x": list(range(ROWS))}
    if kind == "float":
        columns["t"] = pa.array(numbers, pa.float64())
    if kind == "decimal":
        columns["t"] = pa.array(map(Decimal, numbers), pa.decimal128(20, 2))
    if kind == "csv float":
        columns["t"] = [f"{number}.0" for number in numbers]
    path = _csv(tmp_path, columns) if "csv" in kind else _parquet(tmp_path, columns)
    series = _read(path, time="t")
    assert series.time is not None
    assert series.time.tolist() == moments
    assert series.provenance.notes == (f'read with time_format: "{time_format}": state this in the suite to fix it',)
    stated = _read(path, time="t", time_format=time_format)
    assert stated.time is not None
    assert stated.time.tolist() == moments
    assert stated.provenance.notes == ()


@pytest.mark.parametrize(("first", "step"), [(1_700_000_000, 3600), (201_900, 1), (1_010_101, 1), (190_000_000_000, 1)])
def test_other_whole_numbers_stay_numbers(first: int, step: int, tmp_path: Path) -> None:
    numbers = [first + step * row for row in range(ROWS)]
    series = _read(_csv(tmp_path, {"t": numbers, "x": range(ROWS)}), time="t")
    assert series.time is not None
    assert series.time.tolist() == numbers
    assert series.provenance.notes == ()


def _autumn() -> list[datetime]:
    """Each hour that clocks in Berlin showed from 2023-10-28 on: the hour from 02:00 twice on the day after."""
    start = datetime(2023, 10, 28)
    return [start + timedelta(hours=row - (row > 26)) for row in range(ROWS)]


def test_a_repeated_hour_is_read_in_its_order_newest_first_too(tmp_path: Path) -> None:
    moments = _autumn()
    path = _csv(tmp_path, {"t": moments[::-1], "x": range(ROWS)[::-1]})
    series = _read(path, time="t", timezone="Europe/Berlin")
    assert series.time is not None
    assert series.values[:, 0].tolist() == list(range(ROWS))
    assert series.time.tolist() == [datetime(2023, 10, 27, 22) + timedelta(hours=row) for row in range(ROWS)]
    assert series.provenance.notes == ("newest first in the file: read in the order of time",)
    said = _refusal(path, time="t")
    assert "1 of 60 times are there already; likely a clock change in local time, as on that day in Europe/Be" in said
    assert "sort" not in said


@pytest.mark.parametrize("write", [parquet.write_table, feather.write_feather])
def test_half_floats_are_exact(write: Any, tmp_path: Path) -> None:
    halves = np.array([0.0, 1.0, 2.0**-24, 65504.0, -0.333251953125], np.float16)
    path = tmp_path / f"mine.{'parquet' if write is parquet.write_table else 'feather'}"
    write(pa.table({"x": pa.array(halves), "t": pa.array(np.arange(5, dtype=np.float16))}), str(path))
    series = _read(path, time="t")
    assert series.values[:, 0].tolist() == halves.tolist()
    assert series.time is not None
    assert series.time.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("good", "bad", "kind"),
    [
        ("41.00", "9941.00", pa.decimal128(12, 2)),
        ("41.00", "9941.00", pa.decimal256(50, 2)),
        ("41", "9941", pa.float16()),
    ],
)
def test_decimals_and_halves_have_to_lie_between_stated_bounds(good: str, bad: str, kind: Any, tmp_path: Path) -> None:
    convert = np.float16 if kind == pa.float16() else Decimal
    path = tmp_path / "mine.parquet"

    def written(value: str) -> bytes:
        table = pa.table({"x": pa.array([convert(number) for number in (*map(str, range(40)), value)], kind)})
        parquet.write_table(table, path, compression="none", use_dictionary=False)
        return path.read_bytes()

    right, wrong = written(good), written(bad)
    end = 4 + parquet.ParquetFile(path).metadata.row_group(0).column(0).total_compressed_size
    path.write_bytes(wrong[:end] + right[end:])  # values of one, and bounds of the other
    assert "it is damaged" in _refusal(path)
