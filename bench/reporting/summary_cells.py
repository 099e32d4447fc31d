"""Arrays ``[cells, models, seeds]`` → one `CellSummary` for each combination."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bench.arrays import FloatArray
from bench.reporting.evidence import Losses, skill_in_window
from bench.reporting.values import CellSummary, Cost, Estimate, State, Verdict
from bench.stats.aggregates import learnable_fraction, skill
from bench.stats.bootstrap import Interval, mean
from bench.store.grid import MISSING, Grid, several
from bench.store.schema import Status
from bench.text import setting

NO_ROW = "no row: the suite leaves this cell out, or it has not been run yet"
LEFT_OUT = "no row: the suite leaves this cell out"
NOT_RUN = "no row, though the suite asks for this cell: `bench run` makes it"

Asked = tuple[str, str, int, int]
"""Dataset, model, sequence length, horizon."""

_TIMES = ("fit_s", "predict_s", "tuning_s")
_MEANS = ("mae", "directional_accuracy", "accuracy", "log_loss", "validation_mse_scaled")
_FIRST = ("cell_id", "hyperparameters", "spec")


def cells(
    grid: Grid,
    losses: Mapping[str, Losses],
    references: frozenset[str],
    *,
    asked: Collection[Asked] | None,
    own_data: frozenset[str],
) -> tuple[CellSummary, ...]:
    """Every case × model of `grid`, in the grid's order.

    Parameters
    ----------
    grid
        The replicates.
    losses
        By cell id, of the cells whose predictions are stored.
    references
        The models that are persistence itself.
    asked
        The places that the suite has a cell for, where that is known: it says why one has no row.
    own_data
        Ids of the cells whose replicates each have data of their own: they are no copies, whatever the model.
    """
    arrays = _Arrays.of(grid, own_data)
    return tuple(
        _cell(arrays, (c, m), losses=losses, references=references, asked=asked)
        for c in range(len(grid.cases))
        for m in range(len(grid.models))
    )


Place = tuple[int, int]
Nested = list[list[Any]]
"""``[cells][models]``: an array as Python's own values, which are read one by one many times faster."""


@dataclass(frozen=True, eq=False)
class _Arrays:
    """What is computed for all cells at once, ``[cells][models]``."""

    grid: Grid
    finished: Nested
    replicates: Nested
    deterministic: Nested
    copies: Nested  # the replicates of one fit to one series: they have no spread
    one_machine: Nested
    rmse_by_seed: Nested
    first: Mapping[str, Nested]  # of the first row of each cell
    intervals: Mapping[str, tuple[Nested, Nested, Nested]]
    numbers: Mapping[str, Nested]

    @classmethod
    def of(cls, grid: Grid, own_data: frozenset[str]) -> _Arrays:
        first, deterministic = _first(grid), grid.deterministic()
        own = np.array([[cell_id in own_data for cell_id in row] for row in first["cell_id"]], dtype=np.bool_)
        return cls(
            grid=grid,
            finished=grid.ok.sum(axis=2).tolist(),
            replicates=(grid.row >= 0).sum(axis=2).tolist(),
            deterministic=deterministic.tolist(),
            copies=(deterministic & ~own.reshape(deterministic.shape)).tolist(),
            one_machine=(~several(grid)).tolist(),
            rmse_by_seed=grid.values("rmse").tolist(),
            first=first,
            intervals=_intervals(grid),
            numbers=_numbers(grid),
        )

    def estimate(self, name: str, place: Place) -> Estimate | None:
        c, m = place
        value, low, high = (part[c][m] for part in self.intervals[name])
        if math.isnan(value):
            return None
        return Estimate(value, None if math.isnan(low) or self.copies[c][m] else (low, high))

    def number(self, name: str, place: Place) -> float | None:
        value: float = self.numbers[name][place[0]][place[1]]
        return None if math.isnan(value) else value

    def whole(self, name: str, place: Place) -> int | None:
        value = self.number(name, place)
        return None if value is None else int(value)


def _intervals(grid: Grid) -> dict[str, tuple[Nested, Nested, Nested]]:
    mse, persistence = grid.values("mse"), grid.values("persistence_mse")
    # The stored fraction is empty where persistence is within noise of the floor on these targets.
    floor = np.where(np.isfinite(grid.values("learnable_fraction")), grid.values("noise_floor_mse"), np.nan)
    found = {
        "mse": mean(mse),
        "skill": skill(mse, persistence),
        "learnable_fraction": learnable_fraction(mse, persistence, floor),
    }
    return {name: _interval(interval) for name, interval in found.items()}


def _interval(found: Interval) -> tuple[Nested, Nested, Nested]:
    return found.value.tolist(), found.low.tolist(), found.high.tolist()


def _first(grid: Grid) -> dict[str, Nested]:
    """Of each cell's first row the columns `_FIRST`; `None` where it has no row."""
    rows = np.where(grid.row >= 0, grid.row, np.iinfo(np.int64).max).min(axis=2, initial=np.iinfo(np.int64).max)
    places = pa.array(rows.ravel(), mask=(rows == np.iinfo(np.int64).max).ravel())
    found = grid.runs.select(_FIRST).take(places)
    return {name: _shaped(found[name].to_pylist(), rows.shape) for name in _FIRST}


def _shaped(values: Sequence[Any], shape: tuple[int, ...]) -> Nested:
    cells, models = shape
    return [list(values[c * models : (c + 1) * models]) for c in range(cells)]


