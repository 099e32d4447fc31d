"""Stand-ins for `run_cell`, imported by name in worker processes; the model's id says what they do."""

from __future__ import annotations

import atexit
import collections
import ctypes
import importlib
import itertools
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.cells import Cell
from bench.running.rows import failed
from bench.running.unfinished import REPORT, Resumed
from bench.store.schema import Rows, Status, table
from bench.training.members import BANKS


def run_cell(cell: Cell | Resumed, *, device: str) -> Rows:
    """Rows made from the cell's id alone, or what the model's id requests."""
    at_once = getattr(cell, "at_once", None)
    cell = getattr(cell, "cell", cell)  # of one that is resumed
    action, _, argument = cell.model.id.partition(":")
    _end(action, argument)
    if action == "fail":
        return failed(cell, Status(argument), "requested to", device=device)
    if action == "flaky" and _tries(Path(argument)) < 3:
        return failed(cell, Status.CRASHED, "requested to", device=device)
    if action == "die-sending":
        return {"runs": DiesWhenSent()}
    _work(action, argument, cell, at_once)
    return ok_rows(cell, device)


def _work(action: str, argument: str, cell: Cell, at_once: int | None) -> None:
    """What takes time, and is reported meanwhile."""
    if action == "bank":
        members = min(int(argument), at_once or int(argument))
        BANKS.get()(members)
        if members > 3:
            allocate()
    if action in ("batches", "batches-then-spin"):
        key = cell.columns
        for count in (2, 4):
            REPORT.get()(table("trials", [{**key, **trial(number, 0.5)} for number in range(count)]))
    if action == "batches-then-spin":
        spin()
    if action == "compile":
        _compile()
    if action == "say":
        sys.stdout.write(f"{argument} \x1b[31mred\n")
        subprocess.run([sys.executable, "-c", "print('its child')"], check=True)
    if action == "sleep":
        time.sleep(float(argument))


def _tries(path: Path) -> int:
    """How often it was tried, this time counted."""
    with path.open("a") as file:
        file.write("x")
    return len(path.read_text())


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
    if action == "child":
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as child:
            Path(argument).write_text(f"{os.getpid()} {child.pid}")
            spin_in_c()
    if action in MISBEHAVIOURS:
        MISBEHAVIOURS[action]()
    if action in WITH_ARGUMENT:
        WITH_ARGUMENT[action](argument)


def hang_until(path: str) -> None:
    """Until a file is there, whose name ends in ``.go``."""
    go = Path(f"{path}.go")
    if not go.exists():
        Path(path).write_text(str(os.getpid()))
    while not go.exists():
        time.sleep(0.05)


def hoard(size: str) -> None:
    """So many bytes, slowly."""
    held: list[bytes] = []
    while sum(map(len, held)) < float(size):
        held.append(b"x" * 20_000_000)
        time.sleep(0.05)
    time.sleep(60)


def end_parent(path: str) -> None:
    """End the process that watches this one, once for each dot that is missing in a file."""
    file = Path(path)
    before = file.read_text() if file.exists() else ""
    if len(before) < 3:
        file.write_text(f"{before}.")
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


def die_often(path: str) -> None:
    """Twice."""
    file = Path(path)
    before = file.read_text() if file.exists() else ""
    if len(before) < 2:
        file.write_text(f"{before}.")
        os.kill(os.getpid(), signal.SIGSEGV)


def set_free(how: str) -> None:
    """Start a process that nobody is the parent of, by a fork alone or a program, then exit or hang."""
    if "program" in how:
        os.system("setsid sleep 60 &")
    elif not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        time.sleep(60)
        os._exit(0)
    time.sleep(0.5)
    if "exit" in how:
        os._exit(1)
    time.sleep(600)


WITH_ARGUMENT = {
    "set-free": set_free,
    "hang-until": hang_until,
    "hoard": hoard,
    "end-parent": end_parent,
    "die-twice": die_often,
}


def spin() -> None:
    """In pure Python."""
    while True:
        pass


def sleep_blocked() -> None:
    """In one call of C, with every signal blocked that can be."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(600)


def spin_in_c() -> None:
    """In one call of C that holds the interpreter, with every signal blocked that can be."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    collections.deque(itertools.repeat(0), maxlen=0)


def segfault() -> None:
    ctypes.string_at(1)


def allocate() -> None:
    """100 GB, page by page."""
    blocks = []
    while len(blocks) < 100_000:
        blocks.append(b"x" * 10**6)
    time.sleep(600)


def allocate_in_child() -> None:
    """The same in a process of its own."""
    subprocess.run([sys.executable, "-c", "b = [b'x' * 10**6 for _ in range(100_000)]"], check=True)


def print_much() -> None:
    for number in range(300_000):
        sys.stdout.write(f"line {number} \x1b[31mred\n")
    os.write(2, b"and the last one\n")
    os._exit(3)


def interrupt() -> None:
    """As Control-C does, in an interpreter that takes long to end."""
    atexit.register(time.sleep, 600)
    raise KeyboardInterrupt


MISBEHAVIOURS = {
    "spin": spin,
    "sleep-blocked": sleep_blocked,
    "spin-in-c": spin_in_c,
    "segfault": segfault,
    "abort": os.abort,
    "allocate": allocate,
    "allocate-in-child": allocate_in_child,
    "print-much": print_much,
    "sys-exit": sys.exit,
    "interrupt": interrupt,
}
"""What a model must not do, by the id that requests it."""


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
