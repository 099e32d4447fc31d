"""One part: a Parquet file with the rows of one cell in one table, checked whenever it is opened.

Or with those of many cells, as a run makes them of a thousand, and ``bench compact`` of all::

    packed.json                      cell id → the pack that it is in: the manifest, which is replaced as a whole
    packed/<number>/<table>.parquet  the rows of all its cells, ordered by cell id

A part of a cell in a file of its own counts before one in a pack. A reader whose pack is replaced meanwhile reads the
manifest again.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.atomic import kind_of, open_file, whole, write_atomically
from bench.content_sizes import refused_size
from bench.errors import StoreError, one_line, unreadable
from bench.store.schema import ADDED, ALL, LATER, RENAMED_STATUSES, SCHEMAS, VERSION, Rows

T = TypeVar("T")

UNFINISHED = "unfinished"
"""The folder, within a results folder, of the trials of cells whose study goes on."""

PENDING = ".pending"
"""The folder, within a results folder, of what is being changed; a folder of parts there that bears the id of a cell
and nothing else is final, and its parts are the current ones of that cell."""

_SMALL = 2**20  # bytes of a part that is read whole at once: seeking in it would take longer


class DamagedPart(StoreError):
    """A part that is not what a bench of this version writes: its cell can be run again.

    Parameters
    ----------
    part
        Where it lies, or should lie.
    wrong
        What was expected and what was found.
    gentler
        What may be done instead of deleting anything, if there is such a way.
    """

    def __init__(self, part: Path, wrong: str, *, gentler: str = "") -> None:
        super().__init__(f"{part}: {wrong}; {gentler and f'{gentler}, or '}{remedy(part)}")
        self.part, self.wrong = part, wrong


def part_of(folder: Path, table: str, cell_id: str) -> Path:
    """Where the part of `table` for one cell lies, or would lie."""
    return folder / table / f"{cell_id}.parquet"


def probe_part(folder: Path, cell_id: str, machine: str) -> Path:
    """Where the probe of one cell on `machine` (`bench.store.environment.machine_id`) lies, or would lie."""
    return part_of(folder, "probes", f"{cell_id}-{machine}")


def load(part: Path, columns: Sequence[str] | None = None) -> pa.Table | None:
    """The rows of a part, every page verified; `None` where its cell was set aside since it was listed.

    Columns of `ADDED` that it lacks, being older than they are, are null; a table of `LATER` is then empty. The values
    are not looked at, which `bench.store.rules` does.

    Parameters
    ----------
    columns
        Those to read, ``cell_id`` among them; `None` for all.

    Raises
    ------
    StoreError
        The part is lost, torn, damaged or of another schema version, or holds the rows of another cell.
    """
    rows = _open(part, lambda file: file.read(columns and _present(columns, file), use_threads=False))
    if rows is None:
        older = _table(part) in LATER and is_marked(part)
        return _columns_of(_table(part), columns).empty_table() if older else None
    cell_ids = set(rows["cell_id"].unique().to_pylist())
    cell_id = part.stem.rpartition("-")[0] if _table(part) == "probes" else part.stem  # a probe names its machine
    if cell_ids - {cell_id} or (_table(part) == "runs" and not cell_ids):
        raise DamagedPart(part, f"expected the rows of cell {cell_id} and of no other")
    return _with_names_of_today(_completed(rows, _columns_of(_table(part), columns)))


def check(part: Path) -> None:
    """Verify the footer of a part, which may be too large to read whole: it is there, complete and of this version.

    Raises
    ------
    StoreError
        As `load`, without looking at the rows.
    """
    _open(part, lambda _: None)


def check_version(part: Path) -> None:
    """Refuse what another version of bench wrote; let pass what no bench can read, which is not its own.

    Raises
    ------
    StoreError
        The part is of another schema version.
    """
    try:
        with open_file(part) as source, parquet(source) as file:
            version = _version(file.schema_arrow)
    except (pa.ArrowException, OSError):
        return
    if version is not None:
        _check_version(part, version)


def remedy(part: Path) -> str:
    """What to delete: without its part of `runs`, a cell counts as not stored."""
    if _table(part) == "probes":
        return "delete it, and `bench probe` makes it again"
    if part.parent.name == UNFINISHED:
        return "delete it, and `bench run` makes its trials again"
    if part.parent.parent.name == PACKED:
        return "`bench run` moves that pack to .strays/ and makes its cells again"
    if not any((part.parent.parent / name).exists() for name in SCHEMAS if name != "runs"):
        return "it is of a baseline: `bench baseline update` makes that again"
    mark = _commit_mark(part)
    return f"delete {'it' if mark == part else mark}, and `bench run` makes that cell again"


def _columns_of(table: str, columns: Iterable[str] | None) -> pa.Schema:
    """The schema of `columns` of a table, or of all."""
    schema = ALL[table]
    return schema if columns is None else pa.schema([schema.field(name) for name in columns], schema.metadata)


def _present(columns: Sequence[str], file: pq.ParquetFile) -> list[str]:
    names = set(file.schema_arrow.names)
    return [name for name in columns if name in names]


def _completed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` with all columns of `schema`; those that an older part lacks are null."""
    if rows.schema.equals(schema):
        return rows.replace_schema_metadata(schema.metadata)
    own = set(rows.schema.names)
    columns = [rows[field.name] if field.name in own else pa.nulls(len(rows), field.type) for field in schema]
    return pa.table(columns, schema=schema)


