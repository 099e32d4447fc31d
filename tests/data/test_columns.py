"""Several columns of a file: what is forecast, past covariates, and what is known in advance."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from bench.data import DATASETS
from bench.data.base import Series
from bench.data.files.joined import FILE
from bench.data.files.options import File
from bench.errors import DataError, SuiteError
from bench.models import MODELS
from bench.suite.load import load

CONTENT = """time,load,temperature,wind,holiday
2024-03-30 22:00,10,-1.5,3,false
2024-03-30 23:00,11,-2,2,False
2024-03-31 00:00,12,-2.5,1,true
2024-03-31 01:00,14,-3,5,TRUE
"""


def loaded(path: Path, content: str = CONTENT, **parameters: Any) -> Series:
    path.write_text(content)
    return FILE.load(File.model_validate_json(json.dumps({"path": str(path), "time": "time", **parameters})), 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.csv"


def refusal(path: Path, content: str = CONTENT, **parameters: Any) -> str:
    with pytest.raises(DataError) as caught:
        loaded(path, content, **parameters)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_columns_have_their_parts(path: Path) -> None:
    series = loaded(
        path, columns=["temperature", "load", "wind"], target="load", known_future=["hour", "holiday", "weekday"]
    )
    np.testing.assert_array_equal(series.values, [[10], [11], [12], [14]])
    np.testing.assert_array_equal(series.covariates, [[-1.5, 3], [-2, 2], [-2.5, 1], [-3, 5]])
    np.testing.assert_array_equal(series.known_future, [[22, 0, 5], [23, 0, 5], [0, 1, 6], [1, 1, 6]])
    assert series.names == ("load", "temperature", "wind", "hour", "holiday", "weekday")
    assert series.provenance.source == (
        f"{path}, column 'load'; past covariates 'temperature', 'wind'; known in advance 'hour', 'holiday', 'weekday'"
    )


def test_without_a_target_all_columns_are_forecast(path: Path) -> None:
    series = loaded(path, columns=["wind", 2])
    np.testing.assert_array_equal(series.values, [[3, 10], [2, 11], [1, 12], [5, 14]])
    assert series.covariates is None
    assert series.known_future is None


def test_one_column_with_what_is_known_in_advance(path: Path) -> None:
    series = loaded(path, column="load", known_future="wind")
    np.testing.assert_array_equal(series.known_future, [[3], [2], [1], [5]])


def test_the_calendar_is_that_of_the_clocks_in_the_stated_zone(path: Path) -> None:
    """On 2024-03-31 clocks in Berlin went from 02:00 to 03:00; pandas says what they showed."""
    moments = pd.date_range("2024-03-30 20:00", periods=12, freq="h", tz="UTC")
    clocks = moments.tz_convert("Europe/Berlin")
    names = ["hour", "weekday", "month", "day_of_year"]
    rows = "".join(f"{each:%Y-%m-%dT%H:%M}Z,{number}\n" for number, each in enumerate(moments))
    utc = loaded(path, f"time,x\n{rows}", column="x", known_future=names)
    rows = "".join(f"{each:%Y-%m-%dT%H:%M},{number}\n" for number, each in enumerate(clocks))
    berlin = loaded(path, f"time,x\n{rows}", column="x", known_future=names, timezone="Europe/Berlin")
    np.testing.assert_array_equal(utc.time, berlin.time)
    for series, clock in ((utc, moments), (berlin, clocks)):
        expected = [[each.hour, each.weekday(), each.month, each.day_of_year] for each in clock]
        np.testing.assert_array_equal(series.known_future, expected)
    hours = berlin.known_future
    assert hours is not None
    assert hours[:9, 0].tolist() == [21, 22, 23, 0, 1, 3, 4, 5, 6]


def test_a_column_of_a_calendar_name_is_the_column(path: Path) -> None:
    content = "time,x,hour\n2024-01-01 05:00,1,70\n2024-01-01 06:00,2,80\n"
    np.testing.assert_array_equal(loaded(path, content, column="x", known_future="hour").known_future, [[70], [80]])


def test_truth_values_of_parquet_are_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2, 3], "open": [True, False, True]})
    frame.to_parquet(tmp_path / "a.parquet")
    series = FILE.load(File(path=str(tmp_path / "a.parquet"), columns=("x", "open"), target="x"), 0)
    np.testing.assert_array_equal(series.covariates, [[1], [0], [1]])


def test_each_column_is_filled_from_its_own_past_and_drop_leaves_out_rows(path: Path) -> None:
    content = "time,x,a,b\n2024-01-01,1,5,7\n2024-01-02,,6,8\n2024-01-03,3,,9\n2024-01-04,4,7,10\n"
    chosen = {"columns": ["x", "a", "b"], "target": "x", "max_gap": None}
    filled = loaded(path, content, missing="forward-fill", **chosen)
    np.testing.assert_array_equal(filled.values, [[1], [1], [3], [4]])
    np.testing.assert_array_equal(filled.covariates, [[5, 7], [6, 8], [6, 9], [7, 10]])
    dropped = loaded(path, content, missing="drop", **chosen)
    np.testing.assert_array_equal(dropped.values, [[1], [4]])
    np.testing.assert_array_equal(dropped.covariates, [[5, 7], [7, 10]])
    text = refusal(path, content, **chosen)
    assert text.startswith("row 2 (line 3), column 'x': expected a number such as 1234.5, got ''")
    text = refusal(path, content.replace("2024-01-02,,", "2024-01-02,2,"), **chosen)
    assert text.startswith("row 3 (line 4), column 'a': expected a number such as 1234.5, got ''")


def test_rows_that_are_newest_first_are_turned_round_with_all_columns(path: Path) -> None:
    content = "time,x,a\n2024-01-03,3,30\n2024-01-02,2,20\n2024-01-01,1,10\n"
    series = loaded(path, content, columns=["x", "a"], target="x", known_future="weekday")
    np.testing.assert_array_equal(series.values, [[1], [2], [3]])
    np.testing.assert_array_equal(series.covariates, [[10], [20], [30]])
    np.testing.assert_array_equal(series.known_future, [[0], [1], [2]])


def test_texts_and_columns_that_are_not_there_are_refused(path: Path) -> None:
    content = CONTENT.replace("wind", "sky").replace("-2,2", "-2,rain")
    assert refusal(path, content, columns=["load", "sky"], target="load") == (
        "row 2 (line 3), column 'sky': expected a number such as 1234.5, got 'rain'; write it as numbers, such as a "
        "column of 0 and 1 for each name"
    )
    assert "unknown column 'hours'; did you mean 'hour'? (known:" in refusal(
        path, column="load", known_future=["hours"]
    )
    assert "did you mean" not in refusal(path, column="hours")
    assert refusal(path, column="load", known_future="rain").startswith("unknown column 'rain'")
    assert refusal(path, columns=["load", 2]) == (
        "expected two columns for values and times, got 'load' for both; name another"
    )
    path.write_text("x\n1\n2\n")
    with pytest.raises(
        DataError, match="known_future: 'hour' is no column, and follows from dates alone, got no times"
    ):
        FILE.load(File(path=str(path), column="x", known_future="hour"), 0)
    with pytest.raises(DataError, match="expected a number such as"):
        loaded(path, columns=["holiday", "load"])  # what is forecast is a number


@pytest.mark.parametrize(
    ("stated", "text"),
    [
        ({}, "expected column, which holds the values, or columns and target, got none of them"),
        ({"column": "a", "columns": ["a", "b"]}, "expected column or columns, got both; leave column out"),
        ({"column": "a", "target": "a"}, "expected column or target, got both; leave column out"),
        ({"columns": ["a", "b"], "target": "c"}, r"expected target among columns \(a, b\), got 'c'; add it to columns"),
        ({"columns": ["a", "a", "b"], "target": "a"}, "expected each column once .*, got 'a' twice"),
        ({"columns": ["a", "b"], "target": ["a", "a"]}, "expected each column once .*, got 'a' twice"),
        ({"columns": ["a", "b"], "known_future": "b"}, "expected each column once .*, got 'b' twice"),
    ],
)
def test_columns_that_contradict_each_other_are_refused(stated: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        File.model_validate_json(json.dumps({"path": "a.csv", **stated}))


def test_what_a_cell_is_known_by_holds_only_what_is_stated() -> None:
    assert File(path="a.csv", column="x").model_dump(mode="json") == {
        "path": "a.csv",
        "column": "x",
        "time": None,
        "max_gap": 10.0,
    }
    stated = File(path="a.csv", columns=("x", "y"), target="x", transform="returns")
    assert File.model_validate(stated.model_dump()) == stated
    assert DATASETS["TSLA"].parameters().model_dump() == {"column": "close"}
    assert DATASETS["gbm"].parameters().model_dump().keys() == {"length", "start", "drift", "volatility", "seed"}


STOCK = "Date,Open,High,Low,Close,Adj Close,Volume\n2020-01-02,1,3,0.5,2,2,100\n2020-01-03,2,4,1.5,3,3,200\n"


def test_prices_have_their_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.data import pinned

    (tmp_path / "TSLA.csv").write_text(STOCK)
    monkeypatch.setattr(pinned, "locate", lambda _name: tmp_path / "TSLA.csv")
    kind = DATASETS["TSLA"]
    given = {"columns": ["Open", "High", "Low", "Close", "Volume"], "known_future": "month"}
    series = kind.load(kind.parameters.model_validate_json(json.dumps(given)), 0)
    np.testing.assert_array_equal(series.values, [[2], [3]])
    np.testing.assert_array_equal(series.covariates, [[1, 3, 0.5, 100], [2, 4, 1.5, 200]])
    np.testing.assert_array_equal(series.known_future, [[1], [1]])
    other = kind.load(kind.parameters.model_validate_json('{"columns": ["High", "Low"], "target": "Low"}'), 0)
    np.testing.assert_array_equal(other.values, [[0.5], [1.5]])
    (tmp_path / "TSLA.csv").write_text("Date,Close\n2020-01-02,2\n2020-01-03,3\n")
    with pytest.raises(DataError, match=r"got none called open, high, low, volume \(known: Date, Close\)"):
        kind.load(kind.parameters.model_validate_json(json.dumps(given)), 0)


def test_a_model_that_cannot_serve_them_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    text = (
        "name: a\ndatasets: [{kind: file, path: a.csv, columns: [x, y], target: x}]\n"
        "models: [{kind: sklearn, estimator: sklearn.linear_model.Ridge, strategy: recursive}]\ntuning: false\n"
    )
    with pytest.raises(SuiteError) as caught:
        load(tmp_path / "a.yaml", datasets=DATASETS, models=MODELS, text=text)
    assert "sklearn: expected a series without covariates, since strategy recursive" in str(caught.value)
