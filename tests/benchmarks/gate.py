"""How good the gate is: false alarms where nothing changed, and power against planted faults.

``python tests/benchmarks/gate.py`` trains many replicates of every cell of ``suites/ci.yaml``, as the code is and with
each fault planted in it, then draws comparisons from them: disjoint replicates stand for the two sides, so that no two
pairs share a random number. That is harder for the gate than its daily work, where both sides draw the same numbers.
``speed_gate.py`` does the same for speed. Each writes its section, between two marks in ``reports/gate.md``.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from performance import placed
from speed_gate import speed

from bench.cells import CellKey
from bench.comparing.decision import compare
from bench.comparing.outcomes import ChangeVerdict, Comparison
from bench.spec import Suite

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports/gate.md"
POOL = 80
"""Replicates trained of each cell."""

ROOTS = (0, 1, 2)
"""Root seeds, hence series, that the comparisons of equal code are drawn from."""

NEARLY_EQUAL = 400
"""Comparisons of equal code, for each root seed."""

PLANTED = 200
"""Comparisons for each fault."""


def runs_of(cell: object) -> pa.Table:
    """The runs of one cell, in a worker."""
    from bench.running.cell import run_cell

    return run_cell(cell)["runs"]  # type: ignore[arg-type]


def plant(name: str | None) -> None:
    """Set up a worker: one thread, and the fault `name`."""
    import torch
    from faults import FAULTS

    torch.set_num_threads(1)
    if name is not None:
        FAULTS[name].plant()


def the_suite() -> Suite:
    """``suites/ci.yaml``."""
    from bench.data import dataset_kinds
    from bench.models import model_kinds
    from bench.suite.load import load

    return load(ROOT / "suites/ci.yaml", datasets=dataset_kinds(), models=model_kinds())


def pool(fault: str | None, root: int) -> pa.Table:
    """`POOL` replicates of every cell under the root seed `root`, by fresh processes that hold the `fault`."""
    from faults import FAULTS, Fault

    from bench.cells import expand

    suite = the_suite()
    change = (FAULTS[fault] if fault else Fault("none")).alter
    cells = [change(dataclasses.replace(cell, seeds=POOL, seed=root)) for cell in expand(suite)]
    sys.stderr.write(f"training {POOL} replicates of {len(cells)} cells: {fault or 'no fault'}, root seed {root}\n")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, initializer=plant, initargs=(fault,)) as workers:
        return pa.concat_tables(workers.map(runs_of, cells))


def drawn(table: pa.Table, seeds: np.ndarray) -> Mapping[str, pa.Table]:
    """The replicates `seeds` of every cell as a result set of its own, numbered from 0."""
    found = {seed: place for place, seed in enumerate(seeds.tolist())}
    stored = table["seed"].to_pylist()
    kept = [place for place, seed in enumerate(stored) if seed in found]
    rows = table.take(kept)
    renumbered = pa.array([found[stored[place]] for place in kept], pa.int32())
    return {"runs": rows.set_column(rows.schema.get_field_index("seed"), rows.schema.field("seed"), renumbered)}


def compared(old: pa.Table, new: pa.Table, count: int, rng: np.random.Generator) -> list[Comparison]:
    """`count` comparisons of replicates drawn from `old` with others drawn from `new`."""
    suite, found = the_suite(), []
    for _ in range(count):
        order = rng.permutation(POOL)
        sides = drawn(old, order[: suite.seeds]), drawn(new, order[suite.seeds : 2 * suite.seeds])
        found.append(compare(*sides, suite.gate))
    return found


def share(hits: int, count: int) -> str:
    """A share with its exact 95 % interval."""
    from scipy.stats import binomtest

    bounds = binomtest(hits, count).proportion_ci(0.95, method="exact")
    return f"{hits} of {count} | {100 * bounds.low:.2f} % – {100 * bounds.high:.2f} %"


def false_alarms(pools: Mapping[int, pa.Table], rng: np.random.Generator) -> list[str]:
    """The table of comparisons of equal code."""
    found = [each for table in pools.values() for each in compared(table, table, NEARLY_EQUAL, rng)]
    cells = [cell for each in found for cell in each.cells]
    better = sum(bool(each.having(ChangeVerdict.IMPROVED)) for each in found)
    verdicts = Counter(str(cell.verdict) for cell in cells)
    return [
        "| comparisons of equal code | observed | 95 % interval | to reach |",
        "|---|---|---|---|",
        f"| with an alarm | {share(sum(bool(each.alarms()) for each in found), len(found))} | ≤ 1 % |",
        f"| with a cell said to have improved | {share(better, len(found))} | |",
        "",
        "Verdicts on cells: " + ", ".join(f"{amount} {verdict}" for verdict, amount in verdicts.most_common()) + ".",
    ]


def closing(comparison: Comparison) -> Mapping[CellKey, str]:
    """Why the gate closes: by its alarms, or for cells that cannot be compared, as where other targets are read."""
    return dict.fromkeys((cell.key for cell in comparison.incomparable()), "not comparable") | comparison.alarms()


def power(base: pa.Table, rng: np.random.Generator) -> list[str]:
    """The table of the planted faults."""
    from faults import FAULTS

    lines = [
        "| planted | comparisons that close the gate | 95 % interval | by what, and how often |",
        "|---|---|---|---|",
    ]
    for name, fault in FAULTS.items():
        found = compared(base, pool(name, ROOTS[0]), PLANTED, rng)
        reasons = [closing(each) for each in found]
        raised = Counter(f"{place.dataset} × {place.model}: {what}" for each in reasons for place, what in each.items())
        reported = "; ".join(f"{cell} {100 * count / PLANTED:.0f} %" for cell, count in raised.most_common(4))
        lines.append(f"| {fault.summary} | {share(sum(map(bool, reasons)), PLANTED)} | {reported} |")
    return lines


def accuracy() -> list[str]:
    """The section on accuracy."""
    rng = np.random.default_rng(0)
    pools = {root: pool(None, root) for root in ROOTS}
    return [
        "## Accuracy",
        "",
        f"`bench compare --gate` on `suites/ci.yaml`: {the_suite().seeds} replicates on each side, drawn from {POOL} "
        "of each cell",
        f"under each of {len(ROOTS)} root seeds, hence series. The two sides of a comparison share no replicate; "
        "comparisons do, and the",
        "intervals take them for independent.",
        "",
        *false_alarms(pools, rng),
        "",
        *power(pools[ROOTS[0]], rng),
    ]


SECTIONS: Mapping[str, Callable[[], list[str]]] = {"accuracy": accuracy, "speed": speed}


def machine() -> str:
    """Where and on which code a section was measured."""
    from bench.store.environment import environment

    known = environment("cpu")
    return f"{known['cpu']}, {os.cpu_count()} cores, commit {known['git_commit']}"


def main(names: list[str]) -> None:
    """Measure the sections `names`, all of them where none is named, and write each between its marks."""
    if unknown := set(names) - SECTIONS.keys():
        sys.exit(f"{', '.join(sorted(unknown))}: expected sections of {', '.join(SECTIONS)}")
    for name in names or SECTIONS:
        started = time.monotonic()
        title, *lines = SECTIONS[name]()
        where = f"{machine()}, {time.monotonic() - started:.0f} s."
        text = "\n".join([title, "", where, *lines])
        REPORT.write_text(placed(REPORT.read_text(encoding="utf-8"), name, text), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
