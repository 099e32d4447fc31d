"""Files of the shapes that people have: each is read as what it holds, or refused with the way to read it.

The files in ``files/`` were made for these tests; counts, ends and sums come from how they were made.
"""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bench.data.base import Series
from bench.data.files.joined import FILE
from bench.data.files.options import File
from bench.errors import DataError

FILES = Path(__file__).parent / "files"


def _load(name: str, column: str | int, **parameters: Any) -> Series:
    stated = json.dumps({"path": str(FILES / name), "column": column, **parameters})
    return FILE.load(File.model_validate_json(stated), 0)


def _refusal(name: str, column: str | int, **parameters: Any) -> str:
    with pytest.raises(DataError) as caught:
        _load(name, column, **parameters)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{FILES / name}: ")


HOLDS = [
    # file, column, parameters, points, first, last, sum
    ("carriage-return-lines.csv", "x", {"time": "t"}, 60, 100.78, 109.34, 6355.49),
    ("dates-as-yyyymmdd-numbers.csv", "<CLOSE>", {"time": "<DATE>"}, 120, 99.06, 99.17, 11630.4),
    ("dot-as-thousands.csv", "units", {"time": "day", "thousands": "."}, 80, 990, 1024, 80470),
    ("dot-as-thousands.csv", "units", {"time": "day", "thousands": ".", "decimal": ","}, 80, 990, 1024, 80470),
    ("european-decimal-comma.csv", "Verbrauch", {"time": "Datum"}, 80, 101.29, 102.43, 8292.71),
    (
        "european-decimal-comma.csv",
        "Verbrauch",
        {"time": "Datum", "separator": ";", "decimal": ",", "time_format": "%d.%m.%Y"},
        *(80, 101.29, 102.43, 8292.71),
    ),
    ("gaps-below-max-gap.csv", "load", {"time": "time"}, 176, 50.0, 59.659, 8888.544),
    ("long-format-two-series.csv", "y", {"time": "ds", "where": {"unique_id": "north"}}, 60, 10.1, 10.32, 585.76),
    ("long-format-two-series.csv", "y", {"time": "ds", "where": {"unique_id": "south"}}, 60, 994.88, 957.94, 58629.89),
    ("long-format-sorted-by-time.csv", "y", {"time": "ds", "where": {"unique_id": "north"}}, 60, 10.1, 10.32, 585.76),
    ("long-format-sorted-by-time.csv", "y", {"where": {"unique_id": "south"}}, 60, 994.88, 957.94, 58629.89),
    ("missing-marks-null.csv", "Close", {"time": "Date", "missing": "drop"}, 79, 101.29, 102.43, None),
    ("missing-marks-null.csv", "Close", {"time": "Date", "missing": "forward-fill"}, 80, 101.29, 102.43, None),
    ("mixed-fractional-seconds.csv", "v", {"time": "ts"}, 60, 98.64, 117.05, 6470.39),
    ("month-only-dates.csv", "Passengers", {"time": "Month"}, 144, 100, 442, 40145),
    ("naive-local-autumn-hour-twice.csv", "x", {"time": "t", "timezone": "America/New_York"}, 60, 100.77, None, None),
    ("naive-local-autumn-hour-twice.csv", "x", {}, 60, 100.77, None, None),
    ("naive-local-spring-clock-change.csv", "x", {}, 60, 100.77, None, None),
    ("newest-first-no-time.csv", "Close", {"time": "Date"}, 80, 101.29, 102.43, 8292.71),
    ("numeric-column-name.csv", 2019, {"time": "t"}, 60, 99.99, 101.16, 6125.05),
    ("offset-times-lose-zone.csv", "x", {"time": "t"}, 10, 99.49, 99.67, 990.43),
    ("preamble-lines.csv", "python", {"time": "Month", "skip_rows": 2}, 144, 100, 442, 40145),
    ("preamble-lines.csv", "python", {"time": "Month"}, 144, 100, 442, 40145),
    (
        "semicolon-date-time-columns.txt",
        "P",
        {"separator": ";", "time": ["Date", "Time"], "time_format": "%d/%m/%Y %H:%M:%S", "missing": "drop"},
        *(79, 101.29, 102.43, None),
    ),
    ("semicolon-date-time-columns.txt", "P", {"time": ["Date", "Time"], "missing": "drop"}, 79, 101.29, 102.43, None),
    ("semicolon-header-with-comma.csv", "Verbrauch", {"time": "Datum"}, 80, 101.29, 102.43, 8292.71),
    ("spaces-after-commas.csv", "close", {"time": "date"}, 80, 101.29, 102.43, 8292.71),
    ("spaces-after-commas.csv", " close", {"time": " date"}, 80, 101.29, 102.43, 8292.71),
    ("thousands-and-suffixes.csv", "Price", {"time": "Date"}, 80, 5001.29, 5002.43, 400292.71),
    (
        "thousands-and-suffixes.csv",
        "Price",
        {"time": "Date", "thousands": ",", "time_format": "%b %d, %Y"},
        *(80, 5001.29, 5002.43, 400292.71),
    ),
    (
        "time-range-cells.csv",
        "Day-ahead Price (EUR/MWh)",
        {"time": "MTU (UTC)"},
        *(23, 99.47, 99.11, 2265.81),
    ),
    ("unnamed-index-column.csv", "Close", {"time": ""}, 80, 100.49, 111.58, 8452.17),
    ("unnamed-index-column.csv", "Close", {"time": 1}, 80, 100.49, 111.58, 8452.17),
    ("us-dates-saved-by-spreadsheet.csv", "OT", {"time": "date"}, 120, 30.0, 25.023, 3619.297),
    (
        "us-dates-saved-by-spreadsheet.csv",
        "OT",
        {"time": "date", "time_format": "%m/%d/%Y %H:%M"},
        *(120, 30.0, 25.023, 3619.297),
    ),
    ("yahoo-multi-header.csv", "Close", {"time": "Date"}, 80, 101.29, 102.43, 8292.71),
    ("yahoo-multi-header.csv", "Close", {"time": "Date", "header": 3}, 80, 101.29, 102.43, 8292.71),
    ("yahoo-multi-header.csv", 2, {"time": 1, "skip_rows": 3, "header": 0}, 80, 101.29, 102.43, 8292.71),
]


