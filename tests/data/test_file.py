from __future__ import annotations

import csv
import gzip
import hashlib
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from pyarrow import parquet

from bench.data.base import LARGEST, Series
from bench.data.files.joined import FILE
from bench.data.files.options import File
from bench.errors import DataError

BINARY = b"t,x,name\n2020-01-01,1.5,caf\xe9\n2020-01-02,2.5,b\n"


def _load(path: Path, content: str | bytes, **parameters: object) -> Series:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return FILE.load(File.model_validate({"path": str(path), "column": "x", **parameters}), 0)


def _refusal(path: Path, content: str | bytes, **parameters: object) -> str:
    """The message that refuses the file, without the path that it begins with."""
    with pytest.raises(DataError) as caught:
        _load(path, content, **parameters)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.csv"


@given(st.lists(st.floats(-LARGEST, LARGEST), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_a_csv_round_trip_keeps_every_bit(values: list[float]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "mine.csv")
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["x"])
            writer.writerows([value] for value in values)
        series = FILE.load(File(path=str(path), column="x"), 0)
    np.testing.assert_array_equal(series.values[:, 0].view(np.int64), np.array(values).view(np.int64))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
@settings(max_examples=50, deadline=None)
def test_a_decimal_text_becomes_the_nearest_double(value: Decimal) -> None:
    with TemporaryDirectory() as folder:
        read = _load(Path(folder, "mine.csv"), f"x\n{value:f}\n").values[0, 0]
    below, above = (Fraction(float(np.nextafter(read, side))) for side in (-np.inf, np.inf))
    exact = Fraction(value)
    assert abs(Fraction(float(read)) - exact) <= min(abs(below - exact), abs(above - exact))


def test_provenance_and_fingerprint_are_the_bytes(path: Path) -> None:
    series = _load(path, "x\n1\n2\n")
    assert series.values.tolist() == [[1.0], [2.0]]
    assert series.time is None
    assert series.best is None
    assert series.provenance.source == f"{path}, column 'x'"
    assert FILE.fingerprint is not None
    fingerprint = FILE.fingerprint(File(path=str(path), column="x"))
    assert fingerprint == series.provenance.sha256 == hashlib.sha256(b"x\n1\n2\n").hexdigest()


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("x,y\r\n1,a\r\n2,b\r\n", [1, 2]),
        ("\ufeffx,y\n1,a\n2,b", [1, 2]),
        ("\nx,y\n1,a\n\n2,b\n\n", [1, 2]),
        ('"x",y\n"1","a,b"\n2,"two\nlines"\n3,5" pipe\n', [1, 2, 3]),
        ("x\n 1\n-2e3 \n.5\n", [1, -2000, 0.5]),
        (BINARY, [1.5, 2.5]),
        ("x,y\r1,a\r2,b\r", [1, 2]),
        ("y, x\n0, 1\n0,2 \n", [1, 2]),
    ],
    ids=[
        *("CRLF", "byte-order mark", "blank lines", "quotes", "spellings", "another column's bytes"),
        *("carriage returns", "spaces after commas"),
    ],
)
def test_dialects_that_are_read(content: str | bytes, values: list[float], path: Path) -> None:
    assert _load(path, content).values[:, 0].tolist() == values


def test_gzip_and_capital_suffix(tmp_path: Path) -> None:
    content = "x,y\n" + "".join(f"{i},{i}\n" for i in range(100))
    for name in ("mine.csv.gz", "MINE.CSV.GZ"):
        series = _load(tmp_path / name, gzip.compress(content.encode()))
        np.testing.assert_array_equal(series.values[:, 0], np.arange(100))
    assert "row 2 (line 3), column 'x': expected a number" in _refusal(tmp_path / name, gzip.compress(b"x\n1\na\n"))


