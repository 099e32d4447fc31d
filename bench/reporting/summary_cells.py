"""Arrays ``[cells, models, seeds]`` → one `CellSummary` for each of them, built once, when all are judged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bench.array_types import FloatArray
from bench.cells import CellKey, CellSpec
from bench.reporting.evidence import skill_in_window
from bench.reporting.forecasts import Losses
from bench.reporting.judging import Contender, Judged, shares
from bench.reporting.learning import MARK
from bench.reporting.values import Bounds, CellSummary, Cost, State
from bench.spec import Training
from bench.stats.aggregates import learnable_fraction, skill
from bench.stats.claims import ALPHA
from bench.stats.looks import Looks
from bench.stats.ratios import Estimate, Interval, mean_error
from bench.stats.verdicts import Verdict
from bench.store.grid import Grid, several
from bench.text import setting

NO_ROW = "no row: the suite leaves this cell out, or it has not been run yet"
LEFT_OUT = "no row: the suite leaves this cell out"
NOT_TUNED = "not tuned yet, trained with the suite's own hyperparameters: `bench run` tunes it"
NOT_RUN = "no row, though the suite requests this cell: `bench run` makes it"

_TIMES = ("fit_s", "predict_s", "tuning_s")
_MEANS = ("mae", "mase", "directional_accuracy", "accuracy", "log_loss", "validation_mse_scaled")
_FIRST = ("cell_id", "hyperparameters", "spec", "untuned")


Index = tuple[int, int]
"""Of a case and of a model."""
Nested = list[list[Any]]
"""``[cells][models]``: an array as Python's own values, which are read one by one many times faster."""


@dataclass(frozen=True, eq=False)
class CellArrays:
    """What is computed for all cells at once, ``[cells][models]``."""

    grid: Grid
    share: Nested  # of the error rate, that the present look may spend
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
    def of(cls, grid: Grid, own_data: frozenset[str], looks: Sequence[Sequence[Looks | None]]) -> CellArrays:
        """Of `grid`; the cells of the ids `own_data` are no copies, whatever the model: each replicate has its data.

        Intervals over seeds hold their value at all `looks` ``[cells][models]`` with 95 %.
        """
        first, deterministic = _first(grid), grid.deterministic()
        own = np.array([[cell_id in own_data for cell_id in row] for row in first["cell_id"]], dtype=np.bool_)
        copies = deterministic & ~own.reshape(deterministic.shape)
        share = shares(looks, copies)
        return cls(
            grid=grid,
            share=share.tolist(),
            finished=grid.ok.sum(axis=2).tolist(),
            replicates=(grid.row >= 0).sum(axis=2).tolist(),
            deterministic=deterministic.tolist(),
            copies=copies.tolist(),
            one_machine=(~several(grid)).tolist(),
            rmse_by_seed=grid.values("rmse").tolist(),
            first=first,
            intervals=_intervals(grid, 1 - ALPHA * share),
            numbers=_numbers(grid),
        )

    def estimate(self, name: str, place: Index) -> Estimate | None:
        """The value `name` of one cell with its interval; `None` where it has none."""
        c, m = place
        value, low, high = (part[c][m] for part in self.intervals[name])
        if math.isnan(value):
            return None
        bounded = math.isfinite(low) and math.isfinite(high) and not self.copies[c][m]
        return Estimate(value, (low, high) if bounded else None)

    def skill(self, place: Index, *, spends: float) -> Estimate | None:
        """The skill against persistence, with its interval over seeds at the part `spends` of the error rate."""
        known = self.estimate("skill", place)
        if known is None or known.interval is None or spends == 1:
            return known
        mse, persistence = (self.grid.values(name)[place] for name in ("mse", "persistence_mse"))
        wide = skill(mse, persistence, level=1 - ALPHA * self.share[place[0]][place[1]] * spends)
        return Estimate(known.value, (float(wide.low), float(wide.high)))

    def number(self, name: str, place: Index) -> float | None:
        """The number `name` of one cell; `None` where it has none."""
        value: float = self.numbers[name][place[0]][place[1]]
        return None if math.isnan(value) else value

    def whole(self, name: str, place: Index) -> int | None:
        """The same as a whole number."""
        value = self.number(name, place)
        return None if value is None else int(value)


