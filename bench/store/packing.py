"""Bring the parts of many cells into few files: ``bench compact``.

A pack is written and verified next to its place, and read from the moment on that the manifest names it; only then are
the parts deleted that it stands for. Whatever is interrupted is completed or undone by the next writer, by the note
that is made before anything else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.atomic import real_folder, sync
from bench.errors import StoreError
from bench.store.parts import PACKED, PENDING, in_packs, manifest, pack_file, write_manifest
from bench.store.reader import cell_ids, read_cell, stored
from bench.store.schema import ALL, SCHEMAS
from bench.store.transactions import ARCHIVE, PACKING, TABLES, end_packing
from bench.store.writer import writing

_ROWS = 2**16
"""Rows of a row group, about: whole cells, so that one cell is read without most of the others."""


@dataclass(frozen=True)
class Compacted:
    """What `compact` did: how many cells are packed now, and how many files of parts there were and are."""

    cells: int
    before: int
    after: int


def compact(folder: Path) -> Compacted:
    """Pack every cell of `folder` and of what it has set aside; other writers wait meanwhile.

    Raises
    ------
    StoreError
        The folder cannot be read or written; nothing is lost.
    """
    if not (folder / "runs").is_dir():
        raise StoreError(f"{folder}: expected a results folder with runs/ in it; `bench run` makes one")
    archives = [archive for archive in (folder, folder / ARCHIVE) if (archive / "runs").is_dir()]
    for archive in archives:
        stored(archive)  # refuses what cannot be read, as of a baseline, before anything is moved
    before = sum(map(_files, archives))
    with writing(folder) as writer, writer.turn():
        cells = sum(map(_pack, archives))
    return Compacted(cells, before, sum(map(_files, archives)))


def _files(archive: Path) -> int:
    return sum(1 for name in (*SCHEMAS, PACKED) for _ in (archive / name).glob("**/*.parquet"))


def _pack(archive: Path) -> int:
    """Pack the cells of one archive; how many of them are packed then."""
    ids, packed = cell_ids(archive), in_packs(archive)
    if len(ids) == len(packed) and len({*packed.values()}) < 2:
        return len(packed)
    pack = f"{max((int(name) for name in manifest(archive).values()), default=0) + 1:04}"
    note = archive / PENDING / f"{pack}{PACKING}"
    note.touch()
    sync(note.parent)
    staged = archive / PENDING / f"{pack}.tmp"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    for table in TABLES:
        _write(staged / f"{table}.parquet", table, _groups(archive, table, ids))
    sync(staged)
    real_folder(archive / PACKED)
    staged.rename(pack_file(archive, pack, "runs").parent)
    sync(archive / PACKED)
    write_manifest(archive, dict.fromkeys(ids, pack))
    end_packing(archive, note)
    return len(ids)


def _groups(archive: Path, table: str, ids: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of `ids`, in order, some cells at a time."""
    group: list[pa.Table] = []
    for cell_id in ids:
        group.append(read_cell(archive, table, cell_id))
        if sum(rows.num_rows for rows in group) >= _ROWS:
            yield pa.concat_tables(group).combine_chunks()
            group = []
    if group:
        yield pa.concat_tables(group).combine_chunks()


def _write(path: Path, table: str, groups: Iterator[pa.Table]) -> None:
    """Write a file of a pack and read it back."""
    count = 0
    with (
        path.open("xb") as stream,
        pq.ParquetWriter(stream, ALL[table], compression="zstd", write_page_checksum=True) as writer,
    ):
        for rows in groups:
            count += rows.num_rows
            if rows.num_rows:
                writer.write_table(rows, row_group_size=rows.num_rows)
    with path.open("rb") as written, pq.ParquetFile(written, page_checksum_verification=True) as file:
        whole = sum(file.read_row_group(number).num_rows for number in range(file.metadata.num_row_groups))
    if whole != count:
        raise StoreError(f"{path}: what was written does not read back; check the disk")
    sync(path)
