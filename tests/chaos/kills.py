"""A SIGKILL before and after every file operation of a command, then the same command again, then everything compared.

Each trial is a fork of this process, which has imported everything, so that three kills take a second. The models
are closed forms and the data are generated: two runs differ in nothing but their times.
"""

from __future__ import annotations

import functools
import io
import os
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import bench
from bench import store
from bench.cells import expand
from bench.running import runner
from bench.running.plan import prepare
from bench.running.workers import start
from bench.store.environment import checkout
from bench.store.merging import merge
from bench.store.packing import compact
from bench.store.schema import SCHEMAS

TIMES = {"fit_s", "predict_s", "tuning_s", "peak_memory_bytes", "machine_reference_s", "started_at", "duration_s"}
"""Columns that two runs of one cell differ in."""

CHANGES = ("rename", "replace", "unlink", "rmdir", "mkdir", "link", "fsync", "utime", "truncate", "ftruncate")
"""The functions of `os` that change a file system; opening a file to write it is one more."""

LIMIT_S = 60
"""A command that takes longer hangs; each takes a fraction of a second."""

Act = Callable[[Path], None]


def suite_of(**changes: Any) -> dict[str, Any]:
    """Four cells of closed forms, two seeds each."""
    return {
        "name": "kills",
        "datasets": [{"id": "noise", "kind": "random", "length": 70}, {"id": "wave", "kind": "sine", "length": 70}],
        "models": ["persistence", "linear-ar"],
        "sequence_lengths": [4],
        "seeds": 2,
        "tuning": False,
        **changes,
    }


def run(folder: Path, *, fresh: bool = False, **changes: Any) -> None:
    """What `bench run` does, in this process and without a report."""
    suite = bench.load(suite_of(**changes))
    plan = prepare(list(expand(suite)), folder, fresh=fresh)
    begin = functools.partial(start, "inline", jobs=1, device="cpu")
    runner.run(plan, begin, jobs=1, device="cpu", listener=lambda _: None, suite=suite)


def compacted(folder: Path) -> None:
    """What `bench compact` does."""
    compact(folder)


def join(folder: Path) -> None:
    """What `bench merge` does, of a folder next to it."""
    merge([folder, folder.with_name("other")], folder)


def _with_other(folder: Path) -> None:
    """Some cells here, these and others next to it."""
    run(folder, models=["persistence"])
    shutil.rmtree(folder.with_name("other"), ignore_errors=True)
    run(folder.with_name("other"))


OTHER = {"split": {"validation": 0.2, "test": 0.25}}
"""A setting that all cells depend on."""


@dataclass(frozen=True)
class Scenario:
    """A command, and what was done to its results folder before.

    Parameters
    ----------
    name
        As the report calls it.
    before
        Commands that make the folder; not interrupted.
    act
        The command that is killed, and then run again to its end.
    """

    name: str
    before: tuple[Act, ...]
    act: Act


SCENARIOS = {
    each.name: each
    for each in (
        Scenario("a new run", (), run),
        Scenario("changed settings", (run,), functools.partial(run, **OTHER)),
        Scenario("a change taken back", (run, functools.partial(run, **OTHER)), run),
        Scenario("more seeds", (run,), functools.partial(run, seeds=3)),
        Scenario("--fresh", (run,), functools.partial(run, fresh=True)),
        Scenario("compaction", (run, functools.partial(run, **OTHER)), compacted),
        Scenario("compaction of more", (run, compacted, functools.partial(run, seeds=3)), compacted),
        Scenario("more seeds of packed cells", (run, compacted), functools.partial(run, seeds=3)),
        Scenario("changed settings of packed cells", (run, compacted), functools.partial(run, **OTHER)),
        Scenario("a change taken back, packed", (run, functools.partial(run, **OTHER), compacted), run),
        Scenario("merge", (_with_other,), join),
    )
}


@dataclass
class Counts:
    """What became of the kills of one scenario.

    Parameters
    ----------
    operations, kills
        File operations of an uninterrupted command, and how many commands were killed at one.
    wrong
        Kills after which the next command ended with other rows than an uninterrupted one, and where.
    debris
        Kills after which files were left that an uninterrupted command does not leave, and which.
    half
        Kills after which a reader saw a cell that was neither as before nor as after, and where.
    longest_s
        What the slowest of the next commands took.
    """

    operations: int = 0
    kills: int = 0
    wrong: dict[str, str] = field(default_factory=dict)
    debris: dict[str, str] = field(default_factory=dict)
    half: dict[str, str] = field(default_factory=dict)
    longest_s: float = 0.0


Cells = dict[tuple[str, str, str], Any]
"""(archive, table, cell id) → the rows, without their times."""


def cells_of(folder: Path) -> Cells:
    """Every stored cell of a results folder and of what it has set aside, as readers see them."""
    known: Cells = {}
    for archive in (folder, folder / store.ARCHIVE):
        if not (archive / "runs").is_dir():
            continue
        for table in SCHEMAS:
            rows = store.read(archive, table)
            keep = [name for name in rows.schema.names if name not in TIMES]
            for row in rows.select(keep).to_pylist():
                known.setdefault((archive.name, table, row["cell_id"]), []).append(tuple(map(repr, row.values())))
    return {(archive if archive == store.ARCHIVE else "", *rest): rows for (archive, *rest), rows in known.items()}


