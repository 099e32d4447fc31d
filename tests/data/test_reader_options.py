"""The options of a data file: what they mean, what they refuse, and that files of before are read as before."""

import bz2
import gzip
import json
import lzma
import os
import socket
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet
from pydantic import ValidationError

from bench.cells import alone, expand
from bench.data import DATASETS
from bench.data.base import Series
from bench.data.files.joined import FILE
from bench.data.files.options import File
from bench.errors import DataError, SuiteError
from bench.models import MODELS
from bench.spec import Suite
from bench.suite.load import load


def _load(path: Path, content: str, **parameters: Any) -> Series:
    path.write_text(content)
    return _loaded(path, **parameters)


def _loaded(path: Path, **parameters: Any) -> Series:
    return FILE.load(File.model_validate_json(json.dumps({"path": str(path), "column": "x", **parameters})), 0)


def _refusal(path: Path, content: str | None = None, **parameters: Any) -> str:
    with pytest.raises(DataError) as caught:
        _loaded(path, **parameters) if content is None else _load(path, content, **parameters)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def _values(series: Series) -> list[float]:
    return [float(value) for value in series.values[:, 0]]  # noqa: PD011 - no DataFrame


def _times(series: Series) -> list[str]:
    assert series.time is not None
    return [str(np.datetime_as_string(time, unit="auto")) for time in series.time]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.csv"


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        ("1.234,5", {"decimal": ",", "thousands": "."}, 1234.5),
        ("1.234,5", {}, 1234.5),
        ("1 234,5", {}, 1234.5),
        ("1\u00a0234\u00a0567", {"thousands": "\u00a0"}, 1234567.0),
        ("1'234.5", {}, 1234.5),
        ("1,234.5", {}, 1234.5),
        ("1,234,567", {}, 1234567.0),
        ("0,25", {}, 0.25),
        ("-1.234.567,25", {}, -1234567.25),
        ("1.234", {}, 1.234),
        ("1.234", {"thousands": ".", "decimal": ","}, 1234.0),
        ("1e3", {"decimal": ","}, 1000.0),
        ("+1,5e-3", {}, 0.0015),
    ],
)
def test_numbers_as_they_are_written(text: str, options: dict[str, Any], value: float, path: Path) -> None:
    assert _values(_load(path, f"t;x\n1;{text}\n2;0\n", separator=";", **options)) == [value, 0.0]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("1,234", {}, 'it can be read in 2 ways: state thousands: "," or decimal: ","'),
        ("1,23,456", {}, "expected a number such as 1234.5, got '1,23,456'; fix it"),
        ("1,23", {"thousands": ","}, "expected a number such as 1,234.5, got '1,23'; fix it"),
        ("1.5", {"decimal": ","}, "expected a number such as 1234,5, got '1.5'; fix it"),
        ("1,5", {"decimal": "."}, "expected a number such as 1234.5, got '1,5'; fix it"),
        ("5.2K", {}, "expected a number such as 1234.5, got '5.2K'; fix it"),
        ("1_000", {}, "expected a number such as 1234.5, got '1_000'; fix it"),
        ("0x10", {}, "expected a number such as 1234.5, got '0x10'; fix it"),
    ],
)
def test_numbers_that_are_not_guessed(text: str, options: dict[str, Any], said: str, path: Path) -> None:
    refusal = _refusal(path, f"t;x\n1;7\n2;{text}\n", separator=";", **options)
    assert refusal.startswith("row 2 (line 3), column 'x': ")
    assert refusal.endswith(said)


