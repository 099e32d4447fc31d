"""The studies of a results folder as one Optuna journal, which optuna-dashboard opens.

It is made from the rows of `trials`; nothing reads it back into results.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import optuna
import pyarrow as pa
from optuna.distributions import json_to_distribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState, create_trial

from bench.atomic import kind_of, open_lock

_BLOCK = 2**16
"""Bytes in which the end of the last whole line is looked for."""

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class Journal:
    """The journal at `path`, read once: each study is added in the time that its own trials take.

    Every use is by one who has the lock of the results folder; others may add to the file in between.

    Parameters
    ----------
    path
        It need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._storage: JournalStorage | None = None
        self._read = (0, 0)  # the file that the storage is of, and how long it was

    def record(self, trials: pa.Table) -> None:
        """Add the study of one cell, given by its rows of `trials`, replacing an older one."""
        rows = trials.to_pylist()
        if not rows:
            return
        storage, name = self._opened(), study_name(rows[0])
        with contextlib.suppress(KeyError):  # there was none
            optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(study_name=name, storage=storage, direction="minimize")
        study.set_user_attr("cell_id", rows[0]["cell_id"])
        study.add_trials([_frozen(row) for row in rows])
        self._read = _file(self._path)

    def _opened(self) -> JournalStorage:
        """The storage; another one where the file is another, or was cut by another writer."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        _repair(self._path)
        number, size = _file(self._path)
        if self._storage is None or number != self._read[0] or size < self._read[1]:
            path = str(self._path)
            self._storage = JournalStorage(JournalFileBackend(path, lock_obj=_NoLock(path)))
        return self._storage


def _file(path: Path) -> tuple[int, int]:
    """The number of the file and its bytes; zeros where there is none."""
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        return status.st_ino, status.st_size
    return 0, 0


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
        end = start = file.seek(0, os.SEEK_END)
        while start:
            before = max(0, start - _BLOCK)
            file.seek(before)
            if (last := file.read(start - before).rfind(b"\n")) >= 0:
                start = before + last + 1
                break
            start = before
        if start != end:
            file.truncate(start)


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
