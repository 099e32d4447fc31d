"""Results folders → the values of a metric from run to run, for each cell."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from bench import store
from bench.cells import CellKey
from bench.comparing.decision import MEASURES
from bench.comparing.pairs import COLUMNS, Settings, settings
from bench.errors import InputError
from bench.store import ARCHIVE
from bench.store.grid import by_cell
from bench.store.schema import Status

log = logging.getLogger(__name__)

DEPTH = 6
"""Folders, at most, between a folder that is named and the results in it: artifacts keep the path of what they hold."""

_EARLY = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Point:
    """One run of one cell.

    Parameters
    ----------
    commit
        Of the code; empty where it is not known.
    time
        When it began; `None` where it is not known.
    value
        The mean over its replicates, the geometric one for an error.
    replicates
        How many it is of: those that are ok and whose value is finite.
    failed
        How many are neither.
    settings
        What else decides its results.
    """

    commit: str
    time: datetime | None
    value: float
    replicates: int
    failed: int
    settings: Settings


@dataclass(frozen=True)
class RunFailure:
    """One run of one cell of which no replicate is ok; see `Point`."""

    commit: str
    time: datetime | None
    failed: int


@dataclass(frozen=True)
class MetricSeries:
    """The runs of one cell on the same data, in the order of time, and those that failed."""

    suite: str
    key: CellKey
    metric: str
    data: str
    points: tuple[Point, ...]
    failures: tuple[RunFailure, ...] = ()

    @property
    def partial(self) -> tuple[Point, ...]:
        """The points that are not of all their replicates."""
        return tuple(point for point in self.points if point.failed)


_Key = tuple[str, CellKey, str]
"""Suite, cell and data."""
_Run = tuple[str, datetime | None]
R = TypeVar("R", Point, RunFailure)


def read(folders: Sequence[Path], metric: str) -> list[MetricSeries]:
    """The series of `metric` in results folders, sorted by suite and cell.

    A folder also stands for the results folders in it, up to `DEPTH` folders deep, and for its cells that were set
    aside. A run that several folders hold counts once. Runs on other data make a series of their own; a failed run
    whose data is not known belongs to the cell's last one, and a cell that always failed is a series without points.

    Raises
    ------
    StoreError
        Nothing in a folder can be read; a part that cannot is left out, and that is logged.
    InputError
        A folder holds no results, or no replicate has the metric.
    """
    tables = [_readable(each) for folder in folders for each in _results_folders(folder)]
    points: dict[_Key, dict[_Run, Point]] = defaultdict(dict)
    failures: dict[_Key, dict[_Run, RunFailure]] = defaultdict(dict)
    for runs in tables:
        for key, run in _runs(runs, metric):
            if isinstance(run, Point):
                points[key].setdefault((run.commit, run.time), run)
            else:
                failures[key].setdefault((run.commit, run.time), run)
    if not points:
        raise InputError(f"expected replicates with a value of {metric}, found none; name other folders or --metric")
    last = {key[:2]: key for key in sorted(points, key=lambda key: max(time or _EARLY for _, time in points[key]))}
    for key in failures.keys() - points.keys():
        if other := last.get(key[:2]):
            failures[other] |= failures.pop(key)
    return [
        MetricSeries(*key[:2], metric, key[2], _in_time(points[key].values()), _in_time(failures[key].values()))
        for key in sorted(points.keys() | failures.keys())
    ]


def _readable(folder: Path) -> pa.Table:
    """The rows of `runs` that can be read; of the others it is logged why they cannot."""
    runs, unreadable = store.readable(folder, "runs", (*COLUMNS, *MEASURES))
    for line in unreadable:
        log.warning("left out: %s", line)
    return runs


def _in_time(runs: Iterable[R]) -> tuple[R, ...]:
    return tuple(sorted(runs, key=lambda run: run.time or _EARLY))


def _results_folders(folder: Path) -> list[Path]:
    """The results folders that `folder` stands for."""
    tops = list(_tops(folder, DEPTH, set()))
    if not tops:
        raise InputError(
            f"{folder}: expected results, or folders of results in it, {DEPTH} deep at most, found none; "
            "`bench run` makes some"
        )
    return [archive for top in tops for archive in (top, top / ARCHIVE) if store.is_results(archive)]


def _tops(folder: Path, depth: int, seen: set[Path]) -> Iterator[Path]:
    """`folder` where it holds results, else those in it that do, down to `depth`; none that was `seen`, by a link."""
    if store.is_results(folder):
        yield folder
    elif depth and folder.is_dir() and folder.resolve() not in seen:
        seen.add(folder.resolve())
        for each in sorted(folder.iterdir()):
            if not each.name.startswith("."):
                yield from _tops(each, depth - 1, seen)


def _runs(runs: pa.Table, metric: str) -> Iterator[tuple[_Key, Point | RunFailure]]:
    """Each run of a cell in `runs` that has values of `metric`, or has failed."""
    for rows in by_cell(runs).values():
        first = rows.slice(0, 1).to_pylist()[0]
        cell = CellKey.of(first)
        ok = [row for row in rows.select(["status", metric]).to_pylist() if row["status"] == Status.OK]
        stated = np.array([row[metric] for row in ok if row[metric] is not None])
        values = stated[np.isfinite(stated)] if len(stated) else stated
        failed = len(rows) - len(ok) + len(stated) - len(values)
        commit = first["git_commit"] or ""
        time = min((time for time in rows["started_at"].to_pylist() if time), default=None)
        key = first["suite"], cell, f"{first['data_sha256'] or ''} {first['test_points'] or ''}"
        if len(values):
            value = _mean(values, metric)
            yield key, Point(commit, time, value, len(values), failed, settings(rows)[cell])
        elif failed:
            yield key, RunFailure(commit, time, failed)


def _mean(values: np.ndarray[tuple[int], np.dtype[np.float64]], metric: str) -> float:
    if not MEASURES[metric].relative:
        return float(values.mean())
    return float(np.exp(np.log(np.maximum(values, np.finfo(float).tiny)).mean()))
