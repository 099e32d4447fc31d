"""One part: a Parquet file with the rows of one cell in one table, checked whenever it is opened."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.atomic import open_file
from bench.errors import StoreError, one_line
from bench.limits import inflated
from bench.store.schema import ADDED, ALL, LATER, RENAMED_STATUSES, SCHEMAS, VERSION

T = TypeVar("T")

UNFINISHED = "unfinished"
"""The folder, within a results folder, of the trials of cells whose study goes on."""

_SMALL = 2**20
"""Bytes of a part that is read whole at once: seeking in it would take longer."""


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
        older = _table(part) in LATER and _commit_mark(part).exists()
        return _wanted(ALL[_table(part)], columns).empty_table() if older else None
    cell_ids = set(rows["cell_id"].unique().to_pylist())
    cell_id = part.stem.rpartition("-")[0] if _table(part) == "probes" else part.stem  # a probe names its machine
    if cell_ids - {cell_id} or (_table(part) == "runs" and not cell_ids):
        raise DamagedPart(part, f"expected the rows of cell {cell_id} and of no other")
    return _with_names_of_today(_completed(rows, _wanted(ALL[_table(part)], columns)))


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


def unreadable(path: Path, error: OSError) -> StoreError:
    """The error for what the system does not let us read."""
    return StoreError(f"{path}: cannot be read ({error.strerror}); fix that first, nothing was changed")


def remedy(part: Path) -> str:
    """What to delete: without its part of `runs`, a cell counts as not stored."""
    if _table(part) == "probes":
        return "delete it, and `bench probe` makes it again"
    if part.parent.name == UNFINISHED:
        return "delete it, and `bench run` makes its trials again"
    if not any((part.parent.parent / name).exists() for name in SCHEMAS if name != "runs"):
        return "it is of a baseline: `bench baseline update` makes that again"
    mark = _commit_mark(part)
    return f"delete {'it' if mark == part else mark}, and `bench run` makes that cell again"


def _wanted(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
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


def _open(part: Path, take: Callable[[pq.ParquetFile], T]) -> T | None:
    try:
        with open_file(part) as source, parquet(source) as file:
            _check_schema(part, file.schema_arrow)
            values = file.metadata.num_rows * file.metadata.num_columns
            if problem := inflated(values, os.fstat(source.fileno()).st_size):
                raise DamagedPart(part, problem)
            return take(file)
    except FileNotFoundError as error:
        if _table(part) in LATER or not _commit_mark(part).exists():
            return None  # older than the table; or set aside, of which the mark is the first to go
        lost = "expected a part in every table for a stored cell, but this one is lost"
        raise DamagedPart(part, lost, gentler="bring it back") from error
    except PermissionError as error:
        raise unreadable(part, error) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        line = one_line(getattr(error, "strerror", None) or error)
        raise DamagedPart(part, f"expected a whole Parquet file, but it is torn ({line})") from error


def _check_schema(part: Path, schema: pa.Schema) -> None:
    _check_version(part, _version(schema) or "none")
    expected = ALL[_table(part)]
    if schema.equals(expected):
        return
    if not schema.equals(_as_old(expected, schema, added=ADDED.get(_table(part), frozenset()))):
        raise DamagedPart(part, f"expected the columns of {_table(part)!r}, found others")


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


def _commit_mark(part: Path) -> Path:
    return part_of(part.parent.parent, "runs", part.stem)