@pytest.mark.parametrize(
    ("times", "read"),
    [
        (["2020-01-01", "2020-01-02"], ["2020-01-01", "2020-01-02"]),
        (["1600-01-01", "1600-01-02"], ["1600-01-01", "1600-01-02"]),
        (["2020-01-01 10:00", "2020-01-01 10:30"], ["2020-01-01T10:00", "2020-01-01T10:30"]),
        (["2020-01-01T10:00:00Z", "2020-01-01T12:00:00+01:00"], ["2020-01-01T10:00", "2020-01-01T11:00"]),
        (["2020-01-01 10:00:00.000000001", "2020-01-01 10:00:00.000000002"], None),
        (["1", "1.5"], [1.0, 1.5]),
        (["-1e3", "0"], [-1000.0, 0.0]),
    ],
)
def test_times_that_are_read(times: list[str], read: list[str] | list[float] | None, path: Path) -> None:
    series = _load(path, "t,x\n" + "".join(f"{time},1\n" for time in times), time="t")
    assert series.time is not None
    expected = [time.replace(" ", "T") for time in times] if read is None else read
    if isinstance(expected[0], str):
        np.testing.assert_array_equal(series.time, np.array(expected, dtype=series.time.dtype))
    else:
        assert series.time.tolist() == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x,y\n1,2\n2,3\nabc,4\n", "row 3 (line 4), column 'x': expected a number such as 1234.5, got 'abc'"),
        ("x,y\n1,2\n\n,3\n", "row 2 (line 4), column 'x': expected a number such as 1234.5, got ''"),
        ('x,y\n1,"a\nb"\n"1,000,5",2\n', "row 2 (line 4), column 'x': expected a number such as 1234.5, got '1,000,5'"),
        ("x\n1\n\n2\n", "row 2 (line 3), column 'x': expected a number such as 1234.5, got ''"),
        ("x,y\n1,2\n1,5,2\n", "row 2 (line 3): expected 2 values as in the header, got 3"),
        ("x,y\n1,2\n1\n", "row 2 (line 3): expected 2 values as in the header, got 1"),
        ("x,y\n1,2\nNaN,2\n", "row 2 (line 3), column 'x': expected a number such as 1234.5, got 'NaN'"),
        ("x,y\n1,2\n-inf,2\n", "row 2 (line 3), column 'x': expected a finite number, got -inf"),
        ("x,y\n1,2\n1e999,2\n", "row 2 (line 3), column 'x': expected a finite number, got inf"),
        ("x,y\n1,2\n-1.5e308,2\n", "row 2 (line 3), column 'x': expected a number within ±1e+150, got -1.5e+308"),
        (b"x,y\n1,2\n\xff,2\n", "row 2 (line 3), column 'x': expected UTF-8 text, got b'\\xff'; save the file"),
        (b"x,\xff\n1,2\n", "line 1: expected UTF-8 text, got b'x,\\xff'; save the file as UTF-8"),
        ("x,y\n1,2\n".encode("utf-16"), "line 1: expected UTF-8 text"),
        ('x,y\n1,2\n2,"b\n3,4\n', "line 3: expected a CSV file that can be read, got a quote that is never closed"),
        ("X-ray,y\n1,2\n", "unknown column 'x' (known: X-ray, y)"),
        ("xx,y\n1,2\n", "unknown column 'x'; did you mean 'xx'? (known: xx, y)"),
        ("X;y\n1,5;2\n", "unknown column 'x' (known: X;y); the columns seem to be separated by ';': 'X', 'y'"),
        ("x,x\n1,2\n", "expected one column 'x', got 2; rename the others"),
        ("", "expected a header and rows of data, got an empty file"),
        ("x,y\n", "expected rows of data below the header, got none"),
    ],
)
def test_a_csv_that_is_wrong(content: str | bytes, said: str, path: Path) -> None:
    assert _refusal(path, content).startswith(said)


@pytest.mark.parametrize("mark", ["", "null", "NULL", "NA", "N/A", "NaN", " nan", "None", "-", ".", "?"])
def test_every_mark_of_a_missing_value_is_counted_and_gets_the_same_advice(mark: str, path: Path) -> None:
    said = _refusal(path, f"t,x\n1,5\n2,{mark}\n3,{mark}\n4,6\n")
    assert said == (
        f"row 2 (line 3), column 'x': expected a number such as 1234.5, got {mark.strip()!r}; rows without a value: "
        "2 of 4; state missing: drop, or missing: forward-fill (the value before, never a later one)"
    )
    said = _refusal(path, f"t,x\n1,5\n{mark},6\n{mark},7\n4,6\n", time="t")
    assert said.startswith("row 2 (line 3), column 't': expected a time, got ")
    assert said.endswith("; rows without a value: 2 of 4; state missing: drop")


def test_marks_of_several_kinds_are_counted_together_and_the_first_fault_is_named(path: Path) -> None:
    said = _refusal(path, "x,y\n1,0\nNaN,0\nnull,0\n?,0\n")
    assert said.startswith("row 2 (line 3), column 'x': expected a number such as 1234.5, got 'NaN'; ")
    assert "rows without a value: 3 of 4" in said
    assert _refusal(path, "x,y\n1,0\nabc,0\nnull,0\n").endswith("got 'abc'; fix it")
    assert "rows without a value: 1 of 3" in _refusal(path, "x,y\n1,0\nnull,0\nabc,0\n")