@pytest.mark.parametrize(
    ("times", "options", "read"),
    [
        (["31.12.2020", "01.01.2021"], {}, ["2020-12-31", "2021-01-01"]),
        (["12/31/2020", "1/1/2021"], {}, ["2020-12-31", "2021-01-01"]),
        (["31/12/20 10:00", "1/1/21 11:00"], {"max_gap": None}, ["2020-12-31T10:00", "2021-01-01T11:00"]),
        (["2020/12/31", "2021/01/01"], {}, ["2020-12-31", "2021-01-01"]),
        (["Dec 31, 2020", "Jan 1, 2021"], {}, ["2020-12-31", "2021-01-01"]),
        (["31-Dec-2020", "01-Jan-2021"], {}, ["2020-12-31", "2021-01-01"]),
        (["2020-12", "2021-01"], {}, ["2020-12-01", "2021-01-01"]),
        (["20201231", "20210101"], {}, ["2020-12-31", "2021-01-01"]),
        (["1:30 PM 31.12.2020", "2:30 PM 31.12.2020"], {"time_format": "%I:%M %p %d.%m.%Y"}, None),
        (["2020-12-31 - 2021-01-01", "2021-01-01 - 2021-01-02"], {}, ["2020-12-31", "2021-01-01"]),
        (["1600-01-01 00:00:00.5", "1600-01-01 00:00:01"], {}, ["1600-01-01T00:00:00.500", "1600-01-01T00:00:01"]),
        (["2020-12-31T00:00+0100", "2021-01-01T00:00+0100"], {"time_format": "%Y-%m-%dT%H:%M%z"}, None),
    ],
)
def test_times_as_they_are_written(
    times: list[str], options: dict[str, Any], read: list[str] | None, path: Path
) -> None:
    series = _load(path, "t;x\n" + "".join(f"{time};1\n" for time in times), time="t", separator=";", **options)
    if read is not None:
        assert _times(series) == read
    elif "z" in options["time_format"]:
        assert _times(series) == ["2020-12-30T23:00", "2020-12-31T23:00"]
        assert series.utc
    else:
        assert _times(series) == ["2020-12-31T13:30", "2020-12-31T14:30"]


def test_a_date_that_can_be_read_in_two_ways_is_refused_with_both(path: Path) -> None:
    content = "t,x\n" + "".join(f"{day}/1/2020,1\n" for day in range(1, 13))  # days of January, or firsts of months
    said = _refusal(path, content, time="t")
    assert said == (
        "row 1 (line 2), column 't': expected times that can be read in one way, got '1/1/2020'; state time_format: "
        '"%d/%m/%Y" or time_format: "%m/%d/%Y"'
    )
    assert _times(_load(path, content, time="t", time_format="%d/%m/%Y"))[-1] == "2020-01-12"
    assert _times(_load(path, content, time="t", time_format="%m/%d/%Y"))[-1] == "2020-12-01"


def test_of_two_readings_the_one_without_a_long_gap_is_taken(path: Path) -> None:
    content = "t,x\n" + "".join(f"{day}/1/2020 {hour}:00,1\n" for day in range(1, 13) for hour in range(24))
    series = _load(path, content, time="t")
    assert _times(series)[-1] == "2020-01-12T23:00"  # as firsts of months, 30 days would be missing each time
    assert 'time_format: "%d/%m/%Y %H:%M"' in series.provenance.notes[0]


def test_a_stated_time_format_names_the_row_that_is_not_so(path: Path) -> None:
    said = _refusal(path, "t,x\n31.12.2020,1\n2021-01-01,1\n", time="t", time_format="%d.%m.%Y")
    assert said == "row 2 (line 3), column 't': expected a time such as '%d.%m.%Y', got '2021-01-01'; fix it"


def test_whole_times_beyond_float64_are_compared_as_integers(path: Path) -> None:
    start = 2**60
    series = _load(path, "t,x\n" + "".join(f"{start + step},1\n" for step in range(30)), time="t")
    assert series.time is not None
    assert series.time.tolist() == [start + step for step in range(30)]
    said = _refusal(path, f"t,x\n{start},1\n{start + 2},1\n{start + 1},1\n", time="t")
    assert f"expected a time after {start + 2}, at row 2 (line 3), got {start + 1}" in said


