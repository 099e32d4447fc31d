"""How busy many workers are, by simulation: ``python tests/benchmarks/scaling.py`` writes its part of a page.

That is ``reports/scaling.md``, whose other part is of ``many_cells.py``.

`CELLS` cells take times that were observed, drawn with replacement from the cells of a results folder, which is
``results/baseline`` unless another is named. Each has the estimate that the runner would have had before anything was
known. They are given to `WORKERS` workers

- by one runner, in its own order (`bench.running.runner.longest_last`), which stores one cell after the other; and
- as shards, by their own division (`bench.running.sharding.greedy`), with so many workers each.

Of each, the share of the workers' time in which they compute is said, until the last one ends. What the runner takes to
store a cell is measured here, in seconds of the processor.
"""

from __future__ import annotations

import heapq
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from performance import machine, placed

from bench.api.folders import loaded
from bench.array_types import FloatArray
from bench.cells import CellKey, expand
from bench.running.cell import run_cell
from bench.running.estimates import Estimator
from bench.running.runner import longest_last
from bench.running.sharding import cost_ms, greedy
from bench.store import read, writing
from bench.store.schema import SCHEMAS
from bench.store.writer import Recent

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "scaling.md"
WORKERS, CELLS = 1000, 100_000
SCALES = (1, 10, 100)
"""Times of the cells, as multiples of those observed: those of the gate's suite are short."""
SHARDS = (1000, 250, 62)
"""Numbers of shards, so that each has 1, 4 or 16 workers."""
START_S = 3.0
"""Of a worker's fresh process."""


@dataclass(frozen=True)
class Observed:
    """Seconds that cells took, and that they were estimated to take, up to the machine's pace."""

    seconds: FloatArray  # [cells]
    estimates: FloatArray  # [cells]

    @classmethod
    def of(cls, folder: Path) -> Observed:
        times = ("fit_s", "predict_s", "tuning_s")
        rows = read(folder, "runs", ("suite", *CellKey.COLUMNS, *times)).to_pylist()
        cells, estimator = {cell.key: cell for cell in expand(loaded(rows[0]["suite"]))}, Estimator(pace=1.0)
        took: dict[CellKey, float] = {}
        for row in rows:
            key = CellKey.of(row)
            tuning_s = 0.0 if key in took else row["tuning_s"] or 0.0
            took[key] = took.get(key, 0.0) + tuning_s + (row["fit_s"] or 0.0) + (row["predict_s"] or 0.0)
        estimates = [cost_ms(cells[key], estimator) / 1000 for key in took]
        return cls(np.array(list(took.values())), np.array(estimates))

    def drawn(self, scale: float) -> Observed:
        """`CELLS` of them."""
        chosen = np.random.default_rng(0).integers(0, len(self.seconds), CELLS)
        return Observed(scale * self.seconds[chosen], scale * self.estimates[chosen])


def by_one_runner(cells: Observed, *, workers: int, store_s: float, ahead: float = 1.0) -> float:
    """The busy share where one process gives out cells and stores them, with `ahead` × `workers` of them given out."""
    waiting = longest_last(range(len(cells.seconds)), cells.estimates.__getitem__)
    given = deque((0.0, waiting.pop()) for _ in range(min(int(ahead * workers), len(waiting))))
    running: list[float] = []
    for _ in range(min(workers, len(given))):
        heapq.heappush(running, START_S + float(cells.seconds[given.popleft()[1]]))
    stored_at, end = 0.0, START_S
    while running:
        end = heapq.heappop(running)
        stored_at = max(stored_at, end) + store_s
        if waiting:
            given.append((stored_at, waiting.pop()))
        if given:
            at, cell = given.popleft()
            heapq.heappush(running, max(end, at) + float(cells.seconds[cell]))
    return float(cells.seconds.sum()) / (workers * end)


def by_shards(cells: Observed, *, shards: int, workers: int, store_s: float) -> float:
    """The busy share where each shard has a runner and its workers of its own."""
    each = workers // shards
    milliseconds = np.maximum(1, np.round(1000 * cells.estimates)).astype(int)
    numbers = np.array(greedy([(int(cost), place) for place, cost in enumerate(milliseconds)], shards))
    ends = []
    for shard in range(shards):
        own = Observed(cells.seconds[numbers == shard], cells.estimates[numbers == shard])
        share = by_one_runner(own, workers=each, store_s=store_s)
        ends.append(float(own.seconds.sum()) / (each * share))
    return float(cells.seconds.sum()) / (shards * each * max(ends))