def _with_names_of_today(rows: pa.Table) -> pa.Table:
    """`rows` with every status by the name that it has now."""
    at = rows.schema.get_field_index("status")
    for old, status in RENAMED_STATUSES.items() if at >= 0 else ():
        named = pc.equal(rows["status"], old)
        if pc.any(named).as_py():
            rows = rows.set_column(at, rows.schema.field(at), pc.if_else(named, status.value, rows["status"]))
    return rows


def parquet(source: BinaryIO) -> pq.ParquetFile:
    """The file that `source`, as `open_file` gives it, holds."""
    small = os.fstat(source.fileno()).st_size <= _SMALL
    content = pa.BufferReader(source.read()) if small else source
    return pq.ParquetFile(content, page_checksum_verification=True)


def final(archive: Path) -> frozenset[str]:
    """The cells whose current parts are still among what is pending, or were when they were last all there."""
    pending = archive / PENDING
    try:
        with os.scandir(pending) as entries:
            names = [entry.name for entry in entries if "." not in entry.name]
        return frozenset(name for name in names if _is_final(pending / name)) if names else frozenset()
    except OSError:  # none; what is wrong with the folder is said where it is written
        return frozenset()


def _is_final(path: Path) -> bool:
    """Whether it is a folder of nothing but parts, as a writer leaves it."""
    return kind_of(path) == "a folder" and all(each.name in ALL for each in path.iterdir())


def _current(part: Path) -> BinaryIO:
    """The file of a part, opened: among what is final and has not been moved to its place, or at its place."""
    pending = part.parent.parent / PENDING / part.stem
    try:
        if kind_of(pending) == "a folder":
            return open_file(pending / part.parent.name)
    except FileNotFoundError:  # it has been moved
        pass
    return open_file(part)


def _open(part: Path, take: Callable[[pq.ParquetFile], T]) -> T | None:
    try:
        with _current(part) as source, parquet(source) as file:
            _refuse_schema(part, file.schema_arrow, _table(part))
            if problem := refused_size(file, source, os.fstat(source.fileno()).st_size):
                raise DamagedPart(part, problem)
            return take(file)
    except FileNotFoundError as error:
        if _table(part) in LATER or not is_marked(part):
            return None  # older than the table; or set aside, of which the mark is the first to go
        lost = "expected a part in every table for a stored cell, but this one is lost"
        raise DamagedPart(part, lost, gentler="bring it back") from error
    except PermissionError as error:
        raise unreadable(part, error) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _torn(part, error) from error


def _torn(path: Path, error: Exception) -> DamagedPart:
    line = one_line(getattr(error, "strerror", None) or error)
    return DamagedPart(path, f"expected a whole Parquet file, but it is torn ({line})")


def _refuse_schema(part: Path, schema: pa.Schema, table: str) -> None:
    """See that a file has the columns of `table`, all that this version writes or those that an older one did.

    Raises
    ------
    StoreError
        It has others, or is of another schema version.
    """
    _check_version(part, _version(schema) or "none")
    expected = ALL[table]
    if schema.equals(expected):
        return
    if not schema.equals(_as_old(expected, schema, added=ADDED.get(table, frozenset()))):
        raise DamagedPart(part, f"expected the columns of {table!r}, found others")


def _as_old(expected: pa.Schema, schema: pa.Schema, *, added: frozenset[str]) -> pa.Schema:
    """`expected` without the columns of `added` that `schema` lacks."""
    names = set(schema.names)
    return pa.schema([field for field in expected if field.name in names or field.name not in added])


def _check_version(part: Path, version: str) -> None:
    if version != str(VERSION):
        raise StoreError(
            f"{part}: expected schema version {VERSION}, found {version}; nothing was changed: read it with the bench "
            "that wrote it, or give another folder with --results"
        )


def _version(schema: pa.Schema) -> str | None:
    version = (schema.metadata or {}).get(b"bench_schema_version")
    return None if version is None else version.decode(errors="replace")


def _table(part: Path) -> str:
    return "trials" if part.parent.name == UNFINISHED else part.parent.name


def is_marked(part: Path) -> bool:
    """Whether the cell of a part is stored."""
    mark = _commit_mark(part)
    return mark.exists() or (part.parent.parent / PENDING / part.stem / "runs").exists()


def _commit_mark(part: Path) -> Path:
    return part_of(part.parent.parent, "runs", part.stem)


PACKED = "packed"
"""The folder, within a results folder."""

MANIFEST = "packed.json"
"""The file, within a results folder, that says which cell is in which pack."""

_CELL = 2**12  # bytes of a cell in a pack: what its cells have in common is stored once


def is_results(folder: Path) -> bool:
    """Whether `folder` is laid out for cells that are run; a checkout by git has packs alone, and no empty folder."""
    return (folder / "runs").is_dir() or (folder / MANIFEST).is_file()


