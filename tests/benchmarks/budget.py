"""Whether the budget of ``suites/full.yaml`` errs no more than 100 epochs at a constant rate, in how many fewer steps.

``python tests/benchmarks/budget.py`` trains `SEEDS` replicates of each cell of `CELLS` with the suite's own values:
under `EPOCHS`, and under the suite's budget with each of `STEPS`. Replicate by replicate, both sides begin with the
same weights and the same order of the train windows. It writes ``reports/budget.md`` after each cell.

Not inferior is a cell where one-sided Student's t on the paired differences of log RMSE shows, at 5 %, that the ratio
is below 1 + `MARGIN` (D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for
assessing the equivalence of average bioavailability", 1987). All cells are claimed together only where each is shown,
which needs no correction (R. L. Berger, "Multiparameter hypothesis testing and acceptance sampling", 1982). What is
undecided under the suite's own budget is trained again, on `AGAIN` fresh seeds, and judged by those alone.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from performance import machine

from bench.array_types import FloatArray
from bench.cells import Cell, expand
from bench.running.cell import run_cell
from bench.spec import Training
from bench.stats.paired import paired

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "budget.md"
EPOCHS = Training(epochs=100, batch_size=64, learning_rate=1e-3, early_stopping=10)
STEPS = (600, 800, 1000)
SEEDS = 8
SEED = 1
"""Root of the random streams: another one than the suite's, and than that of the trials that led to its values."""

MARGIN = 0.05
"""A larger RMSE by this share counts as worse."""

CELLS = (
    *(("noisy-sine", model, length) for model, length in (("gru", 10), ("rnn", 10), ("lstm", 30))),
    *(("noisy-sine", model, 30) for model in ("deep-lstm", "bi-gru")),
    *(("damped-multisine", model, length) for model, length in (("gru", 10), ("lstm", 30))),
    *(("oscillator", model, length) for model, length in (("rnn", 10), ("bi-gru", 10), ("deep-lstm", 30))),
    *(("GOOGL", model, length) for model, length in (("rnn", 10), ("gru", 30))),
    *(("TSLA", model, length) for model, length in (("bi-gru", 10), ("deep-lstm", 30))),
    ("DJI", "lstm", 10),
)
AGAIN = 24
"""Fresh replicates of the cells that are undecided under the suite's own budget."""


@dataclass(frozen=True)
class Outcome:
    """What one cell gave under one budget.

    Parameters
    ----------
    log_rmse
        ``[seeds]``; NaN where a replicate diverged.
    steps
        Of all replicates.
    cpu_s
        Processor time of the whole cell.
    """

    log_rmse: FloatArray
    steps: int
    cpu_s: float


def outcome(cell: Cell) -> Outcome:
    """Train `cell` in this process."""
    began = time.process_time()
    rows = run_cell(cell)
    cpu_s = time.process_time() - began
    runs = rows["runs"].to_pylist()
    return Outcome(np.log([run["rmse"] or np.nan for run in runs]), sum(run["steps"] or 0 for run in runs), cpu_s)


def sides(cell: Cell, steps: Sequence[int], *, seeds: int, seed: int) -> dict[str, Outcome]:
    """`cell` in epochs and in each of `steps`, on `seeds` replicates under the root `seed`."""
    budgets = {f"{count} steps": cell.training.model_copy(update={"steps": count}) for count in steps}
    found = {}
    for name, training in {"epochs": EPOCHS, **budgets}.items():
        found[name] = outcome(dataclasses.replace(cell, training=training, tuning=None, seeds=seeds, seed=seed))
        sys.stderr.write(f"{cell.title}, {name}: {found[name]}\n")
    return found


def line(title: str, old: Outcome, new: Outcome) -> tuple[str, float, str]:
    """A row of the table, the mean log ratio, and whether the cell is shown to be no worse."""
    test = paired(new.log_rmse, old.log_rmse, level=0.9)  # its upper end is a one-sided bound at 95 %
    low, ratio, high = (float(np.exp(value)) for value in (test.low, test.difference, test.high))
    verdict = "yes" if high < 1 + MARGIN else "no: worse" if low > 1 + MARGIN else "undecided"
    spread = float(np.nanstd(old.log_rmse, ddof=1))
    cells = (
        title,
        f"{old.steps:,} → {new.steps:,}",
        f"{old.cpu_s:.1f} → {new.cpu_s:.1f}",
        f"{ratio:.3f}",
        f"{low:.3f} – {high:.3f}",
        f"{100 * spread:.1f} %",
        verdict,
    )
    return f"| {' | '.join(cells)} |", float(test.difference), verdict


