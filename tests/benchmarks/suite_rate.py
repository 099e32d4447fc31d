"""What part of the machine's speed a run of ``suites/full.yaml`` reaches, and how true its estimates were.

``python tests/benchmarks/suite_rate.py [KEY=GLOB …]`` runs the cells of the suite that the filters choose, all of them
unless some are given, and prints the table as Markdown. ``--write`` replaces the section of the suite, or the one that
``--section`` names, in ``reports/performance.md``; ``--suite stocks`` runs another suite. ``--results FOLDER`` keeps
the rows and what was measured; where that lies there already, the table is made of it and nothing is run. The reference
is a matrix product of 1024 × 1024 by one thread on each core at the same time, before and after the run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from engine import gemm_gflops
from performance import machine, placed

from bench.cells import CellSpec, expand
from bench.data import dataset_kinds
from bench.models import model_kinds
from bench.models.base import Shape
from bench.probe.flops import FORMULAS
from bench.running.plan import only, prepare
from bench.spec import Training
from bench.store import read
from bench.suite.load import load

ROOT = Path(__file__).parents[2]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
WITHIN = 1.5
"""An estimate is good within this factor."""


def reference() -> float:
    """GFLOP/s of the matrix product a core, all cores at the same time."""
    cores = len(os.sched_getaffinity(0))
    with multiprocessing.get_context("spawn").Pool(cores, _one_thread) as pool:
        return statistics.mean(pool.map(_rate, range(cores), chunksize=1))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _rate(_core: int) -> float:
    return statistics.median(gemm_gflops() for _ in range(5))


def estimates(path: Path, filters: Sequence[str], folder: Path) -> dict[str, float]:
    """Seconds of each cell, by id, before anything is known."""
    suite = load(path, datasets=dataset_kinds(), models=model_kinds())
    plan = prepare(only(list(expand(suite)), filters), folder)
    return {cell.id: plan.seconds(cell) for cell in plan.pending if not plan.blocked(cell)}


@dataclass(frozen=True)
class Measured:
    """What was measured of one run besides its rows.

    Parameters
    ----------
    machine, cells
        In words.
    cores
        How many cores it had.
    wall_s
        From the command's start to its end.
    busy_s
        Processor time of the command and its workers.
    idle_s
        How long the core that was idle the longest had nothing to do.
    memory_bytes
        The most that all processes of the run held at a time; what they share is counted once.
    gemm
        GFLOP/s of the matrix product a core, the mean of before and after.
    estimates
        Seconds of each cell, by id, before anything was known.
    """

    machine: str
    cells: str
    cores: int
    wall_s: float
    busy_s: float
    idle_s: float
    memory_bytes: int
    gemm: float
    estimates: Mapping[str, float]


def measured(path: Path, filters: Sequence[str], folder: Path) -> Measured:
    """Run the cells into `folder`."""
    foreseen = estimates(path, filters, folder)
    before = reference()
    command = [sys.executable, "-m", "bench", "run", str(path), "--no-report", "--results", str(folder)]
    idle, earlier_s, began = _idle_s(), sum(os.times()[2:4]), time.perf_counter()
    process = subprocess.Popen([*command, *(part for each in filters for part in ("--only", each))], cwd=ROOT)
    peak = _peak_bytes(process)
    wall_s, busy_s = time.perf_counter() - began, sum(os.times()[2:4]) - earlier_s
    if process.returncode not in (0, 1):  # 1: some cells are not ok, as their rows say
        raise SystemExit(f"the run ended with {process.returncode}")
    return Measured(
        machine=machine(),
        cells=", ".join(filters) or "all",
        cores=len(os.sched_getaffinity(0)),
        wall_s=wall_s,
        busy_s=busy_s,
        idle_s=max(now - then for now, then in zip(_idle_s(), idle, strict=True)),
        memory_bytes=peak,
        gemm=(before + reference()) / 2,
        estimates=foreseen,
    )


def _idle_s() -> list[float]:
    return [each.idle + getattr(each, "iowait", 0.0) for each in psutil.cpu_times(percpu=True)]


def _peak_bytes(process: subprocess.Popen[bytes]) -> int:
    """The most that it and its children held together, until its end; looked at every second.

    Pages that several share, such as those of libraries, count once.
    """
    peak, root = 0, psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            peak = max(peak, sum(_held(each) for each in (root, *root.children(recursive=True))))
        time.sleep(1)
    return peak


def _held(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_full_info().pss)
    return 0


def gflop(rows: Sequence[Mapping[str, Any]], spec: CellSpec, windows: Mapping[int, int]) -> float:
    """GFLOP of the products of some networks: `windows` are trained on by each."""
    formula, kind = FORMULAS[spec.model_kind], model_kinds()[spec.model_kind]
    shape = Shape(spec.content["sequence_length"], spec.content["horizon"], 1)
    total = 0.0
    for number, row in enumerate(rows):
        chosen = {**spec.model_parameters, **json.loads(row)}
        own = {name: value for name, value in chosen.items() if name in kind.parameters.model_fields}
        counts = formula(kind.parameters(**own), shape)
        total += windows[number] * (counts.step or 0)
    return total / 1e9


def windows_of(training: Training, rounds: int, train_windows: int) -> int:
    """How many windows so many rounds train on."""
    if training.round_steps is None:
        return rounds * train_windows
    size = train_windows if training.batch_size == "all" else min(training.batch_size, train_windows)
    return min(rounds * training.round_steps, training.steps or 0) * size


def by_model(folder: Path) -> Iterator[tuple[str, str, tuple[float, float], tuple[float, float]]]:
    """Each cell's id and model, with the GFLOP and seconds of its tuning and of its final fits."""
    trials = defaultdict(list)
    for row in read(folder, "trials").to_pylist():
        trials[row["cell_id"]].append(row)
    runs = defaultdict(list)
    for row in read(folder, "runs").to_pylist():
        runs[row["cell_id"]].append(row)
    for cell_id, rows in runs.items():
        spec, first = CellSpec.from_json(rows[0]["spec"]), rows[0]
        if spec.model_kind not in FORMULAS or not first["epochs"]:
            continue
        training, count = Training(**spec.training), first["train_windows"]
        size = count if training.batch_size == "all" else min(training.batch_size, count)
        fits = gflop(
            [row["hyperparameters"] for row in rows], spec, {n: row["steps"] * size for n, row in enumerate(rows)}
        )
        own = trials[cell_id]
        tried = {n: windows_of(training, row["epochs"], count) for n, row in enumerate(own)}
        tuning = gflop([row["parameters"] for row in own], spec, tried)
        fit_s = sum(row["fit_s"] for row in rows)
        yield cell_id, first["model"], (tuning, first["tuning_s"] or 0.0), (fits, fit_s)


