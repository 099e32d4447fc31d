"""The rows of one result set → its cells, ready to be paired."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.compare.settings import Settings, settings
from bench.compare.values import Place, Side
from bench.report.text import commit, listed
from bench.schema import Status
from bench.stats.machines import MACHINE, label, timed
from bench.stats.table import MISSING, BoolArray, FloatArray, Grid, grid

_PLACE = ["dataset", "model", "sequence_length", "horizon"]
_TESTED = ("data_sha256", "test_points", "persistence_mse", "noise_floor_mse", "error_scale")


@dataclass(frozen=True, eq=False)
class ResultSet:
    """The cells of one result set, by their place."""

    sides: Mapping[Place, Side]
    settings: Mapping[Place, Settings]
    suites: tuple[str, ...]
    machines: tuple[str, ...]
    commits: tuple[str, ...]
    layout: Grid

    @classmethod
    def of(cls, runs: pa.Table) -> ResultSet:
        """The cells of `runs`, rows of `bench.schema.RUNS`."""
        layout = grid(runs)
        machines, tested, summaries = _machines(runs), _tested(runs), _Summaries.of(layout)
        sides = {
            place: summaries.side(at, machines.get(place, []), tested[place])
            for at, place in _places(layout)
            if place in tested
        }
        names = tuple(sorted({name for own in machines.values() for name in own}))
        suites = tuple(sorted(runs["suite"].unique().to_pylist()))
        return cls(sides, settings(runs, _PLACE), suites, names, _commits(runs), layout)

    def has(self, metric: str) -> bool:
        """Whether any finished replicate has a value of `metric`."""
        return bool(np.isfinite(self.layout.values(metric)).any())

    def values(self, metric: str, places: Sequence[Place], seeds: Sequence[int]) -> FloatArray:
        """``[places, seeds]``: the column `metric`, NaN where a replicate is missing or not ok."""
        return self._picked(self.layout.values(metric), places, seeds)

    def present(self, places: Sequence[Place], seeds: Sequence[int]) -> BoolArray:
        """``[places, seeds]``: which replicates there are, however they ended."""
        return np.asarray(self._picked((self.layout.row >= 0).astype(np.float64), places, seeds) == 1)

    def ok(self, places: Sequence[Place], seeds: Sequence[int]) -> BoolArray:
        """``[places, seeds]``: which replicates finished."""
        return np.asarray(self._picked(self.layout.ok.astype(np.float64), places, seeds) == 1)

    def _picked(self, stored: FloatArray, places: Sequence[Place], seeds: Sequence[int]) -> FloatArray:
        """``[places, seeds]`` out of ``[cells, models, seeds]``; NaN where there is none."""
        case = {(c.dataset, c.sequence_length, c.horizon): i for i, c in enumerate(self.layout.cases)}
        model = {name: j for j, name in enumerate(self.layout.models)}
        column = [self.layout.seeds.index(seed) if seed in self.layout.seeds else -1 for seed in seeds]
        padded = np.pad(stored, ((0, 0), (0, 0), (0, 1)), constant_values=np.nan)  # -1 picks a missing one
        rows = [padded[case[p.dataset, p.sequence_length, p.horizon], model[p.model], column] for p in places]
        return np.array(rows).reshape(len(places), len(seeds))


def _places(layout: Grid) -> Iterator[tuple[tuple[int, int], Place]]:
    """Every place of the cross product, and where it is in ``[cells, models]``."""
    for c, case in enumerate(layout.cases):
        for m, model in enumerate(layout.models):
            yield (c, m), Place(case.dataset, model, case.sequence_length, case.horizon)


@dataclass(frozen=True, eq=False)
class _Summaries:
    """What is computed for all cells at once, ``[cells, models, …]``."""

    layout: Grid
    cell_id: NDArray[Any]
    reason: NDArray[Any]
    deterministic: BoolArray
    times: Mapping[str, FloatArray]

    @classmethod
    def of(cls, layout: Grid) -> _Summaries:
        times = {name: layout.values(name) for name in ("fit_s", "predict_s")}
        return cls(layout, layout.column("cell_id"), layout.column("reason"), layout.deterministic(), times)

    def side(self, at: tuple[int, int], machines: Sequence[str], tested: Mapping[str, list[Any]]) -> Side:
        present = self.layout.row[at] >= 0
        fit_s, predict_s = (self._median(name, at) if len(machines) == 1 else None for name in self.times)
        return Side(
            cell_id=str(self.cell_id[at][present][0]),
            finished=int(self.layout.ok[at].sum()),
            replicates=int(present.sum()),
            reason=self._reason(at),
            fit_s=fit_s,
            predict_s=predict_s,
            machine=listed(machines),
            data_sha256=listed(tested["data_sha256"]),
            test_points=tuple(tested["test_points"]),
            persistence_mse=tuple(tested["persistence_mse"]),
            noise_floor_mse=min(tested["noise_floor_mse"], default=None),
            error_scale=max(tested["error_scale"], default=None),
            deterministic=bool(self.deterministic[at]),
        )

    def _median(self, name: str, at: tuple[int, int]) -> float | None:
        values = self.times[name][at]
        known = values[np.isfinite(values)]
        return float(np.median(known)) if len(known) else None

    def _reason(self, at: tuple[int, int]) -> str:
        """How many replicates ended in each way, and why the first of them did; empty where all are ok."""
        ended = Counter(status for status in self.layout.status[at].tolist() if status != MISSING)
        if not (lost := {status: count for status, count in ended.items() if status != Status.OK}):
            return ""
        counts = (f"{count} of {ended.total()} {status.replace('_', ' ')}" for status, count in sorted(lost.items()))
        first = self.reason[at][(self.layout.row[at] >= 0) & ~self.layout.ok[at]][0]
        return f"{', '.join(counts)}: {first or 'no reason was stored'}"


def _machines(runs: pa.Table) -> dict[Place, list[str]]:
    """The machines that timed each cell, each in one line."""
    found: dict[Place, set[str]] = defaultdict(set)
    for row in (
        runs.filter(pa.array(timed(runs))).group_by([*_PLACE, *MACHINE], use_threads=False).aggregate([]).to_pylist()
    ):
        found[Place(*(row[name] for name in _PLACE))].add(label(row))
    return {place: sorted(names) for place, names in found.items()}


def _commits(runs: pa.Table) -> tuple[str, ...]:
    """The commits of the code that gave the rows; nothing is said of rows that hold none."""
    rows = runs.group_by(["git_commit", "git_dirty"], use_threads=False).aggregate([]).to_pylist()
    return tuple(sorted(commit(row["git_commit"], dirty=bool(row["git_dirty"])) for row in rows if row["git_commit"]))


def _tested(runs: pa.Table) -> dict[Place, dict[str, list[Any]]]:
    """The fingerprints of each cell's data and test targets: the values of each column of `_TESTED`."""
    found: dict[Place, dict[str, set[Any]]] = defaultdict(lambda: {name: set() for name in _TESTED})
    for row in runs.group_by([*_PLACE, *_TESTED], use_threads=False).aggregate([]).to_pylist():
        for name in _TESTED:
            found[Place(*(row[key] for key in _PLACE))][name] |= {row[name]} - {None}
    return {place: {name: sorted(values) for name, values in own.items()} for place, own in found.items()}
