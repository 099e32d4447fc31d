"""Parts that were written before a column was added are read; whatever else differs is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import store
from bench.errors import StoreError
from bench.store.schema import ADDED, ALL, KEY, RUNS, Rows

MakeRows = Callable[..., Rows]


@pytest.fixture
def folder(tmp_path: Path, make_rows: MakeRows) -> Path:
    with store.writing(tmp_path) as writer:
        for cell_id in ("older", "today"):
            writer.put(make_rows(cell_id, accuracy=0.5, mse=2.0))
    return tmp_path


def rewrite(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    part = folder / "runs" / "older.parquet"
    rows = change(pq.read_table(part))
    pq.write_table(rows.replace_schema_metadata(RUNS.metadata), part, write_page_checksum=True)


@pytest.mark.parametrize("lacking", [["accuracy"], sorted(ADDED["runs"])])
def test_added_columns_that_are_lacking_are_null_and_all_others_are_kept(folder: Path, lacking: list[str]) -> None:
    before = store.read_cell(folder, "runs", "older")
    rewrite(folder, lambda rows: rows.drop_columns(lacking))
    rows = store.read(folder, "runs")
    assert rows.schema.equals(RUNS, check_metadata=True)
    assert rows["accuracy"].to_pylist() == [None, None, 0.5, 0.5]
    kept = [name for name in RUNS.names if name not in lacking]
    assert store.read_cell(folder, "runs", "older").select(kept).equals(before.select(kept))
    assert store.stored(folder).keys() == {"older", "today"}


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.drop_columns("mse"),
        lambda rows: rows.drop_columns(["accuracy", "seed"]),
        lambda rows: rows.rename_columns({"accuracy": "hits"}),
        lambda rows: rows.append_column("later", rows["mse"]),
        lambda rows: rows.set_column(rows.column_names.index("mse"), "mse", rows["mse"].cast(pa.float32())),
        lambda rows: rows.select(rows.column_names[::-1]),
    ],
    ids=["a column of old", "one of both", "a new name", "one too many", "another type", "another order"],
)
def test_anything_else_is_refused_in_one_line(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    rewrite(folder, change)
    for look in (lambda: store.read(folder, "runs"), lambda: store.stored(folder)):
        with pytest.raises(StoreError, match=r"expected the columns of 'runs', found others; delete it") as caught:
            look()
        assert "\n" not in str(caught.value)


def test_what_was_added_is_a_column_that_may_be_null_and_no_key() -> None:
    for table, names in ADDED.items():
        assert names <= set(ALL[table].names) - {*KEY, "seed", "status"}
        assert all(ALL[table].field(name).nullable for name in names)


def test_duckdb_reads_the_same_from_parts_old_and_new_by_name(folder: Path) -> None:
    rewrite(folder, lambda rows: rows.drop_columns("accuracy"))
    query = "select cell_id, seed, accuracy, mse from read_parquet(?, union_by_name = true) order by cell_id, seed"
    found = duckdb.connect().execute(query, [f"{folder}/runs/*.parquet"]).fetchall()
    ours = store.read(folder, "runs").select(["cell_id", "seed", "accuracy", "mse"]).to_pylist()
    assert found == [tuple(row.values()) for row in ours]


def test_a_folder_of_before_a_table_came_is_read_written_and_set_aside(folder: Path, make_rows: MakeRows) -> None:
    """Its cells have no row there; new cells next to them have their part."""
    for part in (folder / "sequences").iterdir():
        part.unlink()
    (folder / "sequences").rmdir()
    before = store.read(folder, "runs")
    assert store.read(folder, "sequences").num_rows == 0
    with store.writing(folder) as writer:
        writer.put(make_rows("new"))
        writer.supersede("older")
        writer.restore(["older"])
    assert (
        store.read(folder, "runs").filter(pa.compute.not_equal(store.read(folder, "runs")["cell_id"], "new")) == before
    )
    assert sorted(path.name for path in (folder / "sequences").iterdir()) == ["new.parquet"]
    assert store.gather(folder).unreadable == ()
