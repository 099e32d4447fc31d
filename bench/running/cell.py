"""``run_cell(cell) -> rows``: everything that one cell does, from its spec to its rows.

A function from values to values: it runs anywhere and neither prints nor writes. Failures become rows with a status and
a reason. Peak memory is that of this process.
"""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.array_types import FloatArray
from bench.cells import Cell
from bench.data.base import Series
from bench.errors import DataError, InputError, OutOfTime
from bench.models import model_kinds
from bench.models.base import ModelKind
from bench.models.forecaster import GAPS, SEVERAL
from bench.protocol.examples import TrainingData
from bench.protocol.prepare import Prepared, Scorer, load_data, prepare
from bench.registry import is_address, lookup, short_address
from bench.running.devices import of_cell
from bench.running.rows import Ledger, as_json, classified, known
from bench.running.unfinished import REPORT, Resumed
from bench.store.environment import peak_bytes, reset_peak
from bench.store.schema import ADVICE, Rows, Status
from bench.training.fit import Trained, refitted, shapes, train
from bench.training.members import STAGES, Fit, Member, at_once
from bench.tuning.candidates import Candidate, resolve, space, winner
from bench.work_clock import stopped, untimed_imports, work_s

log = logging.getLogger(__name__)


def run_cell(cell: Cell | Resumed, *, device: str = "cpu") -> Rows:
    """Load, split, scale, tune, train the replicates, and open the test part once.

    Parameters
    ----------
    cell
        What to run, with the trials of an earlier attempt where there are some; where these are a whole study, its
        winner is trained and no trial is made.
    device
        A torch device for gradient models; ``auto`` for the one that the cell needs (`bench.running.devices`).

    Returns
    -------
    Rows
        One row of `runs` for every replicate to run, whatever happened.
    """
    request = cell if isinstance(cell, Resumed) else Resumed(cell)
    cell, earlier = request.cell, [] if request.trials is None else request.trials.to_pylist()
    device = of_cell(cell, device)
    ledger = Ledger(cell, device, earlier=earlier)
    if request.tuning_s is not None:
        ledger.common |= {"trials": len(earlier), "tuning_s": request.tuning_s}
    try:
        with untimed_imports(), at_once(request.at_once):
            _run(cell, ledger, device)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a cell's failure is a value, and so is the model's wish to end the program
        log.info("%s ends:", cell.title, exc_info=error)
        ledger.fail_the_rest(*classified(error))
    return ledger.rows()


def _run(cell: Cell, ledger: Ledger, device: str) -> None:
    deadline = work_s() + (cell.time_limit_s or math.inf)
    kind = lookup(model_kinds(), cell.model.kind, "model")
    _refuse_edited(kind, cell)
    prepared = prepare(cell, load_data(cell))
    ledger.common |= prepared.provenance()
    if kind.forecaster and isinstance(prepared.source, Series) and prepared.source.breaks:
        raise DataError(f"{cell.model.id}: {SEVERAL if prepared.source.several else GAPS}")
    candidate = _candidate(kind, cell, prepared.data, ledger=ledger, device=device, deadline=deadline)
    if candidate is None:
        advice = ADVICE[Status.DIVERGED]
        ledger.fail_the_rest(Status.DIVERGED, f"every trial of the study diverged; {advice}")
        return
    ledger.common["hyperparameters"] = as_json(candidate.values())
    members = dict(zip(cell.replicates, replicates(kind, cell, candidate), strict=False))
    first, draws = members[cell.replicates[0]], kind.draws(candidate.parameters)
    with stopped():  # no work of the model
        ledger.common["shapes"] = as_json(shapes(kind, first, prepared.data))
    reset_peak()
    for group in _groups(cell):
        STAGES.get()("replicate", cell.replicates.index(group[0]), len(cell.replicates))
        if cell.fresh_data and group[0] > 0:
            prepared = prepare(cell, load_data(cell, group[0]))
        chosen = [members[replicate] for replicate in group] if draws else [first]
        if cell.split.refit:
            again = prepared.refits(cell)
            trained = refitted(kind, chosen, again, prepared.scaler, device=device, deadline=deadline)
        else:
            trained = train(kind, chosen, prepared.data, device=device, deadline=deadline)
        if work_s() > deadline:  # one call of the model may take any time
            raise OutOfTime("the cell's time limit passed while fitting")
        _record(group, trained, prepared=prepared, ledger=ledger, kind=kind, draws=draws)


def _refuse_edited(kind: ModelKind, cell: Cell) -> None:
    """See that a class that is named by its source is the one that the cell is known by.

    Raises
    ------
    InputError
        It was edited meanwhile.
    """
    name = short_address(cell.model.kind)
    if is_address(name) and cell.plugins and cell.plugins.get(f"model {name}") != kind.identity:
        raise InputError(f"{name}: it was edited after the run began; run the command again")


