"""A baseline: the `runs` of a results folder and nothing else, small enough to be committed."""

from __future__ import annotations

from pathlib import Path

from bench.errors import StoreError
from bench.schema import SCHEMAS, Status
from bench.store.part import part_of
from bench.store.reader import cell_ids, read

LIMIT = 1_000_000
"""Bytes of all parts together: what a repository can hold without regret."""


def keep(results: Path, baseline: Path) -> None:
    """Make `baseline` hold the `runs` of `results`, byte for byte, in place of those that it holds.

    Raises
    ------
    StoreError
        `results` cannot be read, is empty, has replicates that are not ok, or is too large; or `baseline` is a results
        folder of its own.
    """
    _check_worth(results)
    parts = {part_of(baseline, "runs", each): part_of(results, "runs", each).read_bytes() for each in cell_ids(results)}
    if (size := sum(map(len, parts.values()))) > LIMIT:
        raise StoreError(
            f"{results}: expected {LIMIT} bytes of runs at most for a baseline, got {size}; run a smaller suite"
        )
    if others := [name for name in SCHEMAS if name != "runs" and (baseline / name).exists()]:
        raise StoreError(
            f"{baseline}: expected a baseline, which holds runs alone, got {others[0]}/; name another folder"
        )
    (baseline / "runs").mkdir(parents=True, exist_ok=True)
    for part, content in parts.items():
        beside = part.with_suffix(".tmp")
        beside.write_bytes(content)
        beside.replace(part)
    for cell_id in cell_ids(baseline):
        if (part := part_of(baseline, "runs", cell_id)) not in parts:
            part.unlink()


def size_bytes(baseline: Path) -> int:
    """Of all parts of `runs` together."""
    return sum(part_of(baseline, "runs", cell_id).stat().st_size for cell_id in cell_ids(baseline))


def _check_worth(results: Path) -> None:
    """A baseline with a failure in it would hide that failure for ever."""
    runs = read(results, "runs")
    if not runs.num_rows:
        raise StoreError(f"{results}: expected results to keep, got none; `bench run` makes some")
    for row in runs.select(["dataset", "model", "seed", "status", "reason"]).to_pylist():
        if row["status"] != Status.OK:
            found = f"{row['dataset']} × {row['model']}, seed {row['seed']}: {row['status']}: {row['reason']}"
            raise StoreError(f"{results}: expected every replicate to be ok, got {found}; mend that first")