def files_of(folder: Path) -> set[str]:
    """What lies in a results folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")} - {".lock", ".claims"}


def _forked(act: Act, folder: Path, *, die: Callable[[], None] = lambda: None) -> int:
    """Run `act` in a fork, which calls `die` before and after each file operation; the exit status."""
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(LIMIT_S)
            _instrument(folder, die)
            act(folder)
            os._exit(0)
        except BaseException:  # whatever it was, the fork ends here
            traceback.print_exc()
            os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _instrument(folder: Path, die: Callable[[], None]) -> None:
    root = str(folder.parent)

    def watched(function: Callable[..., Any], changes: Callable[..., bool]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            if not changes(*args, **options):
                return function(*args, **options)
            die()
            result = function(*args, **options)
            die()
            return result

        return call

    def inside(path: Any, *_: Any, **__: Any) -> bool:
        text = path if isinstance(path, int) else os.fspath(path)
        return isinstance(text, int) or not Path(text).is_absolute() or str(text).startswith(root)

    def opens(path: Any, flags: int, *_: Any, **__: Any) -> bool:
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) and inside(path)

    def writes(path: Any, mode: str = "r", *_: Any, **__: Any) -> bool:
        return any(letter in mode for letter in "wxa+") and not isinstance(path, int) and inside(path)

    for name in CHANGES:
        setattr(os, name, watched(getattr(os, name), inside))
    os.open = watched(os.open, opens)
    io.open = watched(io.open, writes)


def _counter(place: int) -> Callable[[], None]:
    """Ends the process at the call number `place`."""
    calls = 0

    def die() -> None:
        nonlocal calls
        if calls == place:
            os.kill(os.getpid(), signal.SIGKILL)
        calls += 1

    return die


def _places(scenario: Scenario, template: Path, work: Path) -> int:
    """How many places there are to be killed at: two for each file operation."""
    reading, writing = os.pipe()
    folder = _copy(template, work / "count")
    status = _forked(scenario.act, folder, die=lambda: os.write(writing, b".") and None)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        count = len(pipe.read())
    if status:
        raise AssertionError(f"{scenario.name}: ended with {status} though nobody killed it")
    return count


def _copy(template: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    if template.exists():
        shutil.copytree(template, folder)
    else:
        folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def explore(scenario: Scenario, work: Path, *, chosen: Callable[[int], Iterable[int]] = range) -> Counts:
    """Kill the command of `scenario` at those of its places that are `chosen` from their number."""
    with mock.patch.object(runner, "checkout", return_value=checkout()):  # git would be called in every trial
        return _explored(scenario, work, chosen)


def _explored(scenario: Scenario, work: Path, chosen: Callable[[int], Iterable[int]]) -> Counts:
    run(work / "warm")  # what is imported and compiled here, no fork has to
    template = work / "template"
    for act in scenario.before:
        assert _forked(act, template) == 0
    before = cells_of(template) if template.exists() else {}
    whole = _copy(template, work / "whole")
    assert _forked(scenario.act, whole) == 0
    after, files = cells_of(whole), files_of(whole)
    *_, places = [_places(scenario, template, work) for _ in range(3)]  # readers first note what they have verified
    counts = Counts(operations=places // 2)
    for place in chosen(places):
        folder = _copy(template, work / "trial")
        if _forked(scenario.act, folder, die=_counter(place)) != -signal.SIGKILL:
            continue
        counts.kills += 1
        when = f"{'after' if place % 2 else 'before'} operation {place // 2}"
        if half := _half(folder, before, after):
            counts.half[when] = half
        began = time.monotonic()
        status = _forked(scenario.act, folder)
        counts.longest_s = max(counts.longest_s, time.monotonic() - began)
        if status:
            counts.wrong[when] = f"the next run ended with {status}"
            continue
        now, there = cells_of(folder), files_of(folder)
        if now != after:
            keys = sorted(key for key in now.keys() | after.keys() if now.get(key) != after.get(key))
            counts.wrong[when] = f"{len(keys)} parts, {keys[0]}: {len(now.get(keys[0], ()))} rows"
        if there != files:
            counts.debris[when] = f"more {sorted(there - files)[:3]}, fewer {sorted(files - there)[:3]}"
    return counts


def _half(folder: Path, before: Cells, after: Cells) -> str:
    """Where a cell of the results folder is neither as it was nor as it will be; empty where there is none such."""
    if not (folder / "runs").is_dir():
        return ""
    now = cells_of(folder)
    for archive, cell_id in {(archive, cell_id) for archive, _, cell_id in now}:
        rows = [{table: state.get((archive, table, cell_id)) for table in SCHEMAS} for state in (now, before, after)]
        if rows[0] not in rows[1:]:
            return f"{archive} {cell_id}"
    return ""


def sampled(number: int) -> Callable[[int], Iterator[int]]:
    """About `number` places, evenly, with the first and the last."""

    def choose(places: int) -> Iterator[int]:
        step = max(1.0, (places - 1) / max(1, number - 1))
        seen = dict.fromkeys(round(step * count) for count in range(number))
        return (place for place in seen if place < places)

    return choose