_TRIES = 3
"""So often a pack that is no longer there is looked for where the manifest then says."""

_DIGITS = re.compile("[0-9]{1,9}")

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
            cells = _cells_of(json.loads(whole(file)))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{path}: expected which cells are packed, got what cannot be read ({one_line(error)}); bring it back from "
            f"a copy: without it the cells in {archive / PACKED} are not read"
        ) from error
    _known[path] = signature, cells
    return cells


def _cells_of(content: Mapping[str, Mapping[str, object]]) -> Mapping[str, str]:
    """What a manifest says, which may be of strangers: parts of each cell lie in their folder, and not elsewhere."""
    for cell_id in content["cells"]:
        if not cell_id or cell_id.startswith(".") or set(cell_id) & set("/\\\0"):
            raise ValueError(f"{cell_id!r:.80} is no id of a cell")
    return {cell_id: str(pack) for cell_id, pack in content["cells"].items() if _DIGITS.fullmatch(str(pack))}


def write_manifest(archive: Path, cells: Mapping[str, str]) -> None:
    """Replace the manifest; remove it where it would be empty."""
    _known.pop(archive / MANIFEST, None)
    if cells:
        one_a_line = (",\n", ": ")  # with `indent` it takes ten times as long
        write_atomically(archive / MANIFEST, json.dumps({"cells": dict(sorted(cells.items()))}, separators=one_a_line))
    else:
        (archive / MANIFEST).unlink(missing_ok=True)


_ONE_BY_ONE = 10
"""So many cells are looked up each; of more, the folder is listed."""


def in_packs(archive: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """Those of the cells `names`, or of all, that are read from a pack, and from which."""
    cells = manifest(archive)
    if not cells:
        return {}
    if names is not None and len(few := [name for name in names if name in cells]) <= _ONE_BY_ONE:
        return {name: cells[name] for name in few if not is_marked(part_of(archive, "runs", name))}
    try:
        with os.scandir(archive / "runs") as entries:
            loose = {entry.name.removesuffix(".parquet") for entry in entries}
    except FileNotFoundError:
        loose = set()
    own = cells.keys() - loose - final(archive)
    return {name: cells[name] for name in (sorted(own) if names is None else few) if name in own}


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


def packed_cell(archive: Path, table: str, cell_id: str) -> pa.Table:
    """The rows of one cell that is in a pack.

    Raises
    ------
    StoreError
        They cannot be read.
    """
    for _, rows in packed_rows(archive, table, [cell_id]):
        if isinstance(rows, StoreError):
            raise rows
        return rows
    raise StoreError(f"{archive / MANIFEST}: expected the pack of cell {cell_id}, found none; run the command again")


def _read(path: Path, table: str, names: set[str], columns: Iterable[str] | None) -> Rows:
    split = dict(_split(pack_rows(path, table, names, columns)))
    return {name: split.get(name, _columns_of(table, columns).empty_table()) for name in sorted(names)}


def pack_rows(path: Path, table: str, names: set[str], columns: Iterable[str] | None = None) -> pa.Table:
    """The rows of `names` in a file of a pack, and those of other cells next to them.

    Raises
    ------
    FileNotFoundError
        There is none: a newer pack has taken its place.
    StoreError
        It is damaged, or of another schema version.
    """
    wanted = _columns_of(table, columns)
    try:
        with open_file(path) as source, parquet(source) as file:
            _refuse_schema(path, file.schema_arrow, table)
            own = [name for name in wanted.names if name in file.schema_arrow.names]
            groups = _groups(file.metadata, file.schema_arrow.get_field_index("cell_id"), names)
            size = os.fstat(source.fileno()).st_size + _CELL * len(names)
            if problem := refused_size(file, source, size, own, groups):
                raise DamagedPart(path, problem)
            rows = file.read_row_groups(groups, columns=own, use_threads=False)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _torn(path, error) from error
    return _with_names_of_today(_completed(rows, wanted))


def _groups(metadata: pq.FileMetaData, at: int, names: set[str]) -> list[int]:
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
                _refuse_schema(path, file.schema_arrow, table)
            continue
        except StoreError as error:
            wrong: StoreError = error
        except FileNotFoundError:
            wrong = DamagedPart(path, "expected the rows of packed cells, but this file is lost")
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            wrong = _torn(path, error)
        yield from ((name, wrong) for name, its in cells.items() if its == pack)


def opened(
    folder: Path, table: str, names: Sequence[str], columns: Sequence[str] | None
) -> Iterator[tuple[str, pa.Table | StoreError]]:
    """The rows of each of the parts `names`, or what is wrong with it; ordered as they are, but packed ones last."""
    packed = in_packs(folder, names) if table in SCHEMAS else {}
    absent = list(packed)
    for name in names:
        if name in packed:
            continue
        try:
            rows = load(part_of(folder, table, name), columns)
        except StoreError as error:
            yield name, error
            continue
        if rows is None:
            absent.append(name)  # set aside, or packed since it was listed
        else:
            yield name, rows
    if absent and table in SCHEMAS:
        yield from packed_rows(folder, table, absent, columns)