@pytest.mark.parametrize("mark", [None, float("nan")])
def test_parquet_has_the_same_advice(mark: float | None, tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    assert "rows without a value: 2 of 3; state missing: drop, or" in _refusal(
        path, _parquet(path, {"x": [1.0, mark, mark]})
    )


def test_a_gzipped_file_with_another_name_is_said_to_be_one(path: Path) -> None:
    said = _refusal(path, gzip.compress(b"x\n1\n"))
    assert said == "expected CSV text, got a file that gzip has compressed; name it .csv.gz"


@pytest.mark.parametrize("names", [("x", "t"), (" x", " t"), ("x", " t ")])
def test_spaces_around_names_and_values_do_not_matter(names: tuple[str, str], path: Path) -> None:
    column, time = names
    series = _load(path, "id, t, x\n0, 2020-01-01, 1.5\n1, 2020-01-02, 2.5\n", column=column, time=time)
    assert series.values[:, 0].tolist() == [1.5, 2.5]
    assert series.time is not None
    assert [str(day)[:10] for day in series.time] == ["2020-01-01", "2020-01-02"]


def test_a_name_that_fits_exactly_comes_before_those_that_differ_in_spaces(path: Path) -> None:
    assert _load(path, " x,x\n1,2\n").values[:, 0].tolist() == [2.0]
    assert _refusal(path, " x,x \n1,2\n").startswith("unknown column 'x'")


def test_a_column_without_a_name_can_be_the_time(path: Path) -> None:
    series = _load(path, ",x\n2020-01-01,1\n2020-01-02,2\n", time="")
    assert series.time is not None
    assert [str(day)[:10] for day in series.time] == ["2020-01-01", "2020-01-02"]
    assert _refusal(path, "t,x\n2020-01-01,1\n", time="").startswith("unknown column ''")


def test_carriage_returns_count_as_lines(path: Path) -> None:
    assert _refusal(path, "x,y\r1,2\rabc,4\r").startswith("row 2 (line 3), column 'x': expected a number")


def test_the_row_is_right_in_a_file_of_many_blocks(path: Path) -> None:
    rows = "".join(f"{i},some words to fill the blocks\n" for i in range(100_000))
    assert _refusal(path, f"x,y\n{rows}?,2\n").startswith("row 100001 (line 100002), column 'x'")
    assert _refusal(path, f"x,y\n{rows}2\n").startswith("row 100001 (line 100002): expected 2 values")


def test_quoted_line_ends_at_the_edges_of_blocks(path: Path) -> None:
    long_text = '"' + "line\n" * 20_000 + '"'
    assert _load(path, "x,y\n" + f"1,{long_text}\n" * 30).values[:, 0].tolist() == [1.0] * 30


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (
            ["2020-01-01", "2020-01-01"],
            "row 2 (line 3): time 2020-01-01 stands already at row 1 (line 2); 1 of 2 times",
        ),
        (
            ["2020-01-02", "2020-01-01", "2020-01-03"],
            "row 2 (line 3): expected a time after 2020-01-02, at row 1 (line 2), got 2020-01-01; no time is there "
            "twice: sort the rows by time",
        ),
        (["1", "2", "2"], "row 3 (line 4): time 2.0 stands already at row 2 (line 3)"),
        (["1", "nan"], "row 2 (line 3), column 't': expected a time, got 'nan'"),
        (["1", "2020-01-02"], "row 2 (line 3), column 't': expected a number such as 1234.5, got '2020-01-02'"),
        (["Monday"], "row 1 (line 2), column 't': expected an ISO 8601 time such as 2013-02-08, got 'Monday'"),
        (["12:30"], "row 1 (line 2), column 't': expected a date, got '12:30'; it is a time of day: name the column"),
        (
            ["2020-01-01", ""],
            "row 2 (line 3), column 't': expected a time, got ''; rows without a value: 1 of 2; state missing: drop",
        ),
        (["2020-01-01T00:00:00Z", "2020-01-02T00:00:00"], "row 2 (line 3), column 't': expected an ISO 8601 time"),
        (
            ["2020-01-01", "2020-01-02", "2020-01-03", "2020-02-03"],
            "row 4 (line 5): time goes from 2020-01-03 to 2020-02-03, 31 times the usual step; fill the gap, "
            "or raise max_gap, now 10 (null allows any gap)",
        ),
        (["0", "1", "2", "2.5", "20"], "row 5 (line 6): time goes from 2.5 to 20.0, 17.5 times the usual step"),
    ],
)
def test_times_that_are_wrong(times: list[str], said: str, path: Path) -> None:
    assert _refusal(path, "t,x\n" + "".join(f"{time},1\n" for time in times), time="t").startswith(said)


