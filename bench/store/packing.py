"""Bring the parts of many cells into few files: ``bench compact``, in place or as a copy that leaves tables out.

A pack is written and verified next to its place, and read from the moment on that the manifest names it; only then are
the parts deleted that it stands for. Whatever is interrupted is completed or undone by the next writer, by the note
that is made before anything else.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.atomic import real_folder, sync
from bench.errors import StoreError
from bench.store.merging import copy_probes
from bench.store.parts import PACKED, PENDING, in_packs, is_results, manifest, pack_file, write_manifest
from bench.store.reader import Stored, cell_ids, read, read_cell, read_suite, stored
from bench.store.renewal import read_renewal
from bench.store.schema import ALL, SCHEMAS
from bench.store.transactions import ARCHIVE, PACKING, TABLES, end_packing
from bench.store.writer import writing
from bench.text import listed

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
    _check_results(folder)
    archives = [archive for archive in (folder, folder / ARCHIVE) if is_results(archive)]
    for archive in archives:
        stored(archive)  # refuses what cannot be read, as of a baseline, before anything is moved
    before = sum(map(_files, archives))
    with writing(folder) as writer, writer.turn():
        cells = sum(map(_pack, archives))
    return Compacted(cells, before, sum(map(_files, archives)))


def compact_copy(folder: Path, into: Path, without: Collection[str] = ()) -> Compacted:
    """Pack every cell of `folder` into the folder `into`, in place of an earlier such copy; `folder` is not changed.

    Parameters
    ----------
    without
        Tables of which the copy has no row; `runs` is never one of them.

    Raises
    ------
    StoreError
        A folder cannot be read or written; some of `folder` is still to be run again; or `into` holds what would be
        lost: cells that `folder` lacks, or rows of a table of `without`.
    """
    _check_results(folder)
    if read_renewal(folder) is not None:
        raise StoreError(f"{folder}: expected results of one time, but a --fresh run is not finished; end it first")
    ids = list(stored(folder))
    if not ids:
        raise StoreError(f"{folder}: expected results to copy, got none; `bench run` makes some")
    _check_replaced(into, set(ids), without)
    with writing(into) as writer:
        if (suite := read_suite(folder)) is not None:
            writer.put_suite(suite)
        with writer.turn():
            _write_pack(folder, into, ids, without)
        if "probes" not in without:
            copy_probes(folder, writer)
    return Compacted(len(ids), _files(folder), _files(into))


def _check_results(folder: Path) -> None:
    if not is_results(folder):
        raise StoreError(f"{folder}: expected a results folder with runs/ in it; `bench run` makes one")


def _check_replaced(into: Path, ids: set[str], without: Collection[str]) -> None:
    """See that a copy of the cells `ids` takes nothing away."""
    there = stored(into)
    if others := sorted(there.keys() - ids):
        raise StoreError(
            f"{into}: expected an earlier copy of these cells, or nothing, got others: {_named(others, there)}; name "
            "another folder, or move this one away"
        )
    if rich := [name for name in set(without) & set(SCHEMAS) if there and read(into, name, ["cell_id"]).num_rows]:
        raise StoreError(
            f"{into}: expected an earlier copy without {listed(rich)}, or nothing, got one with rows of it; name "
            "another folder, or move this one away"
        )


def _named(cells: Sequence[str], there: Mapping[str, Stored]) -> str:
    """The first of `cells` by its name, and how many more there are."""
    more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
    return f"{there[cells[0]].key.title}{more}"


def _files(archive: Path) -> int:
    return sum(1 for name in (*SCHEMAS, PACKED) for _ in (archive / name).glob("**/*.parquet"))


def _pack(archive: Path) -> int:
    """Pack the cells of one archive; how many of them are packed then."""
    ids, packed = cell_ids(archive), in_packs(archive)
    if len(ids) == len(packed) and len({*packed.values()}) < 2:
        return len(packed)
    _write_pack(archive, archive, ids)
    return len(ids)


def _write_pack(source: Path, archive: Path, ids: Sequence[str], without: Collection[str] = ()) -> None:
    """Make one pack of the cells `ids` of `source` all that `archive` holds."""
    pack = f"{max((int(name) for name in manifest(archive).values()), default=0) + 1:04}"
    note = archive / PENDING / f"{pack}{PACKING}"
    note.touch()
    sync(note.parent)
    staged = archive / PENDING / f"{pack}.tmp"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    for table in TABLES:
        _write(staged / f"{table}.parquet", table, _groups(source, table, () if table in without else ids))
    sync(staged)
    real_folder(archive / PACKED)
    staged.rename(pack_file(archive, pack, "runs").parent)
    sync(archive / PACKED)
    write_manifest(archive, dict.fromkeys(ids, pack))
    end_packing(archive, note)


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
