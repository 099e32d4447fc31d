"""Forecasts of anybody, from a table → the rows that a run would have stored, and what the report says of them.

A model is its forecasts here: nothing is trained. Each table becomes rows of `bench.store.schema` with a cell for each
model, and persistence as one more, and goes through the report's own functions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from bench.array_types import FloatArray
from bench.cells import CellKey
from bench.data.files import reading
from bench.data.files.compressed import existing
from bench.data.files.moments import moments
from bench.data.files.numerals import numbers
from bench.data.files.options import File
from bench.data.files.order import largest_step
from bench.data.files.table import Unreadable
from bench.errors import DataError, described
from bench.protocol.metrics import directional_accuracy
from bench.protocol.scoring import as_columns, pooled
from bench.protocol.windows import Scaler
from bench.registry import unknown
from bench.reporting.evidence import trace
from bench.reporting.source import Source
from bench.reporting.summary import summarise
from bench.reporting.values import CellSummary, Section
from bench.stats.delay import Delay
from bench.store.grid import by_cell
from bench.store.schema import SCHEMAS, Rows, table
from bench.text import TextTable, number, plural

NEEDED = ("step", "truth", "prediction")
PERSISTENCE, BEST = "persistence", "best"
KNOWN = ("time", "index", *NEEDED, "model", "seed", PERSISTENCE, BEST)
"""The columns of a table of forecasts; `time` or `index` is needed, and `truth` where no series of its own is given."""

_SUITE = "judged"
_LONGEST_STEP = 10
"""Of the times of a series, in median steps: a longer one says that days were taken for months."""


def table_of(given: pd.DataFrame | str | Path, what: str, wanted: tuple[str, ...]) -> tuple[pd.DataFrame, str]:
    """A table and what to call it: a DataFrame as it is, or a file of any kind that a dataset may be.

    Parameters
    ----------
    given, what
        The table, and the name of a DataFrame.
    wanted
        Columns by which the separator of a text file is known.

    Raises
    ------
    DataError
        It cannot be read.
    """
    if isinstance(given, pd.DataFrame):
        return given.reset_index(drop=True), what
    path = existing(str(given))
    try:
        if path.suffix in (".parquet", ".feather"):
            return reading.whole_table(path).to_pandas(), path.name
        return _as_written(path, wanted), path.name
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: expected a file that can be read, got: {error.strerror or error}") from error
    except Exception as error:  # whatever a reader says of what is no table
        raise DataError(f"{path}: expected a table of CSV, Parquet or Feather, got: {described(error)}") from error


def _as_written(path: Path, wanted: tuple[str, ...]) -> pd.DataFrame:
    """The columns of a file of texts, with numbers where all of a column are; times and models stay as written."""
    table = reading.table_of(path, File(path=str(path), columns=wanted))
    marks = (None, ",") if 'separator: ";"' in table.notes else (None,)
    texts = zip(table.names, table.load(range(len(table.names))), strict=True)
    return pd.DataFrame(
        {name: column.to_pylist() if name in ("time", "model") else _numbers(column, marks) for name, column in texts}
    )


def _numbers(column: Any, marks: tuple[str | None, ...]) -> Any:
    """The numbers of a column, by the first of the decimal marks that can be; else what is written there."""
    for mark in marks:
        with suppress(Unreadable):
            read = numbers(column, mark, None)
            return read.values  # noqa: PD011 - no frame
    return column.to_pylist()


def source_of(
    predictions: pd.DataFrame | str | Path, truth: pd.DataFrame | str | Path | None = None
) -> tuple[Source, tuple[str, ...]]:
    """The input of a report on these forecasts, and notes on what was left out.

    Parameters
    ----------
    predictions
        Rows with the columns `KNOWN`, each one target: `step` is how far ahead it was forecast, 1 for the next point.
    truth
        The series itself: a column `time` or `index`, and one of values; it gives what `predictions` lacks.

    Raises
    ------
    DataError
        Something is wrong with them; one line that says where.
    """
    frame, name = table_of(predictions, "predictions", ("step", "prediction"))
    place = "index" if "index" in frame else "time"
    known = Forecasts.of(frame, name, None if truth is None else table_of(truth, "truth", (place,)))
    rows: Rows = {key: table(key, []) for key in SCHEMAS}
    for horizon, targets in known.by_horizon():
        first = targets[targets["model"] == targets["model"].iloc[0]]
        cells = [(PERSISTENCE, first.assign(prediction=first[PERSISTENCE]))]  # copies, as those of a run are
        cells += [(str(model), own) for model, own in targets.groupby("model", sort=False)]
        for model, own in cells:
            new = _rows(known.name, model, own, horizon)
            rows = {key: pa.concat_tables([part, new[key]]) if key in new else part for key, part in rows.items()}
    return Source(rows=rows, folder=known.name), known.notes


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Checked forecasts.

    Parameters
    ----------
    name
        Of the table.
    targets
        Of every model and seed the same, with all columns of `KNOWN`.
    notes
        What was left out.
    """

    name: str
    targets: pd.DataFrame
    notes: tuple[str, ...]

    @classmethod
    def of(cls, frame: pd.DataFrame, name: str, series: tuple[pd.DataFrame, str] | None) -> Forecasts:
        """Check what is there, and complete it."""
        frame = _columns(frame, name, truth_elsewhere=series is not None)
        place = "index" if "index" in frame else "time"
        own = _own_series(frame, place, name) if series is None else _given_series(*series, place)
        if place == "time" and series is None and PERSISTENCE not in frame:
            _even(own, name)
        frame = _placed(frame, own, place, name)
        own = own.set_axis(range(len(own))) if place == "time" else own  # as the column index is
        if series is not None and BEST in series[0] and BEST not in frame:
            known = series[0][[place, BEST]].rename(columns={BEST: "truth"})
            best = _given_series(known, series[1], place).set_axis(own.index)
            frame = frame.assign(**{BEST: best.reindex(frame["index"]).to_numpy()})
        _finite(frame, "prediction", name)
        _once(frame, name)
        _same_targets(frame, name)
        for given in (each for each in (PERSISTENCE, BEST) if each in frame):
            _finite(frame, given, name)
        if PERSISTENCE in frame:
            return cls(name, frame, ())
        return cls(name, *_with_persistence(frame, own, name))

    def by_horizon(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """Each horizon with its targets.

        Where each point is forecast once, as by windows laid end to end, the horizon is the largest step. Where it is
        forecast from several origins, each step is a horizon of its own, as its forecasts are compared.
        """
        one = self.targets[(self.targets.model == self.targets.model.iloc[0])]
        if not one.duplicated(["seed", "index"]).any():
            yield int(self.targets["step"].max()), self.targets
            return
        for step, own in self.targets.groupby("step"):
            yield int(step), own


def _columns(frame: pd.DataFrame, name: str, *, truth_elsewhere: bool) -> pd.DataFrame:
    """The columns that are known, by their types."""
    frame = frame.rename(columns=str)
    needed = [each for each in NEEDED if not (each == "truth" and truth_elsewhere)]
    if missing := [each for each in needed if each not in frame]:
        raise DataError(f"{name}: expected the columns {', '.join(needed)}; {_there(missing[0], frame)}")
    if "time" not in frame and "index" not in frame:
        raise DataError(
            f"{name}: expected a column time or index, which says which point is forecast; {_there('time', frame)}"
        )
    if frame.empty:
        raise DataError(f"{name}: expected at least one forecast, got none")
    kept = frame[[each for each in KNOWN if each in frame]].copy()
    kept["model"] = kept["model"].astype(str) if "model" in kept else "model"
    kept["seed"] = kept.get("seed", 0)
    for column, least in (("step", 1), ("seed", 0)):
        kept[column] = _whole(kept, column, least, name)
    if PERSISTENCE in set(kept["model"]):
        raise DataError(f"{name}: {PERSISTENCE} is judged in any case, from the truth; leave its rows out")
    return kept


def _there(name: str, frame: pd.DataFrame) -> str:
    """That the column `name` is missing, the one that may be meant, and those that there are."""
    return unknown(name, map(str, frame.columns), "column").replace("unknown column", "got none that is called", 1)


def _whole(frame: pd.DataFrame, column: str, least: int, name: str) -> pd.Series[Any]:
    values = pd.to_numeric(frame[column], errors="coerce")
    wrong = ~((values >= least) & (values < 2**31) & (values % 1 == 0))
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        came = frame[column].iloc[at]
        raise DataError(f"{name}: row {at + 1}: {column}: expected a whole number ≥ {least}, got {came}")
    return values.astype(np.int64)


def _finite(frame: pd.DataFrame, column: str, name: str) -> None:
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(np.float64)
    if (wrong := ~np.isfinite(values)).any():
        at = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{name}: row {at + 1}: {column}: expected a finite number, got {frame[column].iloc[at]}")
    frame[column] = values


def _own_series(frame: pd.DataFrame, place: str, name: str) -> pd.Series[Any]:
    """Place → value, of the targets themselves."""
    _finite(frame, "truth", name)
    spread = frame.groupby(place)["truth"].agg(["min", "max"])
    if (differ := spread["min"] < spread["max"]).any():
        at = spread.index[differ][0]
        raise DataError(f"{name}: expected one truth at {place} {at}, got {spread['min'][at]} and {spread['max'][at]}")
    return _sorted(frame.drop_duplicates(place), place, "truth", name)


def _given_series(frame: pd.DataFrame, name: str, place: str) -> pd.Series[Any]:
    """Place → value, of the series that is given on its own."""
    frame = frame.rename(columns=str)
    if place not in frame:
        raise DataError(f"{name}: expected a column {place}, as the forecasts have; {_there(place, frame)}")
    values = [each for each in frame if each not in ("time", "index", BEST)]
    if "truth" not in frame and len(values) != 1:
        raise DataError(
            f"{name}: expected one column of values, or one that is called truth, got {', '.join(values) or 'none'}"
        )
    column = "truth" if "truth" in frame else values[0]
    _finite(frame, column, name)
    if (twice := frame.duplicated(place)).any():
        at = int(np.flatnonzero(twice)[0])
        raise DataError(f"{name}: row {at + 1}: expected each {place} once, got {frame[place].iloc[at]} again")
    return _sorted(frame, place, column, name)


def _sorted(frame: pd.DataFrame, place: str, column: str, name: str) -> pd.Series[Any]:
    places = _places(frame[place], place, name)
    return pd.Series(frame[column].to_numpy(np.float64), index=places).sort_index()


def _places(column: pd.Series[Any], place: str, name: str) -> pd.Index[Any]:
    """Moments or numbers by which points are ordered."""
    if place == "index":
        return pd.Index(_whole(column.to_frame(place), place, 0, name))
    if not pd.api.types.is_string_dtype(column.dtype):
        numeric = pd.api.types.is_numeric_dtype(column.dtype)
        return pd.Index(column) if numeric else pd.DatetimeIndex(column)
    try:
        return pd.Index(moments(pa.array(column.str.strip(), pa.string()), None, None, _goes_on).time)
    except Unreadable as error:
        came = f"{error.came} in row {error.row + 1}"
        raise DataError(f"{name}: time: expected numbers, or dates such as 2024-01-31 12:00, got {came}") from error
    except DataError as error:
        raise DataError(f"{name}: time: {error}") from error


def _goes_on(time: NDArray[Any]) -> bool:
    """Whether these can be the times of one series: no step is much longer than most."""
    return largest_step(np.unique(time)) <= _LONGEST_STEP


def _placed(frame: pd.DataFrame, series: pd.Series[Any], place: str, name: str) -> pd.DataFrame:
    """`frame` with the truth and the position of each target in the series, as `index`, and its time as text."""
    places = _places(frame[place], place, name)
    at = series.index.get_indexer(places)
    if (at < 0).any():
        lost = int(np.flatnonzero(at < 0)[0])
        raise DataError(f"{name}: row {lost + 1}: {place} {frame[place].iloc[lost]} is not in the truth that is given")
    own = series.to_numpy()[at]
    if "truth" in frame:
        _finite(frame, "truth", name)
        if (differ := ~np.isclose(frame["truth"], own, rtol=1e-6, atol=0)).any():
            row = int(np.flatnonzero(differ)[0])
            raise DataError(f"{name}: row {row + 1}: truth {frame['truth'].iloc[row]}, and {own[row]} in the series")
    time = frame["time"].astype(str) if "time" in frame else pd.Series([None] * len(frame), index=frame.index)
    position = at.astype(np.int64) if place == "time" else np.asarray(places, np.int64)
    return frame.assign(truth=own, index=position, time=time)


def _once(frame: pd.DataFrame, name: str) -> None:
    key = ["model", "seed", "index", "step"]
    if (twice := frame.duplicated(key)).any():
        at = int(np.flatnonzero(twice)[0])
        raise DataError(
            f"{name}: row {at + 1}: expected one forecast of each target, got a second one of "
            f"{frame['model'].iloc[at]}; several replicates need a column seed, several models a column model, and of "
            "several datasets or sequence lengths the rows of one are judged at a time"
        )


def _same_targets(frame: pd.DataFrame, name: str) -> None:
    """Models are compared on the same targets, or not at all."""
    targets = {
        key: frozenset(zip(own["index"], own["step"], strict=True)) for key, own in frame.groupby(["model", "seed"])
    }
    everything = frozenset().union(*targets.values())
    for (model, seed), own in targets.items():
        if lacking := everything - own:
            index, step = min(lacking)
            raise DataError(
                f"{name}: expected every model and seed to forecast the same targets, got {model}, seed {seed}, "
                f"without {len(lacking)} of {len(everything)}, such as step {step} of point {index}; leave those out"
            )


def _even(series: pd.Series[Any], name: str) -> None:
    """Times that step unevenly do not say which point lies before which."""
    steps = np.diff(series.index.to_numpy()).astype(np.float64)
    if len(steps) and not (steps.min() >= 0.8 * np.median(steps) and steps.max() <= 1.2 * np.median(steps)):
        raise DataError(
            f"{name}: expected times at even steps, since persistence is the truth some steps before, got uneven ones; "
            "give the whole series with --truth, or a column persistence, or number the points in a column index"
        )


def _with_persistence(frame: pd.DataFrame, series: pd.Series[Any], name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The last value that was known when each target was forecast: the truth `step` points before it."""
    last = series.reindex(frame["index"] - frame["step"]).to_numpy(np.float64)
    kept = np.isfinite(last)
    if not kept.any():
        raise DataError(
            f"{name}: expected the truth before each target, which persistence is, got it for none; give the whole "
            "series with --truth, or a column persistence"
        )
    whole = frame.assign(persistence=last)[kept]
    lost = frame[~kept].drop_duplicates(["index", "step"])
    if lost.empty:
        return whole, ()
    count = len(frame.drop_duplicates(["index", "step"]))
    note = f"{len(lost)} of {plural(count, 'target')} left out, since the truth before them is not there to be repeated"
    return whole, (f"{note}: --truth gives the whole series",)


def _rows(name: str, model: str, own: pd.DataFrame, horizon: int) -> Rows:
    """The rows of one cell: those of `runs`, one for each seed, and those of `predictions`."""
    kind = PERSISTENCE if model == PERSISTENCE else "given"
    cell_id = hashlib.sha256(repr((name, model, horizon)).encode()).hexdigest()[:16]
    key = {"cell_id": cell_id, "suite": _SUITE, **asdict(CellKey(name, model, 0, horizon))}
    entries = {"dataset": (name, "given"), "model": (model, kind)}
    spec = {what: {"id": each, "kind": of, "parameters": {}} for what, (each, of) in entries.items()}
    own = own.sort_values(["seed", "index", "step"])
    seeds = dict(list(own.groupby("seed")))
    first = next(iter(seeds.values()))["prediction"].to_numpy()
    copies = all(np.array_equal(first, mine["prediction"].to_numpy()) for mine in seeds.values())
    common = {**key, "spec": json.dumps(spec), "deterministic": copies}
    runs = [{**common, "seed": seed, **_errors(mine)} for seed, mine in seeds.items()]
    stored = {each: own[each].to_numpy() for each in ("seed", "index", "step", "truth", "prediction", PERSISTENCE)}
    time = pa.array([None if each is None else str(each) for each in own["time"]], pa.string())
    repeated = {each: [value] * len(own) for each, value in key.items()}
    filled = {**repeated, **stored, "channel": np.zeros(len(own), np.int32), "time": time}
    filled["series"] = pa.nulls(len(own), pa.string())
    schema = SCHEMAS["predictions"]
    predictions = pa.table({each: filled[each] for each in schema.names}, schema=schema)
    return {"runs": table("runs", runs), "predictions": predictions}


def _errors(own: pd.DataFrame) -> dict[str, Any]:
    """The error columns of `runs`; scaled ones are left open, as the points before the test part are not known."""
    truth, prediction, last = (_column(own, each) for each in ("truth", "prediction", PERSISTENCE))
    best = _column(own, BEST) if BEST in own else None
    values = pooled(truth, prediction, last, best=best, scaler=Scaler.fit("none", truth))
    direction = directional_accuracy(truth, prediction, last)
    known = {each: value for each, value in values.items() if "scale" not in each}
    errors = as_columns({**known, "directional_accuracy": direction})
    if "reason" in errors:  # whose advice is about training
        errors["reason"] = errors["reason"].partition(";")[0] + "; look for a wrong forecast, or state a larger unit"
    return {"status": "ok", "reason": "", "task": "forecast", "test_points": len(own), **errors}


def _column(frame: pd.DataFrame, name: str) -> FloatArray:
    """``[points, 1]``."""
    values: NDArray[np.float64] = frame[name].to_numpy(np.float64)
    return values[:, None]


def delays(source: Source) -> dict[CellKey, Delay | None]:
    """Of each model how far its forecasts of the next point come after the truth, as the report measures it."""
    cells = by_cell(source.rows["predictions"]).values()
    return {CellKey.of(own.slice(0, 1).to_pylist()[0]): trace(own).delay for own in cells}


def judgement(source: Source) -> list[str | TextTable]:
    """A table of the models for each horizon, and the tests in sentences."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is said of its model
        late = delays(source)
    return [part for section in summarise(source).sections for part in _parts(section, late)][:-1]


_HEAD = ("model", "RMSE", "MAE", "skill", "95 % over the window", "against persistence", "against the best", "delay")


def _parts(section: Section, late: dict[CellKey, Delay | None]) -> Iterator[str | TextTable]:
    cells = sorted(section.cells, key=lambda cell: cell.rmse.value if cell.rmse else float("inf"))
    yield f"{section.dataset}, {plural(section.horizon, 'step')} ahead"
    yield ""
    yield TextTable([_row(cell, late) for cell in cells], _HEAD)
    yield ""
    yield section.statement
    if section.noise_floor_rmse is not None:
        yield f"The best possible forecast, as column {BEST} gives it, has RMSE {number(section.noise_floor_rmse)}."
    yield from dict.fromkeys(text for cell in cells for text in (cell.why, cell.why_not_best) if text)
    yield ""


def _row(cell: CellSummary, late: dict[CellKey, Delay | None]) -> tuple[str, ...]:
    low, high = cell.skill_in_window or (None, None)
    window = "–" if low is None else f"{number(low)} to {number(high)}"
    delay = late.get(CellKey(cell.dataset, cell.model, cell.sequence_length, cell.horizon))
    shown = str(delay.steps) if delay and delay.shown else "–"
    skill = number(cell.skill.value if cell.skill else None)
    rmse = number(cell.rmse.value if cell.rmse else None)
    return cell.model, rmse, number(cell.mae), skill, window, cell.words, cell.words_next_to_best or "–", shown
