"""Stored numbers computed again from what they must follow from, by code of their own; what differs is a caution.

Three things are compared, none of which needs the code that made the rows:

- **Errors** with the stored predictions: the mean squared error of the model and of persistence.
- **Truth and persistence** with the raw column: where the data is a file that is still there, by its SHA-256, its
  column is read again with pandas. Elsewhere persistence is compared with the truth of earlier test targets.
- **Two models that anyone can compute**: the predictions of `persistence` are the last values of the column, and those
  of `linear-ar` are a ridge regression of the column on its own past, fitted here by least squares.

A loader that fills or smooths with later values, or a step that changes predictions after the model, does not get past
all three. Predictions that are stored in part are compared as far as they go.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from bench.array_types import FloatArray, IntArray
from bench.cells import CellKey, CellSpec
from bench.errors import InputError
from bench.paths import data_folders
from bench.text import listed, percent

TOLERANCE = 1e-6
"""Relative: squared errors, and values as a share of the range of the truth, that differ by less are the same."""

_FIT_TOLERANCE = 1e-5
"""The same for a regression, whose least directions two ways to solve it determine differently."""

_LARGEST = 20_000_000
"""Values in the windows of a regression; a larger one is not fitted again."""

_PLAIN = frozenset({"path", "column", "time", "max_gap"})
"""Parameters of a file that is read as pandas reads it; others are stored where they are stated."""

_LARGEST_FILE = 2**28  # bytes
_NONE: Mapping[str, str] = MappingProxyType({})
_TEXTS = (".csv", ".csv.gz")
_NAMED = re.compile(r"(?P<file>.+), column (['\"])(?P<column>[^\\]+)\2")
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, InputError)
ADVICE = "look for a leak with `bench canary`, or run the cell again"


@dataclass(frozen=True, eq=False)
class StoredCell:
    """The predictions of one cell, and its row of `runs` for each replicate.

    Parameters
    ----------
    runs
        By seed.
    columns
        Of `predictions`, ``[rows]`` each.
    """

    runs: Mapping[int, Mapping[str, Any]]
    columns: Mapping[str, Any]

    @classmethod
    def of(cls, runs: pa.Table, predictions: pa.Table) -> "StoredCell":
        """Of rows of one cell, of which there is at least one of each table."""
        columns = {name: predictions[name].to_numpy() for name in _PREDICTION_COLUMNS}
        rows = runs.select(["seed", *_RUN_COLUMNS]).to_pylist()
        return cls({row["seed"]: row for row in rows}, columns)

    @property
    def run(self) -> Mapping[str, Any]:
        """The row of its first replicate, whose data and settings are those of the cell."""
        return self.runs[min(self.runs)]

    @property
    def is_forecast(self) -> bool:
        """Whether its targets are points of one series, the same for all replicates.

        Where persistence says one value of targets that differ, each target is that of a sequence of its own.
        """
        one_answer = np.ptp(self.columns["persistence"]) == 0 < np.ptp(self.columns["truth"])
        fresh_data = CellSpec.from_json(self.run["spec"]).fresh_data
        return bool(self.run["task"] == "forecast" and not fresh_data and not one_answer)

    def largest(self, name: str, other: FloatArray) -> float:
        """The largest difference between the column `name` and `other`, as a share of the range of the truth."""
        scale = float(np.ptp(self.columns["truth"])) or 1.0
        return float(np.max(np.abs(self.columns[name] - other), initial=0.0)) / scale


_PREDICTION_COLUMNS = ("seed", "index", "channel", "step", "truth", "prediction", "persistence")
_RUN_COLUMNS = (
    *(
        "dataset",
        "task",
        "departures",
        "mse",
        "persistence_mse",
        "test_points",
        "data_source",
        "data_sha256",
        "data_notes",
    ),
    *("hyperparameters", "spec"),
)


def differences(
    runs: Mapping[str, pa.Table], predictions: Mapping[str, pa.Table], files: Mapping[str, str] = _NONE
) -> tuple[str, ...]:
    """What is stored and does not follow from what it should: a caution for each cell and kind.

    Parameters
    ----------
    runs, predictions
        The rows of each cell, by its id.
    files
        Where the suite says that the file of a dataset lies, by the dataset's id.
    """
    return tuple(
        f"{CellKey.of(rows.slice(0, 1).to_pylist()[0]).title}: {text}; {ADVICE}."
        for cell_id, rows in predictions.items()
        if cell_id in runs
        for text in _differences(runs[cell_id], rows, files)
    )


def uncompared(
    runs: Mapping[str, pa.Table], predictions: Mapping[str, pa.Table], files: Mapping[str, str] = _NONE
) -> tuple[str, ...]:
    """Which datasets of a file were not compared with its raw column, and why, as one caution; none where all were.

    Parameters are those of `differences`.
    """
    reasons: dict[str, str] = {}
    first = {rows["dataset"][0].as_py(): rows.slice(0, 1) for id_, rows in runs.items() if id_ in predictions}
    for dataset, rows in first.items():  # one cell of each: all of them are of one file
        if reason := _why_not(rows.to_pylist()[0], files):
            reasons[dataset] = reason
    if not reasons:
        return ()
    named = listed([f"{dataset} ({reason})" for dataset, reason in sorted(reasons.items())])
    return (f"Truth and persistence were not compared with the raw column of {named}.",)


def _why_not(run: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Why the forecasts of a cell are not compared with its file; empty where they are, or where it has none."""
    named = _NAMED.fullmatch(run["data_source"] or "")
    if not named or not run["data_sha256"] or run["task"] != "forecast":
        return ""
    try:
        spec = CellSpec.from_json(run["spec"])
        if run["data_notes"] or _is_read_otherwise(spec):
            return "read with options, or with what was detected"
        places = (files.get(run["dataset"]), named["file"])
        return "" if _file(places, spec, run["data_sha256"]) else "its file is not at hand"
    except _UNREADABLE:
        return "its rows, or the file, cannot be read as this version writes them"


