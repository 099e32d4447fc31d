"""The worker process of ``bench ab``: times the code on its path, that of the base or of the head.

Both sides run this file, as ``python -P agent.py FOLDER``, so that the method of measuring is the same whatever the
base looks like; everything else comes from the side's own `bench`. `FOLDER` contains the requested cells as suites of
one cell each, so that a cell which this side cannot read does not affect the others. The first line of output lists the
benchmarks that this side can time. The process then reads names of benchmarks, prepares them, and reports the result.
After that it answers each name that it reads with the seconds of one call.

The time of a call is wall-clock time minus the time its thread waited for a CPU used by other processes (from Linux's
``schedstat``): waiting for a lock, a disk or a sleep counts, the work of other processes does not. A block of calls is
represented by its median.
"""

import gc
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

Call = Callable[[], Any]

CALIBRATION = "calibration"
TITLES = "titles.json"
"""In the folder of cells: their names; the cell of the first one is in ``0.yaml``, and so on."""

BLOCK_S = 0.02
"""Calls are repeated for about this long …"""
LEAST_CALLS = 3
"""… and at least so often."""
UNIT_S = 0.001
"""Shorter calls are timed several at a time, so that the clock weighs nothing."""
WARM_CALLS = 3


class Benchmark(NamedTuple):
    """Something to time.

    Parameters
    ----------
    name
        For people.
    what
        What it consists of; it must be the same on both sides.
    dedup_key
        The same for works of which one tells enough.
    make
        Makes the call.
    """

    name: str
    what: dict[str, Any]
    dedup_key: str
    make: Callable[[], Call]


class Timer:
    """Times one call; making it warms the call up."""

    def __init__(self, call: Call) -> None:
        for _ in range(WARM_CALLS):  # the first calls compile, choose algorithms and allocate
            call()
        self._call, self._unit = call, 1
        while self._unit * self._seconds() < UNIT_S:
            self._unit *= 2
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


def benchmarks(cells: dict[str, Any], folder: Path, refused: dict[str, str]) -> list[Benchmark]:
    """What can be timed: the calibration, and every one of `cells`; the titles of others are added to `refused`."""
    offered = [Benchmark(CALIBRATION, {}, CALIBRATION, calibration)]
    for title, each in _wanted(cells, folder, refused):
        if each.workload is None:
            refused[title] = each.blocked.reason
        else:
            offered += _benchmarks_of(title, each.cell, each.workload)
    return offered


def read(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Title → cell, and title → why this side cannot read it."""
    from bench.cells import expand
    from bench.data import dataset_kinds
    from bench.models import model_kinds
    from bench.suite.load import load

    datasets, models = dataset_kinds(), model_kinds()
    cells, refused = {}, {}
    for k, title in enumerate(json.loads((folder / TITLES).read_text(encoding="utf-8"))):
        try:
            (cells[title],) = expand(load(folder / f"{k}.yaml", datasets=datasets, models=models))
        except Exception as error:  # whatever this side does not know; the others go on
            refused[title] = "; ".join(each.message for each in getattr(error, "problems", ())) or _said(error)
    return cells, refused


def _wanted(cells: dict[str, Any], folder: Path, refused: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Each title with the cell's workload; where the data of one are wrong, that one is added to `refused`."""
    from bench.errors import InputError
    from bench.probe.probe_plan import Setting, prepare

    def planned(some: dict[str, Any]) -> list[tuple[str, Any]]:
        plan = prepare(list(some.values()), folder / "nothing stored", Setting("cpu", 1, 1))
        return list(zip(some, plan.pending, strict=True))

    try:
        yield from planned(cells)
    except InputError:
        for title, cell in cells.items():
            try:
                yield from planned({title: cell})
            except InputError as error:
                refused[title] = str(error)


def _benchmarks_of(title: str, cell: Any, workload: Any) -> Iterator[Benchmark]:
    """A train step of this model; or its fit in closed form, and the whole cell."""
    from bench.models import model_kinds

    gradient = model_kinds()[workload.kind].gradient
    what = json.loads(workload.to_json())
    dedup_key = f"{workload.kind} {workload.parameters} {workload.shape}"
    yield Benchmark(f"{title}: {'train step' if gradient else 'fit'}", what, dedup_key, lambda: _call(workload))
    if not gradient:
        yield Benchmark(f"{title}: whole cell", {"seeds": cell.seeds}, "whole cell", lambda: _cell(cell))


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


def _call(workload: Any) -> Call:
    """A step of the bank of this workload's model, whose members are trained together; or the fit of a closed form."""
    from bench.models import model_kinds
    from bench.probe.prober import bank_step, subject

    kind = model_kinds()[workload.kind]
    if not kind.gradient:
        return subject(kind, workload, "cpu").calls()["fit_s"]
    bank = bank_step(kind, workload, "cpu")
    return bank.call if bank else subject(kind, workload, "cpu").calls()["step_s"]


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


def _made(known: dict[str, Benchmark], names: list[str]) -> tuple[dict[str, Timer], dict[str, str]]:
    """Timers of `names`, and why others cannot be had."""
    timers, refused = {}, {}
    for name in names:
        try:
            timers[name] = Timer(known[name].make())
        except Exception as error:  # one that this side cannot do; the others go on
            refused[name] = _said(error)
    return timers, refused


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def plugins(cells: Iterable[Any]) -> set[str]:
    """The modules of other distributions that the kinds of `cells` come from, as far as they are imported."""
    from bench.data import dataset_kinds
    from bench.models import model_kinds
    from bench.registry import third_party

    kinds: dict[str, Any] = {"bench.datasets": dataset_kinds(), "bench.models": model_kinds()}
    modules = set()
    for group, name in {(group, each) for cell in cells for group, each in zip(kinds, _kinds_of(cell), strict=True)}:
        if point := third_party(group).get(name):
            modules |= {point.module, getattr(kinds[group][name], "builder", "").partition(":")[0]}
    return modules & sys.modules.keys()


def _kinds_of(cell: Any) -> tuple[str, str]:
    return cell.dataset.kind, cell.model.kind


def _modules(among: set[str]) -> dict[str, str]:
    """Imported module → its file: of the packages of `among`, and those outside of the interpreter's own folders."""
    packages = {name.partition(".")[0] for name in among}
    files = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not Path(file).is_absolute() or file == __file__:
            continue
        if name.partition(".")[0] in packages or not file.startswith((sys.prefix, sys.base_prefix)):
            files[name] = file
    return files


def _answers() -> TextIO:
    """Standard output, for answers alone: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return answers


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the near side ends this process
    answers = _answers()

    def answer(value: Any) -> None:
        answers.write(json.dumps(value) + "\n")

    import bench

    folder = Path(sys.argv[1])
    cells, refused = read(folder)
    known = {work.name: work for work in benchmarks(cells, folder, refused)}
    what, dedup_key = ({name: getattr(work, key) for name, work in known.items()} for key in ("what", "dedup_key"))
    answer({"bench": bench.__file__, "what": what, "dedup_key": dedup_key, "refused": refused})
    timers, failed = _made(known, json.loads(sys.stdin.readline()))
    added = plugins(cells.values())
    seconds = {name: timer.block() for name, timer in timers.items()}
    answer({"refused": failed, "seconds": seconds, "plugins": sorted(added), "modules": _modules(added)})
    for name in sys.stdin:
        answer(timers[name.rstrip("\n")].block())


if __name__ == "__main__":
    main()
