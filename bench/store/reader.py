"""Read a results folder, whose layout the package's docstring shows: one cell, one table, or everything.

Every part is checked when it is opened (`bench.store.parts`), and its values before they are given away
(`bench.store.rules`). Reading all that can be read gives the reasons for the rest: a bad part hides one cell, not all
of them. Probes have a part for each cell and machine. The folder also contains the suite that was run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bench.atomic import open_file, write_atomically
from bench.cell_limits import is_raised
from bench.cells import Cell, CellKey, CellSpec
from bench.errors import StoreError, unreadable
from bench.store.parts import (
    DamagedPart,
    check,
    check_packs,
    check_version,
    final,
    in_packs,
    is_marked,
    is_results,
    manifest,
    opened,
    part_of,
)
from bench.store.rules import JoinedParts, broken
from bench.store.schema import ALL, KEY, SCHEMAS, Rows, Status
from bench.store.verified import Verified
from bench.store.whole_packs import in_order, whole_packs

_SUMMARY = [
    *("cell_id", *CellKey.COLUMNS, "seed"),
    *("status", "reason", "spec", "started_at"),
    *("fit_s", "predict_s", "tuning_s", "deterministic", "train_windows", "untuned"),
]


class StoredReplicate(NamedTuple):
    """How one stored replicate ended.

    Parameters
    ----------
    seconds
        What fitting and predicting took; 0 for copies of the fit of another.
    given
        The limits of time or memory that it had, by name, where it may have needed more; else none.
    """

    seed: int
    status: Status
    reason: str
    seconds: float
    given: Mapping[str, float] = MappingProxyType({})

    def is_worth_another_try(self, cell: Cell) -> bool:
        """Whether it may end otherwise as part of `cell`: its data was unavailable, or a limit is raised now."""
        return self.status is Status.UNAVAILABLE or is_raised(self.given, limits_of(cell))


def limits_of(cell: Cell | CellSpec) -> dict[str, float]:
    """The limits of time and memory that `cell` has, by name."""
    own = {} if cell.time_limit_s is None else {"time_limit_s": cell.time_limit_s}
    return {**own, **cell.limits.stated}


_OF_TIME, _OF_MEMORY = ("time_limit_s", "cell_s"), ("cell_bytes",)
_LIMITS = {Status.TIMEOUT: _OF_TIME, Status.OUT_OF_MEMORY: _OF_MEMORY}


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
    started_at
        When the earliest of its replicates was begun; `None` where a row does not say.
    identity
        The id that the cell has today, where an earlier version's ids depended on more; else `None`.
    replicates
        In the order of their rows.
    spec
        Its content, as JSON; `None` where it is not stored.
    untuned
        Whether it is to be tuned, and was trained with the suite's own hyperparameters until then.
    """

    key: CellKey
    status: Status
    reason: str
    seconds: float
    train_windows: int | None
    started_at: datetime | None = None
    identity: str | None = None
    replicates: tuple[StoredReplicate, ...] = ()
    spec: str | None = field(default=None, repr=False)
    untuned: bool = False

    def first(self, seeds: int) -> Stored:
        """The same of the replicates ``0 … seeds - 1`` alone, which are those that count where so many are requested.

        All are kept where it has none of them.
        """
        own = tuple(each for each in self.replicates if each.seed < seeds)
        if not own or len(own) == len(self.replicates):
            return self
        others = sum(each.seconds for each in self.replicates if each.seed >= seeds)
        ended = next((each for each in own if each.status is not Status.OK), own[0])
        seconds = self.seconds - others
        return replace(self, status=ended.status, reason=ended.reason, seconds=seconds, replicates=own)


def read(folder: Path, table: str, columns: Sequence[str] | None = None) -> pa.Table:
    """All stored rows of `table`, with the explicit schema, ordered by cell id.

    Parts of a cell without a `runs` part are not stored, and not read.

    Parameters
    ----------
    columns
        Those to read, ``cell_id`` among them; `None` for all.

    Raises
    ------
    StoreError
        No results there, a part that is lost or cannot be read, one of another schema version, or a value that no
        bench writes.
    """
    return _read(folder, table, columns)


