"""Files and random numbers with other rows from some row on: what changes, and what must not."""

from __future__ import annotations

import gzip
import re
from operator import ne
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bench.canary import sources
from bench.canary.sources import ColumnsFile, Replaced
from bench.data import DATASETS
from bench.data.stand_ins import CannotReplace, other_draws

TEXT = """\
day;close;volume;change
2020-01-01;10.5;100;0.5
2020-01-02;;200;-0.25
2020-01-03;12.25;300;0.125
2020-01-06;11;400;NA
2020-01-07;13.5;500;-0.75
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    (tmp_path / "prices.csv").write_text(TEXT)
    return tmp_path / "prices.csv"


def test_rows_from_the_first_on_are_others_and_nothing_else(prices: Path, tmp_path: Path) -> None:
    table = ColumnsFile.read(prices)
    columns = table.values(["volume"])
    assert columns.tolist() == [False, True, True, True]  # the volume rises, and is named
    table.changed(2, columns, seed=0).write(tmp_path / "twin.csv")
    own, twin = TEXT.splitlines(), (tmp_path / "twin.csv").read_text().splitlines()
    assert twin[:3] == own[:3]
    for before, after in zip(own[3:], twin[3:], strict=True):
        (day, *values), (same_day, *others) = before.split(";"), after.split(";")
        assert same_day == day
        for value, other in zip(values, others, strict=True):
            assert (other == value) == (value == "NA")
        assert float(others[0]) > 0  # a price stays a price
        assert others[1].isdigit()  # a count stays a count


def test_a_column_that_rises_is_a_time_unless_it_is_named(prices: Path) -> None:
    table = ColumnsFile.read(prices)
    assert table.values([]).tolist() == [False, True, False, True]
    assert table.after_gaps(table.values([])) == [2, 4]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    own = pa.table(
        {
            "time": pa.array(np.arange(6).astype("datetime64[us]")),
            "level": [1.5, 2.5, None, 1.25, 3.5, 0.5],
            "count": pa.array([7, 3, 5, 9, 2, 4], pa.int32()),
        }
    )
    parquet.write_table(own, tmp_path / "own.parquet")
    table = ColumnsFile.read(tmp_path / "own.parquet")
    table.changed(3, table.values([]), seed=1).write(tmp_path / "twin.parquet")
    twin = parquet.read_table(tmp_path / "twin.parquet")
    assert twin.schema.types == own.schema.types
    assert twin.slice(0, 3).equals(own.slice(0, 3))
    assert twin["time"].equals(own["time"])
    for name in ("level", "count"):
        assert all(map(ne, twin[name].to_pylist()[3:], own[name].to_pylist()[3:]))


@pytest.mark.parametrize(
    ("field", "number"),
    [
        *((field, True) for field in ("1.5", "-1.234,5", "1 234'567.8", "3e-05", "12 %")),
        *((field, False) for field in ("2020-01-31", "31.01.2020", "13:45", "2020-01-31T13:45:00Z", "NA", "")),
    ],
)
def test_numbers_are_known_however_they_are_written(field: str, number: bool) -> None:
    assert sources._is_number(field) == number
    if number:
        others = {sources._other_digits(field, shift) for shift in range(1, 10)}
        assert field not in others
        assert all(map(sources._is_number, others))
        assert not any(each.lstrip("-").startswith("0") for each in others)


def test_lines_before_the_names_and_a_decimal_comma_stay(tmp_path: Path) -> None:
    text = "station 7\ntime;level;depth\n;m;m\n01.02.2020;1,5;9\n02.02.2020;2,5;9\n03.02.2020;3,5;7\n"
    with gzip.open(tmp_path / "own.csv.gz", "wt") as file:
        file.write(text)
    table = ColumnsFile.read(tmp_path / "own.csv.gz", skip=1, header=2)
    assert table.values([2]).tolist() == [False, True, True]
    assert table.values(["level"], kept=["depth"]).tolist() == [False, True, False]
    table.changed(1, table.values([2]), seed=0).write(tmp_path / "twin.csv.gz")
    with gzip.open(tmp_path / "twin.csv.gz", "rt") as file:
        twin = file.read().splitlines()
    assert twin[:4] == text.splitlines()[:4]
    assert all(re.fullmatch(r"0[23]\.02\.2020;\d,\d;\d", line) for line in twin[4:])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.npy", b"\x93NUMPY", "a.npy is none of .csv, .txt, .tsv, .gz, .parquet"),
        ("b.csv", b"x,y\n1,2\n3\n", "b.csv has rows of several lengths"),
        ("c.csv", b"x\n" + b"1\n" * 600, "c.csv is larger than 0 MiB"),
    ],
)
def test_what_cannot_be_written_again_is_refused(
    name: str, content: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_LARGEST_FILE", 1000)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CannotReplace) as caught:
        ColumnsFile.read(tmp_path / name)
    assert str(caught.value) == reason


@pytest.mark.parametrize("name", ["random", "noisy-sine", "damped-multisine", "two-tone", "gbm", "recall"])
def test_draws_are_others_from_a_row_on(name: str) -> None:
    kind = DATASETS[name]
    parameters = kind.parameters(length=60, **({"noise": 0.1} if name == "damped-multisine" else {}))
    own, twin = (load(parameters, 3) for load in (kind.load, Replaced(kind, parameters, 3).load(40)))
    late = 41 if name == "gbm" else 40  # its first point draws nothing
    np.testing.assert_array_equal(twin.values[:late], own.values[:late])
    assert (twin.values[late:] != own.values[late:]).all()
    np.testing.assert_array_equal(kind.load(parameters, 3).values, own.values)


def test_numbers_drawn_in_place_or_within_drawn_bounds_are_refused() -> None:
    from bench.data.generated import stream

    with other_draws(3, seed=0):
        random = stream(0, "by hand")
        with pytest.raises(CannotReplace, match="shuffle is given an array"):
            random.shuffle(np.arange(9))
        with pytest.raises(CannotReplace, match="integers is given an array"):
            random.integers(np.arange(1, 9))
        assert np.ndim(random.normal()) == 0
