"""Values that no bench writes: said by part, row and column, at the cost of their cell alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bench import store
from bench.errors import StoreError
from bench.store.rules import JoinedParts, broken
from bench.store.schema import ALL, Rows

MakeRows = Callable[..., Rows]
DEEP = '{"a":' * 50 + "1" + "}" * 50

CASES = [
    ("runs", "status", "okay", "status: expected one of ok, diverged, .*, got 'okay'"),
    ("runs", "status", None, "status: expected a value, got None"),
    ("runs", "seed", None, "seed: expected a value, got None"),
    ("runs", "seed", -1, r"seed: expected a finite number ≥ 0 and ≤ 9\.0072e\+15, got -1"),
    ("runs", "horizon", 0, "horizon: expected a finite number ≥ 1, got 0"),
    ("runs", "model", "", "model: expected a name in one line, got ''"),
    ("runs", "dataset", "a\x1b[31m", r"dataset: .* got 'a\\x1b\[31m'"),
    ("runs", "suite", "x" * 2000, "suite: expected at most 1000 bytes of text, got 'x{40}…'"),
    ("runs", "mse", float("inf"), r"mse: expected a finite number ≥ 0 and ≤ 1e\+307, got inf"),
    ("runs", "rmse", float("nan"), r"rmse: expected a finite number ≥ 0 and ≤ 1e\+154, got nan"),
    ("runs", "mae", -1.0, r"mae: expected a finite number ≥ 0 and ≤ 1e\+154, got -1.0"),
    ("runs", "mse", None, "row 1: mse: expected a value where the status is ok, got None"),
    ("runs", "rmse", None, "row 1: rmse: expected a value where the status is ok, got None"),
    ("runs", "rmse", 1e308, r"rmse: .* ≤ 1e\+154, got 1e\+308"),
    ("runs", "parameters", 2**63 - 1, r"parameters: .* ≤ 9\.0072e\+15, got 9223372036854775807"),
    ("runs", "skill", 1.5, "skill: expected a finite number ≤ 1, got 1.5"),
    ("runs", "accuracy", 2.0, "accuracy: expected a finite number ≥ 0 and ≤ 1, got 2.0"),
    ("runs", "fit_s", 1e300, r"fit_s: .* ≤ 1e\+12, got 1e\+300"),
    ("runs", "spec", "{", "spec: expected the resolved cell as a JSON object, got '{'"),
    ("runs", "spec", '{"dataset": 3}', "spec: expected the resolved cell"),
    ("runs", "spec", DEEP, "spec: expected the resolved cell"),
    ("runs", "hyperparameters", "[1]", "hyperparameters: expected names with values as a JSON object"),
    ("runs", "hyperparameters", '{"a": NaN}', "hyperparameters: expected names with values"),
    ("runs", "libraries", '{"numpy": 2}', "libraries: expected names with versions as a JSON object"),
    ("runs", "shapes", '{"x": 3}', "shapes: expected names with shapes as a JSON object"),
    ("runs", "started_at", 10**18, "started_at: expected a time from 1970 to 2200, got what no text can show"),
    ("curves", "epoch", 0, "epoch: expected a finite number ≥ 1, got 0"),
    ("predictions", "truth", float("inf"), "truth: expected a finite number, got inf"),
    ("predictions", "model", "other", "expected the names of its cell as in runs/"),
]


def _store(folder: Path, make_rows: MakeRows) -> Path:
    with store.writing(folder) as writer:
        for cell_id in "abc":
            writer.put(make_rows(cell_id))
    return folder


def _change(part: Path, column: str, value: Any) -> None:
    """Give the first row another value."""
    rows = pq.read_table(part)
    field = rows.schema.field(column)
    changed = [value, *rows[column].to_pylist()[1:]]
    kind = pa.int64() if pa.types.is_timestamp(field.type) and value is not None else field.type
    if kind != field.type:
        changed = [value, *rows[column].cast(pa.int64()).to_pylist()[1:]]
    at = rows.column_names.index(column)
    pq.write_table(rows.set_column(at, field, pa.array(changed, kind).cast(field.type)), part)


@pytest.mark.parametrize(("table", "column", "value", "said"), CASES)
def test_a_value_that_no_bench_writes_costs_its_cell(
    tmp_path: Path, make_rows: MakeRows, table: str, column: str, value: Any, said: str
) -> None:
    _change(_store(tmp_path, make_rows) / table / "b.parquet", column, value)
    gathered = store.gather(tmp_path)
    (line,) = gathered.unreadable
    assert pc.all(pc.is_in(gathered.tables["runs"]["cell_id"], value_set=pa.array(["a", "c"]))).as_py()
    assert set(gathered.tables["curves"]["cell_id"].to_pylist()) == {"a", "c"}
    assert f"{table}/b.parquet: " in line
    assert line.isprintable()
    assert re.search(said, line)


def test_what_is_wrong_is_said_of_the_row_that_it_is_in(tmp_path: Path, make_rows: MakeRows) -> None:
    part = _store(tmp_path, make_rows) / "runs" / "b.parquet"
    rows = pq.read_table(part)
    pq.write_table(rows.set_column(rows.column_names.index("mse"), rows.schema.field("mse"), [[1.0, np.inf]]), part)
    kept, (line,) = store.readable(tmp_path, "runs", ["cell_id", "mse"])
    assert "b.parquet: row 2: mse: " in line
    assert kept["cell_id"].to_pylist() == ["a", "a", "c", "c"]
    with pytest.raises(StoreError, match="row 2: mse"):  # of whatever columns are wanted
        store.read(tmp_path, "runs", ["cell_id", "seed"])


def test_two_rows_of_one_seed_and_rows_of_two_keys_are_refused(make_rows: MakeRows) -> None:
    runs = make_rows("a")["runs"]
    twice = pa.concat_tables([runs, runs])
    assert broken(JoinedParts("runs", twice, np.array([2, 4]))) == {}
    assert broken(JoinedParts("runs", twice, np.array([4]))) == {
        0: "row 3: seed: expected one row for each seed, got 0"
    }
    names = pa.array(["m", "n"])
    other = runs.set_column(runs.column_names.index("model"), runs.schema.field("model"), names)
    assert broken(JoinedParts("runs", other, np.array([2]))) == {
        0: "row 2: model: expected the same in every row of a cell, got 'n'"
    }


def test_no_rows_break_no_rule() -> None:
    for name, schema in ALL.items():
        assert broken(JoinedParts(name, schema.empty_table(), np.array([0, 0]))) == {}