@dataclass(frozen=True, eq=False)
class Cells:
    """Every case × model of a grid: first what each is judged by, then, with what came of it, its summary.

    Parameters
    ----------
    arrays
        What is computed for all cells at once.
    losses
        By cell id, of the cells whose predictions are stored.
    references
        The models that are persistence itself.
    requested
        The cells that the suite has, where that is known: it says why one has no row.
    learning
        Those that were still learning when training ended: what is said against them carries the mark.
    """

    arrays: CellArrays
    losses: Mapping[str, Losses]
    references: frozenset[str]
    requested: Collection[CellKey] | None
    learning: Collection[CellKey] = ()

    def candidates(self) -> Iterator[Contender]:
        """What each cell is judged by, in the grid's order."""
        for c, case in enumerate(self.arrays.grid.cases):
            for m, model in enumerate(self.arrays.grid.models):
                rmse = _root(self.arrays.estimate("mse", (c, m)))
                yield Contender(
                    at=(c, m),
                    cell_id=self.arrays.first["cell_id"][c][m],
                    dataset=case.dataset,
                    model=model,
                    sequence_length=case.sequence_length,
                    horizon=case.horizon,
                    deterministic=self.arrays.deterministic[c][m],
                    rmse=rmse.value if rmse else None,
                    validation_mse_scaled=self.arrays.number("validation_mse_scaled", (c, m)),
                    verdict=_verdict(self.arrays, (c, m), reference=model in self.references),
                )

    def summary(self, cell: Contender, judged: Judged) -> CellSummary:
        """All that is shown of `cell`, once everything was `judged`."""
        arrays, place = self.arrays, cell.at
        c, m = place
        state, note = self._state(cell)
        claims, next_to_best = judged.claims(cell), judged.words_next_to_best(cell)
        return CellSummary(
            cell_id=cell.cell_id,
            dataset=cell.dataset,
            model=cell.model,
            sequence_length=cell.sequence_length,
            horizon=cell.horizon,
            state=state,
            finished=arrays.finished[c][m],
            replicates=arrays.replicates[c][m],
            note=note,
            deterministic=cell.deterministic,
            chosen=cell.cell_id in judged.chosen,
            rmse=_root(arrays.estimate("mse", place)),
            rmse_by_seed=tuple(value for value in arrays.rmse_by_seed[c][m] if math.isfinite(value)),
            rmse_scaled=arrays.number("rmse_scaled", place),
            mae=arrays.number("mae", place),
            mase=arrays.number("mase", place),
            seasonal_skill=arrays.number("seasonal_skill", place),
            skill=arrays.skill(place, spends=judged.spends(cell)),
            skill_in_window=self._skill_in_window(cell, spends=judged.spends(cell)),
            learnable_fraction=arrays.estimate("learnable_fraction", place),
            directional_accuracy=arrays.number("directional_accuracy", place),
            accuracy=arrays.number("accuracy", place),
            log_loss=arrays.number("log_loss", place),
            validation_mse_scaled=cell.validation_mse_scaled,
            verdict=judged.verdict(cell),
            words=self._marked(cell, judged.words(cell), worse=judged.verdict(cell) is Verdict.WORSE),
            beats_persistence=judged.beats_persistence(cell),
            why=judged.why(cell),
            why_not_best=judged.why_not_best(cell),
            words_next_to_best=self._marked(cell, next_to_best, worse=next_to_best.startswith(Verdict.WORSE)),
            against_persistence=claims[0],
            against_best=claims[1],
            cost=_cost(arrays, place),
            hyperparameters=self._hyperparameters(cell),
        )

    def _state(self, cell: Contender) -> tuple[State, str]:
        """How much of the cell there is, and why there is no more."""
        state, note = _state(self.arrays, cell.at)
        if state is State.MISSING and self.requested is not None:
            there = CellKey(cell.dataset, cell.model, cell.sequence_length, cell.horizon) in self.requested
            note = NOT_RUN if there else LEFT_OUT
        if state is State.OK and self.arrays.first["untuned"][cell.at[0]][cell.at[1]]:
            note = NOT_TUNED
        return state, note

    def _marked(self, cell: Contender, words: str, *, worse: bool) -> str:
        """The `words` of a verdict, with the mark where it is against a model that was still learning."""
        key = CellKey(cell.dataset, cell.model, cell.sequence_length, cell.horizon)
        return f"{words}, {MARK}" if worse and key in self.learning else words

    def _skill_in_window(self, cell: Contender, *, spends: float) -> Bounds | None:
        """Where predictions are stored; persistence has none against itself."""
        known = self.losses.get(cell.cell_id or "")
        if known is None or cell.model in self.references:
            return None
        share: float = self.arrays.share[cell.at[0]][cell.at[1]]
        return skill_in_window(known, level=1 - ALPHA * share * spends)

    def _hyperparameters(self, cell: Contender) -> tuple[tuple[str, str], ...]:
        c, m = cell.at
        first = {name: values[c][m] for name, values in self.arrays.first.items()}
        trained = not cell.deterministic and self.arrays.numbers["epochs"][c][m] != 0
        return _hyperparameters(first, trained=trained)


