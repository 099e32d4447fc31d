"""What did not come from this writer, or is lost: said, and nothing of it deleted or written over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import store
from bench.errors import StoreError
from bench.store import parts as module
from bench.store.schema import SCHEMAS, Rows

MakeRows = Callable[..., Rows]
OTHERS = ("trials", "curves", "predictions")


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def filled(tmp_path: Path, make_rows: MakeRows) -> Path:
    with store.writing(tmp_path) as writer:
        for cell_id in ("a", "b"):
            writer.put(make_rows(cell_id))
    return tmp_path


def _refused(folder: Path, message: str) -> None:
    """The folder is refused, by the plan and by the writer, in one line, and stays as it is."""
    before = _content(folder)
    for use in (lambda: store.stored(folder), store.writing(folder).__enter__):
        with pytest.raises(StoreError, match=message) as caught:
            use()
        assert "\n" not in str(caught.value)
    assert _content(folder).items() - before.items() <= {(".lock", (folder / ".lock").read_bytes())}
    assert before.keys() <= _content(folder).keys()


def _set_aside(folder: Path, message: str, caplog: pytest.LogCaptureFixture) -> None:
    """The cell b is damaged: reading says so, planning goes on without it, and a writer moves what is left of it."""
    with pytest.raises(StoreError, match=message) as caught:
        store.stored(folder)
    assert "\n" not in str(caught.value)
    damaged: dict[str, store.DamagedPart] = {}
    assert list(store.stored(folder, damaged)) == ["a"]
    assert list(damaged) == ["b"]
    before = [path.read_bytes() for path in sorted(folder.glob("*/b.parquet"))]
    with store.writing(folder):
        pass
    assert list(store.stored(folder)) == ["a"]
    assert sorted(before) == sorted(path.read_bytes() for path in (folder / ".strays").iterdir())
    assert "the parts of its cell were moved to" in caplog.text


def _make_other_version(part: Path) -> None:
    pq.write_table(pq.read_table(part).replace_schema_metadata({"bench_schema_version": "0"}), part)


def test_parts_without_runs_are_not_read_but_stay_until_the_cell_is_run_again(
    filled: Path, make_rows: MakeRows
) -> None:
    for name in ("a", "b"):
        (filled / "runs" / f"{name}.parquet").unlink()
    before = _content(filled / "predictions")
    with store.writing(filled) as writer:
        assert store.read(filled, "predictions").num_rows == 0
        assert _content(filled / "predictions") == before
        writer.put(make_rows("a", curves=5))
    assert store.read(filled, "curves").equals(make_rows("a", curves=5)["curves"])
    assert _content(filled / "predictions").keys() == before.keys()


def test_a_file_of_the_users_is_left_alone(filled: Path, make_rows: MakeRows) -> None:
    mine = {filled / "predictions" / "mine.parquet": b"not one of ours", filled / "trials" / "notes.txt": b"hello"}
    for path, content in mine.items():
        path.write_bytes(content)
    with store.writing(filled) as writer:
        writer.put(make_rows("c"))
        writer.supersede("a")
    assert {path: path.read_bytes() for path in mine} == mine
    assert list(store.stored(filled)) == ["b", "c"]


def test_a_table_that_cannot_be_listed_is_not_taken_for_an_empty_one(filled: Path) -> None:
    runs = filled / "runs"
    runs.rename(filled / "elsewhere")
    runs.symlink_to(runs)  # listing it fails for root too
    with pytest.raises(StoreError, match=r"runs: cannot be read \(.*\)"):
        store.stored(filled)
    assert len(list((filled / "predictions").iterdir())) == 2


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read anywhere")
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_table_without_permission_is_refused(filled: Path, name: str) -> None:
    folder = filled / name
    folder.chmod(0)
    try:
        for use in (lambda: store.stored(filled), store.writing(filled).__enter__):
            with pytest.raises(StoreError, match="cannot be read"):
                use()
    finally:
        folder.chmod(0o700)
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", OTHERS)
def test_a_torn_part_of_any_table_costs_its_cell(
    filled: Path, make_rows: MakeRows, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    part = filled / name / "b.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    message = rf"{name}/b\.parquet: expected a whole .* is torn .*; delete \S+/runs/b\.parquet, and `bench run`"
    _set_aside(filled, message, caplog)
    with store.writing(filled) as writer:
        writer.put(make_rows("b"))
    assert store.read(filled, name).num_rows == 2 * make_rows("b")[name].num_rows


@pytest.mark.parametrize("name", OTHERS)
def test_a_lost_part_of_any_table_costs_its_cell(filled: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    (filled / name / "b.parquet").unlink()
    message = rf"{name}/b\.parquet: expected a part .* is lost; bring it back, or delete \S+/runs/b\.parquet"
    with pytest.raises(StoreError, match=message):
        store.read(filled, name)
    _set_aside(filled, message, caplog)


def test_a_part_that_would_fill_the_memory_costs_its_cell(filled: Path, caplog: pytest.LogCaptureFixture) -> None:
    part, schema = filled / "runs" / "b.parquet", SCHEMAS["runs"]
    rows = pa.Table.from_arrays([pa.nulls(50_000, field.type) for field in schema], schema=schema)
    with pq.ParquetWriter(part, schema) as writer:
        for _ in range(60):
            writer.write_table(rows)
    assert part.stat().st_size < 10**6
    _set_aside(filled, r"runs/b\.parquet: expected a file that grows at most 64-fold when it is read", caplog)


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("archive", [".", store.ARCHIVE])
@pytest.mark.parametrize("name", OTHERS)
def test_another_version_in_any_table_is_refused(filled: Path, name: str, archive: str, committed: bool) -> None:
    with store.writing(filled) as writer:
        writer.supersede("b")
    cell_id = "a" if archive == "." else "b"
    _make_other_version(filled / archive / name / f"{cell_id}.parquet")
    if not committed:
        (filled / archive / "runs" / f"{cell_id}.parquet").unlink()
    before = _content(filled)
    with pytest.raises(StoreError, match=rf"{name}/{cell_id}\.parquet: expected schema version 1, found 0"):
        store.writing(filled).__enter__()
    after = _content(filled)
    del before[".lock"], after[".lock"]
    assert after == before


def test_a_flipped_byte_in_any_column_of_runs_is_noticed(filled: Path) -> None:
    part = filled / "runs" / "b.parquet"
    whole = part.read_bytes()
    columns = pq.read_metadata(part).row_group(0)
    assert columns.num_columns == len(SCHEMAS["runs"])
    for number in range(columns.num_columns):
        column = columns.column(number)
        start = column.dictionary_page_offset or column.data_page_offset
        flipped = bytearray(whole)
        flipped[start + column.total_compressed_size - 1] ^= 0x10
        part.write_bytes(flipped)
        with pytest.raises(StoreError, match=r"runs/b\.parquet: expected a whole Parquet file"):
            store.stored(filled)


def test_a_cell_set_aside_while_it_is_read_is_left_out(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer comes in between the listing of the folder and the opening of the part."""
    opened = module.open_file

    def late(part: Path) -> BinaryIO:
        monkeypatch.setattr(module, "open_file", opened)
        with store.writing(filled) as writer:
            writer.supersede("a")
        return opened(part)

    for use in (lambda: set(store.stored(filled)), lambda: {*store.read(filled, "curves")["cell_id"].to_pylist()}):
        with store.writing(filled) as writer:
            writer.restore(["a"])
        monkeypatch.setattr(module, "open_file", late)
        assert use() == {"b"}


def test_looking_at_300_cells_is_quick(tmp_path: Path, make_rows: MakeRows) -> None:
    for name in SCHEMAS:
        (tmp_path / name).mkdir()
    for number in range(300):
        for name, rows in make_rows(f"{number:03}", replicates=10).items():
            pq.write_table(rows, tmp_path / name / f"{number:03}.parquet", compression="zstd", write_page_checksum=True)
    started = time.process_time()
    assert len(store.stored(tmp_path)) == 300
    assert time.process_time() - started < 3  # seconds of this process; about 0.6 on an idle core