def _groups(cell: Cell) -> list[list[int]]:
    """The replicates that share data, and so are trained together."""
    return [[replicate] for replicate in cell.replicates] if cell.fresh_data else [cell.replicates]


def replicates(kind: ModelKind, cell: Cell, candidate: Candidate) -> list[Member]:
    """Members on fresh seeds, one for each replicate to run; one where the model draws no random number, for all."""
    return [
        Member(candidate.parameters, candidate.training, cell.seed, ("replicate", replicate))
        for replicate in (cell.replicates if kind.draws(candidate.parameters) else cell.replicates[:1])
    ]


def _candidate(
    kind: ModelKind, cell: Cell, data: TrainingData, *, ledger: Ledger, device: str, deadline: float
) -> Candidate | None:
    """The hyperparameters to train with: tuned where there is something to tune; `None` if all trials diverged."""
    if cell.untuned or not (cell.tuning and space(kind, cell)):
        return resolve(kind, cell)
    if "tuning_s" in ledger.common:  # the study is stored
        return winner(kind, cell, ledger.earlier)
    from bench.tuning.study import FinishedTrial, StudyLog, trial_row, tune

    most = cell.tuning.trials
    STAGES.get()("trial", 0, most)

    def record(trials: Sequence[FinishedTrial]) -> None:
        ledger.trials.extend(map(trial_row, trials))
        STAGES.get()("trial", len(ledger.trials), most)
        REPORT.get()(ledger.trials_table())

    tuned = tune(kind, cell, data, device=device, deadline=deadline, log=StudyLog(record, ledger.earlier))
    ledger.common |= {"trials": len(tuned.trials), "tuning_s": tuned.tuning_s}
    return tuned.best


def _record(
    group: Sequence[int], trained: Trained, *, prepared: Prepared, ledger: Ledger, kind: ModelKind, draws: bool
) -> None:
    """The rows of the replicates of `group`; where the model draws no random number, one fit stands for all of them."""
    started = work_s()
    predictions = trained.predict(prepared.test)  # [K, points, D], scaled
    deterministic = not draws or (not kind.gradient and _copies(predictions))
    shared = {
        **prepared.provenance(),
        "predict_s": (work_s() - started + trained.predict_s) / len(predictions),
        "peak_memory_bytes": peak_bytes(),
        "bank": trained.how,
        "deterministic": deterministic,
    }
    if trained.examine is not None:
        with stopped():  # no work of the model
            trained.examine(prepared.test, predictions[0])
    compared = prepared.compared(trained.teacher_forced)
    for k, (fit, count, scaled) in enumerate(zip(trained.fits, trained.parameter_counts, predictions, strict=True)):
        same = [group[k]] if draws else list(group)
        prediction = prepared.original(scaled, teacher_forced=trained.teacher_forced)
        row = {**shared, "parameters": counted(count), **_fit_columns(fit), **_error_columns(fit, compared, prediction)}
        if kind.forecaster:  # which sees more than the window that this floor is of
            row["linear_floor_mse"] = None
        for replicate in same:
            ledger.add_run(replicate, row)
            ledger.add_curve(replicate, fit)
        if row["status"] == Status.OK:
            ledger.add_targets("predictions", same, compared.columns(prediction))
            if sums := compared.sums(prediction):
                ledger.add_targets("sequences", same, sums)


def _copies(predictions: FloatArray) -> bool:
    """Whether several fits on fresh seeds predict the very same: then their seeds change nothing."""
    return len(predictions) > 1 and bool((predictions == predictions[0]).all())


def counted(parameters: Any) -> int | None:
    """A number of fitted parameters, as a model says it; `None` where it says that it is not known.

    Raises
    ------
    InputError
        It is no number of anything.
    """
    if parameters is None:
        return None
    if isinstance(parameters, bool) or not isinstance(parameters, int | np.integer) or parameters < 0:
        raise InputError(
            f"parameter_count: expected a whole number ≥ 0, or None where it is not known, got {parameters!r:.100}; "
            "correct it in the model"
        )
    return int(parameters)


def _fit_columns(fit: Fit) -> dict[str, Any]:
    return {
        "status": fit.status.value,
        "reason": fit.reason,
        "epochs": fit.epochs,
        "best_epoch": fit.best_epoch,
        "steps": fit.steps,
        "fit_s": fit.fit_s,
        "validation_mse_scaled": known(fit.validation_mse),
    }


def _error_columns(fit: Fit, compared: Scorer, prediction: FloatArray) -> dict[str, Any]:
    if fit.status is not Status.OK:
        return {}
    if not np.isfinite(prediction).all():
        reason = f"a test prediction is not finite; {ADVICE[Status.DIVERGED]}"
        return {"status": Status.DIVERGED.value, "reason": reason}
    return compared.errors(prediction)