@pytest.mark.parametrize(
    ("missing", "order", "values"),
    [
        ("drop", 1, [1.0, 3.0]),
        ("forward-fill", 1, [1.0, 1.0, 3.0, 3.0]),
        ("drop", -1, [1.0, 3.0]),
        ("forward-fill", -1, [1.0, 1.0, 3.0, 3.0]),  # newest first: still the value before in time
    ],
)
def test_missing_values(missing: str, order: int, values: list[float], path: Path) -> None:
    rows = ["2020-01-01,1", "2020-01-02,NA", "2020-01-03,3", "2020-01-04,-"][::order]
    assert _values(_load(path, "t,x\n" + "\n".join(rows), time="t", missing=missing)) == values


def test_a_first_value_that_is_missing_is_not_filled_from_the_future(path: Path) -> None:
    said = _refusal(path, "t,x\n1,?\n2,5\n", missing="forward-fill")
    assert said == ("row 1 (line 2): expected a value before the first that is missing, got none; state missing: drop")
    assert _values(_load(path, "t,x\n1,?\n2,5\n", missing="drop")) == [5.0]


def test_a_missing_time_is_dropped_or_refused(path: Path) -> None:
    content = "t,x\n2020-01-01,1\n,2\n2020-01-03,3\n"
    assert _values(_load(path, content, time="t", missing="drop")) == [1.0, 3.0]
    said = "row 2 (line 3), column 't': expected a time, got ''; rows without a value: 1 of 3; state missing: drop"
    assert _refusal(path, content, time="t", missing="forward-fill") == said


def test_rows_keep_their_lines_where_some_are_left_out(path: Path) -> None:
    content = "id,t,x\na,1,1\nb,1,9\na,2,2\nb,2,oops\na,3,3\n"
    assert _values(_load(path, content, where={"id": "a"}, time="t")) == [1.0, 2.0, 3.0]
    said = _refusal(path, content, where={"id": "b"}, time="t")
    assert said.startswith("row 4 (line 5), column 'x': expected a number such as 1234.5, got 'oops'")
    assert _values(_load(path, content, where={"id": "b", "t": 1})) == [9.0]
    assert _refusal(path, content, where={"id": "b", "t": 3}).startswith("expected rows with all that where says")


@pytest.mark.parametrize("ids", [("1", "2"), ("a", "b")])
def test_several_series_are_known_by_numbers_and_names(ids: tuple[str, str], path: Path) -> None:
    content = "shop,t,x\n" + "".join(f"{name},{row},{row}\n" for row in range(20) for name in ids)
    said = _refusal(path, content, time="t")
    assert f"several series seem to be in this file: 'shop' has {ids[0]}, {ids[1]}; state the one to read" in said
    assert _values(_load(path, content, time="t", where={"shop": ids[1]})) == [float(row) for row in range(20)]


def test_a_column_that_changes_in_blocks_is_said(path: Path) -> None:
    content = "site,x\n" + "".join(f"{name},{row}\n" for name in "ab" for row in range(20))
    (note,) = _load(path, content).provenance.notes
    assert note.startswith("'site' changes like the name of a series (a, b), and all rows were read as one: state the")
    assert _load(path, content.replace("b,", "a,")).provenance.notes == ()


@pytest.mark.parametrize(
    ("content", "options", "values"),
    [
        ("made by me\nx\n1\n2\n", {"skip_rows": 1}, [1.0, 2.0]),
        ("made by me\nunits: m\n\nt,x\n1,1\n2,2\n", {}, [1.0, 2.0]),
        ("1,5\n2,6\n", {"header": 0, "column": 2}, [5.0, 6.0]),
        ("x,y\nm,s\n1,5\n2,6\n", {"header": 2}, [1.0, 2.0]),
        ("x,y\nm,s\n1,5\n2,6\n", {"header": 2, "column": "s"}, [5.0, 6.0]),
        ("x\ty\n1\t5\n", {}, [1.0]),
        ("t|x\n1|5\n", {}, [5.0]),
        ('"t";"x"\n"1";"5"\n', {}, [5.0]),
        ("x,2\n1,5\n", {"column": 2}, [5.0]),
        ("x,3\n1,5\n", {"column": 2}, [5.0]),
    ],
)
def test_headers(content: str, options: dict[str, Any], values: list[float], path: Path) -> None:
    assert _values(_load(path, content, **options)) == values


