"""A compacted folder: few files, the same rows, and everything else as before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench import store
from bench.errors import StoreError
from bench.store import baseline
from bench.store.packing import Compacted, compact, compact_copy
from bench.store.parts import MANIFEST, PACKED, manifest
from bench.store.schema import SCHEMAS, Rows

MakeRows = Callable[..., Rows]
IDS = [f"c{number:02}" for number in range(12)]


def _tables(folder: Path) -> Rows:
    return {name: store.read(folder, name) for name in SCHEMAS}


@pytest.fixture
def packed(tmp_path: Path, make_rows: MakeRows) -> Path:
    """Twelve cells, each of its own error; of a thirteenth that was set aside."""
    with store.writing(tmp_path) as writer:
        for number, cell_id in enumerate([*IDS, "old"]):
            writer.put(make_rows(cell_id, mse=float(number)))
        writer.supersede("old")
    before, old = _tables(tmp_path), _tables(tmp_path / store.ARCHIVE)
    done = compact(tmp_path)
    assert (done.cells, done.before, done.after) == (13, 65, 10)
    assert _tables(tmp_path) == before
    assert _tables(tmp_path / store.ARCHIVE) == old
    return tmp_path


@pytest.fixture
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a copy is made."""
    return tmp_path_factory.mktemp("copies") / "copy"


def test_every_reader_sees_the_same(packed: Path) -> None:
    assert list(store.stored(packed)) == IDS
    assert store.gather(packed).unreadable == ()
    assert store.gather(packed).tables["runs"].num_rows == 24
    assert store.read_cell(packed, "runs", "c07")["mse"].to_pylist() == [7.0, 7.0]
    assert store.read_cell(packed, "curves", "none").num_rows == 0
    assert not list(packed.glob("runs/*"))


def test_a_packed_cell_is_replaced_extended_set_aside_and_brought_back(packed: Path, make_rows: MakeRows) -> None:
    longer = make_rows("c03", replicates=3, mse=0.5)
    with store.writing(packed) as writer:
        writer.put(longer)
        writer.supersede("c04")
        writer.restore(["old"])
    assert sorted(store.stored(packed)) == sorted({*IDS, "old"} - {"c04"})
    assert list(store.stored(packed / store.ARCHIVE)) == ["c04"]
    assert all(store.read_cell(packed, name, "c03") == longer[name] for name in SCHEMAS)
    assert store.read_cell(packed / store.ARCHIVE, "runs", "c04")["mse"].to_pylist() == [4.0, 4.0]
    assert not manifest(packed / store.ARCHIVE)
    assert not (packed / store.ARCHIVE / PACKED).exists()
    compact(packed)
    assert {*manifest(packed).values()} == {"0002"}
    assert sorted(path.name for path in (packed / PACKED).iterdir()) == ["0002"]
    assert store.read_cell(packed, "runs", "c03")["mse"].to_pylist() == [0.5] * 3


def test_a_baseline_which_is_runs_alone_is_refused_and_left(tmp_path: Path, make_rows: MakeRows) -> None:
    results, kept = tmp_path / "results", tmp_path / "kept"
    with store.writing(results) as writer:
        writer.put(make_rows("a"))
    baseline.keep(results, kept)
    before = {path: path.read_bytes() for path in kept.rglob("*.parquet")}
    with pytest.raises(StoreError, match="expected a part in every table for a stored cell"):
        compact(kept)
    assert {path: path.read_bytes() for path in kept.rglob("*.*") if path.is_file()} == before


def test_a_copy_without_a_table_reads_after_a_checkout_and_is_replaced(
    packed: Path, copy: Path, make_rows: MakeRows
) -> None:
    """Git keeps no empty folder, hence no `runs/` next to the packs."""
    before = _tables(packed)
    assert compact_copy(packed, copy, ["predictions"]) == Compacted(12, 5, 5)
    assert _tables(packed) == before
    for path in sorted(copy.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    assert sorted(path.name for path in copy.iterdir()) == [".lock", PACKED, MANIFEST]
    empty = before["predictions"].slice(0, 0)
    assert _tables(copy) == {**before, "predictions": empty}
    assert store.gather(copy).unreadable == ()
    with store.writing(packed) as writer:
        writer.put(make_rows("c03", mse=0.5))
        writer.put(make_rows("new"))
    assert compact_copy(packed, copy, ["predictions"]).cells == 13
    assert store.read_cell(copy, "runs", "c03")["mse"].to_pylist() == [0.5] * 2
    assert sorted(path.name for path in (copy / PACKED).iterdir()) == ["0002"]


def test_a_copy_takes_nothing_away(packed: Path, copy: Path, make_rows: MakeRows) -> None:
    compact_copy(packed, copy)
    with pytest.raises(StoreError, match="expected an earlier copy without predictions, or nothing, got one with rows"):
        compact_copy(packed, copy, ["predictions"])
    with store.writing(copy) as writer:
        writer.put(make_rows("mine"))
    before = _tables(copy)
    with pytest.raises(StoreError, match="got others: d × m"):
        compact_copy(packed, copy)
    assert _tables(copy) == before


def test_to_compact_again_changes_nothing(packed: Path) -> None:
    before = {path: path.read_bytes() for path in packed.rglob("*.parquet")}
    compact(packed)
    assert {path: path.read_bytes() for path in packed.rglob("*.parquet")} == before


def test_a_torn_pack_is_named_set_aside_and_its_cells_are_run_again(packed: Path, make_rows: MakeRows) -> None:
    with store.writing(packed) as writer:
        writer.put(make_rows("new"))
    part = packed / PACKED / "0001" / "curves.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(StoreError, match=r"0001/curves\.parquet: expected a whole Parquet file.*torn.*moves that pack"):
        store.stored(packed)
    damaged: dict[str, store.DamagedPart] = {}
    assert (list(store.stored(packed, damaged)), sorted(damaged)) == (["new"], IDS)
    with store.writing(packed):
        pass
    assert list(store.stored(packed)) == ["new"]
    assert (packed / ".strays" / "0001" / "curves.parquet").exists()


def test_a_reader_whose_pack_is_replaced_looks_again(packed: Path, make_rows: MakeRows) -> None:
    """As if the manifest was read before, and the pack after, another compaction."""
    known = (packed / MANIFEST).read_bytes()
    with store.writing(packed) as writer:
        writer.put(make_rows("new"))
    compact(packed)
    now = (packed / MANIFEST).read_bytes()
    (packed / MANIFEST).write_bytes(known)
    with pytest.raises(StoreError, match="this file is lost"):
        store.read(packed, "runs")
    (packed / MANIFEST).write_bytes(now)
    assert store.read(packed, "runs").num_rows == 26


@pytest.mark.parametrize("text", ["", "[]", '{"cells": 3}'])
def test_a_manifest_that_no_bench_wrote_is_one_line(packed: Path, text: str) -> None:
    (packed / MANIFEST).write_text(text)
    with pytest.raises(StoreError, match=r"packed\.json: expected which cells are packed") as caught:
        store.stored(packed)
    assert "\n" not in str(caught.value)