def test_business_days_are_no_gap_and_max_gap_decides(path: Path) -> None:
    content = "t,x\n2020-04-08,1\n2020-04-09,1\n2020-04-14,1\n2020-04-15,1\n"  # Easter
    assert len(_load(path, content, time="t")) == 4
    assert "5 times the usual step" in _refusal(path, content, time="t", max_gap=4.9)
    assert len(_load(path, content, time="t", max_gap=5)) == 4
    assert len(_load(path, content.replace("04-15", "12-31"), time="t", max_gap=None)) == 4


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ("x", "expected two columns for values and times, got 'x' for both"),
        ("T", "unknown column 'T'; did you mean 't'? (known: t, x)"),
    ],
)
def test_a_time_column_that_cannot_be(time: str, said: str, path: Path) -> None:
    assert _refusal(path, "t,x\n1,1\n", time=time).startswith(said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.csv", "expected a file, got none there"),
        ("", "expected a file, got a folder"),
        ("x" * 300 + ".csv", "expected a file, got File name too long; correct the path"),
    ],
)
def test_a_path_that_leads_nowhere(name: str, said: str, tmp_path: Path) -> None:
    parameters = File(path=str(tmp_path / name), column="x")
    assert FILE.fingerprint is not None
    for read in (lambda: FILE.load(parameters, 0), lambda: FILE.fingerprint(parameters)):
        with pytest.raises(DataError, match=said):
            read()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("mine.dat", b"x\n1\n", "expected a file ending in .csv, .txt"),
        ("mine.csv.gz", b"x\n1\n", "expected a CSV file that can be read, got an error: Not a gzipped file"),
        ("mine.csv.gz", gzip.compress(b"x\n" + b"1\n" * 10_000, mtime=0)[:-20], "expected a CSV file that can be read"),
        ("mine.parquet", b"x\n1\n", "expected a Parquet file that can be read, got an error: "),
    ],
)
def test_a_file_of_another_kind(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    assert _refusal(tmp_path / name, content).startswith(said)


def _parquet(path: Path, columns: dict[str, object]) -> bytes:
    parquet.write_table(pa.table(columns), path)
    return path.read_bytes()


@pytest.mark.parametrize(
    "values",
    [[1.5, -2.5], [3, 4], [Decimal("1.25"), Decimal("2.50")], pa.array([1.5, 2.5], pa.float32())],
    ids=["float64", "int64", "decimal", "float32"],
)
@pytest.mark.parametrize(
    "times", [[date(2020, 1, 1), date(2020, 1, 2)], [datetime(2020, 1, 1), datetime(2020, 1, 2)], [0, 9]]
)
def test_parquet_is_read(values: object, times: list[object], tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    series = _load(path, _parquet(path, {"t": times, "x": values, "y": ["a", "b"]}), time="t")
    assert series.values[:, 0].tolist() == [float(value) for value in pa.array(values).to_pylist()]
    assert series.time is not None
    np.testing.assert_array_equal(series.time, np.array(times, dtype=series.time.dtype))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"x": [1.0, None]}, "row 2, column 'x': expected a value, got null"),
        ({"x": [1.0, float("nan")]}, "row 2, column 'x': expected a value, got nan"),
        ({"x": ["a", "2"]}, "row 1, column 'x': expected a number such as 1234.5, got 'a'"),
        ({"x": [True, False]}, "column 'x': expected numbers, got bool"),
        ({"x": pa.array([], pa.float64())}, "expected rows of data, got none"),
        ({"xx": [1.0]}, "unknown column 'x'; did you mean 'xx'?"),
        ({"x": [1.0], "t": [True]}, "column 't': expected times or numbers, got bool"),
        ({"x": [1.0, 1.0], "t": [date(2020, 1, 1), None]}, "row 2, column 't': expected a time, got null"),
        ({"x": [1.0, 1.0], "t": [date(2020, 1, 1)] * 2}, "row 2: time 2020-01-01 stands already at row 1"),
    ],
)
def test_parquet_that_is_wrong(columns: dict[str, object], said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    parameters = {"time": "t"} if "t" in columns else {}
    assert _refusal(path, _parquet(path, columns), **parameters).startswith(said)
