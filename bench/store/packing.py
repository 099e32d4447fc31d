"""Bring the parts of many cells into few files: ``bench compact``, in place or as a copy that leaves tables out.

A run packs as well, some hundred of the cells that it has stored at a time; here all cells come into one pack.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import StoreError
from bench.store.merging import copy_probes
from bench.store.parts import PACKED, in_packs, is_results
from bench.store.reader import Stored, cell_ids, read, read_cell, read_suite, stored
from bench.store.renewal import read_renewal
from bench.store.schema import SCHEMAS
from bench.store.transactions import ARCHIVE, pack
from bench.store.writer import writing
from bench.text import listed


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
            pack(into, ids, lambda table: (read_cell(folder, table, each) for each in _kept(ids, table, without)))
        if "probes" not in without:
            copy_probes(folder, writer)
    return Compacted(len(ids), _files(folder), _files(into))


def _kept(ids: Sequence[str], table: str, without: Collection[str]) -> Sequence[str]:
    return () if table in without else ids


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
    pack(archive, ids, lambda table: (read_cell(archive, table, cell_id) for cell_id in ids))
    return len(ids)
