"""A baseline: only the `runs` of a results folder, small enough to commit."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.atomic import open_file, real_folder, write_atomically
from bench.cells import CellKey, CellSpec
from bench.errors import StoreError
from bench.store.parts import part_of
from bench.store.reader import cell_ids, read, read_cell
from bench.store.renewal import read_renewal
from bench.store.schema import SCHEMAS, Status

_Rows = list[dict[str, Any]]

LIMIT = 1_000_000
"""Bytes of all parts together: what a repository can hold without regret."""


@dataclass(frozen=True)
class Requested:
    """What a suite requests of one cell: replicates of these seeds, by this content as canonical JSON."""

    seeds: range
    spec: str


def keep(results: Path, baseline: Path, requested: Mapping[CellKey, Requested] | None = None) -> list[str]:
    """Make `baseline` hold the `runs` of `results`, byte for byte, in place of those that it holds.

    Of a cell with more replicates than requested it holds the requested ones.

    Parameters
    ----------
    requested
        What must be there, and nothing else is kept; `None` where it is not known: then all is kept.

    Returns
    -------
    list of str
        The cells of `results` that were left out.

    Raises
    ------
    StoreError
        `results` cannot be read, is empty, lacks some of what was `requested`, has replicates that are not ok, or
        is too large; or `baseline` is a results folder of its own, or of another suite.
    """
    cells = _renewed(results)
    kept = {cell_id: own for cell_id, rows in cells.items() if (own := _requested(rows, requested))}
    _check_worth(results, kept)
    _check_whole(results, kept, requested or {})
    _check_target(baseline, _suites(kept))
    parts = {part_of(baseline, "runs", each): _content(results, cells[each], kept[each]) for each in kept}
    if (size := sum(map(len, parts.values()))) > LIMIT:
        raise StoreError(
            f"{results}: expected {LIMIT} bytes of runs at most for a baseline, got {size}; run a smaller suite"
        )
    _replace(baseline, parts)
    return [_key(rows).title for cell_id, rows in cells.items() if cell_id not in kept]


def size_bytes(baseline: Path) -> int:
    """Of all parts of `runs` together."""
    return sum(part_of(baseline, "runs", cell_id).stat().st_size for cell_id in cell_ids(baseline))


def _content(results: Path, rows: _Rows, kept: _Rows) -> bytes:
    """The part of a cell, or one of only the rows that are `kept`."""
    part = part_of(results, "runs", rows[0]["cell_id"])
    if len(kept) == len(rows) and part.exists():  # else it is in a pack
        with open_file(part) as file:
            return file.read()
    seeds = pa.array([row["seed"] for row in kept], pa.int32())
    table, content = read_cell(results, "runs", rows[0]["cell_id"]), pa.BufferOutputStream()
    pq.write_table(table.filter(pc.is_in(table["seed"], value_set=seeds)), content, write_page_checksum=True)
    return bytes(content.getvalue())


def _replace(baseline: Path, parts: Mapping[Path, bytes]) -> None:
    baseline.mkdir(parents=True, exist_ok=True)
    real_folder(baseline / "runs")
    for part, content in parts.items():
        write_atomically(part, content)
    for cell_id in cell_ids(baseline):
        if (part := part_of(baseline, "runs", cell_id)) not in parts:
            part.unlink()


_READ = ("cell_id", *CellKey.COLUMNS, "suite", "seed", "spec", "status", "reason", "started_at")


def _cells(results: Path) -> dict[str, _Rows]:
    """The rows of each cell."""
    by_cell: dict[str, _Rows] = defaultdict(list)
    for row in read(results, "runs").select(_READ).to_pylist():
        by_cell[row["cell_id"]].append(row)
    return by_cell


def _renewed(results: Path) -> dict[str, _Rows]:
    """The rows of each cell that does not still wait to be run again."""
    cells, renewal = _cells(results), read_renewal(results)
    waiting = renewal.waiting({each: _started(rows) for each, rows in cells.items()}) if renewal else ()
    return {cell_id: rows for cell_id, rows in cells.items() if cell_id not in waiting}


def _requested(rows: _Rows, requested: Mapping[CellKey, Requested] | None) -> _Rows:
    """Those of the rows of a cell that are requested; of a cell that is not, none."""
    if requested is None:
        return rows
    wanted = requested.get(_key(rows))
    return [row for row in rows if wanted and row["seed"] in wanted.seeds]


def _started(rows: _Rows) -> datetime | None:
    """When the earliest replicate was begun; `None` where a row does not say."""
    times = [row["started_at"] for row in rows]
    return None if None in times else min(times)


def _key(rows: _Rows) -> CellKey:
    return CellKey.of(rows[0])


def _suites(cells: Mapping[str, _Rows]) -> list[str]:
    return sorted({row["suite"] for rows in cells.values() for row in rows})


def _check_worth(results: Path, cells: Mapping[str, _Rows]) -> None:
    """A baseline with a failure in it would hide that failure for ever."""
    if not cells:
        raise StoreError(f"{results}: expected results to keep, got none; `bench run` makes some")
    for row in (row for rows in cells.values() for row in rows):
        where = f"{row['dataset']} × {row['model']}, seed {row['seed']}"
        if row["status"] != Status.OK:
            outcome = f"{where}: {row['status']}: {row['reason']}"
            raise StoreError(f"{results}: expected every replicate to be ok, got {outcome}; fix that first")
    if len(suites := _suites(cells)) > 1:
        raise StoreError(f"{results}: expected results of one suite, got {', '.join(suites)}; keep one in each folder")


def _check_whole(results: Path, cells: Mapping[str, _Rows], requested: Mapping[CellKey, Requested]) -> None:
    """A cell that the baseline lacks is watched by nobody."""
    if problems := list(_differences({_key(rows): rows for rows in cells.values()}, requested)):
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise StoreError(
            f"{results}: expected all that its suite requests, got {'; '.join(problems[:3])}{more}; "
            "run the whole suite with --fresh first"
        )


def _differences(cells: Mapping[CellKey, _Rows], requested: Mapping[CellKey, Requested]) -> Iterator[str]:
    for key, wanted in requested.items():
        rows = cells.get(key, [])
        seeds = {row["seed"] for row in rows}
        if not rows:
            yield f"no {key.title}"
        elif seeds != set(wanted.seeds):
            yield f"{len(seeds & set(wanted.seeds))} of {len(wanted.seeds)} seeds of {key.title}"
        elif any(row["spec"] and _differs(row["spec"], wanted.spec) for row in rows):
            yield f"other settings, or code of another version, in {key.title}"


def _differs(stored: str, wanted: str) -> bool:
    return CellSpec.from_json(stored).portable != CellSpec.from_json(wanted).portable


def _check_target(baseline: Path, suites: list[str]) -> None:
    if others := [name for name in SCHEMAS if name != "runs" and (baseline / name).exists()]:
        raise StoreError(
            f"{baseline}: expected a baseline, which holds runs alone, got {others[0]}/; name another folder"
        )
    try:
        before = _suites(_cells(baseline))
    except StoreError:  # not there yet, or of no use: it is replaced
        return
    if before and before != suites:
        raise StoreError(
            f"{baseline}: expected a baseline of suite {', '.join(suites)}, got one of {', '.join(before)}; "
            "delete it first, or name another with --baseline"
        )