@pytest.mark.parametrize("row", HOLDS, ids=lambda row: f"{row[0]} {' '.join(row[2])}")
def test_a_file_is_read_as_what_it_holds(row: tuple[Any, ...]) -> None:
    name, column, parameters, points, first, last, total = row
    series = _load(name, column, **parameters)
    values = series.values[:, 0]
    assert len(values) == points
    assert values[0] == first
    assert last is None or values[-1] == last
    assert total is None or values.sum() == pytest.approx(total, abs=1e-6)
    assert series.time is None or (series.time[1:] > series.time[:-1]).all()


STATED = [
    ("european-decimal-comma.csv", "Verbrauch", "Datum", 'separator: ";", decimal: ",", time_format: "%d.%m.%Y"'),
    ("dates-as-yyyymmdd-numbers.csv", "<CLOSE>", "<DATE>", 'time_format: "%Y%m%d"'),
    ("preamble-lines.csv", "python", "Month", "skip_rows: 2"),
    ("yahoo-multi-header.csv", "Close", "Date", "header: 3"),
    ("thousands-and-suffixes.csv", "Price", "Date", 'thousands: ",", time_format: "%b %d, %Y"'),
    ("us-dates-saved-by-spreadsheet.csv", "OT", "date", 'time_format: "%m/%d/%Y %H:%M"'),
]