def store_seconds() -> float:
    """Seconds of the processor in which a cell is stored; its rows are those of a cell of the gate's suite."""
    cells = [cell for cell in expand(loaded("ci")) if cell.model.kind == "persistence"]
    rows = [run_cell(cell) for cell in cells]
    taken = []
    with tempfile.TemporaryDirectory() as folder, writing(Path(folder, "results")) as writer:
        for _ in range(10):
            for each in rows:
                began = time.process_time()
                writer.put(each)
                taken.append(time.process_time() - began)
    return median(taken)


def estimate_seconds() -> float:
    """Seconds of one estimate of one waiting cell, as the runner makes it for the time that is left."""
    cells, estimator = list(expand(loaded("ci"))), Estimator(pace=1.0)
    for cell in cells:
        estimator.observe(cell, 500, 1.0)
    began = time.process_time()
    for _ in range(20):
        for cell in cells:
            estimator.seconds(cell, 500)
    return (time.process_time() - began) / (20 * len(cells))


def table(observed: Observed, store_s: float) -> list[str]:
    """A line for each scale of the times."""
    names = ["one runner", "one runner, 5 % given out ahead", *(f"{n} shards × {WORKERS // n}" for n in SHARDS)]
    lines = [f"| mean cell | {' | '.join(names)} |", f"|{'---|' * (1 + len(names))}"]
    for scale in SCALES:
        cells = observed.drawn(scale)
        shares = [by_one_runner(cells, workers=WORKERS, store_s=store_s, ahead=ahead) for ahead in (1.0, 1.05)]
        shares += [by_shards(cells, shards=count, workers=WORKERS, store_s=store_s) for count in SHARDS]
        shown = " | ".join(f"{100 * share:.1f} %" for share in shares)
        lines.append(f"| {cells.seconds.mean():.1f} s | {shown} |")
    return lines


def limits(observed: Observed, store_s: float, estimate_s: float) -> list[str]:
    """What gives way first, in words and by these numbers."""
    mean = float(observed.seconds.mean())
    ratio = observed.seconds / observed.estimates
    spread = float(np.exp(np.std(np.log(ratio))))
    return [
        f"1. **One runner stores one cell after the other**, in {1000 * store_s:.1f} ms of the processor each: it "
        f"keeps {WORKERS} workers busy only where a cell takes {WORKERS * store_s:.0f} s or more on average, or "
        f"{mean / store_s:.0f} workers with these of {mean:.1f} s. Shards have a runner each, and no such limit.",
        f"2. **Estimates**: the durations of these cells are within a factor of {spread:.1f} of their estimates (one "
        "standard deviation). A shard of one worker cannot pass on what was estimated wrongly; a shard of 16 workers "
        "has more cells, whose errors cancel. One runner needs no estimate but for its last cells.",
        f"3. **The time that is left** is estimated over all cells that wait, {1e6 * estimate_s:.0f} µs each: with "
        f"{CELLS} cells {CELLS * estimate_s:.1f} s. Made at every cell it would take "
        f"{CELLS**2 * estimate_s / 2 / 86400:.1f} days, and be what breaks first; the runner "
        "therefore makes it at most every 50 times as long as it takes.",
        f"4. **Files**: a part for each cell and table, so {len(SCHEMAS)} for each cell that was stored lately; a run "
        f"packs {Recent.CELLS} cells at a time, and `bench compact` joins what is left. Dask's scheduler was not "
        "measured.",
    ]


def main(arguments: Sequence[str]) -> None:
    folder = Path(arguments[0]) if arguments else ROOT / "results" / "baseline"
    observed, store_s, estimate_s = Observed.of(folder), store_seconds(), estimate_seconds()
    name = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder.name
    text = [
        f"Simulated by `python tests/benchmarks/scaling.py`: {CELLS} cells on {WORKERS} workers, with the times of the "
        f"{len(observed.seconds)} cells of `{name}`, as they are and {SCALES[1]} and {SCALES[2]} times as long, and "
        "with the estimates that the runner has before anything is known. The share of the workers' time in which they "
        "compute, until the last one ends:",
        "",
        *table(observed, store_s),
        "",
        "## Where it breaks first",
        "",
        *limits(observed, store_s, estimate_s),
        "",
        f"Measured on: {machine()}.",
    ]
    page = REPORT.read_text(encoding="utf-8")
    REPORT.write_text(placed(page, "workers", "\n".join(text)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
