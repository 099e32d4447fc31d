"""Reading a results folder; the package's docstring draws it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bench.errors import StoreError
from bench.schema import SCHEMAS, Status
from bench.store.part import check, check_version, load, part_of, unreadable

Place = tuple[str, str, int, int]
"""Dataset id, model id, sequence length, horizon: one stored cell at each place."""

_SUMMARY = [
    *("dataset", "model", "sequence_length", "horizon", "status", "reason"),
    *("fit_s", "predict_s", "tuning_s", "deterministic", "train_windows"),
]


@dataclass(frozen=True)
class Stored:
    """What the `runs` part of one cell says, in short.

    Parameters
    ----------
    place
        Dataset id, model id, sequence length, horizon.
    status, reason
        Of the first replicate that is not ok; `Status.OK` and an empty text where all are.
    seconds
        What tuning, fitting and predicting took, over all replicates.
    train_windows
        How many windows it was fitted on; `None` where it never came to that.
    """

    place: Place
    status: Status
    reason: str
    seconds: float
    train_windows: int | None


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
    fits = rows[:1] if first["deterministic"] else rows  # one fit, told in the row of every seed
    spent = sum((row["fit_s"] or 0.0) + (row["predict_s"] or 0.0) for row in fits)
    return Stored(
        place=(first["dataset"], first["model"], first["sequence_length"], first["horizon"]),
        status=Status(first["status"]),
        reason=first["reason"] or "",
        seconds=spent + (first["tuning_s"] or 0.0),
        train_windows=first["train_windows"],
    )
