"""Cells that hang, crash, exit or fill memory: each becomes a row of its own kind in time, and the others are ok.

Every process is real, and so is what it does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from bench import store
from bench.cell_limits import CellLimits
from bench.cells import Cell, CellSpec
from bench.running.endings import of_death, reason
from bench.running.extension import remaining
from bench.running.supervised import Output
from bench.running.supervision import Bounds, Ending
from bench.running.unfinished import Resumed, Unfinished
from bench.running.workers import Engine, start
from bench.store.schema import Rows, Status

MakeCell = Callable[..., Cell]
BAD = {
    "spin": Status.TIMEOUT,
    "sleep-blocked": Status.TIMEOUT,
    "spin-in-c": Status.TIMEOUT,
    "segfault": Status.CRASHED,
    "abort": Status.CRASHED,
    "exit:0": Status.CRASHED,
    "exit:3": Status.CRASHED,
    "sys-exit": Status.CRASHED,
    "allocate": Status.OUT_OF_MEMORY,
    "fail:diverged": Status.DIVERGED,
}


@contextmanager
def _engine(target: str) -> Iterator[Engine]:
    with closing(start("processes", jobs=1, device="cpu", target=target)) as engine:
        yield engine


def _row(rows: Rows) -> tuple[str, str]:
    first = rows["runs"].to_pylist()[0]
    return first["status"], first["reason"] or ""


def _timed(engine: Engine, cell: Cell) -> tuple[str, str, float]:
    began = time.monotonic()
    status, why = _row(engine.submit(cell).result(300))
    return status, why, time.monotonic() - began


def _enough_s(engine: Engine, make_cell: MakeCell) -> float:
    """Seconds that are enough for a cell that goes well, on this machine now; a process is there after it."""
    assert _timed(engine, make_cell("a"))[0] == "ok"
    return 1.0 + 20 * _usual_s(engine, make_cell)


def _usual_s(engine: Engine, make_cell: MakeCell) -> float:
    return _timed(engine, make_cell("a"))[2]


def test_of_twenty_cells_each_bad_one_becomes_its_row_in_time(
    fakes: str, make_cell: MakeCell, note: Callable[..., None]
) -> None:
    def half(number: int) -> list[tuple[str, Status, str, str, float, float, float]]:
        seen = []
        with _engine(fakes) as engine:
            for at, (model, status) in enumerate([*BAD.items()][number::2]):
                ended, _, start_s = _timed(engine, make_cell("a", length=1 + at))
                assert ended == "ok"
                limits = CellLimits(cell_s=1.0 + 20 * _usual_s(engine, make_cell), cell_bytes=600 * 2**20)
                came = _timed(engine, replace(make_cell(model), limits=limits))
                seen.append((model, status, *came, limits.cell_s or 0.0, 2 * start_s))  # it may need a new process
        return seen

    with ThreadPoolExecutor(2) as threads:
        halves = [*threads.map(half, (0, 1))]
    for model, expected, status, why, took_s, limit_s, start_s in (each for seen in halves for each in seen):
        late = took_s > limit_s + 2.0 + start_s
        limit = {"limit_s": limit_s, "start_s": start_s, "seconds": took_s}
        note("bad", model=model, status=status, wrong=late or status != expected, **limit)
        assert status == expected, (model, why)
        assert not late, (model, took_s)
        if status == Status.TIMEOUT:
            assert "(limits.cell_s) and was ended" in why


def test_an_interrupt_of_a_model_is_its_end_at_once(fakes: str, make_cell: MakeCell) -> None:
    with _engine(fakes) as engine:
        limits = CellLimits(cell_s=2 * _enough_s(engine, make_cell))
        status, why, _ = _timed(engine, replace(make_cell("interrupt"), limits=limits))
    assert status == "crashed", why
    assert why.endswith("| raise KeyboardInterrupt | KeyboardInterrupt")


def test_where_a_cell_was_is_said(fakes: str, make_cell: MakeCell) -> None:
    with _engine(fakes) as engine:
        limits = CellLimits(cell_s=_enough_s(engine, make_cell))
        spins = engine.submit(replace(make_cell("spin"), limits=limits))
        assert "at fake_cells.py:" in _row(spins.result(100))[1]
        status, why = _row(engine.submit(make_cell("segfault")).result(100))
    assert status == "crashed"
    assert "was ended by SIGSEGV, at " in why
    assert "in string_at (attempt 2, alone)" in why or "in segfault (attempt 2, alone)" in why
    assert "code that was given to bench" in why


def test_a_soft_limit_ends_what_does_not_look_at_the_clock(fakes: str, make_cell: MakeCell) -> None:
    with _engine(fakes) as engine:
        engine.submit(make_cell("a")).result(100)
        status, why, took_s = _timed(engine, replace(make_cell("sleep:100"), time_limit_s=0.5))
    assert (status, took_s < 50) == ("timeout", True)
    assert "within its time_limit_s of 0.5 s" in why


def test_a_cell_that_is_ended_keeps_its_trials(fakes: str, make_cell: MakeCell) -> None:
    unfinished = Unfinished()
    with _engine(fakes) as engine:
        limits = CellLimits(cell_s=_enough_s(engine, make_cell))
        cell = replace(make_cell("batches-then-spin"), limits=limits)
        rows = engine.submit(cell, unfinished).result(100)
    assert _row(rows)[0] == "timeout"
    assert rows["trials"]["trial"].to_pylist() == [0, 1, 2, 3]


def test_what_a_model_prints_goes_to_its_log_and_nowhere_else(
    fakes: str, make_cell: MakeCell, capfd: pytest.CaptureFixture[str]
) -> None:
    logs: list[str] = []
    with _engine(fakes) as engine:
        rows = engine.submit(make_cell("print-much"), Unfinished(put_log=logs.append)).result(200)
    assert capfd.readouterr() == ("", "")
    log = logs[-1]
    assert log.startswith("line 0 \\x1b[31mred\nline 1 ")
    assert log.endswith("and the last one\n")
    assert "bytes left out" in log
    assert len(log) < 2 * (Output.HEAD + Output.TAIL)
    status, why = _row(rows)
    assert status == "crashed"
    assert why.endswith("| and the last one")
    assert "\x1b" not in why
    assert len(why) < 1000


def test_a_child_that_fills_memory_counts_as_the_cell_does(fakes: str, make_cell: MakeCell) -> None:
    with _engine(fakes) as engine:
        cell = replace(make_cell("allocate-in-child"), limits=CellLimits(cell_bytes=500 * 2**20))
        status, why = _row(engine.submit(cell).result(200))
    assert status == "out_of_memory"
    assert "more than its limit of 500 MiB" in why


def test_what_a_cell_started_ends_with_it(fakes: str, make_cell: MakeCell, tmp_path: Path) -> None:
    """Also what has left its process group."""
    pids = tmp_path / "pids"
    with _engine(fakes) as engine:
        limits = CellLimits(cell_s=1.0 + _enough_s(engine, make_cell))
        cell = replace(make_cell(f"child:{pids}"), limits=limits)
        assert _row(engine.submit(cell).result(200))[0] == "timeout"
        family = [int(pid) for pid in pids.read_text().split()]
        end = time.monotonic() + 60
        while not all(map(_is_gone, family)):
            assert time.monotonic() < end
            time.sleep(0.02)
    assert len(family) == 2


@pytest.mark.parametrize("how", ["program, then exit", "program, then hang", "fork, then exit", "fork, then hang"])
def test_a_process_that_a_model_set_free_does_not_hold_the_run(fakes: str, make_cell: MakeCell, how: str) -> None:
    """It has what the worker had open, or would have, and outlives it by a minute."""
    with _engine(fakes) as engine:
        limits = CellLimits(cell_s=3.0 + _enough_s(engine, make_cell))
        status, why, took_s = _timed(engine, replace(make_cell(f"set-free:{how}"), limits=limits))
    assert status == ("crashed" if "exit" in how else "timeout"), why
    assert took_s < 45


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_banks_become_smaller_while_memory_runs_out(fakes: str, make_cell: MakeCell) -> None:
    with _engine(fakes) as engine:
        cell = replace(make_cell("bank:10"), limits=CellLimits(cell_bytes=600 * 2**20))
        unfinished = Unfinished()
        status, why = _row(engine.submit(cell, unfinished).result(200))
    assert (status, why) == ("ok", "")
    assert unfinished.at_once == 3  # 10, then 5, then 3


def test_limits_are_no_part_of_what_a_cell_is(make_cell: MakeCell) -> None:
    plain = make_cell()
    limited = replace(plain, limits=CellLimits(cell_s=5.0, cell_bytes=2**30))
    assert limited.id == plain.id
    assert "limits" not in plain.spec
    assert CellSpec.from_json(limited.spec).cell_id == plain.id
    assert CellSpec.from_json(limited.spec).limits.stated == {"cell_s": 5.0, "cell_bytes": 2**30}


@pytest.mark.parametrize(
    ("status", "before", "now", "again"),
    [
        (Status.TIMEOUT, {"cell_s": 5.0}, {"cell_s": 5.0}, False),
        (Status.TIMEOUT, {"cell_s": 5.0}, {"cell_s": 6.0}, True),
        (Status.TIMEOUT, {"cell_s": 5.0}, {}, True),
        (Status.TIMEOUT, {"cell_s": 5.0, "cell_bytes": 2**30}, {"cell_s": 5.0}, False),
        (Status.OUT_OF_MEMORY, {"cell_bytes": 2**30}, {"cell_bytes": 2**31}, True),
        (Status.OUT_OF_MEMORY, {}, {"cell_bytes": 2**31}, False),
        (Status.CRASHED, {"cell_s": 5.0}, {}, False),
    ],
)
def test_a_raised_limit_runs_again_what_it_ended(
    make_cell: MakeCell,
    finished: Callable[..., Rows],
    *,
    status: Status,
    before: dict[str, float],
    now: dict[str, float],
    again: bool,
) -> None:
    cell = make_cell()
    rows = finished(replace(cell, limits=CellLimits(**before)))["runs"]
    rows = rows.set_column(rows.schema.get_field_index("status"), "status", pa.array(["ok", status.value]))
    rest = remaining(replace(cell, limits=CellLimits(**now)), store.summary(rows))
    assert (rest.replicates if rest else []) == ([1] if again else [])


def test_rows_of_earlier_versions_are_read_with_the_name_of_today(
    make_cell: MakeCell, finished: Callable[..., Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell()
    rows = finished(cell)
    runs = rows["runs"]
    old = runs.set_column(runs.schema.get_field_index("status"), "status", pa.array(["ok", "out_of_time"]))
    with store.writing(tmp_path) as writer:
        writer.put({**rows, "runs": old.cast(runs.schema)})
    assert store.read(tmp_path, "runs")["status"].to_pylist() == ["ok", "timeout"]
    assert store.stored(tmp_path)[cell.id].status is Status.TIMEOUT


def test_the_tighter_limit_of_time_counts(make_cell: MakeCell) -> None:
    cell = replace(make_cell(), time_limit_s=10.0, limits=CellLimits(cell_s=30.0))
    assert Bounds.of(cell, 2.0**34).seconds == 11.0  # a second more than the cell itself keeps
    assert Bounds.of(replace(cell, time_limit_s=1000.0), 2.0**34).seconds == 30.0
    assert Bounds.of(replace(cell, time_limit_s=None, limits=CellLimits()), 2.0**34).seconds == float("inf")
    assert Bounds.of(cell, 1000.0).size == 800.0


@pytest.mark.parametrize(
    ("exit_code", "oom_killed", "status"),
    [
        (-9, True, Status.OUT_OF_MEMORY),
        (-9, None, Status.OUT_OF_MEMORY),
        (-9, False, Status.CRASHED),
        (-11, False, Status.CRASHED),
        (0, False, Status.CRASHED),
    ],
)
def test_a_kill_by_the_system_is_told_from_one_by_a_person(
    exit_code: int, *, oom_killed: bool | None, status: Status
) -> None:
    assert of_death(exit_code, oom_killed=oom_killed).status is status


def test_whose_code_crashed_is_said(make_cell: MakeCell) -> None:
    ending = Ending(Status.CRASHED, "was ended by SIGSEGV")
    dump = (
        "Fatal Python error: Segmentation fault\n\nThread 0x1 (most recent call first):\n"
        '  File "/home/me/other.py", line 1 in wait\n\nCurrent thread 0x2 (most recent call first):\n'
        '  File "/home/me/mynet.py", line 12 in forward\n'
    )
    other_first = (
        'Current thread 0x3 (most recent call first):\n  File "/usr/lib/python3/selectors.py", line 4 in select\n\n'
        'Thread 0x2 (most recent call first):\n  File "/home/me/mynet.py", line 12 in forward\n'
        '  File "/lib/bench/running/serving.py", line 150 in serve\n'
    )
    assert "at mynet.py:12 in forward" in reason(ending, make_cell(), other_first)
    why = reason(ending, make_cell(), f"epoch 1\n{dump}")
    assert "at mynet.py:12 in forward; that was raised by code that was given to bench" in why
    assert why.endswith("it printed last: epoch 1")
    assert "report it" in reason(ending, make_cell(), "")
    theirs = replace(make_cell(), plugins={"model ./mynet.py:Net": "0" * 64})
    assert "look first at model ./mynet.py:Net, which is not code of bench" in reason(ending, theirs, "")


def test_a_request_of_smaller_banks_needs_no_trials(make_cell: MakeCell) -> None:
    cell = make_cell()
    assert Unfinished().request(cell) is cell
    assert Unfinished(at_once=2).request(cell) == Resumed(cell, at_once=2)