def _numbers(grid: Grid) -> dict[str, Nested]:
    """One number for each cell over its replicates, NaN where none has one."""
    medians = {name: _over(np.nanmedian, grid.values(name)) for name in (*_TIMES, "epochs")}
    means = {name: _over(np.nanmean, grid.values(name)) for name in _MEANS}
    largest = {name: _over(np.nanmax, grid.values(name)) for name in ("peak_memory_bytes", "parameters")}
    scaled = {"rmse_scaled": np.sqrt(_over(np.nanmean, grid.values("mse_scaled")))}
    return {name: values.tolist() for name, values in {**medians, **means, **largest, **scaled}.items()}


def _over(statistic: Callable[..., FloatArray], values: FloatArray) -> FloatArray:
    """`statistic` over the finite values of ``[cells, models, seeds]``."""
    finite = np.where(np.isfinite(values), values, np.nan)
    result: FloatArray = np.full(values.shape[:2], np.nan)
    known = np.isfinite(finite).any(axis=2)
    if known.any():
        result[known] = statistic(finite[known], axis=1)
    return result


def _cell(
    arrays: _Arrays,
    place: Place,
    *,
    losses: Mapping[str, Losses],
    references: frozenset[str],
    asked: Collection[Asked] | None,
) -> CellSummary:
    c, m = place
    case, model = arrays.grid.cases[c], arrays.grid.models[m]
    first = {name: values[c][m] for name, values in arrays.first.items()}
    known = losses.get(first["cell_id"] or "")
    state, note = _state(arrays, place)
    if state is State.MISSING and asked is not None:
        there = (case.dataset, model, case.sequence_length, case.horizon) in asked
        note = NOT_RUN if there else LEFT_OUT
    window = skill_in_window(known) if known and model not in references else None
    return CellSummary(
        cell_id=first["cell_id"],
        dataset=case.dataset,
        model=model,
        sequence_length=case.sequence_length,
        horizon=case.horizon,
        state=state,
        finished=arrays.finished[c][m],
        replicates=arrays.replicates[c][m],
        note=note,
        deterministic=arrays.deterministic[c][m],
        rmse=_root(arrays.estimate("mse", place)),
        rmse_by_seed=tuple(value for value in arrays.rmse_by_seed[c][m] if math.isfinite(value)),
        rmse_scaled=arrays.number("rmse_scaled", place),
        mae=arrays.number("mae", place),
        skill=arrays.estimate("skill", place),
        skill_in_window=window,
        learnable_fraction=arrays.estimate("learnable_fraction", place),
        directional_accuracy=arrays.number("directional_accuracy", place),
        accuracy=arrays.number("accuracy", place),
        log_loss=arrays.number("log_loss", place),
        validation_mse_scaled=arrays.number("validation_mse_scaled", place),
        verdict=_verdict(arrays, place, reference=model in references),
        cost=_cost(arrays, place),
        hyperparameters=_hyperparameters(first, deterministic=arrays.deterministic[c][m]),
    )


def _verdict(arrays: _Arrays, place: Place, *, reference: bool) -> Verdict:
    """Before anything is tested."""
    if not arrays.finished[place[0]][place[1]]:
        return Verdict.UNFINISHED if arrays.replicates[place[0]][place[1]] else Verdict.NO_ROW
    return Verdict.REFERENCE if reference else Verdict.UNTESTED


def _state(arrays: _Arrays, place: Place) -> tuple[State, str]:
    """How much of the cell there is, and why there is no more."""
    finished, replicates = arrays.finished[place[0]][place[1]], arrays.replicates[place[0]][place[1]]
    if not replicates:
        return State.MISSING, NO_ROW
    if finished == replicates:
        return State.OK, ""
    grid = arrays.grid
    lost = Counter(status for status in grid.status[place].tolist() if status not in {MISSING, Status.OK})
    row = grid.row[place][(grid.row[place] >= 0) & ~grid.ok[place]][0]
    reason = grid.runs["reason"][int(row)].as_py() or "no reason was stored"
    counts = ", ".join(f"{count} of {replicates} {status.replace('_', ' ')}" for status, count in sorted(lost.items()))
    return (State.PARTIAL if finished else State.FAILED), f"{counts}: {reason}"


def _cost(arrays: _Arrays, place: Place) -> Cost:
    one_machine = arrays.one_machine[place[0]][place[1]]
    times = {name: arrays.number(name, place) if one_machine else None for name in _TIMES}
    return Cost(
        **times,
        peak_memory_bytes=arrays.whole("peak_memory_bytes", place),
        parameters=arrays.whole("parameters", place),
        epochs=arrays.number("epochs", place),
    )


def _root(estimate: Estimate | None) -> Estimate | None:
    """RMSE from MSE: the root keeps the order, so it may be taken of the ends of an interval."""
    if estimate is None:
        return None
    bounds = estimate.interval
    return Estimate(math.sqrt(estimate.value), bounds and (math.sqrt(max(0.0, bounds[0])), math.sqrt(bounds[1])))


def _hyperparameters(row: Mapping[str, Any], *, deterministic: bool) -> tuple[tuple[str, str], ...]:
    """What the cell was fitted with; a model that draws no random number uses no setting of gradient descent."""
    values: dict[str, Any] = json.loads(row["hyperparameters"] or "{}")
    spec: dict[str, Any] = json.loads(row["spec"] or "{}")
    unused = set(spec.get("training") or {}) - {"scaler"} if deterministic else set()
    return tuple((name, setting(value)) for name, value in values.items() if name not in unused)