def table(found: Mapping[str, Mapping[str, Outcome]], name: str) -> Iterator[str]:
    """All cells under the budget `name`, and what they come to."""
    yield f"| {' | '.join(_COLUMNS)} |"
    yield f"|{'---|' * len(_COLUMNS)}"
    lines = [line(title, own["epochs"], own[name]) for title, own in found.items()]
    yield from (text for text, _, _ in lines)
    yield ""
    steps, cpu_s = (
        [sum(getattr(own[side], what) for own in found.values()) for side in ("epochs", name)] for what in _SUMS
    )
    logs = np.array([mean for _, mean, _ in lines])
    whole = paired(logs, np.zeros(len(logs)), level=0.9)
    low, mean, high = (float(np.exp(value)) for value in (whole.low, whole.difference, whole.high))
    yield (
        f"Not inferior: {sum(verdict == 'yes' for _, _, verdict in lines)} of {len(lines)} cells. Over the cells the "
        f"RMSE's ratio is {mean:.3f} ({low:.3f} – {high:.3f}), {steps[0] / steps[1]:.1f} times fewer steps, "
        f"{cpu_s[0] / cpu_s[1]:.1f} times less processor time."
    )


_COLUMNS = (
    *("cell", "steps, all replicates", "processor time, s", "RMSE, ratio", "90 % interval", "spread over seeds"),
    "not inferior",
)
_SUMS = ("steps", "cpu_s")


def page(own: Mapping[str, Mapping[str, Outcome]], again: Mapping[str, Mapping[str, Outcome]]) -> str:
    """The report."""
    lines = [
        "# A budget in steps",
        "",
        f"`python tests/benchmarks/budget.py` writes this page: {SEEDS} replicates of each cell in 100 epochs (early",
        "stopping after 10, learning rate 0.001), and in the steps of each heading with the other settings of",
        "`suites/full.yaml` (one-cycle up to 0.01, validated 50 times, early stopping after 10 of them). Replicates",
        "are paired: both begin with the same weights and the same order of the windows. A cell is not inferior where",
        f"the one-sided 95 % bound of the RMSE's ratio, steps to epochs, is below {1 + MARGIN:g}. The spread over",
        "seeds is the standard deviation of the log RMSE in epochs. Arrows lead from epochs to steps.",
        "",
        machine(),
        *(text for steps in STEPS for text in ("", f"## {steps} steps", "", *table(own, f"{steps} steps"))),
    ]
    if again:
        name = f"{the_suite()[0].training.steps} steps"
        lines += ["", f"## {name}: the undecided again", "", f"On {AGAIN} fresh seeds, and judged by those alone.", ""]
        lines += table(again, name)
    return "\n".join([*lines, "", *totals()]) + "\n"


def totals() -> Iterator[str]:
    """The whole suite's steps, at most, without early stopping and pruning."""
    from bench.running.plan import Preflight

    preflight, cells = Preflight(), the_suite()
    cells = preflight.identify(cells)
    preflight.check(cells)
    old = new = 0
    for cell in cells:
        if cell.tuning and cell.training.steps and preflight.outlines[cell.id] and cell.model.kind in GRADIENT:
            members = cell.seeds + cell.tuning.trials
            old += members * 100 * -(-preflight.train_windows(cell) // 64)
            new += members * cell.training.steps
    yield "## The whole suite"
    yield ""
    yield (
        f"Steps of all trials and replicates, at most: {old:,} with 100 epochs, {new:,} with the suite's budget, "
        f"{old / new:.1f} times fewer."
    )


GRADIENT = ("rnn", "lstm", "gru", "encoder-decoder")


def the_suite() -> list[Cell]:
    """The cells of ``suites/full.yaml``."""
    from bench.data import dataset_kinds
    from bench.models import model_kinds
    from bench.suite.load import load

    suite = load(ROOT / "suites" / "full.yaml", datasets=dataset_kinds(), models=model_kinds())
    return list(expand(suite))


def chosen(keys: Sequence[tuple[str, str, int]]) -> Iterator[Cell]:
    """The cells of these names."""
    cells: dict[Any, Cell] = {(cell.dataset.id, cell.model.id, cell.sequence_length): cell for cell in the_suite()}
    yield from (cells[key] for key in keys)


def undecided(found: Mapping[str, Mapping[str, Outcome]], name: str) -> list[str]:
    """The titles of the cells that are shown to be neither worse nor no worse under the budget `name`."""
    return [title for title, own in found.items() if line(title, own["epochs"], own[name])[2] == "undecided"]


def main() -> None:
    """Measure, and write the report after each cell."""
    import torch

    torch.set_num_threads(1)
    cells = list(chosen(CELLS))
    own: dict[str, dict[str, Outcome]] = {}
    again: dict[str, dict[str, Outcome]] = {}
    outcome(dataclasses.replace(cells[0], tuning=None, seeds=2))  # what is loaded and compiled once
    for cell in cells:
        own[cell.title] = sides(cell, STEPS, seeds=SEEDS, seed=SEED)
        REPORT.write_text(page(own, again), encoding="utf-8")
    steps = cells[0].training.steps or 0
    for cell in cells:
        if cell.title in undecided(own, f"{steps} steps"):
            again[cell.title] = sides(cell, [steps], seeds=AGAIN, seed=SEED + 1)
            REPORT.write_text(page(own, again), encoding="utf-8")


if __name__ == "__main__":
    main()
