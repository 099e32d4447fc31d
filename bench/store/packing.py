"""Bring the parts of many cells into few files: ``bench compact``.

A run packs as well, some hundred of the cells that it has stored at a time; here all cells come into one pack.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.errors import StoreError
from bench.store.parts import PACKED, in_packs
from bench.store.reader import cell_ids, read_cell, stored
from bench.store.schema import SCHEMAS
from bench.store.transactions import ARCHIVE, pack
from bench.store.writer import writing


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
    pack(archive, ids, lambda table: (read_cell(archive, table, cell_id) for cell_id in ids))
    return len(ids)