def test_names_are_shown_in_one_line_and_not_all_of_many(path: Path) -> None:
    said = _refusal(path, '"a\nb","c\x1b[31md"\n1,2\n')
    assert said == "unknown column 'x' (known: a\\nb, c\\x1b[31md)"
    said = _refusal(path, ";".join(f"column {number}" for number in range(10_000)) + "\n" + ";".join("1" * 10_000))
    assert len(said) < 1000
    assert "the columns seem to be separated by ';': 'column 0', 'column 1'" in said


def test_a_note_says_how_lines_were_cut(path: Path) -> None:
    series = _load(path, "made by me\nunits: m\n\nt;x\n1;1\n2;2\n")
    assert series.provenance.notes == ('read with separator: ";", skip_rows: 3: state this in the suite to fix it',)


def test_a_carriage_return_within_a_line_is_refused(path: Path) -> None:
    said = _refusal(path, "x\n1\n2\r3\n4\n")
    assert said.startswith(
        "expected lines that end in one way, got 1 carriage return within lines that end with a line"
    )
    assert _values(_load(path, "x\r\n1\r\n2\r\n")) == [1.0, 2.0]


def test_a_quote_within_a_value_is_refused(path: Path) -> None:
    assert "expected a CSV file that can be read" in _refusal(path, 'x,y\n"4"5,1\n')


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_a_table_that_is_called_csv_is_said_to_be_one(suffix: str, path: Path) -> None:
    write = parquet.write_table if suffix == ".parquet" else feather.write_feather
    write(pa.table({"x": [1.0]}), path)
    assert _refusal(path) == f"expected CSV text, got a table in another format; name it {suffix}"


@pytest.mark.parametrize(
    ("content", "program", "suffix"),
    [
        (gzip.compress(b"x\n1\n"), "gzip", ".gz"),
        (bz2.compress(b"x\n1\n", 5), "bzip2", ".bz2"),
        (lzma.compress(b"x\n1\n"), "xz", ".xz"),
        (pa.compress(b"x\n1\n", codec="zstd", asbytes=True), "zstd", ".zst"),
    ],
    ids=["gzip", "bzip2", "xz", "zstd"],
)
def test_a_compressed_file_that_is_called_csv_is_said_to_be_one(
    content: bytes, program: str, suffix: str, path: Path
) -> None:
    path.write_bytes(content)
    assert _refusal(path) == f"expected CSV text, got a file that {program} has compressed; name it .csv{suffix}"


