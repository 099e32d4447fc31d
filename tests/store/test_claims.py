"""Several runners share the cells of one folder by claims: none is computed twice, none is lost with its runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bench import store
from bench.store import claimed_cells as module
from bench.store.claimed_cells import CLAIMS, Claims, abandoned


def _claim(folder: Path, cell_id: str, **changes: object) -> Path:
    """A claim of another runner of this machine and process, with `changes`."""
    with_own = Claims(folder)
    assert with_own.take(cell_id)
    path = folder / CLAIMS / cell_id
    path.write_text(json.dumps({**json.loads(path.read_text()), "token": "other", **changes}))
    with_own.end()
    return path


def test_a_cell_has_one_runner_until_it_is_given_free(tmp_path: Path) -> None:
    one, other = Claims(tmp_path), Claims(tmp_path)
    assert (one.take("a"), one.take("a"), other.take("a"), other.take("b")) == (True, True, False, True)
    assert (one.holds("a"), other.holds("a"), one.others(), other.others()) == (True, False, ["b"], ["a"])
    other.release("a")  # not its own
    assert one.holds("a")
    one.release("a")
    assert other.take("a")
    other.end()
    assert list((tmp_path / CLAIMS).iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are known by their start on Linux")
def test_a_runner_of_this_machine_that_is_gone_is_known_at_once(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        pass
    mine = Claims(tmp_path)
    _claim(tmp_path, "gone", pid=gone.pid)
    _claim(tmp_path, "of an earlier process of this number", started=1)
    _claim(tmp_path, "alive")
    (tmp_path / CLAIMS / "empty").write_text("")  # of one that was killed while it made the claim
    (tmp_path / CLAIMS / "torn").write_text('{"host": "else')
    assert mine.others() == ["alive"]
    assert abandoned(tmp_path)
    assert mine.take("gone")
    mine.clear()
    assert sorted(path.name for path in (tmp_path / CLAIMS).iterdir()) == ["alive", "gone"]
    mine.end()


def test_a_claim_of_another_machine_is_free_when_it_has_stood_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, mine, now = _claim(tmp_path, "a", host="elsewhere"), Claims(tmp_path), 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    assert mine.is_taken("a")
    now += module.EXPIRES_S - 1
    assert mine.is_taken("a")
    os.utime(path, (5, 5))  # renewed, by a clock that is years behind
    assert mine.is_taken("a")
    now += module.EXPIRES_S - 1
    assert mine.is_taken("a")
    now += 2
    assert not mine.is_taken("a")
    assert mine.take("a")
    mine.end()


def test_a_claim_is_renewed_while_its_runner_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    mine = Claims(tmp_path)
    mine.take("a")
    path = tmp_path / CLAIMS / "a"
    os.utime(path, (5, 5))
    until = time.monotonic() + 10
    while path.stat().st_mtime < 6 and time.monotonic() < until:
        time.sleep(0.005)
    assert path.stat().st_mtime > 6
    mine.end()


RUNNER = """
import functools, pathlib, sys
from bench import load
from bench.cells import expand
from bench.running.plan import prepare
from bench.running.runner import run
from bench.running.workers import start
suite, folder = load(sys.argv[1]), pathlib.Path(sys.argv[2])
plan = prepare(list(expand(suite)), folder)
print("planned", flush=True)
sys.stdin.readline()
begin = functools.partial(start, "inline", jobs=1, device="cpu")
done = []
run(plan, begin, jobs=1, device="cpu", listener=lambda event: done.append(type(event).__name__), suite=suite)
print(done.count("Started"), done.count("Finished"))
"""

SUITE = """
name: shared
datasets: [{id: noise, kind: random, length: 70}, {id: wave, kind: sine, length: 70}]
models: [persistence, mean, drift]
sequence_lengths: [3, 4]
seeds: 2
"""


@pytest.mark.parametrize("runners", [2, 4, *([8] if "BENCH_CHAOS" in os.environ else [])])
def test_runners_of_one_folder_compute_each_cell_once(tmp_path: Path, runners: int, note: Callable[..., None]) -> None:
    """About 5 s: each runner is a process of its own."""
    (tmp_path / "suite.yaml").write_text(SUITE)
    command = [sys.executable, "-c", RUNNER, str(tmp_path / "suite.yaml"), str(tmp_path / "results")]
    begin = partial(subprocess.Popen, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    started = [begin() for _ in range(runners)]
    for each in started:  # all have planned every cell before the first begins
        assert each.stdout is not None
        assert each.stdout.readline() == "planned\n"
    counts = [tuple(map(int, each.communicate("\n", timeout=120)[0].split())) for each in _released(started)]
    begun, known = sum(begun for begun, _ in counts), store.gather(tmp_path / "results")
    unsettled = store.unsettled(tmp_path / "results")
    note("runners", runners=runners, cells=begun, doubled=begun - 12, torn=len(known.unreadable), unsettled=unsettled)
    assert begun == 12
    assert [finished for _, finished in counts] == [12] * runners
    runs = store.read(tmp_path / "results", "runs")
    assert (runs.num_rows, len(runs["cell_id"].unique())) == (24, 12)
    assert known.unreadable == ()
    assert not unsettled


def _released(started: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for each in started:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    return started
