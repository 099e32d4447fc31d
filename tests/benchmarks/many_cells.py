"""How plan, storing, a run of nothing, compare and report grow with the number of cells.

``python tests/benchmarks/many_cells.py [SIZE …] [--write]``: each size, 1 000, 10 000 and 100 000 unless others are
given, becomes a suite of closed forms with a dataset for every `MODELS` × `LENGTHS` cells, and a results folder by the
real runner: up to `REAL` cells run, those of larger suites take the rows of one that ran, under names of their own.
Every command is a process of its own, of which the seconds of the processor and the most memory it held are said. With
``--write`` the table becomes a section of ``reports/scaling.md``.
"""

from __future__ import annotations

import functools
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from performance import machine, placed

from bench.api.folders import loaded
from bench.cells import Cell, expand
from bench.running import runner
from bench.running.cell import run_cell
from bench.running.plan import prepare
from bench.running.unfinished import Unfinished
from bench.store.schema import Rows

REPORT = Path(__file__).parents[2] / "reports" / "scaling.md"
SIZES = (1_000, 10_000, 100_000)
MODELS, LENGTHS = 20, 5
REAL = 1_000
"""Cells that are run; each further one has the rows of one of them."""
TEMPLATES = REAL // (MODELS * LENGTHS)
"""Datasets that are run."""
TASK = {"plan": 10.0, "store": 5e-3, "no-op run": 10.0, "compare": 10.0, "report": 60.0}
"""Seconds of the processor that 100 000 cells may take; storing, for each cell."""
MOST_BYTES = 2e9
MOST_EXPONENT = 1.1


def suite_of(cells: int) -> Mapping[str, object]:
    """A suite of so many cells."""
    waves = [
        {"id": f"d{number:05}", "kind": "noisy-sine", "length": 120, "noise": round(0.1 + 1e-5 * number, 5)}
        for number in range(cells // (MODELS * LENGTHS))
    ]
    ridges = [{"id": f"ar-{number:02}", "kind": "linear-ar", "alpha": 10.0**-number} for number in range(MODELS - 2)]
    return {
        "name": f"many-{cells}",
        "datasets": waves,
        "models": ["persistence", "drift", *ridges],
        "sequence_lengths": [3, 4, 5, 6, 8],
        "seeds": 2,
        "tuning": False,
    }


class AnswersAtOnce:
    """An engine that runs the cells of the first `TEMPLATES` datasets, and gives their rows to those of the others.

    Parameters
    ----------
    spent_s
        Grows by the seconds of the processor in which rows were made: what is no storing.
    """

    def __init__(self) -> None:
        self.spent_s = 0.0
        self._known: dict[tuple[int, str, int], Rows] = {}

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        began = time.process_time()
        future: Future[Rows] = Future()
        future.set_result(self._rows(cell))
        self.spent_s += time.process_time() - began
        return future

    def close(self) -> None:
        """Nothing is held."""

    def _rows(self, cell: Cell) -> Rows:
        place = int(cell.dataset.id[1:]) % TEMPLATES, cell.model.id, cell.sequence_length
        if place not in self._known:
            self._known[place] = run_cell(cell)
            return self._known[place]
        names = {**cell.columns, "spec": cell.spec}
        return {table: _renamed(rows, names) for table, rows in self._known[place].items()}


def _renamed(rows: pa.Table, names: Mapping[str, str | int]) -> pa.Table:
    for at, field in enumerate(rows.schema):
        if field.name in names:
            rows = rows.set_column(at, field, pa.repeat(pa.scalar(names[field.name], field.type), rows.num_rows))
    return rows


def store(suite: Path, folder: Path) -> None:
    """Fill the results folder, and print the seconds of the processor that storing took."""
    engine, own = AnswersAtOnce(), loaded(str(suite))
    plan = prepare(list(expand(own)), folder)
    began = time.process_time()
    runner.run(plan, lambda: engine, jobs=1, device="cpu", listener=lambda _: None, suite=own)
    sys.stdout.write(f"{time.process_time() - began - engine.spent_s}\n")


@dataclass(frozen=True)
class Taken:
    """What one command took: seconds of the processor, and the most bytes that it held."""

    seconds: float
    most_bytes: float


def taken(arguments: Sequence[str], folder: Path) -> tuple[Taken, str]:
    """Run Python with `arguments` in `folder`; what that took, and what it printed."""
    printed = folder / "printed"
    with printed.open("w") as stream:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, *arguments],
            {**os.environ, "BENCH_MAX_CELLS": str(max(SIZES)), "BENCH_CACHE": str(folder / "cache")},
            file_actions=[(os.POSIX_SPAWN_DUP2, stream.fileno(), 1)],
        )
        _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{' '.join(arguments)}: ended with {os.waitstatus_to_exitcode(status)}")
    return Taken(used.ru_utime + used.ru_stime, 1024.0 * used.ru_maxrss), printed.read_text()