def readable(folder: Path, table: str, columns: Sequence[str] | None = None) -> tuple[pa.Table, tuple[str, ...]]:
    """The rows of `read` that can be read, and why others cannot: a line for each part.

    Raises
    ------
    StoreError
        No results there, or none that can be read.
    """
    problems: dict[str, StoreError] = {}
    rows = _read(folder, table, columns, problems)
    if problems and not len(rows):
        raise next(iter(problems.values()))
    return rows, tuple(map(str, problems.values()))


def _read(
    folder: Path, table: str, columns: Sequence[str] | None, problems: dict[str, StoreError] | None = None
) -> pa.Table:
    names = _listed(folder)
    if table != "runs":
        return _joined(table, _parts(folder, table, names, columns, problems), columns)
    verified = Verified(folder, final(folder))
    rows = _runs(folder, names, verified, problems)
    verified.keep(rows)
    return rows if columns is None else rows.select(columns)


def read_cell(folder: Path, table: str, cell_id: str) -> pa.Table:
    """The rows of one stored cell.

    Raises
    ------
    StoreError
        As `read`.
    """
    return _joined(table, _parts(folder, table, [cell_id]))


def stored(folder: Path, damaged: dict[str, DamagedPart] | None = None) -> dict[str, Stored]:
    """Every stored cell in short, by cell id; empty where the folder does not exist yet.

    Of `runs` every page and value is verified, of the other tables the footers; parts that have not changed since they
    were verified are not opened again.

    Parameters
    ----------
    damaged
        Receives what is wrong with the cells that can be run again, by id; these count as not stored.

    Raises
    ------
    StoreError
        As `read`, for any table; a damaged part only where there is no `damaged`.
    """
    verified = Verified(folder, final(folder))
    problems: dict[str, StoreError] = {}
    runs = _runs(folder, cell_ids(folder), verified, problems)
    cells, packed = set(runs["cell_id"].unique().to_pylist()), in_packs(folder)
    for table in SCHEMAS.keys() - {"runs"}:
        for cell_id in set(cell_ids(folder, table)) - cells - problems.keys():
            check_version(part_of(folder, table, cell_id))  # running that cell would write over it
        loose = cells - packed.keys() - problems.keys() - verified.unchanged(table)
        verified.note(table, _whole(folder, table, loose, problems))
        for name, error in check_packs(folder, table, packed):
            problems.setdefault(name, error)
    for cell_id, problem in sorted(problems.items()):
        if damaged is None or not isinstance(problem, DamagedPart):
            raise problem
        damaged[cell_id] = problem
    verified.keep(runs)
    rows = (row for row in runs.select(_SUMMARY).to_pylist() if row["cell_id"] not in problems)
    return {cell_id: _summary(list(own)) for cell_id, own in groupby(rows, key=lambda row: row["cell_id"])}


def _whole(folder: Path, table: str, names: Iterable[str], problems: dict[str, StoreError]) -> Iterator[str]:
    """Those of the parts `names` whose footer is right; what is wrong with the others goes to `problems`."""
    for name in sorted(names):
        try:
            check(part_of(folder, table, name))
        except StoreError as error:
            problems.setdefault(name, error)
        else:
            yield name


def _runs(
    folder: Path, names: Sequence[str], verified: Verified, problems: dict[str, StoreError] | None = None
) -> pa.Table:
    """The rows of the parts `names` of `runs`, ordered by cell id; parts that have not changed are not opened."""
    known = verified.unchanged("runs")
    left = {name for name in names if name not in known}
    packs = [*whole_packs(folder, ["runs"], left)]
    opened = _parts(folder, "runs", left.difference(*(own for own, _ in packs)), problems=problems)
    verified.note("runs", opened.keys() - manifest(folder).keys())
    return in_order([verified.runs, *(rows["runs"] for _, rows in packs), _joined("runs", opened)])


def _listed(folder: Path) -> list[str]:
    if not is_results(folder):
        raise StoreError(f"{folder}: expected a results folder with runs/ in it; `bench run` makes one")
    return cell_ids(folder)


