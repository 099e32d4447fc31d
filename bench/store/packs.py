"""Many cells in one file for each table, as ``bench compact`` makes them: what a pack holds and how it is read.

::

    packed.json                      cell id → the pack that it is in: the manifest, which is replaced as a whole
    packed/<number>/<table>.parquet  the rows of all its cells, ordered by cell id

A part of a cell in a file of its own counts before one in a pack. A reader whose pack is replaced meanwhile reads the
manifest again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.atomic import open_file, write_atomically
from bench.errors import StoreError, one_line
from bench.store.parts import DamagedPart, columns_of, completed, final, parquet, refuse_schema
from bench.store.schema import Rows

PACKED = "packed"
"""The folder, within a results folder."""

MANIFEST = "packed.json"
"""The file, within a results folder, that says which cell is in which pack."""

_TRIES = 3
"""So often a pack that is no longer there is looked for where the manifest then says."""

_known: dict[Path, tuple[tuple[int, int, int], Mapping[str, str]]] = {}


def manifest(archive: Path) -> Mapping[str, str]:
    """Cell id → pack; empty where there is none.

    Raises
    ------
    StoreError
        It cannot be read.
    """
    path = archive / MANIFEST
    try:
        status = path.lstat()
        signature = (status.st_ino, status.st_size, status.st_mtime_ns)
        if path in _known and _known[path][0] == signature:
            return _known[path][1]
        with open_file(path) as file:
            content = json.loads(file.read())["cells"]
        cells = {str(cell_id): str(pack) for cell_id, pack in content.items() if str(pack).isdigit()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{path}: expected which cells are packed, got what cannot be read ({one_line(error)}); bring it back from "
            f"a copy: without it the cells in {archive / PACKED} are not read"
        ) from error
    _known[path] = signature, cells
    return cells


def write_manifest(archive: Path, cells: Mapping[str, str]) -> None:
    """Replace the manifest; remove it where it would be empty."""
    _known.pop(archive / MANIFEST, None)
    if cells:
        write_atomically(archive / MANIFEST, json.dumps({"cells": dict(sorted(cells.items()))}, indent=0))
    else:
        (archive / MANIFEST).unlink(missing_ok=True)


def in_packs(archive: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """Those of the cells `names`, or of all, that are read from a pack, and from which."""
    cells = manifest(archive)
    if not cells:
        return {}
    try:
        with os.scandir(archive / "runs") as entries:
            loose = {entry.name.removesuffix(".parquet") for entry in entries}
    except FileNotFoundError:
        loose = set()
    own = cells.keys() - loose - final(archive)
    return {name: cells[name] for name in (sorted(own) if names is None else names) if name in own}


def pack_file(archive: Path, pack: str, table: str) -> Path:
    """Where the rows of a table lie in a pack."""
    return archive / PACKED / pack / f"{table}.parquet"


def packed_rows(
    archive: Path, table: str, names: Iterable[str], columns: Iterable[str] | None = None
) -> Iterator[tuple[str, pa.Table | StoreError]]:
    """The rows in `table` of each of `names` that is in a pack, or what is wrong with that pack."""
    left = set(names)
    for _ in range(_TRIES):
        cells = {name: pack for name, pack in manifest(archive).items() if name in left}
        for pack in sorted({*cells.values()}):
            own = {name for name, its in cells.items() if its == pack}
            try:
                parts = _read(pack_file(archive, pack, table), table, own, columns)
            except FileNotFoundError:
                continue  # a newer pack has taken its place
            except StoreError as error:
                yield from ((name, error) for name in sorted(own))
            else:
                yield from parts.items()
            left -= own
    for name, pack in sorted(manifest(archive).items()):
        if name in left:
            place = pack_file(archive, pack, table)
            yield name, DamagedPart(place, "expected the rows of packed cells, but this file is lost")


def _read(path: Path, table: str, names: set[str], columns: Iterable[str] | None) -> Rows:
    wanted = columns_of(table, columns)
    try:
        with open_file(path) as source, parquet(source) as file:
            refuse_schema(path, file.schema_arrow, table)
            own = [name for name in wanted.names if name in file.schema_arrow.names]
            groups = _groups(file.metadata, file.schema_arrow.get_field_index("cell_id"), names)
            rows = file.read_row_groups(groups, columns=own, use_threads=False)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        line = one_line(getattr(error, "strerror", None) or error)
        raise DamagedPart(path, f"expected a whole Parquet file, but it is torn ({line})") from error
    split = dict(_split(completed(rows, wanted)))
    return {name: split.get(name, wanted.empty_table()) for name in sorted(names)}


def _groups(metadata: pa.lib.FileMetaData, at: int, names: set[str]) -> list[int]:
    """The row groups that may hold rows of `names`, by the least and the greatest cell id of each."""
    ordered = np.array(sorted(names))
    chosen = []
    for number in range(metadata.num_row_groups):
        known = metadata.row_group(number).column(at).statistics
        if known is None or not known.has_min_max or _has_between(ordered, known.min, known.max):
            chosen.append(number)
    return chosen


def _has_between(ordered: NDArray[np.str_], least: str, greatest: str) -> bool:
    return bool(np.searchsorted(ordered, least) < np.searchsorted(ordered, greatest, side="right"))


def _split(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each cell; they are ordered by cell."""
    if not rows.num_rows:
        return
    ids = rows["cell_id"].combine_chunks()
    changes = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
    for start, end in pairwise([0, *(np.flatnonzero(changes) + 1).tolist(), len(ids)]):
        yield ids[start].as_py(), rows.slice(start, end - start)


def check_packs(archive: Path, table: str, cells: Mapping[str, str]) -> Iterator[tuple[str, StoreError]]:
    """What is wrong with the file of `table` in the packs of `cells`: for each cell that it concerns."""
    for pack in sorted({*cells.values()}):
        path = pack_file(archive, pack, table)
        try:
            with open_file(path) as source, parquet(source) as file:
                refuse_schema(path, file.schema_arrow, table)
            continue
        except StoreError as error:
            wrong: StoreError = error
        except FileNotFoundError:
            wrong = DamagedPart(path, "expected the rows of packed cells, but this file is lost")
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            wrong = DamagedPart(path, f"expected a whole Parquet file, but it is torn ({one_line(error)})")
        yield from ((name, wrong) for name, its in cells.items() if its == pack)
