"""The tables of a results folder: one explicit, versioned schema for each.

Every table begins with the same key columns, so each can be read without the others.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bench.choices import TableName

VERSION = 1
"""Raise it when a column changes its name, type or meaning; a column that is new and may be null goes to `ADDED`."""

_METADATA = {"bench_schema_version": str(VERSION)}
_KEY = [
    ("cell_id", pa.string()),
    ("suite", pa.string()),
    ("dataset", pa.string()),
    ("model", pa.string()),
    ("sequence_length", pa.int32()),
    ("horizon", pa.int32()),
]
KEY = tuple(name for name, _ in _KEY)
_ENVIRONMENT = [  # where and with what
    ("device", pa.string()),
    ("host", pa.string()),
    ("cpu", pa.string()),
    ("gpu", pa.string()),
    ("driver", pa.string()),
    ("threads", pa.int32()),
    ("python", pa.string()),
    ("libraries", pa.string()),  # JSON: name → version
    ("bench_version", pa.string()),
    ("code_version", pa.int32()),
    ("git_commit", pa.string()),
    ("git_dirty", pa.bool_()),
    ("deterministic_algorithms", pa.bool_()),
    ("machine_reference_s", pa.float64()),  # a fixed matrix product, timed in the same process
    ("started_at", pa.timestamp("us", tz="UTC")),
]


class Status(StrEnum):
    """How a replicate ended. `ADVICE` says what to do about each but `ok`."""

    OK = "ok"
    DIVERGED = "diverged"
    UNAVAILABLE = "unavailable"
    INVALID_DATA = "invalid_data"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    FAILED = "failed"


ADVICE: Mapping[Status, str] = {
    Status.DIVERGED: "lower learning_rate or clip_norm, or change the loss or the scaler",
    Status.UNAVAILABLE: "name a folder that holds the file in BENCH_DATA, or run `bench data fetch` with a network",
    Status.INVALID_DATA: "fix the file at the row named here",
    Status.OUT_OF_MEMORY: "lower batch_size, hidden_size, sequence_lengths or --jobs",
    Status.TIMEOUT: "raise time_limit_s or limits.cell_s, or lower epochs, trials or seeds",
    Status.CRASHED: "an unforeseen end: report it with this text and its log; `--failed-only` runs the cell again",
    Status.FAILED: "an unforeseen error: report it with this text; `--failed-only` runs the cell again",
}

RENAMED_STATUSES: Mapping[str, Status] = {"out_of_time": Status.TIMEOUT}
"""What rows of earlier versions call a status; they are read with its name of today."""

RUNS = pa.schema(
    [
        *_KEY,
        ("seed", pa.int32()),  # the replicate: 0 … seeds - 1
        ("task", pa.string()),
        ("departures", pa.string()),  # from the protocol, as published systems make them; null for none
        ("status", pa.string()),
        ("reason", pa.string()),
        # Errors over all test targets, pooled; original units, then scaled units (original / error_scale).
        ("rmse", pa.float64()),
        ("mse", pa.float64()),
        ("mae", pa.float64()),
        ("r2", pa.float64()),
        ("rmse_scaled", pa.float64()),
        ("mse_scaled", pa.float64()),
        ("error_scale", pa.float64()),
        ("persistence_mse", pa.float64()),
        ("noise_floor_mse", pa.float64()),
        ("linear_floor_mse", pa.float64()),  # expected error of the best linear forecast from the same window
        ("seasonal_mse", pa.float64()),  # of the value one season ago, on the same targets; null without a season
        ("season", pa.int32()),  # points in one, stated or detected
        ("mase", pa.float64()),  # mae / mean absolute error of the (seasonal) naive forecast on the train part
        ("skill", pa.float64()),
        ("learnable_fraction", pa.float64()),
        ("directional_accuracy", pa.float64()),
        ("accuracy", pa.float64()),  # of classes
        ("log_loss", pa.float64()),
        ("validation_mse_scaled", pa.float64()),
        # Cost of this replicate; fit_s is its share of the bank's time.
        ("epochs", pa.int32()),  # rounds, each with a validation at its end: epochs, or where the budget is in steps
        ("best_epoch", pa.int32()),
        ("steps", pa.int32()),  # of the optimiser
        ("fit_s", pa.float64()),
        ("predict_s", pa.float64()),
        ("tuning_s", pa.float64()),  # of the whole cell
        ("peak_memory_bytes", pa.int64()),
        ("parameters", pa.int64()),
        (
            "shapes",
            pa.string(),
        ),  # JSON: name → shape of train_inputs, train_targets, and of the recurrent layers' outputs
        ("bank", pa.string()),  # how the replicates were stepped: as one, one by one, in closed form
        ("deterministic", pa.bool_()),  # the model draws no random number: one fit stands for every seed
        # What was run.
        ("hyperparameters", pa.string()),  # JSON: the values that this replicate was trained with
        ("spec", pa.string()),  # JSON: the resolved cell
        ("untuned", pa.bool_()),  # trained with the suite's own hyperparameters until the cell is tuned; null for no
        ("trials", pa.int32()),
        ("train_windows", pa.int64()),
        ("validation_points", pa.int64()),
        ("test_points", pa.int64()),
        ("data_source", pa.string()),
        ("data_notes", pa.string()),  # what was detected when the file was read, and what looks wrong; null for none
        ("data_sha256", pa.string()),
        ("data_seed", pa.int64()),
        ("shifts", pa.string()),  # JSON: at → positions of the test part's level shifts; null for none
        *_ENVIRONMENT,
    ],
    metadata=_METADATA,
)

TRIALS = pa.schema(
    [
        *_KEY,
        ("trial", pa.int32()),
        ("state", pa.string()),  # complete, pruned, failed
        ("validation_mse_scaled", pa.float64()),
        ("epochs", pa.int32()),
        ("parameters", pa.string()),  # JSON
        ("distributions", pa.string()),  # JSON: name → Optuna's distribution
        ("validation_curve", pa.list_(pa.float64())),  # by round
        ("duration_s", pa.float64()),  # its share of the bank's time
    ],
    metadata=_METADATA,
)

CURVES = pa.schema(
    [
        *_KEY,
        ("seed", pa.int32()),
        ("epoch", pa.int32()),  # the round, from 1
        ("train_loss", pa.float64()),  # the training loss, scaled units, mean over the round's steps
        ("validation_mse_scaled", pa.float64()),
    ],
    metadata=_METADATA,
)

PREDICTIONS = pa.schema(
    [
        *_KEY,
        ("seed", pa.int32()),
        ("index", pa.int64()),  # position in the series, from 0; several series are one after the other
        ("series", pa.string()),  # its name, where there are several; else null
        ("time", pa.string()),  # ISO 8601, or a number; null where the series has no time
        ("channel", pa.int32()),
        ("step", pa.int32()),  # 1 … horizon: how far ahead of the last input this target lies; it is at index - step
        ("truth", pa.float64()),  # original units
        ("prediction", pa.float64()),
        ("persistence", pa.float64()),
    ],
    metadata=_METADATA,
)

SEQUENCES = pa.schema(
    [
        *_KEY,
        ("seed", pa.int32()),
        ("index", pa.int64()),  # number of the test sequence among all, from 0, as in `predictions`
        ("targets", pa.int32()),  # how many values the sums are over
        ("squared_error", pa.float64()),  # sums, original units
        ("absolute_error", pa.float64()),
        ("persistence_squared_error", pa.float64()),
        ("true_class", pa.int32()),  # of classes; null for other tasks
        ("predicted_class", pa.int32()),
        ("log_loss", pa.float64()),
    ],
    metadata=_METADATA,
)

PROBES = pa.schema(
    [
        *_KEY,
        ("status", pa.string()),
        ("reason", pa.string()),
        ("quantity", pa.string()),  # what `value` is, its unit in the name; null where the probe failed
        ("repeat", pa.int32()),  # the round, from 0; null for what is counted once
        ("value", pa.float64()),
        ("implementation", pa.string()),  # what was timed
        ("workload", pa.string()),  # JSON: what was measured; rows of equal workloads compare
        ("parameters_from", pa.string()),  # runs: those that the cell's replicates were trained with; suite: its own
        *_ENVIRONMENT,
    ],
    metadata=_METADATA,
)

SCHEMAS: Mapping[str, pa.Schema] = {
    TableName.RUNS: RUNS,
    TableName.TRIALS: TRIALS,
    TableName.CURVES: CURVES,
    TableName.PREDICTIONS: PREDICTIONS,
    TableName.SEQUENCES: SEQUENCES,
}
"""The tables that one cell becomes when it is run."""

ALL: Mapping[str, pa.Schema] = {**SCHEMAS, TableName.PROBES: PROBES}
"""Every table of a results folder: a cell is probed at another time, on any number of machines."""

ADDED: Mapping[str, frozenset[str]] = {
    TableName.RUNS: frozenset(
        {"bank", "departures", "linear_floor_mse", "accuracy", "log_loss", "data_notes", "steps", "untuned"}
        | {"season", "seasonal_mse", "mase", "shifts"}
    ),
    TableName.PREDICTIONS: frozenset({"series"}),
}
"""Columns that came later within `VERSION`: parts without them are read, as nulls. Name here what is added."""

LATER = frozenset({"sequences"})
"""Tables that came later within `VERSION`: a stored cell without its part of one is read, as having no row there."""

Rows = dict[str, pa.Table]
"""What one cell becomes: a table for each name in `SCHEMAS`; one of `LATER` may be missing."""


def table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """`rows` as the table `name`; a missing column is null, an unknown one raises `KeyError`."""
    schema = ALL[name]
    rows = list(rows)
    extra = {key for row in rows for key in row} - set(schema.names)
    if extra:
        raise KeyError(f"columns {sorted(extra)} are not in the schema of {name!r}")
    return pa.Table.from_pylist(rows, schema=schema)


def joined(one: Rows, other: Rows) -> Rows:
    """The rows of `one`, and those of the replicates that only `other` has, by replicate."""
    seeds = one["runs"]["seed"].combine_chunks()
    whole = dict(one)
    for name, rows in other.items():
        if "seed" in rows.column_names:
            more = rows.filter(pc.invert(pc.is_in(rows["seed"], value_set=seeds)))
            both = pa.concat_tables([one[name], more]).combine_chunks()
            whole[name] = both.take(pc.array_sort_indices(both["seed"].combine_chunks()))  # which is stable
    return whole
