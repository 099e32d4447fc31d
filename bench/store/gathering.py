"""All of a results folder that can be read, and why the rest cannot: one torn part hides one cell, not all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bench.errors import StoreError
from bench.schema import ALL, SCHEMAS, Rows
from bench.store.part import load, part_of
from bench.store.reader import cell_ids
from bench.store.suite import NAME


@dataclass(frozen=True, eq=False)
class Gathered:
    """What a results folder holds.

    Parameters
    ----------
    tables
        Every table of `bench.schema.ALL`, ordered by cell id; of a cell that is not whole, no table has a row.
    unreadable
        Why a cell, or a probe, cannot be read and what to do: a line for each.
    """

    tables: Rows
    unreadable: tuple[str, ...]


def gather(folder: Path) -> Gathered:
    """Every cell and every probe of `folder` that can be read whole.

    Raises
    ------
    StoreError
        `folder` is no results folder, or holds parts of which not one can be read.
    """
    if not any((folder / name).exists() for name in ("runs", "probes", NAME)):
        raise StoreError(f"{folder}: expected a results folder with runs/ in it; `bench run` makes one")
    unreadable: list[StoreError] = []
    cells = _whole(folder, SCHEMAS, cell_ids(folder), unreadable)
    probes = _whole(folder, ("probes",), cell_ids(folder, "probes"), unreadable)
    if unreadable and not cells and not probes:
        raise unreadable[0]
    parts = [*cells, *probes]
    tables = {
        name: pa.concat_tables([schema.empty_table(), *(part[name] for part in parts if name in part)])
        for name, schema in ALL.items()
    }
    return Gathered(tables, tuple(map(str, unreadable)))


def _whole(folder: Path, tables: Iterable[str], names: Iterable[str], unreadable: list[StoreError]) -> list[Rows]:
    """The parts of each name in all of `tables`; those of one with a part that cannot be read are left out."""
    found = []
    for name in names:
        try:
            parts = {table: load(part_of(folder, table, name)) for table in tables}
        except StoreError as error:
            unreadable.append(error)
            continue
        if all(rows is not None for rows in parts.values()):  # not set aside since it was listed
            found.append({table: rows.cast(ALL[table]) for table, rows in parts.items() if rows is not None})
    return found
