"""Reading a results folder; the package's docstring draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import StoreError
from bench.schema import SCHEMAS, VERSION, Status

Place = tuple[str, str, int, int]
"""Dataset id, model id, sequence length, horizon: one stored cell at each place."""

_DELETE = "delete it, and `bench run` makes that cell again"
_SUMMARY = [
    *("cell_id", "dataset", "model", "sequence_length", "horizon", "status", "reason"),
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

    Parts of a cell without a `runs` part are not stored yet, and not read.

    Raises
    ------
    StoreError
        No results there, a part that cannot be read, or one of another schema version.
    """
    if not (folder / "runs").is_dir():
        raise StoreError(f"{folder}: expected a results folder with runs/ in it; `bench run` makes one")
    parts = [part for cell_id in cell_ids(folder) if (part := part_of(folder, table, cell_id)).exists()]
    rows = (_load(part, table).cast(SCHEMAS[table]) for part in parts)
    return pa.concat_tables([SCHEMAS[table].empty_table(), *rows])


def stored(folder: Path) -> dict[str, Stored]:
    """Every stored cell in short, by cell id; empty where the folder does not exist yet.

    Raises
    ------
    StoreError
        As `read`.
    """
    return {cell_id: summary(_load(part_of(folder, "runs", cell_id), "runs", _SUMMARY)) for cell_id in cell_ids(folder)}


def part_of(folder: Path, table: str, cell_id: str) -> Path:
    """Where the part of `table` for one cell lies, or would lie."""
    return folder / table / f"{cell_id}.parquet"


def cell_ids(folder: Path) -> list[str]:
    """The ids of the cells that are stored, sorted."""
    return sorted(path.stem for path in (folder / "runs").glob("*.parquet"))


def _load(part: Path, table: str, columns: Sequence[str] | None = None) -> pa.Table:
    try:
        with pq.ParquetFile(part, page_checksum_verification=True) as file:
            _check_schema(part, table, file.schema_arrow)
            rows = file.read(columns=columns)
    except PermissionError as error:
        raise StoreError(f"{part}: cannot be read ({error.strerror}); mend its permissions") from error
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{part}: expected a whole Parquet file, but it is torn ({_line(error)}); {_DELETE}"
        ) from error
    if set(rows["cell_id"].unique().to_pylist()) != {part.stem}:
        raise StoreError(f"{part}: expected the rows of cell {part.stem} and of no other; {_DELETE}")
    return rows


def _check_schema(part: Path, table: str, found: pa.Schema) -> None:
    version = (found.metadata or {}).get(b"bench_schema_version", b"none").decode()
    if version != str(VERSION):
        raise StoreError(
            f"{part}: expected schema version {VERSION}, found {version}; nothing was changed: read it with the bench "
            "that wrote it, or give another folder with --results"
        )
    if not found.equals(SCHEMAS[table]):
        raise StoreError(f"{part}: expected the columns of {table!r}, found others; {_DELETE}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


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
