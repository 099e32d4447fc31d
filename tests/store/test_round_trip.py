"""What is stored comes back, through `read`, pandas and DuckDB."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from bench import store
from bench.cells import CellKey
from bench.errors import StoreError
from bench.store import rules
from bench.store.reader import StoredReplicate
from bench.store.schema import SCHEMAS, Rows, Status, table

_VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.text(max_size=20),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.timestamp("us", tz="UTC"): st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    pa.list_(pa.float64()): st.lists(st.floats(allow_nan=False), max_size=4),
}


_KEY = {"cell_id": "c0", "suite": "s", "dataset": "d", "model": "m", "sequence_length": 3, "horizon": 1}


def _of_column(name: str, kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Any value that the rules of the column allow."""
    if name in rules._CHOICES:
        return st.sampled_from(rules._CHOICES[name])
    if kind == pa.string() and any(name == column for _, column in rules._JSON):
        return st.just("{}")
    if name in rules._RANGES and kind != pa.string():
        low, high = rules._RANGES[name]
        if pa.types.is_floating(kind):
            return st.floats(low, high)
        return st.integers(int(low), min(int(high), 2 ** (kind.bit_width - 1) - 1))
    return _VALUES[kind]


def _a_row(name: str) -> st.SearchStrategy[dict[str, Any]]:
    fields = {
        field.name: _of_column(field.name, field.type)
        if field.name in rules._NEEDED | rules._RESULTS
        else st.none() | _of_column(field.name, field.type)
        for field in SCHEMAS[name]
    }
    return st.fixed_dictionaries({**fields, **{name: st.just(value) for name, value in _KEY.items()}})


def _rows(name: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    unique = (lambda row: row["seed"]) if name == "runs" else None
    return st.lists(_a_row(name), min_size=int(name == "runs"), max_size=3, unique_by=unique)


_ROWS = st.fixed_dictionaries({name: _rows(name) for name in SCHEMAS})


@settings(deadline=None, max_examples=30)
@given(_ROWS)
def test_every_value_comes_back(content: dict[str, list[dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with store.writing(Path(folder)) as writer:
            writer.put({name: table(name, rows) for name, rows in content.items()})
        for name, rows in content.items():
            assert store.read(Path(folder), name).to_pylist() == rows
            assert store.read(Path(folder), name).schema.equals(SCHEMAS[name], check_metadata=True)


def test_cells_are_read_in_the_order_of_their_ids(tmp_path: Path, make_rows: Callable[..., Rows]) -> None:
    with store.writing(tmp_path) as writer:
        for cell_id in ("c2", "a0", "b1"):
            writer.put(make_rows(cell_id))
    assert store.read(tmp_path, "runs")["cell_id"].to_pylist() == ["a0", "a0", "b1", "b1", "c2", "c2"]


def test_pandas_and_duckdb_read_each_folder(tmp_path: Path, make_rows: Callable[..., Rows]) -> None:
    with store.writing(tmp_path) as writer:
        writer.put(make_rows("a", curves=0))
        writer.put(make_rows("b", replicates=3))
    for name, expected in {"runs": 5, "trials": 0, "curves": 9, "predictions": 2}.items():
        mine = store.read(tmp_path, name)
        frame = pd.read_parquet(tmp_path / name)
        assert len(frame) == mine.num_rows == expected
        assert list(frame.columns) == mine.column_names == SCHEMAS[name].names
        query = f"select count(*), count(distinct cell_id) from '{tmp_path / name}/*.parquet'"
        count = duckdb.connect().execute(query).fetchone()
        assert count == (expected, len(set(mine["cell_id"].to_pylist())))


def test_stored_tells_each_cell_in_short(tmp_path: Path, make_rows: Callable[..., Rows]) -> None:
    with store.writing(tmp_path) as writer:
        writer.put(make_rows("a"))
        writer.put(make_rows("c", deterministic=True, train_windows=70))
        writer.put(make_rows("b", model="n", status="diverged", reason="loss is NaN", fit_s=None))
    ended = {
        "a": [StoredReplicate(seed, Status.OK, "", 2.0 + 0.5) for seed in (0, 1)],
        "b": [StoredReplicate(seed, Status.DIVERGED, "loss is NaN", 0.5) for seed in (0, 1)],
        "c": [StoredReplicate(0, Status.OK, "", 2.0 + 0.5), StoredReplicate(1, Status.OK, "", 0.0)],
    }
    known = {name: {"replicates": tuple(each)} for name, each in ended.items()}
    assert store.stored(tmp_path) == {
        "a": store.Stored(CellKey("d", "m", 3, 1), Status.OK, "", 2 * (2.0 + 0.5) + 10.0, None, **known["a"]),
        "b": store.Stored(CellKey("d", "n", 3, 1), Status.DIVERGED, "loss is NaN", 2 * 0.5 + 10.0, None, **known["b"]),
        "c": store.Stored(CellKey("d", "m", 3, 1), Status.OK, "", 2.0 + 0.5 + 10.0, 70, **known["c"]),
    }


def test_the_first_replicates_of_a_cell_in_short(make_rows: Callable[..., Rows]) -> None:
    ok, bad = make_rows("a"), make_rows("a", replicates=3, status="diverged", reason="why")
    what = store.summary(pa.concat_tables([ok["runs"], bad["runs"].slice(2)]))
    assert (what.status, what.reason, what.seconds) == (Status.DIVERGED, "why", 3 * 2.5 + 10.0)
    assert what.first(2) == store.summary(ok["runs"])
    assert what.first(3) == what.first(10) == what.first(0) == what


def test_one_replicate_that_is_not_ok_marks_its_cell(tmp_path: Path, make_rows: Callable[..., Rows]) -> None:
    ok, bad = make_rows("a"), make_rows("a", replicates=3, status="diverged", reason="why")
    with store.writing(tmp_path) as writer:
        writer.put({**ok, "runs": pa.concat_tables([ok["runs"], bad["runs"].slice(2)])})
    assert (store.stored(tmp_path)["a"].status, store.stored(tmp_path)["a"].reason) == (Status.DIVERGED, "why")


def test_a_folder_that_does_not_exist_holds_nothing_but_cannot_be_read(tmp_path: Path) -> None:
    assert store.stored(tmp_path / "none") == {}
    with pytest.raises(StoreError, match="expected a results folder"):
        store.read(tmp_path / "none", "runs")


def test_rows_of_two_cells_or_of_none_are_refused(tmp_path: Path, make_rows: Callable[..., Rows]) -> None:
    with store.writing(tmp_path) as writer:
        with pytest.raises(ValueError, match=r"found cells \['a', 'b'\]"):
            writer.put({**make_rows("a"), "curves": make_rows("b")["curves"]})
        with pytest.raises(ValueError, match="at least one run"):
            writer.put(make_rows("a", replicates=0))
    assert store.stored(tmp_path) == {}