def _parts(
    folder: Path,
    table: str,
    names: Iterable[str],
    columns: Sequence[str] | None = None,
    problems: dict[str, StoreError] | None = None,
) -> Rows:
    """The parts `names` of a table, but for those that were set aside since they were listed.

    What is wrong with a part goes to `problems`, where there are such; else it is raised.
    """
    loaded: Rows = {}
    for name, rows in opened(folder, table, list(names), columns):
        if not isinstance(rows, StoreError):
            loaded[name] = rows
        elif problems is None:
            raise rows
        else:
            problems.setdefault(name, rows)
    for name, wrong in _broken(folder, table, loaded):
        if problems is None:
            raise wrong
        problems.setdefault(name, wrong)
        del loaded[name]
    return {name: loaded[name] for name in sorted(loaded)}


def _broken(folder: Path, table: str, parts: Mapping[str, pa.Table]) -> list[tuple[str, StoreError]]:
    """Those of `parts` with a value that no bench writes."""
    if not parts:
        return []
    ends = np.cumsum([len(rows) for rows in parts.values()], dtype=np.int64)
    names = list(parts)
    wrong = broken(JoinedParts(table, pa.concat_tables(parts.values()), ends))
    places = {number: part_of(folder, table, names[number]) for number in sorted(wrong)}
    return [(names[number], DamagedPart(place, wrong[number])) for number, place in places.items()]