@pytest.mark.parametrize(("name", "column", "time", "options"), STATED)
def test_what_was_detected_is_said_as_options_of_the_suite(name: str, column: str, time: str, options: str) -> None:
    assert (
        _load(name, column, time=time).provenance.notes[0] == f"read with {options}: state this in the suite to fix it"
    )


def test_a_file_that_needs_no_detection_has_no_notes() -> None:
    assert _load("offset-times-lose-zone.csv", "x", time="t").provenance.notes == ()


REFUSED = [
    ("gzip-named-csv.csv", "x", {}, "expected CSV text, got a file that gzip has compressed; name it .csv.gz"),
    (
        "missing-marks-null.csv",
        "Close",
        {"time": "Date"},
        "row 41 (line 42), column 'Close': expected a number such as 1234.5, got 'null'; rows without a value: 1 of 80"
        "; state missing: drop, or missing: forward-fill (the value before, never a later one)",
    ),
    (
        "semicolon-date-time-columns.txt",
        "P",
        {"time": ["Date", "Time"]},
        "row 51 (line 52), column 'P': expected a number such as 1234.5, got '?'; rows without a value: 1 of 80; state",
    ),
    (
        "naive-local-spring-clock-change.csv",
        "x",
        {"time": "t"},
        "row 14 (line 15): time 2024-03-10T03:00 stands already at row 13 (line 14), as at 10 more rows; 11 of 60 "
        "times are there already; likely a clock change in local time, as on that day in America/New_York: state ",
    ),
    (
        "naive-local-autumn-hour-twice.csv",
        "x",
        {"time": "t"},
        "row 13 (line 14): expected a time after 2024-11-03T01:55, at row 12 (line 13), got 2024-11-03T01:00; 12 of 60 "
        "times are there already; likely a clock change in local time, as on that day in America/New_York: state ",
    ),
    (
        "long-format-two-series.csv",
        "y",
        {"time": "ds"},
        "row 61 (line 62): expected a time after 2023-03-24, at row 60 (line 61), got 2023-01-02; several series seem "
        "to be in this file: 'unique_id' has north, south; state the one to read, as in where: {unique_id: north}",
    ),
    (
        "long-format-sorted-by-time.csv",
        "y",
        {"time": "ds"},
        "row 2 (line 3): time 2023-01-02 stands already at row 1 (line 2), as at 59 more rows; several series seem",
    ),
    (
        "long-format-two-series.csv",
        "y",
        {"time": "ds", "where": {"unique_id": "nort"}},
        "where: unknown value of 'unique_id' 'nort'; did you mean 'north'? (known: north, south)",
    ),
    (
        "semicolon-header-with-comma.csv",
        "Kosten",
        {"time": "Datum"},
        "unknown column 'Kosten' (known:  netto, Datum;Verbrauch;Preis); the columns seem to be separated by ';': "
        "'Datum', 'Verbrauch', 'Preis, netto'",
    ),
    (
        "integers-beyond-2-53-parquet.parquet",
        "x",
        {"time": "t"},
        "row 100, column 'x': expected numbers whose changes float64 resolves (its steps are 256 here), got "
        "'1600000000000012446'; the level is too large for its variation: subtract an offset",
    ),
    (
        "naive-local-spring-clock-change.csv",
        "x",
        {"time": "t", "timezone": "America/New_York"},
        "row 14 (line 15): time 2024-03-10T07:00 stands already at row 13 (line 14), as at 10 more rows; 11 of 60",
    ),
    (
        "naive-local-spring-clock-change.csv",
        "x",
        {"time": "t", "timezone": "Asia/Ulaanbaatar", "where": {"x": "100.77"}, "skip_rows": 1},
        "unknown column 'x'",
    ),
]


@pytest.mark.parametrize(("name", "column", "parameters", "said"), REFUSED)
def test_a_refusal_says_the_row_the_likely_cause_and_a_way_out(
    name: str, column: str, parameters: dict[str, Any], said: str
) -> None:
    assert _refusal(name, column, **parameters).startswith(said)


