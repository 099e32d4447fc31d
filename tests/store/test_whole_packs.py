"""Packs that are read as wholes: the same rows as cell by cell, and what is wrong in one costs no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import store
from bench.store import whole_packs, writer
from bench.store.parts import PACKED, in_packs, manifest
from bench.store.schema import SCHEMAS, Rows

MakeRows = Callable[..., Rows]
IDS = [f"c{number:02}" for number in range(7)]


@pytest.fixture
def folder(tmp_path: Path, make_rows: MakeRows, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seven cells, put in no order, of which the run has packed three and three."""
    monkeypatch.setattr(writer.Recent, "CELLS", 3)
    monkeypatch.setattr(whole_packs, "WORTH_WHILE", 1)
    with store.writing(tmp_path) as writing:
        for cell_id in ("c05", "c01", "c03", "c06", "c00", "c04", "c02"):
            writing.put(make_rows(cell_id, mse=float(cell_id[1:])))
    return tmp_path


def test_a_run_packs_what_it_has_stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dict(manifest(folder)) == {
        **dict.fromkeys(("c01", "c03", "c05"), "0001"),
        **dict.fromkeys(("c00", "c04", "c06"), "0002"),
    }
    assert [path.name for path in folder.glob("runs/*")] == ["c02.parquet"]
    whole = store.gather(folder)
    assert whole.unreadable == ()
    assert list(store.stored(folder)) == IDS
    assert whole.tables["runs"]["mse"].to_pylist() == [float(number) for number in range(7) for _ in range(2)]
    monkeypatch.setattr(whole_packs, "WORTH_WHILE", 1000)
    assert store.gather(folder).tables == whole.tables
    assert {name: store.read(folder, name) for name in SCHEMAS} == {name: whole.tables[name] for name in SCHEMAS}


def test_a_packed_cell_that_is_put_again_counts_and_leaves_the_manifest(folder: Path, make_rows: MakeRows) -> None:
    with store.writing(folder) as writing:
        writing.put(make_rows("c03", mse=30.0))
        assert store.read_cell(folder, "runs", "c03")["mse"].to_pylist() == [30.0, 30.0]
        assert "c03" in manifest(folder)
        assert "c03" not in in_packs(folder)
    assert "c03" not in manifest(folder)
    assert store.gather(folder).tables["runs"]["mse"].to_pylist()[6:8] == [30.0, 30.0]


def test_cells_that_another_writer_has_changed_meanwhile_are_not_packed(
    tmp_path: Path, make_rows: MakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer.Recent, "CELLS", 3)
    with store.writing(tmp_path) as one, store.writing(tmp_path) as other:
        one.put(make_rows("c00", mse=1.0))
        one.put(make_rows("c01", mse=1.0))
        other.put(make_rows("c00", mse=2.0))
        other.supersede("c01")
        one.put(make_rows("c02", mse=1.0))
    assert dict(manifest(tmp_path)) == {"c02": "0001"}
    assert store.read(tmp_path, "runs")["mse"].to_pylist() == [2.0, 2.0, 1.0, 1.0]
    assert list(store.stored(tmp_path / store.ARCHIVE)) == ["c01"]


@pytest.mark.parametrize("table", ["runs", "predictions"])
def test_one_broken_cell_of_a_pack_costs_that_cell(folder: Path, table: str) -> None:
    path = folder / PACKED / "0001" / f"{table}.parquet"
    rows = pq.read_table(path)
    column, wrong = ("mse", -1.0) if table == "runs" else ("model", "another")
    at = rows.schema.get_field_index(column)
    values = rows[column].to_pylist()
    first = rows["cell_id"].to_pylist().index("c03")
    values[first] = wrong
    pq.write_table(rows.set_column(at, rows.schema.field(at), pa.array(values, rows.schema.field(at).type)), path)
    whole = store.gather(folder)
    assert sorted(set(whole.tables["runs"]["cell_id"].to_pylist())) == [name for name in IDS if name != "c03"]
    assert len(whole.unreadable) == 1
    assert "c03" in whole.unreadable[0]