def measured(cells: int) -> dict[str, Taken]:
    """What each command took with so many cells; storing, for all of them."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as work:
        return _measured(cells, Path(work))


def _measured(cells: int, place: Path) -> dict[str, Taken]:
    suite, results = place / f"many-{cells}.json", str(place / "results")
    suite.write_text(json.dumps(suite_of(cells)))
    os.chdir(place)
    bench = functools.partial(_command, place)
    found = {"plan": bench("run", str(suite), "--results", results, "--dry-run")}
    whole, printed = taken([__file__, "store", str(suite), results], place)
    found["store"] = Taken(float(printed), whole.most_bytes)
    found["no-op run"] = bench("run", str(suite), "--results", results, "--no-report", "--progress", "none")
    found["compare"] = bench("compare", results, results)
    found["report"] = bench("report", results)
    return found


def _command(place: Path, *arguments: str) -> Taken:
    used, _ = taken(["-m", "bench", *arguments], place)
    sys.stderr.write(f"{arguments[0]}: {used.seconds:.2f} s, {used.most_bytes / 1e9:.2f} GB\n")
    return used


def table(found: Mapping[int, Mapping[str, Taken]]) -> Iterator[str]:
    """Markdown lines: a row for each command."""
    sizes = sorted(found)
    yield f"| command | {' | '.join(f'{size:,} cells'.replace(',', ' ') for size in sizes)} | exponent | task |"
    yield f"|---|{'---:|' * (len(sizes) + 1)}---|"
    for name, most in TASK.items():
        own = [found[size][name] for size in sizes]
        shown = [
            f"{1000 * each.seconds / size:.1f} ms a cell" if name == "store" else f"{each.seconds:.1f} s"
            for size, each in zip(sizes, own, strict=True)
        ]
        memory = [f"{each.most_bytes / 1e9:.2f} GB" for each in own]
        both = " | ".join(", ".join(pair) for pair in zip(shown, memory, strict=True))
        limit = f"{1000 * most:.0f} ms a cell" if name == "store" else f"{most:.0f} s"
        yield f"| {name} | {both} | {_exponent(sizes, own)} | ≤ {limit}, ≤ {MOST_BYTES / 1e9:.0f} GB |"


def _exponent(sizes: Sequence[int], own: Sequence[Taken]) -> str:
    """Of the growth between the two largest sizes: a command's start, which does not grow, weighs least there."""
    if len(sizes) < 2:
        return ""
    return f"{math.log(own[-1].seconds / own[-2].seconds) / math.log(sizes[-1] / sizes[-2]):.2f}"


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["store"]:
        store(Path(arguments[1]), Path(arguments[2]))
        return
    sizes = [int(each) for each in arguments if each.isdigit()] or SIZES
    found = {size: measured(size) for size in sizes}
    lines = "\n".join(table(found))
    sys.stdout.write(f"{lines}\n")
    if "--write" in arguments:
        text = f"Measured on: {machine()}.\n\n{lines}"
        REPORT.write_text(placed(REPORT.read_text(encoding="utf-8"), "cells", text), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
