"""A run that is killed at random times, again and again, and gone on with until it is done: as if nobody had.

Forty cells in rounds, then more seeds for all of them. What is killed is the whole run, its parent alone, or one worker
process. The processes of most runs are forks of warm ones, so that hundreds of kills take minutes; now and then
a run is a fresh interpreter. ``BENCH_CHAOS=3`` tries a few kills, ``measure.py kills`` five hundred.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import psutil
import pytest

from bench import store
from bench.__main__ import main
from bench.cli import run as run_command
from bench.running import runner
from bench.store.claimed_cells import CLAIMS
from bench.store.environment import checkout

_PLACE = Path(__file__).with_name("kills.py")
_SPEC = importlib.util.spec_from_file_location("chaos_kills", _PLACE)
assert _SPEC is not None
assert _SPEC.loader is not None
kills = importlib.util.module_from_spec(_SPEC)
sys.modules["chaos_kills"] = kills
_SPEC.loader.exec_module(kills)

KILLS = int(os.environ.get("BENCH_CHAOS", "0"))
"""Passes begin until there were so many."""

FRESH = 25
"""One of so many runs is a fresh interpreter."""

LENGTHS = "[3, 4, 5, 6]" if KILLS >= FRESH else "[3]"
"""Forty cells, or ten for the few kills of every change."""

LIMIT_S = 900
"""A run that takes longer hangs; it takes a few seconds on a machine that has nothing else to do."""

ORPHANS_S = 20
"""So long processes may outlive a run that was killed."""

SUITE = f"""\
name: forty
datasets: [{{id: noise, kind: random, length: 70}}, {{id: wave, kind: noisy-sine, length: 70}}]
models: [persistence, mean, drift, linear-ar, {{kind: echo-state, reservoir_size: 8}}]
sequence_lengths: {LENGTHS}
fresh_data: true
tuning: {{trials: 2, batch: 2, models: [echo-state]}}
"""
STAGES = ("{from: 2, to: 4, until: decided}", "5")
"""The seeds of the suite: in rounds, then more than those for every cell."""

COMMAND = ("run", "suite.yaml", "--results", "results", "--jobs", "2", "--no-report", "--progress", "plain")
OF_RUNS = ("bench.cli.app", "bench.cli.results_table", "bench.reporting.source", "bench.reporting.summary")
OF_WORKERS = ("bench.running.cell", "bench.models.echo_state", "bench.tuning.search", "bench.tuning.journal")
"""What they import only when they need it."""

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="orphans are seen on Linux"),
    pytest.mark.skipif("BENCH_CHAOS" not in os.environ, reason="takes minutes: BENCH_CHAOS=3, or tox -e chaos"),
]


@pytest.fixture(scope="module")
def warm() -> Iterator[None]:
    """What runs and their workers import is imported, in this process and in a server of forks; orphans are its own."""
    with pytest.MonkeyPatch.context() as patch:
        known = checkout()
        for module in (runner, run_command):
            patch.setattr(module, "checkout", lambda: known)
        for name in (*OF_RUNS, *OF_WORKERS):
            importlib.import_module(name)
        multiprocessing.set_forkserver_preload([*OF_WORKERS])
        libc = ctypes.CDLL(None)
        libc.prctl(_SUBREAPER, 1)
        forkserver.ensure_running()
        yield
        forkserver._forkserver._stop()
        libc.prctl(_SUBREAPER, 0)


_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <sys/prctl.h>: processes whose parents are gone become children of this one


def _server() -> int:
    return int(forkserver._forkserver._forkserver_pid or 0)


def _as_a_fork(folder: Path) -> int:
    """`bench run` in a fork that leads a session of its own; its process."""
    if child := os.fork():
        return child
    try:
        _alone(folder)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        sys.argv = ["bench", *COMMAND]
        original, server = multiprocessing.get_context, forkserver._forkserver
        server.ensure_running = lambda: None  # it is the parent's
        multiprocessing.get_context = lambda method: original("forkserver" if method == "spawn" else method)  # type: ignore[assignment]
        main()
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    except BaseException:  # whatever it was, the fork ends here
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(99)


def _as_a_program(folder: Path) -> int:
    """`bench run` in a fresh interpreter, as above."""
    if child := os.fork():
        return child
    try:
        _alone(folder)
        os.execv(sys.executable, [sys.executable, "-m", "bench", *COMMAND])
    finally:
        os._exit(99)


def _alone(folder: Path) -> None:
    """Put this process into a session of its own, which works and writes its log in `folder`."""
    os.setsid()
    os.chdir(folder)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)


@dataclass
class Run:
    """One `bench run` in `folder`, and what became of it."""

    folder: Path
    begin: Callable[[Path], int]
    pid: int = field(init=False)
    status: int | None = None

    def __post_init__(self) -> None:
        self.pid = self.begin(self.folder)

    def ended(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        until = time.monotonic() + seconds
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                return False
            else:
                time.sleep(0.002)
        return True

    def alive(self) -> list[psutil.Process]:
        """Its processes; those that have ended are forgotten."""
        there = []
        for each in psutil.Process().children(recursive=True):
            if each.pid in (_server(), resource_tracker._resource_tracker._pid):
                continue
            with suppress(psutil.Error):
                if each.status() != psutil.STATUS_ZOMBIE:
                    there.append(each)
                elif each.ppid() == os.getpid() and each.pid != self.pid:
                    with suppress(ChildProcessError):
                        os.waitpid(each.pid, os.WNOHANG)
        return there

    def workers(self) -> list[psutil.Process]:
        """Those of a fork."""
        return [each for each in self.alive() if each.ppid() == _server()]

    def orphans(self) -> list[psutil.Process]:
        """What of it is still there some seconds after its end."""
        until = time.monotonic() + ORPHANS_S
        while (there := self.alive()) and time.monotonic() < until:
            time.sleep(0.005)
        return there


@dataclass
class Tally:
    """What was counted: kills by kind, and what went wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    orphans: int = 0
    stuck: int = 0
    wrong: list[str] = field(default_factory=list)
    longest_s: float = 0.0