def test_no_advice_about_times_throws_readings_away() -> None:
    for name in ("naive-local-spring-clock-change.csv", "naive-local-autumn-hour-twice.csv"):
        said = _refusal(name, "x", time="t")
        assert "keep one" not in said
        assert "sort" not in said
        assert "to keep every row, write times in UTC or with offsets, or leave the times out" in said


WARNED = [
    ("two-series-no-time.csv", "y", {}, "several series seem to be in this file: 'unique_id' has north, south"),
    ("newest-first-no-time.csv", "Close", {}, "'Date' holds dates, newest first, and the rows were read as they stand"),
    (
        "dot-as-thousands.csv",
        "units",
        {"time": "day"},
        "'990' and '1.000' stand in one column and were read as 990 and 1.000: if dots part thousands, state thousands",
    ),
    ("gaps-below-max-gap.csv", "load", {"time": "time"}, "3 gaps among 176 points: no window reaches across one"),
    ("newest-first-no-time.csv", "Close", {"time": "Date"}, "newest first in the file: read in the order of time"),
]


@pytest.mark.parametrize(("name", "column", "parameters", "said"), WARNED)
def test_what_looks_wrong_is_said(name: str, column: str, parameters: dict[str, Any], said: str) -> None:
    notes = _load(name, column, **parameters).provenance.notes
    assert len(notes) == 1
    assert notes[0].startswith(said)


def test_moments_are_utc_and_local_times_are_not() -> None:
    zoned = _load("offset-times-lose-zone.csv", "x", time="t")
    assert zoned.utc
    assert zoned.time is not None
    assert str(zoned.time[-1]) == "2024-01-01T03:30:00.000000"  # 09:00 at +05:30
    assert not _load("month-only-dates.csv", "Passengers", time="Month").utc


def test_a_repeated_hour_is_read_in_its_order() -> None:
    series = _load("naive-local-autumn-hour-twice.csv", "x", time="t", timezone="America/New_York")
    assert series.utc
    assert series.time is not None
    np.testing.assert_array_equal(np.diff(series.time), np.timedelta64(5, "m"))
    assert str(series.time[0])[:16] == "2024-11-03T05:00"  # 01:00, daylight time, 4 hours behind UTC


def test_gaps_are_the_points_after_them() -> None:
    series = _load("gaps-below-max-gap.csv", "load", time="time")
    assert series.time is not None
    steps = np.diff(series.time) / np.timedelta64(1, "h")
    assert series.breaks == tuple((np.flatnonzero(steps != 1) + 1).tolist())
    assert len(series.breaks) == 3
    assert _load("gaps-below-max-gap.csv", "load", time="time", across_gaps=True).breaks == ()


@pytest.mark.parametrize("suffix", [".gz", ".zip", ".zst", ".bz2", ".xz"])
def test_compressed_files_hold_the_same(suffix: str, tmp_path: Path) -> None:
    import bz2
    import lzma

    content = (FILES / "spaces-after-commas.csv").read_bytes()
    path = tmp_path / f"mine.csv{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("any.csv", content)
    else:
        compress = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
        zstd = lambda text: pa.compress(text, codec="zstd", asbytes=True)  # noqa: E731
        path.write_bytes(compress.get(suffix, zstd)(content))
    series = FILE.load(File(path=str(path), column="close", time="date"), 0)
    assert series.values.sum() == pytest.approx(8292.71)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="expected a CSV file that can be read, got an error"):
        FILE.load(File(path=str(path), column="close", time="date"), 0)


def test_an_archive_of_several_files_is_refused_with_their_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
        archive.writestr("b.csv", "x\n2\n")
    with pytest.raises(DataError, match=r"expected one file in the archive, got 2 \(a.csv, b.csv\); store the one"):
        FILE.load(File(path=str(path), column="x"), 0)
