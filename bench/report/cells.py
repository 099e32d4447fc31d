"""Arrays ``[cells, models, seeds]`` → one `CellSummary` for each place of the cross product."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.report.losses import Losses, skill_in_window
from bench.report.text import setting
from bench.report.values import Bounds, CellSummary, Cost, Estimate, State, Verdict
from bench.schema import Status
from bench.stats.intervals import Interval, mean
from bench.stats.machines import several
from bench.stats.table import MISSING, BoolArray, FloatArray, Grid

NO_ROW = "no row: the suite leaves this cell out, or it has not been run yet"

_TIMES = ("fit_s", "predict_s", "tuning_s")
_COLUMNS = (
    *("rmse", "mse_scaled", "mae", "directional_accuracy", "validation_mse_scaled"),
    *(*_TIMES, "peak_memory_bytes", "parameters", "epochs"),
)


def cells(grid: Grid, losses: Mapping[str, Losses], references: frozenset[str]) -> tuple[CellSummary, ...]:
    """Every case × model of `grid`, in the grid's order.

    Parameters
    ----------
    grid
        The replicates.
    losses
        By cell id, of the cells whose predictions are stored.
    references
        The models that are persistence itself.
    """
    arrays = _Arrays.of(grid)
    return tuple(
        _cell(arrays, (c, m), losses=losses, references=references)
        for c in range(len(grid.cases))
        for m in range(len(grid.models))
    )


def verdict(skill: Estimate, window: Bounds | None, *, deterministic: bool) -> Verdict:
    """What the two intervals say: a claim needs both, over the seeds and over the test window.

    A deterministic model has no spread over seeds, so its test window decides alone.
    """
    bounds = [window] if deterministic else [window, skill.interval]
    known = [pair for pair in bounds if pair is not None]
    if len(known) < len(bounds):
        return Verdict.UNTESTED
    if all(low > 0 for low, _ in known):
        return Verdict.SKILL
    if all(high < 0 for _, high in known):
        return Verdict.WORSE
    return Verdict.NO_SKILL


@dataclass(frozen=True, eq=False)
class _Arrays:
    """What is computed for all cells at once; the first two axes are ``[cells, models]``."""

    grid: Grid
    deterministic: BoolArray
    several_machines: BoolArray
    mse: Interval
    skill: Interval
    learnable_fraction: Interval
    columns: Mapping[str, FloatArray]  # [cells, models, seeds]

    @classmethod
    def of(cls, grid: Grid) -> _Arrays:
        return cls(
            grid=grid,
            deterministic=grid.deterministic(),
            several_machines=several(grid),
            mse=mean(grid.values("mse")),
            skill=mean(grid.values("skill")),
            learnable_fraction=mean(grid.values("learnable_fraction")),
            columns={name: grid.values(name) for name in _COLUMNS},
        )

    def estimate(self, interval: Interval, place: tuple[int, int]) -> Estimate | None:
        value, low, high = (float(array[place]) for array in (interval.value, interval.low, interval.high))
        if math.isnan(value):
            return None
        return Estimate(value, None if math.isnan(low) or self.deterministic[place] else (low, high))

    def present(self, name: str, place: tuple[int, int]) -> FloatArray:
        values: FloatArray = self.columns[name][place]
        finite: FloatArray = values[np.isfinite(values)]
        return finite


def _cell(
    arrays: _Arrays, place: tuple[int, int], *, losses: Mapping[str, Losses], references: frozenset[str]
) -> CellSummary:
    grid = arrays.grid
    case, model = grid.cases[place[0]], grid.models[place[1]]
    rows = grid.row[place][grid.row[place] >= 0]
    first = (
        grid.runs.slice(int(rows[0]), 1).select(["cell_id", "hyperparameters", "spec"]).to_pylist()[0]
        if len(rows)
        else {}
    )
    known = losses.get(first.get("cell_id", ""))
    state, note = _state(grid, place)
    skill = arrays.estimate(arrays.skill, place)
    window = skill_in_window(known) if known and model not in references else None
    return CellSummary(
        cell_id=first.get("cell_id"),
        dataset=case.dataset,
        model=model,
        sequence_length=case.sequence_length,
        horizon=case.horizon,
        state=state,
        finished=int(grid.ok[place].sum()),
        replicates=len(rows),
        note=note,
        deterministic=bool(arrays.deterministic[place]),
        rmse=_root(arrays.estimate(arrays.mse, place)),
        rmse_by_seed=tuple(arrays.present("rmse", place).tolist()),
        rmse_scaled=_root_mean(arrays.present("mse_scaled", place)),
        mae=_mean(arrays.present("mae", place)),
        skill=skill,
        skill_in_window=window,
        learnable_fraction=arrays.estimate(arrays.learnable_fraction, place),
        directional_accuracy=_mean(arrays.present("directional_accuracy", place)),
        validation_mse_scaled=_mean(arrays.present("validation_mse_scaled", place)),
        verdict=_verdict(arrays, place, skill=skill, window=window, reference=model in references),
        cost=_cost(arrays, place),
        hyperparameters=_hyperparameters(first, deterministic=bool(arrays.deterministic[place])),
    )


def _verdict(
    arrays: _Arrays, place: tuple[int, int], *, skill: Estimate | None, window: Bounds | None, reference: bool
) -> Verdict:
    if not arrays.grid.ok[place].any():
        return Verdict.UNFINISHED
    if reference:
        return Verdict.REFERENCE
    if skill is None:
        return Verdict.UNTESTED
    return verdict(skill, window, deterministic=bool(arrays.deterministic[place]))


def _state(grid: Grid, place: tuple[int, int]) -> tuple[State, str]:
    """How much of the cell there is, and why there is no more."""
    ended = Counter(status for status in grid.status[place].tolist() if status != MISSING)
    if not ended:
        return State.MISSING, NO_ROW
    lost = {status: count for status, count in ended.items() if status != Status.OK}
    if not lost:
        return State.OK, ""
    row = grid.row[place][(grid.row[place] >= 0) & ~grid.ok[place]][0]
    reason = grid.runs["reason"][int(row)].as_py() or "no reason was stored"
    total = ended.total()
    counts = ", ".join(f"{count} of {total} {status.replace('_', ' ')}" for status, count in sorted(lost.items()))
    return (State.PARTIAL if Status.OK in ended else State.FAILED), f"{counts}: {reason}"


def _cost(arrays: _Arrays, place: tuple[int, int]) -> Cost:
    one_machine = not arrays.several_machines[place]
    times = {name: _median(arrays.present(name, place)) if one_machine else None for name in _TIMES}
    return Cost(
        **times,
        peak_memory_bytes=_largest(arrays.present("peak_memory_bytes", place)),
        parameters=_largest(arrays.present("parameters", place)),
        epochs=_median(arrays.present("epochs", place)),
    )


def _root(estimate: Estimate | None) -> Estimate | None:
    """RMSE from MSE: the root keeps the order, so it may be taken of the ends of an interval."""
    if estimate is None:
        return None
    bounds = estimate.interval
    return Estimate(math.sqrt(estimate.value), bounds and (math.sqrt(max(0.0, bounds[0])), math.sqrt(bounds[1])))


def _root_mean(values: FloatArray) -> float | None:
    return math.sqrt(values.mean()) if len(values) else None


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if len(values) else None


def _median(values: FloatArray) -> float | None:
    return float(np.median(values)) if len(values) else None


def _largest(values: FloatArray) -> int | None:
    return int(values.max()) if len(values) else None


def _hyperparameters(row: Mapping[str, Any], *, deterministic: bool) -> tuple[tuple[str, str], ...]:
    """What the cell was fitted with; a model that draws no random number uses no setting of gradient descent."""
    values: dict[str, Any] = json.loads(row.get("hyperparameters") or "{}")
    spec: dict[str, Any] = json.loads(row.get("spec") or "{}")
    unused = set(spec.get("training") or {}) - {"scaler"} if deterministic else set()
    return tuple((name, setting(value)) for name, value in values.items() if name not in unused)