def _joined(table: str, parts: Mapping[str, pa.Table], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of `parts` as one table; in one piece, since many small ones take long to compute with."""
    schema = ALL[table] if columns is None else pa.schema([ALL[table].field(name) for name in columns])
    same = (part if part.schema.equals(schema) else part.cast(schema) for part in parts.values())
    none = pa.Table.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)  # pandas is not imported
    rows: pa.Table = pa.concat_tables([none, *same])
    return rows.combine_chunks()


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
        names = []  # all cells are packed, or there are none
    except OSError as error:
        raise unreadable(folder / table, error) from error
    if table != "probes":
        names += [f"{name}.parquet" for name in (*final(folder), *manifest(folder))]
    return sorted({name.removesuffix(".parquet") for name in names if name.endswith(".parquet")})


def is_stored(folder: Path, cell_id: str) -> bool:
    """Whether there is a part of `runs` of a cell, read or not."""
    return is_marked(part_of(folder, "runs", cell_id)) or cell_id in manifest(folder)


def summary(runs: pa.Table) -> Stored:
    """The rows of one cell in short."""
    return _summary(runs.select(_SUMMARY).to_pylist())


def _summary(rows: Sequence[Mapping[str, Any]]) -> Stored:
    first = next((row for row in rows if row["status"] != Status.OK), rows[0])
    spec = CellSpec.from_json(first["spec"])
    one_fit = rows[1:] if rows[0]["deterministic"] else []  # reported in the row of every seed
    fits = map(_replicate, rows[:1] if one_fit else rows)
    replicates = (*fits, *(_replicate(row)._replace(seconds=0.0) for row in one_fit))
    started = [row["started_at"] for row in rows]
    return Stored(
        key=CellKey.of(first),
        status=_STATUS[first["status"]],
        reason=first["reason"] or "",
        seconds=sum(each.seconds for each in replicates) + (first["tuning_s"] or 0.0),
        train_windows=first["train_windows"],
        started_at=None if None in started else min(started),
        identity=None if spec.has_its_own_id else spec.cell_id,
        replicates=replicates,
        spec=first["spec"],
        untuned=bool(first["untuned"]),
    )


_STATUS = {status.value: status for status in Status}


def _replicate(row: Mapping[str, Any]) -> StoredReplicate:
    status = _STATUS[row["status"]]
    spent = (row["fit_s"] or 0.0) + (row["predict_s"] or 0.0)
    names = _LIMITS.get(status, ())
    known = limits_of(CellSpec.from_json(row["spec"])) if names else {}
    given = {name: known[name] for name in names if name in known}
    return StoredReplicate(row["seed"], status, row["reason"] or "", spent, given)


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
    if not (is_results(folder) or any((folder / name).exists() for name in ("probes", NAME))):
        raise StoreError(f"{folder}: expected a results folder with runs/ in it; `bench run` makes one")
    problems: dict[str, StoreError] = {}
    every = cell_ids(folder)
    packs = [*whole_packs(folder, [*SCHEMAS], every)]
    ids = sorted(set(every).difference(*(own for own, _ in packs)))
    tables = {table: _parts(folder, table, ids, problems=problems) for table in SCHEMAS}
    for name, error in _of_other_cells(folder, tables):
        problems.setdefault(name, error)
    whole = {name for name in ids if name not in problems and all(name in parts for parts in tables.values())}
    probes = _parts(folder, "probes", cell_ids(folder, "probes"), problems=problems)
    if problems and not whole and not packs and not probes:
        raise problems[min(problems)]
    kept = {table: {name: rows for name, rows in parts.items() if name in whole} for table, parts in tables.items()}
    rows_of = {table: [_joined(table, parts), *(rows[table] for _, rows in packs)] for table, parts in kept.items()}
    joined = {**{table: in_order(rows) for table, rows in rows_of.items()}, "probes": _joined("probes", probes)}
    return Gathered(joined, tuple(str(problems[name]) for name in sorted(problems)))


def _of_other_cells(folder: Path, tables: Mapping[str, Rows]) -> Iterator[tuple[str, StoreError]]:
    """Parts whose rows name another cell than the `runs` part of their cell id does."""
    names = {table: _names(parts) for table, parts in tables.items()}
    for table in SCHEMAS.keys() - {"runs"}:
        for name, key in names[table].items():
            if key != names["runs"].get(name, key):
                place = part_of(folder, table, name)
                yield name, DamagedPart(place, "expected the names of its cell as in runs/")


def _names(parts: Mapping[str, pa.Table]) -> dict[str, dict[str, Any]]:
    """What the first row of each part that has one says of its cell."""
    filled = {name: rows for name, rows in parts.items() if len(rows)}
    heads = [rows.select(KEY).slice(0, 1) for rows in filled.values()]
    return dict(zip(filled, pa.concat_tables(heads).to_pylist(), strict=True)) if heads else {}


def read_probes(folder: Path, *, machine: str | None = None) -> pa.Table:
    """All rows of `bench.store.schema.PROBES` in a results folder, or those of one machine; none without a probe.

    Raises
    ------
    StoreError
        A part is torn, of another schema version, or holds the rows of another cell.
    """
    names = [name for name in cell_ids(folder, "probes") if machine in (None, name.rpartition("-")[2])]
    return _joined("probes", _parts(folder, "probes", names))


NAME = "suite.json"
_LARGEST_SUITE = 2**25
"""Bytes: many times what the largest suite that is allowed becomes."""


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


OWN = frozenset({*ALL, "superseded", NAME, ".lock"})
"""What lies in a folder that is one of results; any of them will do."""


def suite_name(folder: Path) -> str | None:
    """The name of the suite whose results `folder` holds, as its suite file says, or else its first cell.

    `None` where neither does.
    """
    try:
        text = read_suite(folder)
        if text:
            return str(json.loads(text)["name"])
        for cell_id in cell_ids(folder):
            return str(read_cell(folder, "runs", cell_id)["suite"][0])
    except (StoreError, ValueError, KeyError, TypeError, RecursionError):  # what is wrong is said where it is read
        return None
    return None


def read_suite(folder: Path) -> str | None:
    """The suite as JSON; `None` where the folder has none, as those of earlier versions.

    Raises
    ------
    StoreError
        It cannot be read.
    """
    try:
        with open_file(folder / NAME) as file:
            content = file.read(_LARGEST_SUITE + 1)
        if len(content) > _LARGEST_SUITE:
            raise StoreError(f"{folder / NAME}: expected at most {_LARGEST_SUITE} bytes; `bench run` writes it again")
        return content.decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"{folder / NAME}: expected a text file that can be read: {reason}") from error
