"""How good the gate on speed is: real pairs of processes, of equal code and with slowdowns that are planted for real.

The planted step measures the CPU time that it took and then works on, uselessly, for a fraction of it. Comparisons
are drawn from the pairs that were measured, in random order and without replacement, and judged look by look as
``bench ab`` does.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench.ab.agent import CALIBRATION
from bench.ab.process import Agent, requested
from bench.ab.rounds import measured_pair, shared
from bench.ab.speed import Speed, Target, concluded, is_look
from bench.ab.worktree import Side, base_of, head_of
from bench.cells import Cell, expand
from bench.data import dataset_kinds
from bench.models import model_kinds
from bench.running.plan import only
from bench.suite.load import load

ROOT = Path(__file__).parents[2]
SLOWDOWNS = (0.0, 0.05, 0.1, 0.2)
FILTERS = ("dataset=wave", "model=gru")
PLANTED_IN = "train step"
DRAWN = 2000
"""Comparisons drawn for each line of the tables."""

WORKS = 8
"""In a comparison of all of ``suites/ci.yaml``, so that the level of a planted one is divided by as many."""

RAW = ROOT / ".benchmarks" / "speed_pairs.json"
VARIABLE = "BENCH_PLANTED_SLOWDOWN"
SHIM = f'''

import os as _os
import time as _time

_step, _fraction = Fused.step, float(_os.environ.get("{VARIABLE}", "0"))


def _slower(self, x, y):
    began = _time.thread_time()
    losses = _step(self, x, y)
    until = began + (1 + _fraction) * (_time.thread_time() - began)
    while _time.thread_time() < until:
        pass
    return losses


Fused.step = _slower
'''

Samples = Mapping[float, Mapping[str, list[float]]]
"""Planted slowdown → name of a work → its log ratio in each pair of processes."""


def measured(limit_s: float) -> Samples:
    """Pairs of every slowdown in turn, as many as `limit_s` seconds allow: one base process serves all of them."""
    found: dict[float, dict[str, list[float]]] = {slowdown: {} for slowdown in SLOWDOWNS}
    RAW.parent.mkdir(exist_ok=True)
    with base_of(ROOT, "HEAD", environment="shared") as tree:
        with (tree.root / "bench/training/steppers.py").open("a") as file:
            file.write(SHIM)
        _carry_kernels(ROOT / "bench/kernels", tree.root / "bench/kernels")
        cells = requested(_cells(), tree.root.parent / "cells")
        _turn(head_of(ROOT), tree, cells)  # compiles what is not compiled yet
        began = time.monotonic()
        while time.monotonic() - began < limit_s:
            for slowdown, ratios in _turn(head_of(ROOT), tree, cells).items():
                for name, ratio in ratios.items():
                    found[slowdown].setdefault(name, []).append(ratio)
            RAW.write_text(json.dumps(found))
            sys.stderr.write(f"{len(found[0.0][CALIBRATION])} pairs of each, {time.monotonic() - began:.0f} s\n")
    return found


def _cells() -> list[Cell]:
    return only(list(expand(load(ROOT / "suites/ci.yaml", datasets=dataset_kinds(), models=model_kinds()))), FILTERS)


def _carry_kernels(ours: Path, theirs: Path) -> None:
    """Spare the planted tree the compilation: numba knows its files by the name and the date of the source."""
    for source in theirs.glob("*.py"):
        shutil.copystat(ours / source.name, source)
    if (ours / "__pycache__").is_dir():
        shutil.copytree(ours / "__pycache__", theirs / "__pycache__", dirs_exist_ok=True)


def _turn(base: Side, planted: Side, cells: Path) -> dict[float, Mapping[str, float]]:
    """One base process against one process of each slowdown: the log ratios of each."""
    with ExitStack() as open_agents:

        def agent(side: Side, slowdown: float) -> Agent:
            os.environ[VARIABLE] = str(slowdown)
            found = Agent(side, cells)
            open_agents.callback(found.close)
            return found

        ours, theirs = agent(base, 0.0), {slowdown: agent(planted, slowdown) for slowdown in SLOWDOWNS}
        offers = [each.offer() for each in (ours, *theirs.values())]
        names = shared(*offers[:2]).names
        for each in (ours, *theirs.values()):
            each.make(names)
            each.ready()
        return {slowdown: measured_pair(ours, each, names).log_ratios for slowdown, each in theirs.items()}


def ended(values: dict[str, np.ndarray], target: Target) -> tuple[str, int]:
    """How a comparison ends that meets the pairs in this order, and after how many."""
    look = 0
    calibration = values.pop(CALIBRATION)
    most = len(calibration)
    for count in range(2, most + 1):
        if not (is_look(count) or count == most):
            continue
        look += 1
        part = {name: column[:count] for name, column in values.items()}
        found = concluded(part, calibration[:count], target, look=look)
        if found.settled:
            return ("alarm" if found.having(Speed.SLOWER) else "passed"), count
    return "undecided", most


def drawn(columns: Mapping[str, Sequence[float]], rng: np.random.Generator, *, planted: bool) -> Iterator[tuple]:
    """`DRAWN` comparisons; where nothing is planted, the two sides of a pair are exchanged at random too."""
    pairs = len(columns[CALIBRATION])
    target = Target(alpha=Target().alpha / WORKS) if planted else Target()  # as if each had WORKS to correct for
    for _ in range(DRAWN):
        order, signs = rng.permutation(pairs), 1 if planted else rng.choice([-1, 1], size=pairs)
        yield ended({name: np.asarray(column)[order] * signs for name, column in columns.items()}, target)


def speed(limit_s: float = 600.0) -> list[str]:
    """The section on speed."""
    return reported(measured(limit_s))


def reported(samples: Samples) -> list[str]:
    """What the pairs of every slowdown tell."""
    rng = np.random.default_rng(0)
    pairs = len(samples[0.0][CALIBRATION])
    lines = [
        "| planted | comparisons that raise an alarm | that pass | undecided | pairs until then, median |",
        "|---|---|---|---|---|",
    ]
    calibrations = {f"{CALIBRATION} {other}": samples[other][CALIBRATION] for other in SLOWDOWNS[1:]}
    lines.append(_ended("nothing, sides exchanged at random", drawn(samples[0.0] | calibrations, rng, planted=False)))
    for slowdown in SLOWDOWNS[1:]:
        lines.append(_ended(f"{slowdown:.0%} slower step", drawn(samples[slowdown], rng, planted=True)))
        moved = {name: _moved(name, column, slowdown) for name, column in samples[slowdown].items()}
        lines.append(_ended(f"the same, moved to {slowdown:.0%} exactly", drawn(moved, rng, planted=True)))
    return [
        "## Speed",
        "",
        f"`bench ab` on {' and '.join(FILTERS)} of `suites/ci.yaml`: {pairs} real pairs of fresh processes for each",
        f"line, interleaved. {DRAWN} comparisons are drawn from them, in random order and each pair once, and judged",
        f"look by look as the command does; at most {pairs} pairs long. They share pairs, so their shares are less",
        f"certain than their number says. Planted slowdowns are judged at the level of one of {WORKS} works, as",
        "the whole suite has. What was planted does not come out exactly, as the second table tells: so the same pairs",
        "are also judged with their mean moved to the slowdown itself.",
        "To reach: false alarms ≤ 1 %, and 10 % caught with probability ≥ 0.95.",
        f"Load of the machine meanwhile: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores.",
        "",
        *lines,
        "",
        *_spread(samples),
    ]


def _moved(name: str, column: Sequence[float], slowdown: float) -> np.ndarray:
    return np.asarray(column) + (np.log1p(slowdown) - np.mean(column) if PLANTED_IN in name else 0.0)


def _ended(name: str, comparisons: Iterator[tuple]) -> str:
    found = list(comparisons)
    shares = (f"{sum(how == word for how, _ in found) / DRAWN:.2%}" for word in ("alarm", "passed", "undecided"))
    return f"| {name} | {' | '.join(shares)} | {np.median([count for _, count in found]):.0f} |"


def _spread(samples: Samples) -> list[str]:
    """What the pairs themselves say."""
    lines = [
        "| work | planted | ratio, mean over pairs | spread of one pair (log, standard deviation) |",
        "|---|---|---|---|",
    ]
    for slowdown, columns in samples.items():
        for name, column in columns.items():
            planted = f"{slowdown:.0%}" if PLANTED_IN in name else "none"
            lines.append(f"| {name} | {planted} | {np.exp(np.mean(column)):.3f} | {np.std(column, ddof=1):.3f} |")
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(speed(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0)))
