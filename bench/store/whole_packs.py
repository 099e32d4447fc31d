"""Packs read as wholes: to cut those of many cells into the rows of each, and join these again, would take longest.

Only packs in which nothing is wrong are read so. What is wrong with the others says whoever reads them cell by cell.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.array_types import IntArray
from bench.errors import StoreError
from bench.store.parts import in_packs, pack_file, pack_rows
from bench.store.rules import JoinedParts, broken
from bench.store.schema import KEY, Rows

WORTH_WHILE = 100
"""Cells of one pack: fewer are read one by one."""


def whole_packs(folder: Path, tables: Sequence[str], names: Iterable[str]) -> Iterator[tuple[frozenset[str], Rows]]:
    """Those of the cells `names` that are in flawless packs: of each pack its cells and their rows, by table.

    Parameters
    ----------
    tables
        `runs` comes first. Of the others every cell may have no row, and has the names that it has in `runs`.
    """
    packs: dict[str, set[str]] = {}
    for name, pack in in_packs(folder, list(names)).items():
        packs.setdefault(pack, set()).add(name)
    for pack, own in sorted(packs.items()):
        if len(own) >= WORTH_WHILE and (rows := _flawless(folder, tables, pack, own)):
            yield frozenset(own), rows


def _flawless(folder: Path, tables: Sequence[str], pack: str, names: set[str]) -> Rows:
    """The rows of `names`, by table; none where anything is wrong with them."""
    known: set[tuple[object, ...]] = set()
    chosen: Rows = {}
    with suppress(StoreError, OSError):
        for table in tables:
            rows = _of_cells(pack_rows(pack_file(folder, pack, table), table, names), names)
            starts = _starts(rows)
            cells = {tuple(head.values()) for head in rows.select(KEY).take(pa.array(starts)).to_pylist()}
            fit = cells <= known if chosen else {cell[0] for cell in cells} == names
            if not fit or len(cells) < len(starts) or broken(JoinedParts(table, rows, _ends(starts, rows))):
                return {}
            known, chosen[table] = known or cells, rows
        return chosen
    return {}


def _of_cells(rows: pa.Table, names: set[str]) -> pa.Table:
    """`rows` without those of cells that are no longer read from their pack."""
    own = pc.is_in(rows["cell_id"], value_set=pa.array(sorted(names), pa.string()))
    return rows if pc.all(own).as_py() else rows.filter(own)


def _starts(rows: pa.Table) -> IntArray:
    """``[cells]``: the first row of each cell."""
    if not rows.num_rows:
        return np.zeros(0, np.int64)
    ids = rows["cell_id"].combine_chunks()
    changes = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)


def _ends(starts: IntArray, rows: pa.Table) -> IntArray:
    return np.append(starts[1:], rows.num_rows)


def in_order(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of `tables`, ordered by cell id; those of one cell stay as they are."""
    rows = pa.concat_tables(tables).combine_chunks()
    encoded = rows["cell_id"].combine_chunks().dictionary_encode()
    rank = np.argsort(np.argsort(np.array(encoded.dictionary.to_pylist(), dtype=np.str_)))
    code = rank[encoded.indices.to_numpy()] if rows.num_rows else np.zeros(0, np.int64)
    return rows if (np.diff(code) >= 0).all() else rows.take(pa.array(np.argsort(code, kind="stable"))).combine_chunks()
