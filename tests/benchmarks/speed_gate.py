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

from bench.running.ab.agent import CALIBRATION
from bench.running.ab.process import Agent
from bench.running.ab.session import measured_pair
from bench.running.ab.worktree import Side, base_of, head_of
from bench.stats.speed import Speed, Target, concluded, is_look

ROOT = Path(__file__).parents[2]
SLOWDOWNS = (0.0, 0.05, 0.1, 0.2)
FILTERS = ("dataset=wave", "model=gru")
PLANTED_IN = "train step"
DRAWN = 2000
"""Comparisons drawn for each line of the tables."""

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
        with (tree.root / "bench/training/fused.py").open("a") as file:
            file.write(SHIM)
        _carry_kernels(ROOT / "bench/kernels", tree.root / "bench/kernels")
        _turn(head_of(ROOT), tree)  # compiles what is not compiled yet
        began = time.monotonic()
        while time.monotonic() - began < limit_s:
            for slowdown, ratios in _turn(head_of(ROOT), tree).items():
                for name, ratio in ratios.items():
                    found[slowdown].setdefault(name, []).append(ratio)
            RAW.write_text(json.dumps(found))
            sys.stderr.write(f"{len(found[0.0][CALIBRATION])} pairs of each, {time.monotonic() - began:.0f} s\n")
    return found


def _carry_kernels(ours: Path, theirs: Path) -> None:
    """Spare the planted tree the compilation: numba knows its files by the name and the date of the source."""
    for source in theirs.glob("*.py"):
        shutil.copystat(ours / source.name, source)
    if (ours / "__pycache__").is_dir():
        shutil.copytree(ours / "__pycache__", theirs / "__pycache__", dirs_exist_ok=True)


def _turn(base: Side, planted: Side) -> dict[float, Mapping[str, float]]:
    """One base process against one process of each slowdown: the log ratios of each."""
    suite = ROOT / "suites/ci.yaml"
    with ExitStack() as open_agents:

        def agent(side: Side, slowdown: float) -> Agent:
            os.environ[VARIABLE] = str(slowdown)
            found = Agent(side, suite, FILTERS)
            open_agents.callback(found.close)
            return found

        ours, theirs = agent(base, 0.0), {slowdown: agent(planted, slowdown) for slowdown in SLOWDOWNS}
        names = list(ours.offer().what)
        for each in theirs.values():
            each.offer()
        return {slowdown: measured_pair(ours, each, names).log_ratios for slowdown, each in theirs.items()}


def verdicts(samples: Mapping[str, Sequence[float]], order: np.ndarray, signs: np.ndarray | None) -> tuple[str, int]:
    """How a comparison ends that meets the pairs in this `order`, and after how many; `signs` exchange the sides."""
    target, look = Target(), 0
    values = {name: np.asarray(column)[order] * (1 if signs is None else signs) for name, column in samples.items()}
    calibration = values.pop(CALIBRATION)
    for count in range(2, len(order) + 1):
        if not (is_look(count) or count == len(order)):
            continue
        look += 1
        part = {name: column[:count] for name, column in values.items()}
        found = concluded(part, calibration[:count], target, look=look)
        if found.settled:
            return ("alarm" if found.having(Speed.SLOWER) else "passed"), count
    return "undecided", len(order)


def drawn(samples: Mapping[str, Sequence[float]], rng: np.random.Generator, *, exchanged: bool) -> Iterator[tuple]:
    """`DRAWN` comparisons from the pairs of one slowdown."""
    pairs = len(samples[CALIBRATION])
    for _ in range(DRAWN):
        signs = rng.choice([-1, 1], size=pairs) if exchanged else None
        yield verdicts(samples, rng.permutation(pairs), signs)


def speed(limit_s: float = 600.0) -> list[str]:
    """The section on speed."""
    load = os.getloadavg()[0]
    samples, rng = measured(limit_s), np.random.default_rng(0)
    pairs = len(samples[0.0][CALIBRATION])
    lines = [
        "| planted | comparisons that raise an alarm | that pass | undecided | pairs until then, median |",
        "|---|---|---|---|---|",
    ]
    for slowdown, columns in samples.items():
        ended = list(drawn(columns, rng, exchanged=slowdown == 0))
        shares = (f"{sum(how == word for how, _ in ended) / DRAWN:.2%}" for word in ("alarm", "passed", "undecided"))
        name = f"{slowdown:.0%} slower step" if slowdown else "nothing, sides exchanged at random"
        lines.append(f"| {name} | {' | '.join(shares)} | {np.median([count for _, count in ended]):.0f} |")
    return [
        "## Speed",
        "",
        f"`bench ab` on {' and '.join(FILTERS)} of `suites/ci.yaml`: {pairs} real pairs of fresh processes for each",
        f"line, interleaved. {DRAWN} comparisons are drawn from them, in random order and each pair once, and judged look",
        f"by look as the command does; at most {pairs} pairs long. They share pairs, so their shares are less certain",
        "than their number says. To reach: false alarms ≤ 1 %, and 10 % caught with probability ≥ 0.95.",
        f"Load of the machine when it began: {load:.1f}.",
        "",
        *lines,
        "",
        *_spread(samples),
    ]


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
