"""Pair the cells of two result sets, replicate by replicate, and say what prevents a comparison.

A pair of cells records settings that differ and whether both errors are on the same test targets.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.array_types import BoolArray, FloatArray, IntArray
from bench.cells import CellKey, CellSpec
from bench.comparing.outcomes import ResultSide
from bench.errors import InputError
from bench.store.grid import MACHINE, Grid, grid, label, timed
from bench.text import commit, listed

WORDS: Mapping[str, str] = {
    "model": "parameters of the model",
    "split": "split",
    "training": "training settings",
    "tuning": "tuning settings",
    "seed": "root seed",
    "time_limit_s": "time limit",
    "plugins": "plugin versions or source",
    "code_version": "version of the code that gives results",
    "untuned": "whether the cell was tuned",
}
"""What decides results besides the data, and what to call it: keys of a stored spec, and the column `untuned`."""

COLUMNS = (
    *("cell_id", *CellKey.COLUMNS, "suite", "seed", "status", "reason", "spec", "untuned", "deterministic", *MACHINE),
    *("git_commit", "git_dirty", "started_at", "fit_s", "predict_s", "tuning_s"),
    *("data_sha256", "test_points", "persistence_mse", "noise_floor_mse", "error_scale"),
    *("mse", "mse_scaled", "validation_mse_scaled", "validation_points"),
)
"""The columns of `runs` that a comparison reads, next to those of its metrics."""

Settings = Mapping[str, frozenset[str]]
"""For each key of `WORDS`, its values in the rows of one cell, as JSON; empty where no spec is stored."""


def settings(runs: pa.Table) -> dict[CellKey, Settings]:
    """The settings of each cell of `runs`."""
    contents: dict[CellKey, list[Mapping[str, Any]]] = defaultdict(list)
    for row in runs.group_by([*CellKey.COLUMNS, "spec", "untuned"], use_threads=False).aggregate([]).to_pylist():
        if row["spec"] is not None:
            own = CellSpec.from_json(row["spec"]).content
            contents[CellKey.of(row)].append({**own, "untuned": bool(row["untuned"])})
    return {key: _by_name(contents.get(key, [])) for key in map(CellKey.of, _keys_of(runs))}


def differences(old: Settings, new: Settings) -> tuple[str, ...]:
    """What differs, in words; nothing is said of what one of them does not hold."""
    return tuple(word for name, word in WORDS.items() if old[name] and new[name] and old[name] != new[name])


def _keys_of(runs: pa.Table) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = runs.group_by(list(CellKey.COLUMNS), use_threads=False).aggregate([]).to_pylist()
    return keys


def _by_name(contents: Sequence[Mapping[str, Any]]) -> Settings:
    own = [_texts(json.dumps({name: each[name] for name in WORDS if name in each})) for each in contents]
    return {name: frozenset(texts[name] for texts in own if name in texts) for name in WORDS}


@lru_cache(maxsize=1000)
def _texts(content: str) -> Mapping[str, str]:
    """The settings in a JSON object, which many cells share, each as a text."""
    return {name: _text(value) for name, value in json.loads(content).items()}


def _text(value: object) -> str:
    """Canonical JSON, without which parameters the suite stated: that differs where tuning does."""
    if isinstance(value, dict):
        value = {name: item for name, item in value.items() if name != "stated"}
    return json.dumps(value, sort_keys=True)


_SAME_TARGETS = 1e-6
"""Relative: errors of persistence that differ by less are of the same targets."""


def other_targets(old: ResultSide, new: ResultSide) -> list[str]:
    """Why the errors are not of the same test targets; nothing is said of what one side does not hold."""
    reasons = []
    if old.data_sha256 and new.data_sha256 and old.data_sha256 != new.data_sha256:
        reasons.append(f"other data: {old.data_sha256[:12]}… before, {new.data_sha256[:12]}… now")
    if old.test_points and new.test_points and old.test_points != new.test_points:
        before, now = (listed([str(points) for points in side.test_points]) for side in (old, new))
        reasons.append(f"other test parts: {before} test points before, {now} now")
    elif not reasons and not _nearly_equal(old.persistence_mse, new.persistence_mse):
        reasons.append("other test parts: the error of persistence differs")
    return reasons


def _nearly_equal(old: Sequence[float], new: Sequence[float]) -> bool:
    """Whether each number of one is in the other; nothing is known where one is empty."""
    if not old or not new or old == new:
        return True
    near = np.isclose(np.array(old)[:, None], np.array(new), rtol=_SAME_TARGETS, atol=0)
    return bool(near.any(axis=1).all() and near.any(axis=0).all())


_TESTED = ("data_sha256", "test_points", "persistence_mse", "noise_floor_mse", "error_scale")


@dataclass(frozen=True, eq=False)
class ResultSet:
    """The cells of one result set, by their keys."""

    sides: Mapping[CellKey, ResultSide]
    settings: Mapping[CellKey, Settings]
    suites: tuple[str, ...]
    machines: tuple[str, ...]
    commits: tuple[str, ...]
    layout: Grid

    @classmethod
    def of(cls, runs: pa.Table) -> ResultSet:
        """The cells of `runs`, rows of `bench.store.schema.RUNS`."""
        layout = grid(runs)
        machines, tested, summaries = _machines(runs), _tested(runs), _Summaries.of(layout)
        sides = {
            key: summaries.side(at, machines.get(key, []), tested[key]) for at, key in _keys(layout) if key in tested
        }
        names = tuple(sorted({name for own in machines.values() for name in own}))
        suites = tuple(sorted(runs["suite"].unique().to_pylist()))
        return cls(sides, settings(runs), suites, names, _commits(runs), layout)

    def has(self, metric: str) -> bool:
        """Whether any finished replicate has a value of `metric`."""
        return bool(np.isfinite(self.layout.values(metric)).any())

    def values(self, metric: str, keys: Sequence[CellKey], seeds: Sequence[int]) -> FloatArray:
        """``[cells, seeds]``: the column `metric`, NaN where a replicate is missing or not ok."""
        return self._picked(self.layout.values(metric), keys, seeds)

    def present(self, keys: Sequence[CellKey], seeds: Sequence[int]) -> BoolArray:
        """``[cells, seeds]``: which replicates there are, however they ended."""
        return np.asarray(self._picked((self.layout.row >= 0).astype(np.float64), keys, seeds) == 1)

    def ok(self, keys: Sequence[CellKey], seeds: Sequence[int]) -> BoolArray:
        """``[cells, seeds]``: which replicates finished."""
        return np.asarray(self._picked(self.layout.ok.astype(np.float64), keys, seeds) == 1)

    def _picked(self, stored: FloatArray, keys: Sequence[CellKey], seeds: Sequence[int]) -> FloatArray:
        """``[cells, seeds]`` out of ``[cells, models, seeds]``; NaN where there is none."""
        case = {each: i for i, each in enumerate(self.layout.cases)}
        model = {name: j for j, name in enumerate(self.layout.models)}
        column = [self.layout.seeds.index(seed) if seed in self.layout.seeds else -1 for seed in seeds]
        padded = np.pad(stored, ((0, 0), (0, 0), (0, 1)), constant_values=np.nan)  # -1 picks a missing one
        places = np.array([(case[key.case], model[key.model]) for key in keys], np.int64).reshape(len(keys), 2, 1)
        return np.asarray(padded[places[:, 0], places[:, 1], column])


def _keys(layout: Grid) -> Iterator[tuple[tuple[int, int], CellKey]]:
    """Every key of the cross product, and where it is in ``[cells, models]``."""
    for c, case in enumerate(layout.cases):
        for m, model in enumerate(layout.models):
            yield (c, m), case.key(model)


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

    def side(self, at: tuple[int, int], machines: Sequence[str], tested: Mapping[str, list[Any]]) -> ResultSide:
        present = self.layout.row[at] >= 0
        fit_s, predict_s = (self._median(name, at) if len(machines) == 1 else None for name in self.times)
        return ResultSide(
            cell_id=str(self.cell_id[at][present][0]),
            finished=int(self.layout.ok[at].sum()),
            replicates=int(present.sum()),
            reason=self.layout.incomplete(at),
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


def _machines(runs: pa.Table) -> dict[CellKey, list[str]]:
    """The machines that timed each cell, each in one line."""
    machines: dict[CellKey, set[str]] = defaultdict(set)
    for row in (
        runs.filter(pa.array(timed(runs)))
        .group_by([*CellKey.COLUMNS, *MACHINE], use_threads=False)
        .aggregate([])
        .to_pylist()
    ):
        machines[CellKey.of(row)].add(label(row))
    return {key: sorted(names) for key, names in machines.items()}


def _commits(runs: pa.Table) -> tuple[str, ...]:
    """The commits of the code that gave the rows; nothing is said of rows that hold none."""
    rows = runs.group_by(["git_commit", "git_dirty"], use_threads=False).aggregate([]).to_pylist()
    return tuple(sorted(commit(row["git_commit"], dirty=bool(row["git_dirty"])) for row in rows if row["git_commit"]))


def _tested(runs: pa.Table) -> dict[CellKey, dict[str, list[Any]]]:
    """The fingerprints of each cell's data and test targets: the values of each column of `_TESTED`."""
    tested: dict[CellKey, dict[str, set[Any]]] = defaultdict(lambda: {name: set() for name in _TESTED})
    for row in runs.group_by([*CellKey.COLUMNS, *_TESTED], use_threads=False).aggregate([]).to_pylist():
        for name in _TESTED:
            tested[CellKey.of(row)][name] |= {row[name]} - {None}
    return {key: {name: sorted(values) for name, values in own.items()} for key, own in tested.items()}


