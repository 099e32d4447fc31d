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
from bench.tuning.journal import Journal, _repair, study_name

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
from bench.tuning.journal import Journal

file.os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)  # an append ends here, its lock held
Journal(pathlib.Path("studies.journal")).record(table("trials", [ROW]))
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
    Journal(Path("studies.journal")).record(_trials())
    assert time.monotonic() - started < 5
    storage = JournalStorage(JournalFileBackend("studies.journal"))
    assert optuna.load_study(study_name=study_name(ROW), storage=storage).best_value == 0.25


def test_a_lock_that_someone_left_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    path = Path("results/studies.journal")
    Path("results/studies.journal.lock").symlink_to(path)  # dangles: its target is relative to the lock
    Journal(path).record(_trials())
    assert path.stat().st_size


def test_two_writers_in_turn_and_a_torn_line_lose_no_study(tmp_path: Path) -> None:
    path = tmp_path / "studies.journal"
    one, other = Journal(path), Journal(path)
    for number, journal in enumerate([one, other, one, one, other]):
        journal.record(table("trials", [{**ROW, "cell_id": f"cell{number}", "validation_mse_scaled": float(number)}]))
        with path.open("ab") as file:
            file.write(b'{"torn')
    one.record(table("trials", [{**ROW, "cell_id": "cell1", "validation_mse_scaled": 7.0}]))
    studies = optuna.get_all_study_summaries(JournalStorage(JournalFileBackend(str(path))))
    best = {each.user_attrs["cell_id"]: each.best_trial.value for each in studies if each.best_trial}
    assert best == {"cell0": 0.0, "cell1": 7.0, "cell2": 2.0, "cell3": 3.0, "cell4": 4.0}


def test_a_journal_that_was_moved_away_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "studies.journal"
    journal = Journal(path)
    journal.record(_trials())
    path.rename(tmp_path / "earlier")
    journal.record(_trials())
    assert len(optuna.get_all_study_names(JournalStorage(JournalFileBackend(str(path))))) == 1


@pytest.mark.parametrize("whole", [b"", b"{}\n", b"x" * 70_000 + b"\n"])
def test_only_the_last_line_is_cut(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(whole + b"y" * 140_000)
    _repair(path)
    assert path.read_bytes() == whole
