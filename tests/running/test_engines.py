"""Engines, with real processes: the same rows everywhere, and the death of one worker concerns one cell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread

import psutil
import pytest

from bench import store
from bench.cells import Cell
from bench.cgroups import oom_kills
from bench.errors import InputError
from bench.running.plan import prepare
from bench.running.runner import run
from bench.running.workers import Engine, SharedGate, start
from bench.store.schema import Status

MakeCell = Callable[..., Cell]

KILLED = Status.OUT_OF_MEMORY if oom_kills() is None else Status.CRASHED
"""By whom, is known only where the kernel counts its own kills."""


@contextmanager
def _engine(target: str, *, name: str = "processes", jobs: int = 1) -> Iterator[Engine]:
    with closing(start(name, jobs=jobs, device="cpu", target=target)) as engine:
        yield engine


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_an_unknown_engine_is_refused_with_the_choices() -> None:
    with pytest.raises(InputError, match=r"unknown engine 'procesess'; did you mean 'processes'\?"):
        start("procesess", jobs=1, device="cpu")


def test_a_run_with_nothing_to_import_stores_nothing(make_cell: MakeCell, tmp_path: Path) -> None:
    begin = partial(start, "processes", jobs=1, device="cpu", target="no_such_module:run_cell")
    with pytest.raises(InputError, match="no_such_module"):
        run(prepare([make_cell("a")], tmp_path), begin, jobs=1, device="cpu", listener=lambda _: None)
    assert store.stored(tmp_path) == {}


def test_a_worker_that_starts_does_not_hear_interrupts(tmp_path: Path) -> None:
    """The first one starts together with the resource tracker, which would unblock them."""
    script = tmp_path / "parent.py"
    script.write_text(
        f"""
import os, signal, sys, time
sys.path[:0] = {[*sys.path]!r}
from bench.running.supervised import Worker
if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: None)
    workers = []
    for _ in range(2):
        workers.append(Worker("bench.running.rows:failed", "cpu"))
        for _ in range(5):
            os.killpg(0, signal.SIGINT)
            time.sleep(0.01)
    time.sleep(0.3)
    print([worker._process.exitcode for worker in workers])
    for worker in workers:
        worker.kill()
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, start_new_session=True
    )
    assert (done.stdout, done.stderr) == ("[None, None]\n", "")