def _differences(runs: pa.Table, predictions: pa.Table, files: Mapping[str, str]) -> list[str]:
    """Of one cell; none where its rows, or the file behind them, cannot be read as this version writes them."""
    try:
        cell = StoredCell.of(runs, predictions)
        if not all(np.isfinite(cell.columns[name]).all() for name in ("truth", "prediction", "persistence")):
            return []  # which is said elsewhere
        return [*_errors(cell), *(_of_forecasts(cell, files) if cell.is_forecast else ())]
    except _UNREADABLE:  # `uncompared` names its dataset
        return []


def _of_forecasts(cell: StoredCell, files: Mapping[str, str]) -> Iterator[str]:
    column = raw_column(cell.run, files)
    return _within(cell) if column is None else _from_column(cell, column)


def _errors(cell: StoredCell) -> Iterator[str]:
    """Errors of `runs` that the stored predictions do not have, where all of these are stored."""
    columns = cell.columns
    seeds, place, count = np.unique(columns["seed"], return_inverse=True, return_counts=True)
    stored = [cell.runs.get(seed, {}) for seed in seeds.tolist()]
    channels = int(columns["channel"].max()) + 1
    whole = [n == channels * (run.get("test_points") or 0) for run, n in zip(stored, count, strict=True)]
    for error, name in (("mse", "prediction"), ("persistence_mse", "persistence")):
        with np.errstate(over="ignore"):  # what overflows is said in the row
            means = np.bincount(place, (columns[name] - columns["truth"]) ** 2) / count
        errors = np.array([run.get(error) if all_ else None for run, all_ in zip(stored, whole, strict=True)], float)
        gaps = np.abs(means - errors) / np.maximum(np.maximum(means, np.abs(errors)), 1e-300)
        worst = float(np.nanmax(gaps, initial=0.0))
        if worst > TOLERANCE:
            of = "its stored predictions" if name == "prediction" else "the stored values of persistence"
            yield f"the stored {error} is not that of {of}: they differ by {percent(worst, 4)}"


def _within(cell: StoredCell) -> Iterator[str]:
    """Persistence next to the truth of earlier test targets, where the raw column is not at hand."""
    columns = cell.columns
    first, channel = columns["index"].min(), columns["channel"]
    known = np.full((np.ptp(columns["index"]) + 1, channel.max() + 1), np.nan)
    known[columns["index"] - first, channel] = columns["truth"]
    gaps = []
    for delay in (columns["step"], 1):
        shown = columns["index"] - delay - first
        earlier = np.where(shown < 0, np.nan, known[np.maximum(shown, 0), channel])
        gaps.append(cell.largest("persistence", np.where(np.isnan(earlier), columns["persistence"], earlier)))
    if min(gaps) > TOLERANCE:
        yield f"the stored persistence is not the truth of earlier targets: {_by(min(gaps))}"
    yield from _is_persistence(cell)


def _is_persistence(cell: StoredCell) -> Iterator[str]:
    if CellSpec.from_json(cell.run["spec"]).model_kind == "persistence":
        gap = cell.largest("prediction", cell.columns["persistence"])
        if gap > TOLERANCE:
            yield f"the stored predictions are not those of persistence: {_by(gap)}"


@dataclass(frozen=True, eq=False)
class RawColumn:
    """A column as its file has it.

    Parameters
    ----------
    name
        Of the column and the file, for people.
    values
        ``[N]``.
    """

    name: str
    values: FloatArray


def _from_column(cell: StoredCell, column: RawColumn) -> Iterator[str]:
    """Truth, persistence and the forecasts of the two simple models next to the raw `column`."""
    columns, raw = cell.columns, column.values
    if columns["index"].max() >= len(raw):
        yield f"the stored predictions go beyond {column.name}, which has {len(raw)} rows"
        return
    gap = cell.largest("truth", raw[columns["index"]])
    if gap > TOLERANCE:
        yield f"the stored truth is not {column.name}: {_by(gap)}"
    gap = min(cell.largest("persistence", raw[columns["index"] - delay]) for delay in (columns["step"], 1))
    if gap > TOLERANCE:
        yield f"the stored persistence is not made of earlier values of {column.name}: {_by(gap)}"
    yield from _is_persistence(cell)
    fitted = linear_forecasts(cell.run, raw, columns["index"], columns["step"])
    if fitted is not None:
        gap = cell.largest("prediction", fitted)
        if gap > _FIT_TOLERANCE:
            yield f"the stored predictions are not those of a linear regression on {column.name}: {_by(gap)}"


