"""The stored rows of one cell, as arrays over its replicates.

Errors come with those of persistence on the same targets, both pooled over replicates. The one-step forecasts among the
stored predictions give the delay.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.array_types import FloatArray
from bench.cells import CellSpec
from bench.replication.findings import Scale, Spread
from bench.stats.aggregates import skill
from bench.stats.claims import ClaimOutcome
from bench.stats.delay import MOST, Delay, delay
from bench.store.grid import codes, own_data, split
from bench.store.schema import Status


def ratio(cell: Evidence) -> float | None:
    """The RMSE of `cell` over that of persistence; `None` where one is not known, or persistence makes no error."""
    mse, persistence = cell.mean("mse"), cell.mean("persistence_mse")
    return float(np.sqrt(mse / persistence)) if mse is not None and persistence else None


def skill_of(cell: Evidence) -> float | None:
    """``1 - MSE / MSE(persistence)``."""
    error_ratio = ratio(cell)
    return None if error_ratio is None else 1 - error_ratio**2


def in_numbers(cell: Evidence) -> str:
    """Both errors, and the skill with its interval over replicates."""
    mse, persistence = cell.numbers["mse"], cell.numbers["persistence_mse"]
    error, reference = (f"{float(np.sqrt(np.mean(numbers))):.4g}" for numbers in (mse, persistence))
    interval = skill(mse, persistence)
    value, low, high = (float(number) for number in (interval.value, interval.low, interval.high))
    over = f" [{low:.3g}, {high:.3g}]" if np.isfinite(low) else ""
    return f"RMSE {error}, persistence {reference}, skill {value:.3g}{over}"


@dataclass(frozen=True, eq=False)
class OneStep:
    """The one-step forecasts of one replicate.

    A decoder that is fed its own forecasts makes one for each window, at its first step; one that is fed true past
    values makes one for every point. The later steps of a window know nothing new: laid end to end, they would lag by
    as much as the window is long, whatever the model.

    Parameters
    ----------
    truth
        ``[T]``, of every point of the test part.
    prediction, last, target
        ``[W]``: the forecasts, the value known last before each, and what it is a forecast of.
    every
        Points from one forecast to the next.
    """

    truth: FloatArray
    prediction: FloatArray
    last: FloatArray
    target: FloatArray
    every: int

    @property
    def delay(self) -> Delay | None:
        """Its lag behind the truth, of one window at most."""
        return delay(self.truth, self.prediction, every=self.every, most=MOST if self.every == 1 else self.every)


def one_step(cell: Evidence, tables: Tables) -> Iterator[OneStep]:
    """Of each replicate of a forecast of real data: of data that we make, the noise floor says more."""
    rows = tables.predictions(cell)
    if cell.task != "forecast" or cell.mean("noise_floor_mse") is not None or rows is None or not rows.num_rows:
        return
    names = ("seed", "channel", "step", "truth", "prediction", "persistence")
    columns = {name: rows[name].to_numpy() for name in names}
    for seed in cell.seeds:
        mask = (columns["seed"] == seed) & (columns["channel"] == 0)
        own = {name: values[mask] for name, values in columns.items()}
        if len(own["truth"]):
            yield _of(own)


def _of(own: dict[str, FloatArray]) -> OneStep:
    shown_all = bool(np.array_equal(own["persistence"][1:], own["truth"][:-1]))
    first = np.flatnonzero((own["step"] == own["step"].min()) | shown_all)
    every = int(first[1] - first[0]) if len(first) > 1 else 1
    return OneStep(own["truth"], own["prediction"][first], own["persistence"][first], own["truth"][first], every)


def delay_of(cell: Evidence, tables: Tables) -> Delay | None:
    """Of the replicate in the middle; `None` where no forecast of real data is stored."""
    delays = (forecasts.delay for forecasts in one_step(cell, tables))
    known = sorted((each for each in delays if each is not None), key=lambda each: (each.steps, each.correlation))
    return known[len(known) // 2] if known else None


_NUMBERS = (
    *("rmse", "mse", "mse_scaled", "mae", "r2", "persistence_mse", "noise_floor_mse", "accuracy", "log_loss"),
    *("parameters", "test_points", "train_windows", "validation_points"),
)
_SCALES = {"accuracy": Scale.SHARE, "r2": Scale.PLAIN, "parameters": Scale.PLAIN}
"""Where replicates are taken to be normal, of what is no error."""
_FACTS = ("cell_id", "dataset", "model", "sequence_length", "horizon", "task", "departures", "deterministic")


@dataclass(frozen=True, eq=False)
class Evidence:
    """The finished replicates of one cell.

    Parameters
    ----------
    cell_id, dataset, model, sequence_length, horizon, task, departures
        As in the table of runs.
    spec
        The resolved cell.
    seeds
        ``[replicates]``, of those that finished.
    requested
        How many replicates were requested.
    reason
        Why the first that did not finish did not; empty where all did.
    numbers
        Column → ``[replicates]``; NaN where there is no value.
    shapes
        Name → shape.
    deterministic
        One fit stands for every seed.
    own_data
        Each replicate has data of its own.
    """

    cell_id: str
    dataset: str
    model: str
    sequence_length: int
    horizon: int
    task: str
    departures: str
    spec: CellSpec
    seeds: tuple[int, ...]
    requested: int
    reason: str
    numbers: Mapping[str, FloatArray]
    shapes: Mapping[str, tuple[int, ...]]
    deterministic: bool
    own_data: bool = False

    def mean(self, column: str) -> float | None:
        """Over the replicates that have a number in `column`; `None` where none has."""
        present = self.numbers[column][np.isfinite(self.numbers[column])]
        return float(present.mean()) if len(present) else None

    def spread(self, column: str) -> Spread | None:
        """Of the replicates that have a number in `column`; `None` where none has."""
        spread, mse = Spread.of(self.numbers[column], _SCALES.get(column, Scale.ERROR)), self.mean("mse")
        return replace(spread, mean=float(np.sqrt(mse))) if spread and column == "rmse" and mse is not None else spread


class Tables:
    """The tables of a result set, by cell.

    Parameters
    ----------
    tables
        `runs`, `curves`, `predictions` and, where it was measured, `probes`.
    better
        Cell id → whether it is shown to err less than persistence; only cells that were tested.
    """

    def __init__(self, tables: Mapping[str, pa.Table], better: Mapping[str, ClaimOutcome] | None = None) -> None:
        self._tables = tables
        self._better = better or {}
        self._own_data = own_data(tables["runs"])
        self._runs = split(tables["runs"], ("dataset", "model"))
        self._curves = split(tables["curves"], ("cell_id",))
        self._predictions = split(tables["predictions"], ("cell_id",))

    def evidence(self, dataset: str, model: str) -> list[Evidence]:
        """Of each sequence length and horizon, in that order."""
        rows = self._runs.get((dataset, model))
        cells = split(rows, ("sequence_length", "horizon")) if rows is not None else {}
        return [_evidence(cells[key], self._own_data) for key in sorted(cells)]

    def models(self, dataset: str) -> list[str]:
        """Those with rows on `dataset`, sorted."""
        return sorted(model for own, model in self._runs if own == dataset)

    def losses(self, cell: Evidence, epoch: int) -> FloatArray:
        """``[replicates]``: the train loss of each finished replicate at `epoch`; NaN where it has no such epoch."""
        rows = self._curves.get((cell.cell_id,))
        by_seed: dict[int, float] = {}
        if rows is not None:
            own = rows.filter(pc.equal(rows["epoch"], epoch))
            by_seed = dict(zip(own["seed"].to_pylist(), own["train_loss"].to_pylist(), strict=True))
        return np.array([_number(by_seed.get(seed)) for seed in cell.seeds])

    def predictions(self, cell: Evidence) -> pa.Table | None:
        """The stored predictions of the finished replicates, ordered by seed, index and step."""
        rows = self._predictions.get((cell.cell_id,))
        if rows is None:
            return None
        own = rows.filter(pc.is_in(rows["seed"], value_set=pa.array(cell.seeds, rows["seed"].type)))
        return own.sort_by([("seed", "ascending"), ("index", "ascending"), ("step", "ascending")])

    def better_than_persistence(self, cell: Evidence) -> ClaimOutcome:
        """Whether it is shown to err less, or more."""
        return self._better.get(cell.cell_id, ClaimOutcome.NOT_MEASURED)

    def probes(self) -> pa.Table | None:
        """What the probe measured, on the machine with the most samples; `None` where nothing was."""
        rows = self._tables.get("probes")
        if rows is None or not rows.num_rows:
            return None
        machines, counts = np.unique(codes(rows), return_counts=True)
        return rows.filter(pa.array(codes(rows) == machines[counts.argmax()]))


def _evidence(rows: pa.Table, own_data: Collection[str]) -> Evidence:
    status = rows["status"].to_pylist()
    ok = rows.filter(pa.array([each == Status.OK for each in status])).sort_by("seed")
    first = rows.select([*_FACTS, "spec", "shapes"]).slice(0, 1).to_pylist()[0]
    reasons = (reason for each, reason in zip(status, rows["reason"].to_pylist(), strict=True) if each != Status.OK)
    spec = CellSpec.from_json(first["spec"])
    shapes = next((text for text in ok["shapes"].to_pylist() if text), "{}")
    return Evidence(
        cell_id=first["cell_id"],
        dataset=first["dataset"],
        model=first["model"],
        sequence_length=first["sequence_length"],
        horizon=first["horizon"],
        task=first["task"] or "forecast",
        departures=first["departures"] or "",
        spec=spec,
        seeds=tuple(ok["seed"].to_pylist()),
        requested=rows.num_rows,
        reason=next(reasons, "") or "",
        numbers={name: np.array([_number(value) for value in ok[name].to_pylist()]) for name in _NUMBERS},
        shapes={name: tuple(shape) for name, shape in json.loads(shapes).items()},
        deterministic=bool(first["deterministic"]),
        own_data=first["cell_id"] in own_data,
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