@dataclass(frozen=True, eq=False)
class Pairs:
    """The cells in common, sorted by key, and their replicates by seed."""

    old: ResultSet
    new: ResultSet
    keys: tuple[CellKey, ...]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, old: ResultSet, new: ResultSet) -> Pairs:
        """Pair the cells that `old` and `new` both have."""
        keys = tuple(sorted(old.sides.keys() & new.sides.keys()))
        return cls(old, new, keys, tuple(sorted({*old.layout.seeds, *new.layout.seeds})))

    def sides(self) -> Iterator[tuple[ResultSide, ResultSide]]:
        """Before and now, cell by cell."""
        return ((self.old.sides[key], self.new.sides[key]) for key in self.keys)

    def count(self) -> IntArray:
        """``[cells]``: the replicates that are ok in both."""
        both = self.old.ok(self.keys, self.seeds) & self.new.ok(self.keys, self.seeds)
        return np.asarray(both.sum(axis=1))

    def vanished(self) -> list[tuple[int, ...]]:
        """For each cell the seeds that the old side has and the new one has not."""
        return self._seeds(self.old.present(self.keys, self.seeds) & ~self.new.present(self.keys, self.seeds))

    def failing(self, metrics: Iterable[str]) -> list[tuple[int, ...]]:
        """For each cell the seeds of replicates that were ok and no longer are.

        One that is ok but lost the finite value of one of `metrics` is no longer ok.
        """
        old, new = (side.ok(self.keys, self.seeds) for side in (self.old, self.new))
        lost = old & ~new
        for metric in metrics:
            lost |= self._finite(self.old, metric) & ~self._finite(self.new, metric)
        return self._seeds(lost & self.new.present(self.keys, self.seeds))

    def _finite(self, side: ResultSet, metric: str) -> BoolArray:
        return np.asarray(np.isfinite(side.values(metric, self.keys, self.seeds)))

    def _seeds(self, which: BoolArray) -> list[tuple[int, ...]]:
        return [tuple(seed for seed, hit in zip(self.seeds, row, strict=True) if hit) for row in which.tolist()]

    def values(self, metric: str) -> tuple[FloatArray, FloatArray]:
        """``[cells, seeds]`` before and now; NaN where not both are there, or where they are of other targets."""
        comparable = np.array([not other_targets(*both) for both in self.sides()])
        old, new = (side.values(metric, self.keys, self.seeds) for side in (self.old, self.new))
        paired = np.isfinite(old) & np.isfinite(new) & comparable[:, None]
        return np.where(paired, old, np.nan), np.where(paired, new, np.nan)

    def deterministic(self) -> BoolArray:
        """``[cells]``: whether one fit stands for every seed, in both."""
        return np.array([old.deterministic and new.deterministic for old, new in self.sides()])

    def scale(self) -> FloatArray:
        """``[cells]``: the range of the data; NaN where it is not known."""
        return np.array([new.error_scale or np.nan for _, new in self.sides()])