def _intervals(grid: Grid, level: FloatArray) -> dict[str, tuple[Nested, Nested, Nested]]:
    mse, persistence = grid.values("mse"), grid.values("persistence_mse")
    # The stored fraction is empty where persistence is within noise of the floor on these targets.
    floor = np.where(np.isfinite(grid.values("learnable_fraction")), grid.values("noise_floor_mse"), np.nan)
    intervals = {
        "mse": mean_error(mse, level=level),
        "skill": skill(mse, persistence, level=level),
        "learnable_fraction": learnable_fraction(mse, persistence, floor, level=level),
    }
    return {name: _interval(interval) for name, interval in intervals.items()}


def _interval(interval: Interval) -> tuple[Nested, Nested, Nested]:
    return interval.value.tolist(), interval.low.tolist(), interval.high.tolist()


def _first(grid: Grid) -> dict[str, Nested]:
    """Of each cell's first row the columns `_FIRST`; `None` where it has no row."""
    rows = np.where(grid.row >= 0, grid.row, np.iinfo(np.int64).max).min(axis=2, initial=np.iinfo(np.int64).max)
    places = pa.array(rows.ravel(), mask=(rows == np.iinfo(np.int64).max).ravel())
    first = grid.runs.select(_FIRST).take(places)
    return {name: _shaped(first[name].to_pylist(), rows.shape) for name in _FIRST}


def _shaped(values: Sequence[Any], shape: tuple[int, ...]) -> Nested:
    cells, models = shape
    return [list(values[c * models : (c + 1) * models]) for c in range(cells)]


def _numbers(grid: Grid) -> dict[str, Nested]:
    """One number for each cell over its replicates, NaN where none has one."""
    medians = {name: _over(np.nanmedian, grid.values(name)) for name in (*_TIMES, "epochs")}
    means = {name: _over(np.nanmean, grid.values(name)) for name in _MEANS}
    largest = {name: _over(np.nanmax, grid.values(name)) for name in ("peak_memory_bytes", "parameters")}
    scaled = {"rmse_scaled": np.sqrt(_over(np.nanmean, grid.values("mse_scaled")))}
    with np.errstate(divide="ignore", invalid="ignore"):  # where the value one season ago is exact, there is no skill
        skills = 1 - grid.values("mse") / grid.values("seasonal_mse")
    scaled["seasonal_skill"] = _over(np.nanmean, skills)
    return {name: values.tolist() for name, values in {**medians, **means, **largest, **scaled}.items()}


def _over(statistic: Callable[..., FloatArray], values: FloatArray) -> FloatArray:
    """`statistic` over the finite values of ``[cells, models, seeds]``."""
    finite = np.where(np.isfinite(values), values, np.nan)
    result: FloatArray = np.full(values.shape[:2], np.nan)
    known = np.isfinite(finite).any(axis=2)
    if known.any():
        result[known] = statistic(finite[known], axis=1)
    return result


def _verdict(arrays: CellArrays, place: Index, *, reference: bool) -> Verdict:
    """Before anything is tested."""
    if not arrays.finished[place[0]][place[1]]:
        return Verdict.UNFINISHED if arrays.replicates[place[0]][place[1]] else Verdict.NO_ROW
    return Verdict.REFERENCE if reference else Verdict.UNTESTED


def _state(arrays: CellArrays, place: Index) -> tuple[State, str]:
    """How much of the cell there is, and why there is no more."""
    finished, replicates = arrays.finished[place[0]][place[1]], arrays.replicates[place[0]][place[1]]
    if not replicates:
        return State.MISSING, NO_ROW
    if finished == replicates:
        return State.OK, ""
    return (State.PARTIAL if finished else State.FAILED), arrays.grid.incomplete(place)


def _cost(arrays: CellArrays, place: Index) -> Cost:
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


def _hyperparameters(row: Mapping[str, Any], *, trained: bool) -> tuple[tuple[str, str], ...]:
    """What the cell was fitted with; a model that is not `trained` by gradient descent uses no setting of it."""
    values: dict[str, Any] = json.loads(row["hyperparameters"] or "{}")
    own = () if trained else CellSpec.from_json(row["spec"]).model_parameters
    unused = set() if trained else set(Training.model_fields) - {"scaler", *own}
    return tuple((name, setting(value)) for name, value in values.items() if name not in unused)
