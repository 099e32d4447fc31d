"""One part: a Parquet file that holds the rows of one cell in one table, checked whenever it is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import StoreError
from bench.schema import ADDED, ALL, SCHEMAS, VERSION

T = TypeVar("T")


def part_of(folder: Path, table: str, cell_id: str) -> Path:
    """Where the part of `table` for one cell lies, or would lie."""
    return folder / table / f"{cell_id}.parquet"


def load(part: Path) -> pa.Table | None:
    """All rows of a part, every page verified; `None` where its cell was set aside since it was listed.

    Columns of `ADDED` that it lacks, being older than they are, are null.

    Raises
    ------
    StoreError
        The part is lost, torn, damaged or of another schema version, or holds the rows of another cell.
    """
    rows = _open(part, lambda file: file.read())
    if rows is None:
        return None
    found = set(rows["cell_id"].unique().to_pylist())
    cell_id = part.stem.rpartition("-")[0] if _table(part) == "probes" else part.stem  # a probe names its machine
    if found - {cell_id} or (_table(part) == "runs" and not found):
        raise StoreError(f"{part}: expected the rows of cell {cell_id} and of no other; {_remedy(part)}")
    return pa.concat_tables([ALL[_table(part)].empty_table(), rows], promote_options="default")


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
        with pq.ParquetFile(part) as file:
            version = _version(file.schema_arrow)
    except (pa.ArrowException, OSError):
        return
    if version is not None:
        _check_version(part, version)


def unreadable(path: Path, error: OSError) -> StoreError:
    """The error for what the system does not let us read."""
    return StoreError(f"{path}: cannot be read ({error.strerror}); mend that first, nothing was changed")


def _open(part: Path, take: Callable[[pq.ParquetFile], T]) -> T | None:
    try:
        with pq.ParquetFile(part, page_checksum_verification=True) as file:
            _check_schema(part, file.schema_arrow)
            return take(file)
    except FileNotFoundError as error:
        if not _commit_mark(part).exists():
            return None  # the mark is the first to go when a cell is set aside
        raise StoreError(
            f"{part}: expected a part in every table for a stored cell, but this one is lost; bring it back, or "
            f"{_remedy(part)}"
        ) from error
    except PermissionError as error:
        raise unreadable(part, error) from error
    except (pa.ArrowException, OSError) as error:
        line = " ".join(str(error).split())
        raise StoreError(f"{part}: expected a whole Parquet file, but it is torn ({line}); {_remedy(part)}") from error


def _check_schema(part: Path, found: pa.Schema) -> None:
    _check_version(part, _version(found) or "none")
    if not found.equals(_as_old(ALL[_table(part)], found, added=ADDED.get(_table(part), frozenset()))):
        raise StoreError(f"{part}: expected the columns of {_table(part)!r}, found others; {_remedy(part)}")


def _as_old(schema: pa.Schema, found: pa.Schema, *, added: frozenset[str]) -> pa.Schema:
    """`schema` without the columns of `added` that are not `found`."""
    return pa.schema([field for field in schema if field.name in found.names or field.name not in added])


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
    return part.parent.name


def _commit_mark(part: Path) -> Path:
    return part_of(part.parent.parent, "runs", part.stem)


def _remedy(part: Path) -> str:
    """What to delete: without its part of `runs`, a cell counts as not stored."""
    if _table(part) == "probes":
        return "delete it, and `bench probe` makes it again"
    if not any((part.parent.parent / name).exists() for name in SCHEMAS if name != "runs"):
        return "it is of a baseline: `bench baseline update` makes that again"
    mark = _commit_mark(part)
    return f"delete {'it' if mark == part else mark}, and `bench run` makes that cell again"