def check_pair(old: ResultSet, new: ResultSet, metrics: Iterable[str]) -> None:
    """Refuse results of different suites, without a metric that is looked at, or without a cell in common.

    Raises
    ------
    InputError
        One line for each pair of things that do not go together.
    """
    problems = [*_suites(old, new), *_metrics(old, new, metrics)]
    if not problems and not old.sides.keys() & new.sides.keys():
        problems = [_nothing_in_common(old, new)]
    if problems:
        raise InputError("\n".join(problems))


def _suites(old: ResultSet, new: ResultSet) -> Iterator[str]:
    if old.suites and new.suites and old.suites != new.suites:
        yield (
            f"suite: expected results of one suite, got {listed(old.suites)} before and {listed(new.suites)} now; "
            "compare results of the same suite"
        )


def _metrics(old: ResultSet, new: ResultSet, metrics: Iterable[str]) -> Iterator[str]:
    if not (old.layout.ok.any() and new.layout.ok.any()):
        return  # what did not finish has no values, and is named as such
    for metric in metrics:
        present = {"before": old.has(metric), "now": new.has(metric)}
        if any(present.values()) and not all(present.values()):
            has, lacks = sorted(present, key=lambda side: not present[side])
            yield (
                f"metric {metric}: expected values in both result sets, got some {has} and none {lacks}; "
                "run both with one version of bench, or leave it out of the suite's gate"
            )


def _nothing_in_common(old: ResultSet, new: ResultSet) -> str:
    def names(results: ResultSet) -> str:
        shown = [key.title for key in sorted(results.sides)[:3]]
        more = len(results.sides) - len(shown)
        return (listed(shown) or "no cell") + (f" and {more} more" if more else "")

    return (
        f"expected cells that both result sets have, found none: the old one has {names(old)}; the new one {names(new)}"
    )