def killed_until_done(folder: Path, dice: random.Random, tally: Tally, *, soon_s: float, most: float) -> None:
    """Run and kill until a run ends by itself, or until there were `most` kills, after which it is left alone."""
    while True:
        forkserver.ensure_running()  # it ends where a client is killed before it has said what to fork
        fresh, began = dice.random() * FRESH < 1, time.monotonic()
        run = Run(folder, _as_a_program if fresh else _as_a_fork)
        left_alone = tally.kills.total() >= most
        if not left_alone and not run.ended(dice.uniform(0, 8 * soon_s if fresh else soon_s)):
            kind = dice.choice(("group", "parent") if fresh else ("group", "parent", "worker"))
            workers = run.workers() if kind == "worker" else []
            if workers:
                dice.choice(workers).kill()
                tally.kills["worker"] += 1
            if kind != "worker" or not workers or not run.ended(dice.uniform(0, soon_s)):
                kind = "group" if kind == "worker" else kind
                _kill(run, kind)
                tally.kills[kind] += run.status == -signal.SIGKILL  # else it had ended just before
        if not run.ended(LIMIT_S):
            tally.stuck += 1
            _kill(run, "group")
        if run.status != -signal.SIGKILL:
            tally.longest_s = max(tally.longest_s, time.monotonic() - began)
        _look(run, folder, tally)
        if run.status == 0:
            return
        if run.status != -signal.SIGKILL:
            said = (folder / "log").read_text(errors="replace")[-800:]
            tally.wrong.append(f"ended with {run.status}: {said}")
            return


def _kill(run: Run, kind: str) -> None:
    for each in run.alive() if kind == "group" else [psutil.Process(run.pid)]:
        with suppress(psutil.Error):
            each.kill()
    run.ended(LIMIT_S)


def _look(run: Run, folder: Path, tally: Tally) -> None:
    """Whether anything of a run that has ended is still there: a process, or a lock that is held."""
    orphans = run.orphans()
    tally.orphans += len(orphans)
    for each in orphans:
        with suppress(psutil.Error):
            each.kill()
    lock = folder / "results" / ".lock"
    if lock.exists():
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                tally.stuck += 1


def passed(folder: Path, dice: random.Random, tally: Tally, *, soon_s: float = 1.0, most: float = float("inf")) -> None:
    """All stages once, with kills, in a new folder."""
    folder.mkdir()
    for number, seeds in enumerate(STAGES, 1):
        (folder / "suite.yaml").write_text(f"{SUITE}seeds: {seeds}\n")
        killed_until_done(folder, dice, tally, soon_s=soon_s, most=most * number / len(STAGES))


def compared(folder: Path, whole: Path, tally: Tally) -> tuple[int, int]:
    """How many rows are lost, and how many are twice there or not those of the uninterrupted run."""
    now, expected = kills.cells_of(folder / "results"), kills.cells_of(whole / "results")
    lost = sum(len(set(rows) - set(now.get(key, ()))) for key, rows in expected.items())
    more = sum(len(rows) for rows in now.values()) - sum(len(rows) for rows in expected.values()) + lost
    if now != expected or lost or more:
        keys = sorted(key for key in now.keys() | expected.keys() if now.get(key) != expected.get(key))
        tally.wrong.append(f"{len(keys)} parts, {keys[:1]}: {lost} rows lost, {more} too many")
    if there := sorted(kills.files_of(folder / "results") ^ kills.files_of(whole / "results")):
        tally.wrong.append(f"other files: {there[:3]}")
    if list((folder / "results" / CLAIMS).iterdir()) or store.unsettled(folder / "results"):
        tally.stuck += 1
    return lost, more


def test_a_run_that_is_killed_at_random_ends_as_one_that_is_not(
    warm: None, monkeypatch: pytest.MonkeyPatch, note: Callable[..., None]
) -> None:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        work = Path(place)
        monkeypatch.setenv("BENCH_CACHE", str(work / "cache"))
        began = time.monotonic()
        passed(work / "whole", random.Random(0), Tally(), most=0)
        soon_s = max(1.0, (time.monotonic() - began) / 10)  # about so many kills in each pass
        done, number = 0, 0
        while done < KILLS:
            tally, folder = Tally(), work / "killed"
            most = KILLS - done if KILLS < FRESH else float("inf")
            passed(folder, random.Random(number), tally, soon_s=soon_s, most=most)
            lost, more = compared(folder, work / "whole", tally)
            counts = {"orphans": tally.orphans, "stuck": tally.stuck, "lost": lost, "doubled": more}
            note("kills", kills=dict(tally.kills), wrong=tally.wrong, longest_s=tally.longest_s, **counts)
            assert (counts, tally.wrong) == ({"orphans": 0, "stuck": 0, "lost": 0, "doubled": 0}, [])
            assert tally.kills.total() > 0
            folder.rename(work / f"pass-{number}")
            done, number = done + tally.kills.total(), number + 1
