"""``run_cell(cell) -> rows``: the whole path of one cell, from its spec to its rows.

A function from values to values: it runs anywhere, neither prints nor writes, and what goes wrong becomes rows
with a status and a reason.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.data import dataset_kinds
from bench.data.base import FloatArray, Series
from bench.data.windows import Parts, Scaler, Windows, check_length, evaluation_windows, train_windows
from bench.errors import DataError
from bench.memory import peak_bytes, reset_peak
from bench.models import model_kinds
from bench.models.base import ModelKind
from bench.registry import lookup
from bench.running.failures import classified
from bench.running.reference import Reference
from bench.running.rows import Ledger, as_json, as_text, flat
from bench.schema import ADVICE, Rows, Status
from bench.suite.cells import Cell
from bench.training.members import Fit, Member, TrainingData
from bench.training.trained import Trained, train
from bench.tuning.candidates import Candidate, resolve, space


def run_cell(cell: Cell, *, device: str = "cpu") -> Rows:
    """Load, split, scale, tune, train S replicates, and open the test part once.

    Parameters
    ----------
    cell
        What to run.
    device
        A torch device for gradient models.

    Returns
    -------
    Rows
        One row of `runs` for every seed, whatever happened.
    """
    ledger = Ledger(cell, device)
    try:
        _run(cell, ledger, device)
    except Exception as error:  # a cell's failure is a value; KeyboardInterrupt still passes
        ledger.fail_the_rest(*classified(error))
    return ledger.rows()


def _run(cell: Cell, ledger: Ledger, device: str) -> None:
    deadline = time.monotonic() + (cell.time_limit_s or math.inf)
    kind = lookup(model_kinds(), cell.model.kind, "model")
    prepared = _prepare(cell)
    ledger.common |= prepared.provenance()
    candidate = _candidate(kind, cell, prepared.data, ledger=ledger, device=device, deadline=deadline)
    if candidate is None:
        advice = ADVICE[Status.DIVERGED]
        ledger.fail_the_rest(Status.DIVERGED, f"every trial of the study diverged; {advice}")
        return
    ledger.common["hyperparameters"] = as_json(candidate.values())
    reset_peak()
    members = _replicates(kind, cell, candidate)
    trained = train(kind, members, prepared.data, device=device, deadline=deadline)
    _record(cell, kind, trained, prepared=prepared, ledger=ledger)


@dataclass(frozen=True, eq=False)
class Prepared:
    """One cell's data: the series, its parts, and windows over it in scaled units."""

    series: Series
    cut: Parts
    scaler: Scaler
    data: TrainingData
    test: Windows

    def provenance(self) -> dict[str, Any]:
        """The columns of `runs` that say what the data was."""
        source = self.series.provenance
        return {
            "data_source": source.source,
            "data_sha256": source.sha256,
            "data_seed": source.seed,
            "train_windows": len(self.data.train),
            "validation_points": self.data.validation.points,
            "test_points": self.test.points,
        }


def _prepare(cell: Cell) -> Prepared:
    kind = lookup(dataset_kinds(), cell.dataset.kind, "dataset")
    series = kind.load(cell.dataset.parsed(kind.parameters), cell.seed)
    if cell.data_sha256 not in (None, series.provenance.sha256):
        raise DataError(
            f"{cell.dataset.id}: expected data with SHA-256 {cell.data_sha256}, got {series.provenance.sha256}: "
            "the file changed after the run began; run again"
        )
    length, horizon = cell.sequence_length, cell.horizon
    cut = check_length(len(series), cell.split, length, horizon, source=series.provenance.source)
    scaler = Scaler.fit(cell.training.scaler, series.values[cut.train])
    values = scaler.transform(series.values)
    data = TrainingData(
        train=train_windows(values, cut, length, horizon),
        validation=evaluation_windows(values, cut.validation, length, horizon),
    )
    return Prepared(series, cut, scaler, data, evaluation_windows(values, cut.test, length, horizon))


def _candidate(
    kind: ModelKind, cell: Cell, data: TrainingData, *, ledger: Ledger, device: str, deadline: float
) -> Candidate | None:
    """The hyperparameters to train with: tuned where there is something to tune; `None` if all trials diverged."""
    if not (cell.tuning and space(kind, cell)):
        return resolve(kind, cell)
    from bench.tuning.rows import trial_row
    from bench.tuning.study import tune

    tuned = tune(
        kind,
        cell,
        data,
        device=device,
        deadline=deadline,
        on_batch=lambda trials: ledger.trials.extend(map(trial_row, trials)),
    )
    ledger.common |= {"trials": len(tuned.trials), "tuning_s": tuned.tuning_s}
    return tuned.best


def _replicates(kind: ModelKind, cell: Cell, candidate: Candidate) -> list[Member]:
    """S members on fresh seeds; one where the model draws no random number, since it stands for all."""
    count = cell.seeds if kind.gradient else 1
    return [
        Member(candidate.parameters, candidate.training, cell.seed, ("replicate", replicate))
        for replicate in range(count)
    ]


def _record(cell: Cell, kind: ModelKind, trained: Trained, *, prepared: Prepared, ledger: Ledger) -> None:
    started = time.perf_counter()
    predictions = trained.predict(prepared.test)  # [K, points, C], scaled
    predict_s = (time.perf_counter() - started) / len(predictions)
    reference = Reference(prepared.series, prepared.cut, prepared.test, trained.teacher_forced)
    shared = {
        "predict_s": predict_s,
        "peak_memory_bytes": peak_bytes(),
        "parameters": trained.parameter_count,
        "bank": trained.how,
        "deterministic": not kind.gradient,
    }
    for k, (fit, scaled) in enumerate(zip(trained.fits, predictions, strict=True)):
        replicates = [k] if kind.gradient else list(range(cell.seeds))
        prediction = prepared.scaler.inverse(scaled)
        row = {**shared, **_fit_columns(fit), **_error_columns(fit, reference, prediction)}
        for replicate in replicates:
            ledger.add_run(replicate, row)
            ledger.add_curve(replicate, fit)
        if row["status"] == Status.OK:
            ledger.add_predictions(replicates, _prediction_columns(prepared, reference, prediction))


def _fit_columns(fit: Fit) -> dict[str, Any]:
    return {
        "status": fit.status.value,
        "reason": fit.reason,
        "epochs": fit.epochs,
        "best_epoch": fit.best_epoch,
        "fit_s": fit.fit_s,
        "validation_mse_scaled": fit.validation_mse if math.isfinite(fit.validation_mse) else None,
    }


def _error_columns(fit: Fit, reference: Reference, prediction: FloatArray) -> dict[str, Any]:
    if fit.status is not Status.OK:
        return {}
    if not np.isfinite(prediction).all():
        reason = f"a test prediction is not finite; {ADVICE[Status.DIVERGED]}"
        return {"status": Status.DIVERGED.value, "reason": reason}
    return reference.errors(prediction)


def _prediction_columns(prepared: Prepared, reference: Reference, prediction: FloatArray) -> dict[str, Any]:
    cut, channels = prepared.cut, prediction.shape[1]
    index = np.arange(cut.validation_end, cut.n)
    return {
        "index": np.repeat(index, channels),
        "time": as_text(prepared.series.time, np.repeat(index, channels)),
        "channel": np.tile(np.arange(channels), len(index)),
        "step": np.repeat(prepared.test.steps(), channels),
        "truth": flat(reference.truth),
        "prediction": flat(prediction),
        "persistence": flat(reference.persistence),
    }
