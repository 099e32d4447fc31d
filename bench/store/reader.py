"""Read a results folder, whose layout the package's docstring shows: one part, one cell, one table, or everything.

A part is a Parquet file with the rows of one cell in one table, checked whenever it is opened. Reading everything that
can be read also gives the reasons for the rest: one damaged part hides one cell, not all of them. Probes have a part
for each cell and machine, because one cell may be probed on several. The folder also contains the suite that was run.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from bench.atomic import write_atomically
from bench.cells import CellKey, CellSpec
from bench.errors import StoreError, one_line
from bench.store.schema import ADDED, ALL, LATER, PROBES, SCHEMAS, VERSION, Rows, Status

T = TypeVar("T")


def part_of(folder: Path, table: str, cell_id: str) -> Path:
    """Where the part of `table` for one cell lies, or would lie."""
    return folder / table / f"{cell_id}.parquet"


def load(part: Path) -> pa.Table | None:
    """All rows of a part, every page verified; `None` where its cell was set aside since it was listed.

    Columns of `ADDED` that it lacks, being older than they are, are null; a table of `LATER` is then empty.

    Raises
    ------
    StoreError
        The part is lost, torn, damaged or of another schema version, or holds the rows of another cell.
    """
    rows = _open(part, lambda file: file.read())
    if rows is None:
        older = _table(part) in LATER and _commit_mark(part).exists()
        return ALL[_table(part)].empty_table() if older else None
    ids = set(rows["cell_id"].unique().to_pylist())
    cell_id = part.stem.rpartition("-")[0] if _table(part) == "probes" else part.stem  # a probe names its machine
    if ids - {cell_id} or (_table(part) == "runs" and not ids):
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
        with opened(part) as stream, pq.ParquetFile(stream) as file:
            version = _version(file.schema_arrow)
    except (pa.ArrowException, OSError):
        return
    if version is not None:
        _check_version(part, version)


def opened(part: Path) -> pa.NativeFile:
    """The file `part`, open to be read; by its path alone Arrow would take ``name:x`` for an address."""
    return pa.OSFile(os.fsencode(part), "rb")


def unreadable(path: Path, error: OSError) -> StoreError:
    """The error for what the system does not let us read."""
    return StoreError(f"{path}: cannot be read ({error.strerror}); fix that first, nothing was changed")


def _open(part: Path, take: Callable[[pq.ParquetFile], T]) -> T | None:
    try:
        with opened(part) as stream, pq.ParquetFile(stream, page_checksum_verification=True) as file:
            _check_schema(part, file.schema_arrow)
            return take(file)
    except FileNotFoundError as error:
        if _table(part) in LATER or not _commit_mark(part).exists():
            return None  # older than the table; or set aside, of which the mark is the first to go
        raise StoreError(
            f"{part}: expected a part in every table for a stored cell, but this one is lost; bring it back, or "
            f"{_remedy(part)}"
        ) from error
    except PermissionError as error:
        raise unreadable(part, error) from error
    except (pa.ArrowException, OSError) as error:
        line = one_line(error)
        raise StoreError(f"{part}: expected a whole Parquet file, but it is torn ({line}); {_remedy(part)}") from error


def _check_schema(part: Path, schema: pa.Schema) -> None:
    _check_version(part, _version(schema) or "none")
    if not schema.equals(_as_old(ALL[_table(part)], schema, added=ADDED.get(_table(part), frozenset()))):
        raise StoreError(f"{part}: expected the columns of {_table(part)!r}, found others; {_remedy(part)}")


def _as_old(schema: pa.Schema, present: pa.Schema, *, added: frozenset[str]) -> pa.Schema:
    """`schema` without the columns of `added` that are not `present`."""
    return pa.schema([field for field in schema if field.name in present.names or field.name not in added])


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


_SUMMARY = [
    *CellKey.COLUMNS,
    *("status", "reason", "spec", "started_at"),
    *("fit_s", "predict_s", "tuning_s", "deterministic", "train_windows"),
]


@dataclass(frozen=True)
class Stored:
    """What the `runs` part of one cell says, in short.

    Parameters
    ----------
    key
        The names of the cell.
    status, reason
        Of the first replicate that is not ok; `Status.OK` and an empty text where all are.
    seconds
        What tuning, fitting and predicting took, over all replicates.
    train_windows
        How many windows it was fitted on; `None` where it never came to that.
    time_limit_s
        Seconds that it had, where these were too few; else `None`.
    started_at
        When it was begun; `None` where the rows do not say.
    """

    key: CellKey
    status: Status
    reason: str
    seconds: float
    train_windows: int | None
    time_limit_s: float | None = None
    started_at: datetime | None = None

    def is_worth_another_try(self, time_limit_s: float | None) -> bool:
        """Whether it may end otherwise with such a limit: its data was unavailable, or its time was too short."""
        if self.status is Status.OUT_OF_TIME and self.time_limit_s is not None:
            return time_limit_s is None or time_limit_s > self.time_limit_s
        return self.status is Status.UNAVAILABLE


def read(folder: Path, table: str) -> pa.Table:
    """All stored rows of `table`, with the explicit schema, ordered by cell id.

    Parts of a cell without a `runs` part are not stored, and not read.

    Raises
    ------
    StoreError
        No results there, a part that is lost or cannot be read, or one of another schema version.
    """
    if not (folder / "runs").is_dir():
        raise StoreError(f"{folder}: expected a results folder with runs/ in it; `bench run` makes one")
    parts = (load(part_of(folder, table, cell_id)) for cell_id in cell_ids(folder))
    rows = (part.cast(SCHEMAS[table]) for part in parts if part is not None)
    return pa.concat_tables([SCHEMAS[table].empty_table(), *rows])


def read_cell(folder: Path, table: str, cell_id: str) -> pa.Table:
    """The rows of one stored cell.

    Raises
    ------
    StoreError
        As `read`.
    """
    rows = load(part_of(folder, table, cell_id))
    return (SCHEMAS[table].empty_table() if rows is None else rows).cast(SCHEMAS[table])


def stored(folder: Path) -> dict[str, Stored]:
    """Every stored cell in short, by cell id; empty where the folder does not exist yet.

    Of `runs` every page is verified, of the other tables the footers.

    Raises
    ------
    StoreError
        As `read`, for any table.
    """
    loaded = {cell_id: load(part_of(folder, "runs", cell_id)) for cell_id in cell_ids(folder)}
    for table in SCHEMAS.keys() - {"runs"}:
        for cell_id in loaded:
            check(part_of(folder, table, cell_id))
        for cell_id in set(cell_ids(folder, table)) - loaded.keys():
            check_version(part_of(folder, table, cell_id))  # running that cell would write over it
    return {cell_id: summary(runs) for cell_id, runs in loaded.items() if runs is not None}


def cell_ids(folder: Path, table: str = "runs") -> list[str]:
    """The ids of the cells that have a part of `table`, sorted; with one of `runs`, a cell is stored.

    Raises
    ------
    StoreError
        The folder cannot be listed.
    """
    try:
        with os.scandir(folder / table) as entries:  # to Path.glob, a folder without permission is an empty one
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder / table, error) from error
    return sorted(name.removesuffix(".parquet") for name in names if name.endswith(".parquet"))


def summary(runs: pa.Table) -> Stored:
    """The rows of one cell in short."""
    rows = runs.select(_SUMMARY).to_pylist()
    first = next((row for row in rows if row["status"] != Status.OK), rows[0])
    fits = rows[:1] if first["deterministic"] else rows  # one fit, reported in the row of every seed
    out_of_time = first["status"] == Status.OUT_OF_TIME
    spent = sum((row["fit_s"] or 0.0) + (row["predict_s"] or 0.0) for row in fits)
    return Stored(
        key=CellKey.of(first),
        status=Status(first["status"]),
        reason=first["reason"] or "",
        seconds=spent + (first["tuning_s"] or 0.0),
        train_windows=first["train_windows"],
        time_limit_s=CellSpec.from_json(first["spec"]).time_limit_s if out_of_time else None,
        started_at=first["started_at"],
    )


@dataclass(frozen=True, eq=False)
class Gathered:
    """What a results folder holds.

    Parameters
    ----------
    tables
        Every table of `bench.store.schema.ALL`, ordered by cell id; of a cell that is not whole, no table has a row.
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
    complete = []
    for name in names:
        try:
            parts = {table: load(part_of(folder, table, name)) for table in tables}
        except StoreError as error:
            unreadable.append(error)
            continue
        if all(rows is not None for rows in parts.values()):  # not set aside since it was listed
            complete.append({table: rows.cast(ALL[table]) for table, rows in parts.items() if rows is not None})
    return complete


