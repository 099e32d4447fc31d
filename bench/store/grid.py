"""Rows → arrays ``[cells, models, seeds]``. Missing values are explicit, never filled in.

Rows of the same machine are identified here too: times of different machines are never merged.
The rows of each cell, and which cells have separate data for each replicate, are found here as well.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.array_types import BoolArray, FloatArray, IntArray
from bench.cells import Case, CellSpec
from bench.errors import InputError
from bench.store import schema
from bench.store.schema import Status

MISSING = "missing"
"""The status of a replicate that has no row."""

_CASE = ["dataset", "horizon", "sequence_length"]


@dataclass(frozen=True, eq=False)
class Grid:
    """The replicates of a result set, laid out for paired statistics.

    Parameters
    ----------
    cases
        The first axis, sorted.
    models
        The second axis, sorted by name.
    seeds
        The third axis: the replicates, sorted.
    row
        ``[cells, models, seeds]``: the position of the replicate in `runs`, -1 where there is none.
    runs
        The rows themselves.
    """

    cases: tuple[Case, ...]
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    row: IntArray
    runs: pa.Table = field(repr=False)

    def column(self, name: str, *, missing: Any = None) -> NDArray[Any]:
        """The column `name` as ``[cells, models, seeds]`` objects, `missing` where there is no row."""
        values = np.append(_objects(self.runs[name]), missing)
        return values[self.row]  # -1 picks the value appended

    @cached_property
    def status(self) -> NDArray[np.str_]:
        """How each replicate ended, ``[cells, models, seeds]``: a `Status`, or `MISSING`."""
        return self.column("status", missing=MISSING).astype(np.str_)

    @cached_property
    def ok(self) -> BoolArray:
        """Which replicates finished, ``[cells, models, seeds]``."""
        return np.asarray(self.status == Status.OK)

    def values(self, name: str) -> FloatArray:
        """The numbers of the column `name`, ``[cells, models, seeds]``: NaN unless the replicate is ok and has one."""
        numbers = np.append(_floats(self.runs[name]), np.nan)[self.row]
        return np.where(self.ok, numbers, np.nan)

    def incomplete(self, at: tuple[int, int]) -> str:
        """How many replicates of one cell ended in which way and why the first did; empty where all are ok.

        Parameters
        ----------
        at
            Where the cell is in ``[cells, models]``.
        """
        ended = Counter(status for status in self.status[at].tolist() if status != MISSING)
        lost = sorted((status, count) for status, count in ended.items() if status != Status.OK)
        if not lost:
            return ""
        counts = ", ".join(f"{count} of {ended.total()} {status.replace('_', ' ')}" for status, count in lost)
        first = int(self.row[at][(self.row[at] >= 0) & ~self.ok[at]][0])
        return f"{counts}: {self.runs['reason'][first].as_py() or 'no reason was stored'}"

    def batches(self) -> list[list[tuple[int, ...]]]:
        """``[cells][models]``: how many replicates a cell had each time that some were stored, ascending.

        Those that were run together have one time at which they were begun.
        """
        started = np.append(codes(self.runs, ["started_at"]), -1)[self.row]
        return [[_batches(own[own >= 0]) for own in cells] for cells in started]

    def deterministic(self) -> BoolArray:
        """Which cells are one fit that stands for every seed, ``[cells, models]``.

        The replicates of such a cell are copies of one number: they say nothing about the spread over seeds.
        """
        flag = self.column("deterministic", missing=False).astype(np.bool_)  # null becomes False
        return np.asarray(self.ok.any(axis=2) & (flag | ~self.ok).all(axis=2))


def grid(runs: pa.Table) -> Grid:
    """`runs` by case, model and seed.

    Parameters
    ----------
    runs
        Rows of `bench.store.schema.RUNS`, in any order; one cell for each case and model.

    Raises
    ------
    InputError
        Two rows for one replicate.
    """
    case_code, cases = _codes(runs, _CASE)
    model_code, models = _codes(runs, ["model"])
    seed_code, seeds = _codes(runs, ["seed"])
    row = np.full((len(cases), len(models), len(seeds)), -1, dtype=np.int64)
    row[case_code, model_code, seed_code] = np.arange(runs.num_rows)
    if np.count_nonzero(row >= 0) != runs.num_rows:
        raise InputError(_repeated(runs, row[case_code, model_code, seed_code]))
    return Grid(
        cases=tuple(Case(*key) for key in cases),
        models=tuple(model for (model,) in models),
        seeds=tuple(seed for (seed,) in seeds),
        row=row,
        runs=runs,
    )


def _batches(started: IntArray) -> tuple[int, ...]:
    """Ascending places after the last replicate of each batch."""
    last = {batch: place + 1 for place, batch in enumerate(started.tolist())}
    return tuple(sorted(last.values()))


def _codes(runs: pa.Table, names: Sequence[str]) -> tuple[IntArray, list[tuple[Any, ...]]]:
    """For each row its place among the sorted distinct keys, and those keys."""
    unseen = runs.select(names).group_by(names).aggregate([]).to_pylist()
    keys = sorted(tuple(item[name] for name in names) for item in unseen)
    combined = np.zeros(runs.num_rows, dtype=np.int64)
    order = np.zeros(len(keys), dtype=np.int64)
    for position, name in enumerate(names):
        values = sorted({key[position] for key in keys})
        place = pa.array(values, runs.schema.field(name).type)
        codes = np.asarray(pc.index_in(runs[name], value_set=place), dtype=np.int64)
        combined = combined * len(values) + codes
        order = order * len(values) + np.array([values.index(key[position]) for key in keys], dtype=np.int64)
    return np.searchsorted(order, combined).astype(np.int64), keys


def _objects(column: pa.ChunkedArray) -> NDArray[np.object_]:
    values = np.empty(len(column), dtype=object)
    values[:] = column.to_pylist()
    return values


def _floats(column: pa.ChunkedArray) -> FloatArray:
    numbers = column.cast(pa.float64()).to_numpy()
    return np.asarray(numbers, dtype=np.float64)


def _repeated(runs: pa.Table, stored: IntArray) -> str:
    first = runs.select([*schema.KEY, "seed"]).slice(int(np.flatnonzero(stored != np.arange(runs.num_rows))[0]), 1)
    place = ", ".join(f"{name}={value!r}" for name, value in first.to_pylist()[0].items())
    return f"expected one row for each replicate, found two for {place}; remove one of the parts that hold it"


MACHINE = ("host", "cpu", "gpu", "device", "threads")
"""The columns that make a machine: rows that differ in one of them have times that do not compare."""


_TIMES = ("fit_s", "predict_s", "tuning_s")


def timed(runs: pa.Table) -> BoolArray:
    """``[rows]``: which rows hold a time; one that was never started was measured on no machine."""
    return np.asarray(np.any([pc.is_valid(runs[name]).to_numpy() for name in _TIMES], axis=0))


def several(grid: Grid) -> BoolArray:
    """Which cells have times from more than one machine, ``[cells, models]``."""
    code = np.append(codes(grid.runs), 0)[grid.row]
    present = np.append(timed(grid.runs), False)[grid.row]  # -1 picks the value appended
    highest = np.max(np.where(present, code, -1), axis=2, initial=-1)
    return np.asarray((present & (code != highest[..., None])).any(axis=2))


def codes(rows: pa.Table, names: Sequence[str] = MACHINE) -> IntArray:
    """``[rows]``: equal numbers where the columns `names` are the same; by default, where the machine is."""
    combined = np.zeros(rows.num_rows, dtype=np.int64)
    for name in names:
        values = pc.unique(rows[name])
        place = pc.index_in(rows[name], value_set=values)  # finds null as well
        combined = combined * max(1, len(values)) + np.asarray(place, dtype=np.int64)
    return combined


def split(rows: pa.Table, names: Sequence[str]) -> dict[tuple[Any, ...], pa.Table]:
    """The rows of each distinct key, the values of the columns `names`; their order within it stays."""
    return dict(_slices(rows, names))


def by_cell(rows: pa.Table) -> dict[str, pa.Table]:
    """The rows of each cell, by cell id."""
    return {cell_id: own for (cell_id,), own in _slices(rows, ["cell_id"])}


def _slices(rows: pa.Table, names: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    code = codes(rows, names)
    if (np.diff(code) < 0).any():  # the store gives cells in order: then nothing has to move
        rows = rows.take(pa.array(np.argsort(code, kind="stable")))
        code = np.sort(code)
    edges = [0, *(np.flatnonzero(np.diff(code)) + 1).tolist(), len(code)]
    for start, end in pairwise(edges):
        if end > start:
            yield tuple(rows[name][start].as_py() for name in names), rows.slice(start, end - start)


def own_data(runs: pa.Table) -> frozenset[str]:
    """Ids of the cells whose replicates each have data of their own, as the suite requested."""
    known = runs.filter(pc.is_valid(runs["data_sha256"])).group_by("cell_id")
    counted = known.aggregate([("data_sha256", "count_distinct"), ("spec", "min")]).to_pylist()
    several = (row for row in counted if row["data_sha256_count_distinct"] > 1)
    return frozenset(row["cell_id"] for row in several if CellSpec.from_json(row["spec_min"]).fresh_data)


def label(row: Mapping[str, Any]) -> str:
    """One line for the machine of a row."""
    threads = row["threads"]
    parts = [
        row["host"] or "unnamed host",
        row["cpu"],
        row["gpu"],
        row["device"] and f"device {row['device']}",
        threads and f"{threads} thread{'s' if threads > 1 else ''}",
    ]
    return ", ".join(part for part in parts if part)
