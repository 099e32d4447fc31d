"""What can be read is read; what cannot is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench import store
from bench.errors import StoreError
from bench.store.schema import ALL, Rows, table

Make = Callable[..., Rows]


@pytest.fixture
def folder(tmp_path: Path, make_rows: Make) -> Path:
    """Three stored cells, the first of them probed."""
    key = {"suite": "s", "dataset": "d", "model": "m", "sequence_length": 3, "horizon": 1}
    with store.writing(tmp_path) as writer:
        for cell_id in "abc":
            writer.put(make_rows(cell_id))
        writer.put_probe(table("probes", [{**key, "cell_id": "a", "status": "ok", "value": 1.0}]), "here")
    return tmp_path


def tear(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-20])


def test_a_whole_folder_is_what_each_table_reads(folder: Path) -> None:
    gathered = store.gather(folder)
    assert gathered.unreadable == ()
    assert gathered.tables.keys() == ALL.keys()
    assert all(gathered.tables[name].equals(store.read(folder, name)) for name in gathered.tables.keys() - {"probes"})
    assert gathered.tables["probes"]["value"].to_pylist() == [1.0]


@pytest.mark.parametrize("torn", ["runs", "curves"])
def test_a_torn_part_hides_its_cell_in_every_table_and_no_other(folder: Path, torn: str) -> None:
    tear(folder / torn / "b.parquet")
    gathered = store.gather(folder)
    for name in ("runs", "curves", "predictions"):
        assert gathered.tables[name]["cell_id"].unique().to_pylist() == ["a", "c"]
    (line,) = gathered.unreadable
    assert f"{torn}/b.parquet: expected a whole Parquet file, but it is torn" in line
    assert "delete" in line


def test_a_torn_probe_hides_that_probe_alone(folder: Path) -> None:
    tear(folder / "probes" / "a-here.parquet")
    gathered = store.gather(folder)
    assert gathered.tables["probes"].num_rows == 0
    assert gathered.tables["runs"]["cell_id"].unique().to_pylist() == ["a", "b", "c"]
    assert "`bench probe` makes it again" in gathered.unreadable[0]


def test_where_nothing_can_be_read_the_first_reason_is_raised(folder: Path) -> None:
    (folder / "probes" / "a-here.parquet").unlink()
    for cell_id in "abc":
        tear(folder / "runs" / f"{cell_id}.parquet")
    with pytest.raises(StoreError, match=r"runs/a.parquet: expected a whole Parquet file"):
        store.gather(folder)


def test_a_folder_of_nothing_is_no_results_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="expected a results folder with runs/ in it"):
        store.gather(tmp_path)
    store.write_suite(tmp_path, "{}")
    assert store.gather(tmp_path).tables["runs"].num_rows == 0