def probe_part(folder: Path, cell_id: str, machine: str) -> Path:
    """Where the probe of one cell on `machine` (`bench.store.environment.machine_id`) lies, or would lie."""
    return part_of(folder, "probes", f"{cell_id}-{machine}")


def read_probes(folder: Path, *, machine: str | None = None) -> pa.Table:
    """All rows of `bench.store.schema.PROBES` in a results folder, or those of one machine; none without a probe.

    Raises
    ------
    StoreError
        A part is torn, of another schema version, or holds the rows of another cell.
    """
    names = [name for name in cell_ids(folder, "probes") if machine in (None, name.rpartition("-")[2])]
    parts = (load(part_of(folder, "probes", name)) for name in names)
    return pa.concat_tables([PROBES.empty_table(), *(part for part in parts if part is not None)])


NAME = "suite.json"


def write_suite(folder: Path, text: str) -> None:
    """Keep `text`, a suite as JSON, in the results folder `folder`; nothing is written where it holds that already.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    if read_suite(folder) == text:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / NAME, text)
    except OSError as error:
        raise StoreError(f"{folder / NAME}: expected a file that can be written: {error.strerror}") from error


def read_suite(folder: Path) -> str | None:
    """The suite as JSON; `None` where the folder has none, as those of earlier versions.

    Raises
    ------
    StoreError
        It cannot be read.
    """
    try:
        return (folder / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{folder / NAME}: expected a text file that can be read: {error}") from error