def test_workers_are_warm_and_hold_one_thread(fakes: str, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    with _engine("fake_cells:environment_of") as engine:
        reported = {engine.submit(make_cell(length=n)).result(30)["runs"]["reason"][0].as_py() for n in (1, 2)}
    assert len(reported) == 1  # both cells in one process
    pid, *threads = reported.pop().split()
    assert threads == ["1", "1"]
    assert int(pid) != os.getpid()
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "NUMBA_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("name", ["processes", "inline"])
def test_rows_tell_one_thread_of_torch_whatever_the_model_imports(make_cell: MakeCell, name: str) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        with closing(start(name, jobs=1, device="cpu")) as engine:
            rows = engine.submit(make_cell("persistence", dataset="no data")).result(60)["runs"].to_pylist()
    finally:
        torch.set_num_threads(before)
    assert [(row["threads"], row["deterministic_algorithms"]) for row in rows] == [(1, False)] * 2


@pytest.mark.parametrize(
    ("action", "status", "reason"),
    [
        ("die:9", KILLED, "SIGKILL"),
        ("die:15", Status.CRASHED, "SIGTERM"),
        ("exit:3", Status.CRASHED, "exit code 3"),
        ("exit:0", Status.CRASHED, "exit code 0"),
    ],
)
def test_the_death_of_a_worker_is_the_rows_of_its_cell_alone(
    fakes: str, make_cell: MakeCell, action: str, status: Status, reason: str
) -> None:
    with _engine(fakes, jobs=2) as engine:
        dying, *others = [engine.submit(make_cell(model)) for model in (action, "a", "b")]
        rows = dying.result(30)["runs"].to_pylist()
        assert [(row["seed"], row["status"]) for row in rows] == [(0, status), (1, status)]
        assert reason in rows[0]["reason"]
        assert "`--failed-only` runs the cell again" in rows[0]["reason"]
        for other in others:
            assert other.result(30)["runs"]["status"].to_pylist() == ["ok", "ok"]
        assert engine.submit(make_cell("after")).result(30)["runs"]["status"].to_pylist() == ["ok", "ok"]


def test_a_worker_that_dies_while_it_sends_its_rows_hinders_no_other(fakes: str, make_cell: MakeCell) -> None:
    with _engine(fakes, jobs=2) as engine:
        futures = [engine.submit(make_cell(model, length=n)) for n in (1, 2) for model in ("die-sending", "a")]
        reported = [future.result(30)["runs"]["status"][0].as_py() for future in futures]
    assert reported == [KILLED, "ok"] * 2


def test_workers_that_die_idle_cost_no_cell(fakes: str, make_cell: MakeCell) -> None:
    with _engine(fakes, jobs=2) as engine:
        for _ in range(2):
            futures = [engine.submit(make_cell("a", length=n)) for n in (1, 2)]
            assert {future.result(30)["runs"]["status"][0].as_py() for future in futures} == {"ok"}
            for process in psutil.Process().children():
                with suppress(psutil.NoSuchProcess):  # a zombie of an earlier test is one
                    if "spawn_main" not in " ".join(process.cmdline()):
                        continue
                    process.kill()
                    assert _within(10, lambda dead=process: dead.status() == psutil.STATUS_ZOMBIE)


def test_a_cell_whose_worker_died_once_is_tried_again(fakes: str, make_cell: MakeCell, tmp_path: Path) -> None:
    with _engine(fakes) as engine:
        rows = engine.submit(make_cell(f"die-once:{tmp_path / 'died'}")).result(30)
    assert (tmp_path / "died").exists()
    assert rows["runs"]["status"].to_pylist() == ["ok", "ok"]


def test_closing_ends_the_workers_and_what_they_run(fakes: str, make_cell: MakeCell, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with _engine(fakes) as engine:
        running, queued = engine.submit(make_cell(f"hang:{pid_file}")), engine.submit(make_cell("a"))
        assert _within(20, lambda: pid_file.exists() and pid_file.read_text() != "")
    assert not psutil.pid_exists(int(pid_file.read_text()))
    assert queued.cancelled()
    with pytest.raises(CancelledError):
        running.result(5)
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine.submit(make_cell("a"))


@pytest.mark.parametrize("action", ["hang", "child"])
def test_a_worker_ends_when_its_parent_is_killed(fakes: str, tmp_path: Path, action: str) -> None:
    """Also one whose interpreter is held by a call that never ends."""
    script = tmp_path / "parent.py"
    script.write_text(
        f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from conftest import cell_of
from bench.running.workers import start
if __name__ == "__main__":
    engine = start("processes", jobs=2, device="cpu", target="fake_cells:run_cell")
    idle = engine.submit(cell_of("a"))
    engine.submit(cell_of("{action}:{tmp_path / "pid"}")).result()
"""
    )
    pid_file = tmp_path / "pid"
    with subprocess.Popen([sys.executable, str(script)]) as parent:
        assert _within(20, lambda: pid_file.exists() and pid_file.read_text() != "")
        family = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    assert len(family) >= 2
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


def test_an_interrupt_from_the_terminal_does_not_reach_a_worker(
    fakes: str, make_cell: MakeCell, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    with _engine(fakes) as engine:
        engine.submit(make_cell(f"hang:{pid_file}"))
        assert _within(20, lambda: pid_file.exists() and pid_file.read_text() != "")
        worker = psutil.Process(int(pid_file.read_text()))
        worker.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert worker.is_running()


def test_who_waits_to_be_alone_is_alone() -> None:
    gate, inside, seen = SharedGate(), [0], []

    def adjacent() -> None:
        for _ in range(50):
            with gate.adjacent():
                inside[0] += 1
                time.sleep(0.0002)
                inside[0] -= 1

    def alone() -> None:
        for _ in range(10):
            with gate.alone():
                before = inside[0]
                time.sleep(0.001)
                seen.append((before, inside[0]))

    threads = [Thread(target=task) for task in (adjacent, adjacent, alone, alone)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert seen == [(0, 0)] * 20
