"""Results folders → for each cell, what became of a metric from run to run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench import store
from bench.compare.metrics import MEASURES
from bench.compare.settings import Settings, settings
from bench.compare.values import Place
from bench.errors import InputError
from bench.schema import Status
from bench.store import ASIDE

_PLACE = ["dataset", "model", "sequence_length", "horizon"]
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
        How many are ok.
    settings
        What else decides its results.
    """

    commit: str
    time: datetime | None
    value: float
    replicates: int
    settings: Settings


@dataclass(frozen=True)
class Series:
    """The runs of one cell on the same data, in the order of time."""

    suite: str
    place: Place
    metric: str
    data: str
    points: tuple[Point, ...]


def read(folders: Sequence[Path], metric: str) -> list[Series]:
    """The series of `metric` in results folders, sorted by suite and place.

    A folder also stands for the results folders in it, and for its cells that were set aside. A run that several
    folders hold counts once. Runs on other data make a series of their own.

    Raises
    ------
    StoreError
        A folder cannot be read.
    InputError
        A folder holds no results, or no replicate has the metric.
    """
    tables = [store.read(shelf, "runs") for folder in folders for shelf in _shelves(folder)]
    found: dict[tuple[str, Place, str], dict[tuple[str, datetime | None], Point]] = defaultdict(dict)
    for runs in tables:
        for key, point in _points(runs, metric):
            found[key].setdefault((point.commit, point.time), point)
    if not found:
        raise InputError(f"expected replicates with a value of {metric}, found none; name other folders or --metric")
    return [
        Series(suite, place, metric, data, tuple(sorted(points.values(), key=lambda point: point.time or _EARLY)))
        for (suite, place, data), points in sorted(found.items(), key=lambda item: item[0])
    ]


def _shelves(folder: Path) -> list[Path]:
    """The results folders that `folder` stands for."""
    tops = [folder] if (folder / "runs").is_dir() else sorted(path.parent for path in folder.glob("*/runs"))
    if not tops:
        raise InputError(f"{folder}: expected results, or folders of results in it, found none; `bench run` makes some")
    return [shelf for top in tops for shelf in (top, top / ASIDE) if (shelf / "runs").is_dir()]


def _points(runs: pa.Table, metric: str) -> Iterator[tuple[tuple[str, Place, str], Point]]:
    """Each run of a cell in `runs` that has values of `metric`."""
    for cell_id in runs["cell_id"].unique().to_pylist():
        rows = runs.filter(pa.compute.equal(runs["cell_id"], cell_id))
        first = rows.slice(0, 1).to_pylist()[0]
        place = Place(*(first[name] for name in _PLACE))
        ok = [row for row in rows.select(["status", metric]).to_pylist() if row["status"] == Status.OK]
        values = np.array([row[metric] for row in ok if row[metric] is not None])
        if len(values):
            point = Point(
                commit=first["git_commit"] or "",
                time=min((time for time in rows["started_at"].to_pylist() if time), default=None),
                value=_mean(values, metric),
                replicates=len(values),
                settings=settings(rows, _PLACE)[place],
            )
            yield (first["suite"], place, f"{first['data_sha256'] or ''} {first['test_points'] or ''}"), point


def _mean(values: np.ndarray[tuple[int], np.dtype[np.float64]], metric: str) -> float:
    if not MEASURES[metric].relative:
        return float(values.mean())
    return float(np.exp(np.log(np.maximum(values, np.finfo(float).tiny)).mean()))