@pytest.mark.parametrize("name", ["PAR1", "ARROW1", "FEA1", "BZh", "PK"])
def test_a_column_may_be_called_as_formats_begin(name: str, path: Path) -> None:
    assert _values(_load(path, f"{name},x\n1,2\n")) == [2.0]


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
def test_what_is_no_file_is_said_and_not_waited_for(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path(os.devnull)
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    names = {"pipe": "a named pipe", "folder": "a folder", "device": "a device", "socket": "a socket"}
    assert FILE.fingerprint is not None
    for read in (lambda: _loaded(path), lambda: FILE.fingerprint(File(path=str(path), column="x"))):
        with pytest.raises(DataError, match=f"expected a file, got {names[kind]}; correct the path"):
            read()


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("x\n1\n")
    (tmp_path / "mine.csv").symlink_to("real.csv")
    assert _values(_loaded(tmp_path / "mine.csv")) == [1.0]


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".xlsx"])
def test_tables_of_other_formats_hold_the_same(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine{suffix}"
    frame = pd.DataFrame(
        {
            "when": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-01", "2020-01-02"]),
            "id": ["a", "a", "b", "b"],
            "x": [0.1, -2.5e-7, 3.0, 4.0],
        }
    )
    if suffix == ".xlsx":
        pytest.importorskip("openpyxl")
        frame.to_excel(path, index=False)
    elif suffix == ".feather":
        feather.write_feather(frame, path)
    else:
        frame.to_parquet(path)
    series = _loaded(path, time="when", where={"id": "a"})
    assert _values(series) == [0.1, -2.5e-7]
    assert _times(series) == ["2020-01-01", "2020-01-02"]
    assert "several series seem to be in this file: 'id' has a, b" in _refusal(path, time="when")
    path.write_bytes(path.read_bytes()[:100])
    assert _refusal(path).startswith("expected a ")


def test_the_sheet_that_was_read_is_said(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "mine.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"x": [1, 2]}).to_excel(writer, sheet_name="this", index=False)
        pd.DataFrame({"x": [3, 4]}).to_excel(writer, sheet_name="other", index=False)
    series = _loaded(path)
    assert _values(series) == [1.0, 2.0]
    assert series.provenance.notes == ("of 2 sheets, the first was read, 'this'",)


def test_columns_of_any_type_may_stand_next_to_the_values(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    columns = {
        "x": [1.0, 2.0],
        "shop": pa.array([1, 2]),
        "list": [[1], [2, 3]],
        "struct": [{"a": 1}, {"a": 2}],
        "flag": [True, None],
        "bytes": [b"\xff", b"a"],
        "nothing": pa.nulls(2),
        "clock": pa.array([1, 2], pa.time64("us")),
        "span": pa.array([1, 2], pa.duration("us")),
        "kind": pa.array(["a", "b"]).dictionary_encode(),
    }
    parquet.write_table(pa.table(columns), path)
    assert _values(_loaded(path)) == [1.0, 2.0]
    assert _values(_loaded(path, where={"shop": 2, "kind": "b"})) == [2.0]
    assert _values(_loaded(path, where={"shop": "2"})) == [2.0]
    assert "unknown value of 'shop' '3' (known: 1, 2)" in _refusal(path, where={"shop": 3})


def test_decimals_are_the_nearest_doubles(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    random = np.random.default_rng(0)
    texts = [
        f"{random.integers(0, 10**9)}.{random.integers(0, 10**18):018d}{random.integers(0, 10**8):08d}"
        for _ in range(500)
    ]
    parquet.write_table(pa.table({"x": pa.array(map(Decimal, texts), pa.decimal128(38, 26))}), path)
    assert _values(_loaded(path)) == [float(text) for text in texts]


def test_whole_numbers_that_float64_rounds_are_refused_where_it_matters(tmp_path: Path, path: Path) -> None:
    level = 2**60
    table = tmp_path / "mine.parquet"
    for step, fits in ((1, False), (2**45, True)):
        values = [level + step * row for row in range(50)]
        parquet.write_table(pa.table({"x": pa.array(values, pa.int64())}), table)
        content = "x\n" + "\n".join(map(str, values))
        if fits:
            assert _values(_loaded(table)) == _values(_load(path, content)) == [float(value) for value in values]
        else:
            assert "the level is too large for its variation: subtract an offset" in _refusal(table)
            assert "the level is too large for its variation: subtract an offset" in _refusal(path, content)


def test_a_damaged_page_is_refused_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    table = pa.table({"x": [float(row) for row in range(100)]})
    parquet.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    content[content.index(np.float64(41).tobytes()) + 1] ^= 1
    path.write_bytes(bytes(content))
    assert "expected a Parquet file that can be read" in _refusal(path)


def test_values_outside_the_bounds_that_a_parquet_file_states_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    table = pa.table({"x": [float(row) for row in range(100)]})
    parquet.write_table(table, path, compression="none", use_dictionary=False)
    content = path.read_bytes().replace(np.float64(41).tobytes(), np.float64(4100).tobytes(), 1)
    path.write_bytes(content)
    assert "values from 0.0 to 4100.0, where the file states -0.0 to 99.0: it is damaged" in _refusal(path)


def test_a_parquet_file_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path, group = tmp_path / "mine.parquet", pa.table({"x": np.full(10**6, 1.5)})
    with parquet.ParquetWriter(path, group.schema) as writer:
        for _ in range(140):
            writer.write_table(group)
    assert path.stat().st_size < 10**6
    assert "expected a file that grows at most 64-fold when it is read, got" in _refusal(path)


def test_whole_times_of_a_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    days = [20201230, 20201231, 20210101]
    large = [2**63 + 1, 2**63 + 2, 2**63 + 3]
    parquet.write_table(pa.table({"day": days, "large": pa.array(large, pa.uint64()), "x": [1, 2, 3]}), path)
    assert _times(_loaded(path, time="day"))[-1] == "2021-01-01"
    assert _times(_loaded(path, time="day", time_format="%Y%m%d"))[-1] == "2021-01-01"
    assert "expected whole numbers below 2^63, got larger ones" in _refusal(path, time="large")


def test_zones_of_parquet_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    times = pa.array([datetime(2020, 1, 1), datetime(2020, 1, 2)], pa.timestamp("us", "Asia/Kolkata"))
    parquet.write_table(pa.table({"t": times, "day": [date(2020, 1, 1), date(2020, 1, 2)], "x": [1, 2]}), path)
    assert _loaded(path, time="t").utc
    assert not _loaded(path, time="day").utc
    local = _loaded(path, time="day", timezone="Asia/Kolkata")
    assert local.utc
    assert _times(local) == ["2019-12-31T18:30", "2020-01-01T18:30"]
    assert "leave timezone out" in _refusal(path, time="t", timezone="Asia/Kolkata")


def _suite(tmp_path: Path, entry: str) -> Suite:
    text = f"name: own\ndatasets: [{{kind: file, path: a.csv, {entry}}}]\nmodels: [persistence]\ntuning: false\n"
    return load(tmp_path / "suite.yaml", datasets=DATASETS, models=MODELS, text=text)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("column: x, separator: ab", "separator: expected"),
        ("column: x, timezone: Europe/Berlni", "did you mean 'Europe/Berlin'?"),
        ("column: x, decimal: '.', thousands: '.'", "got '.'; change one of them"),
        ("column: x, missing: interpolate", "expected 'refuse', 'drop' or 'forward-fill', got 'interpolate'"),
        ("column: x, header: -1", "header: expected a whole number"),
        ("column: 0", "column: expected"),
        ("column: x, time: [a, b, c]", "time: expected"),
        ("column: true", "column: expected"),
    ],
)
def test_options_that_cannot_be_are_refused_with_their_place(entry: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SuiteError) as caught:
        _suite(tmp_path, entry)
    assert said in str(caught.value)


def test_options_at_their_defaults_leave_the_identity_of_cells_as_it_was(tmp_path: Path) -> None:
    """The hash of a cell of before these options, on a machine whose file lies elsewhere, is the same."""
    plain, stated, other = (
        next(expand(_suite(tmp_path, entry)))
        for entry in ("column: x", "column: x, missing: refuse, header: 1", "column: x, missing: drop")
    )
    assert set(plain.dataset.parameters) == {"path", "column", "time", "max_gap"}
    assert plain.id == stated.id != other.id
    assert json.loads(alone(stated))["datasets"][0].keys() == {"id", "kind", "path", "column"}


def test_an_entry_with_two_columns_of_times_is_one_entry(tmp_path: Path) -> None:
    suite = _suite(tmp_path, "column: x, time: [Date, Time], where: {id: 3}")
    (entry,) = suite.datasets
    assert entry.parsed(File).times == ("Date", "Time")
    assert entry.parsed(File).where == {"id": 3}


def test_parameters_are_checked_outside_of_suites_too() -> None:
    with pytest.raises(ValidationError):
        File(path="a.csv", column="x", decimal=";")  # type: ignore[arg-type]