def table(folder: Path, run: Measured) -> Iterator[str]:
    """Markdown lines."""
    cells = list(by_model(folder))
    models: dict[str, list[tuple[tuple[float, float], tuple[float, float]]]] = defaultdict(list)
    for _, model, tuning, fits in cells:
        models[model].append((tuning, fits))
    everything = sum(part[1] for own in models.values() for pair in own for part in pair)
    yield "| model | tuning, GFLOP/s a core | final fits, GFLOP/s a core | share of the time |"
    yield "|---|---|---|---|"
    done = 0.0
    for model, own in models.items():
        sums = [[sum(pair[part][i] for pair in own) for i in (0, 1)] for part in (0, 1)]
        rates = [work / seconds if seconds else 0.0 for work, seconds in sums]
        done += sum(work for work, _ in sums)
        share = sum(seconds for _, seconds in sums) / everything
        yield f"| {model} | {rates[0]:.1f} | {rates[1]:.1f} | {share:.0%} |"
    took = {cell_id: tuning[1] + fits[1] for cell_id, _, tuning, fits in cells}
    good = [1 / WITHIN <= run.estimates[cell_id] / seconds <= WITHIN for cell_id, seconds in took.items()]
    whole = run.wall_s * run.cores
    yield ""
    yield (
        f"{run.wall_s:.0f} s on {run.cores} cores, of whose time networks took {everything / whole:.0%}, and "
        f"everything of the run {run.busy_s / whole:.0%}; the core that had the least to do was idle for "
        f"{run.idle_s / run.wall_s:.1%}. {done:.0f} GFLOP in {everything:.0f} worker-seconds: "
        f"{done / everything:.1f} GFLOP/s a core, {done / everything / run.gemm:.0%} of the matrix product's "
        f"{run.gemm:.1f}. At most {run.memory_bytes / 1e9:.2f} GB were held by all processes together. Estimates "
        f"before the run: {sum(run.estimates.values()) / run.cores:.0f} s in all; within a factor {WITHIN} for "
        f"{sum(good)} of {len(good)} cells."
    )


def main() -> None:
    """Run, and print the table or write it."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("filters", nargs="*", metavar="KEY=GLOB")
    asked.add_argument("--suite", default="full")
    asked.add_argument("--section")
    asked.add_argument("--results", type=Path)
    asked.add_argument("--write", action="store_true")
    given = asked.parse_args()
    os.environ |= ONE_THREAD
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.results or Path(temporary) / given.suite
        kept = folder.with_name(f"{folder.name}.measured.json")
        if not kept.exists():
            run = measured(ROOT / "suites" / f"{given.suite}.yaml", given.filters, folder)
            kept.write_text(json.dumps(asdict(run)), encoding="utf-8")
        run = Measured(**json.loads(kept.read_text(encoding="utf-8")))
        lines = "\n".join([f"{run.machine}; `suites/{given.suite}.yaml`; cells: {run.cells}", "", *table(folder, run)])
    sys.stdout.write(f"{lines}\n")
    if given.write:
        page = ROOT / "reports" / "performance.md"
        section = placed(page.read_text(encoding="utf-8"), given.section or f"suite-{given.suite}", lines)
        page.write_text(section, encoding="utf-8")


if __name__ == "__main__":
    main()
