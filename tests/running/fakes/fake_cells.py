"""Stand-ins for `run_cell`, imported by name in worker processes; the model's id says what they do."""

from __future__ import annotations

import importlib
import math
import os
import random
import signal
import time
from pathlib import Path

from bench.cells import Cell
from bench.running.rows import failed
from bench.running.unfinished import REPORT
from bench.store.schema import Rows, Status, table


def run_cell(cell: Cell, *, device: str) -> Rows:
    """Rows made from the cell's id alone, or what the model's id requests."""
    action, _, argument = cell.model.id.partition(":")
    _end(action, argument)
    if action == "fail":
        return failed(cell, Status(argument), "requested to", device=device)
    if action == "die-sending":
        return {"runs": DiesWhenSent()}
    if action == "batches":
        key = cell.columns
        for count in (2, 4):
            REPORT.get()(table("trials", [{**key, **trial(number, 0.5)} for number in range(count)]))
    if action == "compile":
        _compile()
    if action == "sleep":
        time.sleep(float(argument))
    return ok_rows(cell, device)


def _end(action: str, argument: str) -> None:
    """End this process, hang, or take memory."""
    if action == "die":
        os.kill(os.getpid(), int(argument))
    if action == "die-once" and not Path(argument).exists():
        Path(argument).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "exit":
        os._exit(int(argument))
    if action == "hang":
        Path(argument).write_text(str(os.getpid()))
        time.sleep(60)
    if action == "hang-until" and not Path(f"{argument}.go").exists():
        Path(argument).write_text(str(os.getpid()))
        while not Path(f"{argument}.go").exists():
            time.sleep(0.05)
    if action == "hoard":
        hoard = []
        while sum(map(len, hoard)) < float(argument):
            hoard.append(b"x" * 20_000_000)
            time.sleep(0.05)
        time.sleep(60)


def _compile() -> None:
    """Compile something with numba, where the kernels are known."""
    import numba

    importlib.import_module("bench.kernels.compiled")
    numba.njit(lambda x: x + 1)(1)


class DiesWhenSent:
    def __reduce__(self) -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        return ""


def ok_rows(cell: Cell, device: str) -> Rows:
    rows = failed(cell, Status.DIVERGED, "", device=device)
    key = rows["runs"].select(["cell_id", "suite", "dataset", "model", "sequence_length", "horizon"]).to_pylist()[0]
    mse = int(cell.id, 16) / 2**64
    ok = {"status": "ok", "mse": mse, "rmse": mse**0.5, "fit_s": 0.25, "train_windows": 50}
    runs = [{**row, **ok} for row in rows["runs"].to_pylist()]
    trials = [{**key, **trial(0, mse)}] if cell.tuning else []
    curves = [{**key, "seed": 0, "epoch": epoch, "train_loss": mse / epoch} for epoch in (1, 2)]
    return {**rows, "runs": table("runs", runs), "trials": table("trials", trials), "curves": table("curves", curves)}


def trial(number: int, error: float) -> dict[str, object]:
    """The columns of a finished trial of one epoch."""
    outcome = {"state": "complete", "validation_mse_scaled": error, "epochs": 1, "validation_curve": [error]}
    return {"trial": number, **outcome, "parameters": "{}", "distributions": "{}", "duration_s": 0.5}


def environment_of(cell: Cell, *, device: str) -> Rows:
    """The reasons say which process this is and what it inherited."""
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
    reported = [str(os.getpid()), *(os.environ.get(name, "") for name in names)]
    return failed(cell, Status.FAILED, " ".join(reported), device=device)


def spread_rows(cell: Cell, *, device: str) -> Rows:
    """Replicates that differ, each with data of its own: the model's id says its typical MSE; a study counts trials."""
    cell = getattr(cell, "cell", cell)  # of one that is resumed
    rows = failed(cell, Status.DIVERGED, "", device=device)
    level = 1.0 if cell.model.id == "persistence" else float(cell.model.id.split("-")[1])
    runs = [
        {
            **row,
            "status": "ok",
            "mse": mse_of(cell.model.id, level, row["seed"], untuned=cell.untuned),
            "rmse": mse_of(cell.model.id, level, row["seed"], untuned=cell.untuned) ** 0.5,
            "persistence_mse": 1.0,
            "data_sha256": f"{row['seed']:064x}",
            "deterministic": False,
            "trials": 2 if cell.tuning and not cell.untuned else None,
            "tuning_s": 3.0 if cell.tuning and not cell.untuned else None,
            "fit_s": 0.5,
            "predict_s": 0.25,
            "train_windows": 50,
        }
        for row in rows["runs"].to_pylist()
    ]
    tuned = cell.tuning and not cell.untuned and not cell.finished
    trials = [{**cell.columns, **trial(number, level)} for number in range(2)]
    return {**rows, "runs": table("runs", runs), "trials": table("trials", trials if tuned else [])}


def mse_of(model: str, level: float, seed: int, *, untuned: bool = False) -> float:
    """Of one replicate; persistence does not vary, and what is not tuned is three times as large."""
    noise = 0.0 if model == "persistence" else 0.1 * random.Random(f"{model} {seed}").gauss(0.0, 1.0)
    return (3.0 if untuned else 1.0) * level * math.exp(noise)
