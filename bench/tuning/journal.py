"""The studies of a results folder as one Optuna journal, which optuna-dashboard opens.

It is made from the rows of `trials`; nothing reads it back into results.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import optuna
import pyarrow as pa
from optuna.distributions import json_to_distribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState, create_trial

from bench.atomic import kind_of, open_lock

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def record(path: Path, trials: pa.Table) -> None:
    """Add the study of one cell, given by its rows of `trials`, to the journal at `path`, replacing an older one.

    The caller has the lock of the results folder.
    """
    rows = trials.to_pylist()
    if not rows:
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _repair(path)
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_NoLock(str(path))))
    name = study_name(rows[0])
    with contextlib.suppress(KeyError):  # there was none
        optuna.delete_study(study_name=name, storage=storage)
    study = optuna.create_study(study_name=name, storage=storage, direction="minimize")
    study.set_user_attr("cell_id", rows[0]["cell_id"])
    study.add_trials([_frozen(row) for row in rows])


def study_name(row: dict[str, Any]) -> str:
    """What the dashboard lists: the cell for people, and the start of its id."""
    return f"{row['dataset']} × {row['model']} L={row['sequence_length']} h={row['horizon']} [{row['cell_id'][:8]}]"


class _NoLock(JournalFileOpenLock):
    """The caller has the lock of the results folder; Optuna's own lock files outlive a writer that is killed."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _repair(path: Path) -> None:
    """Cut a line that a killed run left half written; its study is recorded again with its cell."""
    if not kind_of(path):
        return
    with open_lock(path) as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole != len(content):
            file.truncate(whole)


def _frozen(row: dict[str, Any]) -> FrozenTrial:
    state = STATES[row["state"]]
    distributions = {name: json_to_distribution(text) for name, text in json.loads(row["distributions"]).items()}
    return create_trial(
        state=state,
        value=row["validation_mse_scaled"] if state is TrialState.COMPLETE else None,
        params=json.loads(row["parameters"]),
        distributions=distributions,
        intermediate_values=dict(enumerate(row["validation_curve"], start=1)),
        user_attrs={"duration_s": row["duration_s"], "epochs": row["epochs"]},
    )
