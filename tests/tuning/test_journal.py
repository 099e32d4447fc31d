"""The journal of studies: a writer that was killed must not hold up the next."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import optuna
import pyarrow as pa
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from bench.store.schema import table
from bench.tuning.journal import record, study_name

ROW = {
    "cell_id": "c0ffee",
    "suite": "s",
    "dataset": "d",
    "model": "m",
    "sequence_length": 3,
    "horizon": 1,
    "trial": 0,
    "state": "complete",
    "validation_mse_scaled": 0.25,
    "epochs": 1,
    "parameters": "{}",
    "distributions": "{}",
    "validation_curve": [0.25],
    "duration_s": 1.0,
}
HELD = """
import os, pathlib, signal, sys
import optuna.storages.journal._file as file
from bench.store.schema import table
from bench.tuning.journal import record

file.os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)  # an append ends here, its lock held
record(pathlib.Path("studies.journal"), table("trials", [ROW]))
"""


def _trials() -> pa.Table:
    return table("trials", [ROW])


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_writer_killed_in_the_middle_of_an_append_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path is relative, as that of the results folder mostly is
    repository = Path(__file__).parents[2]
    command = [sys.executable, "-c", HELD.replace("ROW", repr(ROW))]
    done = subprocess.run(command, env={"PYTHONPATH": str(repository)}, check=False, timeout=60)
    assert done.returncode == -9
    assert [path.name for path in tmp_path.iterdir()] == ["studies.journal"]
    started = time.monotonic()
    record(Path("studies.journal"), _trials())
    assert time.monotonic() - started < 5
    storage = JournalStorage(JournalFileBackend("studies.journal"))
    assert optuna.load_study(study_name=study_name(ROW), storage=storage).best_value == 0.25


def test_a_lock_that_someone_left_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    path = Path("results/studies.journal")
    Path("results/studies.journal.lock").symlink_to(path)  # dangles: its target is relative to the lock
    record(path, _trials())
    assert path.stat().st_size
