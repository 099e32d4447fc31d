"""What part of the machine's speed a run of ``suites/full.yaml`` reaches, and how true its estimates were.

``python tests/benchmarks/suite_rate.py [KEY=GLOB …]`` runs the cells of the suite that the filters choose (those of
noisy-sine at length 30, unless others are given) into a fresh folder, and prints the table as Markdown. With
``--write`` it replaces the section of that name in ``reports/performance.md``. The reference is a matrix product of
1024 × 1024 by one thread on each core at the same time, before and after the run.
"""

from __future__ import annotations

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
from pathlib import Path
from typing import Any

from engine import gemm_gflops
from performance import machine, placed

from bench.cells import CellKey, CellSpec, expand
from bench.data import dataset_kinds
from bench.models import model_kinds
from bench.models.base import Shape
from bench.probe.flops import FORMULAS
from bench.running.plan import only, prepare
from bench.spec import Training
from bench.store import read
from bench.suite.load import load

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "suites" / "full.yaml"
SLICE = ("dataset=noisy-sine", "sequence_length=30")
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


def estimates(filters: Sequence[str], folder: Path) -> dict[CellKey, float]:
    """Seconds of each cell, before anything is known."""
    suite = load(SUITE, datasets=dataset_kinds(), models=model_kinds())
    plan = prepare(only(list(expand(suite)), filters), folder)
    return {cell.key: plan.seconds(cell) for cell in plan.pending if not plan.blocked(cell)}


def run(filters: Sequence[str], folder: Path) -> float:
    """Seconds of the run, from the first worker's start to the last cell stored."""
    command = [sys.executable, "-m", "bench", "run", str(SUITE), "--no-report", "--results", str(folder)]
    began = time.perf_counter()
    only_these = [part for each in filters for part in ("--only", each)]
    subprocess.run([*command, *only_these], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


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


def by_model(folder: Path) -> Iterator[tuple[CellKey, str, tuple[float, float], tuple[float, float]]]:
    """Each cell's key and model, with the GFLOP and seconds of its tuning and of its final fits."""
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
        yield CellKey.of(first), first["model"], (tuning, first["tuning_s"] or 0.0), (fits, fit_s)


def table(folder: Path, wall_s: float, gemm: float, foreseen: Mapping[CellKey, float]) -> Iterator[str]:
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
    cores = len(os.sched_getaffinity(0))
    took = {key: tuning[1] + fits[1] for key, _, tuning, fits in cells}
    good = [1 / WITHIN <= foreseen[key] / seconds <= WITHIN for key, seconds in took.items()]
    yield ""
    yield (
        f"{wall_s:.0f} s on {cores} cores, of whose time networks took {everything / (wall_s * cores):.0%}. "
        f"{done:.0f} GFLOP in {everything:.0f} worker-seconds: {done / everything:.1f} GFLOP/s a core, "
        f"{done / everything / gemm:.0%} of the matrix product's {gemm:.1f}. Estimates before the run: "
        f"{sum(foreseen.values()) / cores:.0f} s in all; within a factor {WITHIN} for {sum(good)} of {len(good)} cells."
    )


def main() -> None:
    """Run, and print the table or write it."""
    write = "--write" in sys.argv
    filters = [text for text in sys.argv[1:] if text != "--write"] or list(SLICE)
    os.environ |= ONE_THREAD
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "full"
        foreseen = estimates(filters, results)
        before = reference()
        wall_s = run(filters, results)
        gemm = (before + reference()) / 2
        lines = "\n".join([f"{machine()}; cells: {', '.join(filters)}", "", *table(results, wall_s, gemm, foreseen)])
    sys.stdout.write(f"{lines}\n")
    if write:
        page = ROOT / "reports" / "performance.md"
        page.write_text(placed(page.read_text(encoding="utf-8"), "suite", lines), encoding="utf-8")


if __name__ == "__main__":
    main()