def _by(gap: float) -> str:
    return f"by up to {percent(gap, 4)} of the range of the truth"


def raw_column(run: Mapping[str, Any], files: Mapping[str, str] = _NONE) -> RawColumn | None:
    """The column that the row names, read from its file; `None` where it is of no file that is here unchanged.

    Nor where the file was not simply read: options were stated, or something was detected, such as gaps.
    """
    named, spec = _NAMED.fullmatch(run["data_source"] or ""), CellSpec.from_json(run["spec"])
    if not named or not run["data_sha256"] or run["data_notes"] or _is_read_otherwise(spec):
        return None
    path = _file((files.get(run["dataset"]), named["file"]), spec, run["data_sha256"])
    return None if path is None else _read(path, named["column"], run["data_sha256"])


def _is_read_otherwise(spec: CellSpec) -> bool:
    """Whether the suite says how the file is read: rows chosen or filled, other marks, another order."""
    return bool(spec.content["dataset"]["parameters"].keys() - _PLAIN)


def _file(places: Iterable[str | None], spec: CellSpec, sha256: str) -> Path | None:
    """The file of this content: where the spec, the suite or the row says, or in the folders of BENCH_DATA."""
    known = [place for place in (spec.content["dataset"]["parameters"].get("path"), *places) if place]
    name = known[-1].rsplit("/", 1)[-1]
    nested = (path for folder in data_folders() for path in (folder / name, *folder.glob(f"*/{name}")))
    candidates = (*map(Path, known), *nested)
    return next((path for path in candidates if _is_readable(path) and _sha256(path, path.stat()) == sha256), None)


def _is_readable(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= _LARGEST_FILE


@lru_cache(maxsize=64)
def _sha256(path: Path, _as_it_is: os.stat_result) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=16)
def _read(path: Path, column: str, _sha256: str) -> RawColumn:
    import pandas as pd  # slow, and most reports are of data that was generated

    def wanted(name: str) -> bool:
        return name.strip() == column.strip()

    text = path.name.lower().endswith(_TEXTS)
    table = pd.read_csv(path, usecols=wanted) if text else pd.read_parquet(path, columns=[column])
    return RawColumn(f"column {column!r} of {path.name}", table.iloc[:, 0].to_numpy(np.float64))


def linear_forecasts(run: Mapping[str, Any], raw: FloatArray, index: IntArray, step: IntArray) -> FloatArray | None:
    """``[rows]``: the forecasts of test targets by ridge regression on standardised windows.

    Parameters
    ----------
    run
        A row of `runs`.
    raw
        ``[N]``: the series.
    index, step
        ``[rows]``: the position of each target, and how far ahead of the last input it lies.

    Returns
    -------
    FloatArray
        `None` where the row is not of such a model under the protocol, or the regression is too large.
    """
    spec = CellSpec.from_json(run["spec"])
    chosen = json.loads(run["hyperparameters"] or "{}")
    if spec.model_kind != "linear-ar" or run["departures"] or not chosen.get("intercept", False):
        return None
    if spec.content["split"].get("refit"):  # another regression at each origin
        return None
    length, horizon, count = spec.content["sequence_length"], spec.content["horizon"], len(raw)
    validation, test = (_points(spec.content["split"][part], count) for part in ("validation", "test"))
    train_end = count - validation - test
    windows = sliding_window_view(raw, length + horizon)[: train_end - length - horizon + 1]
    starts, place = np.unique(index - step + 1, return_inverse=True)
    if max(windows.size, len(starts) * length) > _LARGEST:
        return None
    shown = sliding_window_view(raw, length)[starts - length]
    forecasts = _ridge(windows[:, :length], windows[:, length:], alpha=chosen["alpha"], shown=shown)
    return np.asarray(forecasts[place, step - 1])


def _points(part: float, count: int) -> int:
    return part if isinstance(part, int) else round(part * count)


def _ridge(inputs: FloatArray, targets: FloatArray, *, alpha: float, shown: FloatArray) -> FloatArray:
    """Least squares with the rows ``sqrt(alpha) I`` added, for standardised inputs: the forecasts from `shown`."""
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    share = np.sqrt(len(inputs))
    design = np.vstack([(inputs - mean) / scale / share, np.sqrt(alpha) * np.eye(inputs.shape[1])])
    centre = targets.mean(axis=0)
    wanted = np.vstack([(targets - centre) / share, np.zeros((inputs.shape[1], targets.shape[1]))])
    weights = np.linalg.lstsq(design, wanted, rcond=None)[0]
    return np.asarray((shown - mean) / scale @ weights + centre)
