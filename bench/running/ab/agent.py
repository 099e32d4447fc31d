"""The far side: times the code that it finds on its path, that of the base or that of the head.

This one file is run by both sides, as ``python -P agent.py SUITE [KEY=GLOB …]``, so that the way of measuring is the
same whatever the base looks like; everything else comes from the side's own `bench`. The first line that it writes
tells what it can time, and each name that it reads is answered by the seconds of one call.

A call's time is the wall's, less what its thread waited for a CPU that other processes had (Linux tells it in
``schedstat``): waiting for a lock, a disk or a sleep counts, and a neighbour's work does not. A block of calls is
told by their median.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

Call = Callable[[], Any]

CALIBRATION = "calibration"
BLOCK_S = 0.02
"""Calls are repeated for about this long …"""
LEAST_CALLS = 3
"""… and at least so often."""
UNIT_S = 0.001
"""Shorter calls are timed several at a time, so that the clock weighs nothing."""
WARM_CALLS = 3


class Work(NamedTuple):
    """Something to time: its name, what it consists of, and how to make the call."""

    name: str
    what: dict[str, Any]
    make: Callable[[], Call]


class Timer:
    """Times one call; making it warms the call up."""

    def __init__(self, call: Call) -> None:
        for _ in range(WARM_CALLS):  # the first calls compile, choose algorithms and allocate
            call()
        self._call, self._unit = call, 1
        self._unit = max(1, round(UNIT_S / self._seconds()))
        self._units = max(LEAST_CALLS, round(BLOCK_S / (self._unit * self._seconds())))

    def block(self) -> float:
        """Seconds of one call, the median of a block; one before it brings back what others took from the caches."""
        self._seconds()
        enabled = gc.isenabled()
        gc.disable()
        try:
            return statistics.median([self._seconds() for _ in range(self._units)])
        finally:
            if enabled:
                gc.enable()

    def _seconds(self) -> float:
        call, waited, began = self._call, _waited_s(), time.perf_counter()
        for _ in range(self._unit):
            call()
        took = time.perf_counter() - began
        return max(took - (_waited_s() - waited), 1e-9) / self._unit


def works(suite: Path, filters: list[str]) -> Iterator[Work]:
    """The calibration, then every model of `suite` on windows of every shape once, then one whole cell."""
    from bench.data import dataset_kinds
    from bench.models import model_kinds
    from bench.running.probing.plan import Setting, prepare
    from bench.running.selection import only
    from bench.suite.cells import expand
    from bench.suite.load import load

    yield Work(CALIBRATION, {}, calibration)
    kinds = model_kinds()
    cells = only(list(expand(load(suite, datasets=dataset_kinds(), models=kinds))), tuple(filters))
    with tempfile.TemporaryDirectory() as empty:
        wanted = prepare(cells, Path(empty), Setting("cpu", 1, 1)).pending
    seen, whole = set(), None
    for each in wanted:
        if each.workload is None:
            yield Work(each.cell.title, {}, _refusing(each.blocked))
            continue
        key = each.workload.kind, each.workload.parameters, each.workload.shape
        if key in seen:
            continue
        seen.add(key)
        gradient = kinds[each.workload.kind].gradient
        what = json.loads(each.workload.to_json())
        yield Work(f"{each.cell.title}: {'train step' if gradient else 'fit'}", what, _maker(each.workload))
        whole = whole or (None if gradient else each.cell)
    if whole:
        yield Work(f"{whole.title}: whole cell", {"seeds": whole.seeds}, lambda: _cell(whole))


def calibration() -> Call:
    """What neither side can change: a loop of Python and a matrix product of NumPy."""
    import numpy as np

    matrix = np.sin(np.arange(128.0 * 128)).reshape(128, 128)
    out = np.empty_like(matrix)

    def call() -> None:
        total = 0
        for i in range(10_000):
            total += i & 7
        np.matmul(matrix, matrix, out=out)

    return call


def _maker(workload: Any) -> Callable[[], Call]:
    """A step of the bank of this workload's model, whose members are trained together; or the fit of a closed form."""
    from bench.models import model_kinds
    from bench.probe.bank import bank_step
    from bench.probe.subjects import subject

    kind = model_kinds()[workload.kind]

    def make() -> Call:
        if not kind.gradient:
            return subject(kind, workload, "cpu").calls()["fit_s"]
        bank = bank_step(kind, workload, "cpu")
        return bank.call if bank else subject(kind, workload, "cpu").calls()["step_s"]

    return make


def _refusing(why: Any) -> Callable[[], Call]:
    def make() -> Call:
        raise LookupError(why.reason)

    return make


def _cell(cell: Any) -> Call:
    """Data, windows, scaling, fit, predictions, errors and rows."""
    from bench.running.cell import run_cell

    reasons = {row["reason"] for row in run_cell(cell)["runs"].to_pylist() if row["status"] != "ok"}
    if reasons:
        raise ValueError("; ".join(sorted(reasons)))
    return lambda: run_cell(cell)


def _waiting() -> Callable[[], float]:
    """What tells the seconds that this thread has waited for a CPU; 0 where the system does not."""
    try:
        file = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        os.pread(file, 64, 0).split()[1]
    except (OSError, IndexError):
        return lambda: 0.0
    return lambda: int(os.pread(file, 64, 0).split()[1]) / 1e9


_waited_s = _waiting()


def _timers(suite: Path, filters: list[str]) -> tuple[dict[str, Timer], dict[str, Any], dict[str, str]]:
    """Timers, what they time, and why others cannot be had."""
    timers, what, refused = {}, {}, {}
    for work in works(suite, filters):
        try:
            timers[work.name] = Timer(work.make())
            what[work.name] = work.what
        except Exception as error:  # one that this side cannot do; the others go on
            refused[work.name] = f"{type(error).__name__}: {error}"
    return timers, what, refused


def _answers() -> TextIO:
    """Standard output, for answers alone: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return answers


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the near side ends this process
    answers = _answers()
    import bench

    timers, what, refused = _timers(Path(sys.argv[1]), sys.argv[2:])
    answers.write(json.dumps({"bench": bench.__file__, "what": what, "refused": refused}) + "\n")
    for name in sys.stdin:
        answers.write(json.dumps(timers[name.rstrip("\n")].block()) + "\n")


if __name__ == "__main__":
    main()
