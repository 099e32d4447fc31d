"""Rows → arrays ``[cells, models, seeds]``. Missing values are explicit, never filled in.

Rows of the same machine are identified here too: times of different machines are never merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.arrays import BoolArray, FloatArray, IntArray
from bench.errors import InputError
from bench.store import schema
from bench.store.schema import Status

MISSING = "missing"
"""The status of a replicate that has no row."""

_CASE = ["dataset", "horizon", "sequence_length"]


@dataclass(frozen=True, order=True)
class Case:
    """What the models of one comparison share: the cells of one case differ in their model alone."""

    dataset: str
    horizon: int
    sequence_length: int


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


def codes(runs: pa.Table) -> IntArray:
    """``[rows]``: equal numbers where the machine is the same."""
    combined = np.zeros(runs.num_rows, dtype=np.int64)
    for name in MACHINE:
        values = pc.unique(runs[name])
        place = pc.index_in(runs[name], value_set=values)  # finds null as well
        combined = combined * max(1, len(values)) + np.asarray(place, dtype=np.int64)
    return combined


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
