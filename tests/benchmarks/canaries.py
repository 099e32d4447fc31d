"""How good the canaries are: which of them sees which planted leak, and how often one raises an alarm without a leak.

``python tests/benchmarks/canaries.py [leaks] [honest]`` (or ``tox -e canaries``) measures what stands between the marks
of ``reports/canaries.md``. Leaks are those of ``leaks.py``; honest cells are all kinds of data and models that `bench`
comes with and that need no file, next to plug-ins that look like a leak and are none, under several root seeds.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gate import machine, share
from leaks import HONEST, KINDS, LEAKS, Leak, write_prices
from performance import placed

from bench.canary.base import CheckOutcome, CheckVerdict
from bench.canary.pieces import CheckBudget, Pieces
from bench.canary.watch import CANARIES, ask
from bench.cells import Cell
from bench.data import DATASETS, dataset_kinds
from bench.models import MODELS
from bench.protocol.prepare import load_data
from bench.registry import added
from bench.spec import Entry, Split, Training, Tuning

REPORT = Path(__file__).parents[2] / "reports/canaries.md"
PLANTED, HONEST_ROOTS = range(5), range(5)
"""Root seeds under which each leak is planted, and each honest cell is checked."""

BUDGET = CheckBudget(epochs=3, windows_per_epoch=64, rounds=1, test_points=100)
SIZES: Mapping[str, dict[str, Any]] = {
    "adding": {"count": 160, "length": 8},
    "denoise-sine": {"count": 160, "length": 12},
    "digits": {},
    "oscillator": {"every": 80},
}
LENGTH = 250


def cell_of(leak: Leak, seed: int, folder: Path) -> Cell:
    """The cell that shows `leak`, under the root `seed`."""
    data, model = dataset_kinds()[leak.dataset], MODELS[leak.model]
    given = dict(SIZES.get(leak.dataset, {}))
    if "path" in data.parameters.model_fields:
        given = {"path": str(write_prices(folder / f"{seed}.csv", seed=seed))}
    elif "length" in data.parameters.model_fields and leak.dataset not in SIZES:
        given = {"length": LENGTH}
    settings = {"hidden_size": 6} if "hidden_size" in model.parameters.model_fields else {}
    parameters = data.parameters(**given)
    return Cell(
        suite="canaries",
        dataset=Entry.of(leak.dataset, leak.dataset, parameters, tuple(given)),
        model=Entry.of(leak.model, leak.model, model.parameters(**settings), tuple(settings)),
        sequence_length=10 if data.steps is None else data.steps(parameters),
        horizon=1,
        seeds=2,
        seed=seed,
        split=Split(validation=0.1, test=0.3),
        training=Training(epochs=5, learning_rate=0.01, batch_size=16),
        tuning=Tuning(trials=4, sampler="random", pruner="none") if leak.tuned else None,
    )


def outcomes(leak: Leak, seed: int) -> dict[str, CheckOutcome]:
    """What each canary says of the cell that shows `leak`."""
    plug_ins = added({"bench.datasets": KINDS})
    with plug_ins, tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        cell = cell_of(leak, seed, Path(folder))
        leak.plant(patch)
        pieces = Pieces(cell, lambda: load_data(cell), BUDGET)
        return {name: ask(canary, pieces) for name, canary in CANARIES.items()}


def one_thread() -> None:
    """Set up a worker."""
    import torch

    torch.set_num_threads(1)


def examined(leaks: Mapping[str, Leak], seeds: range) -> Iterator[tuple[str, dict[str, CheckOutcome]]]:
    """What the canaries say of each of `leaks` under each of `seeds`, by its name."""
    names, roots = zip(*[(name, seed) for name in leaks for seed in seeds], strict=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, initializer=one_thread) as workers:
        yield from zip(names, workers.map(outcomes, [leaks[name] for name in names], roots), strict=True)


def leaks() -> list[str]:
    """The table of planted leaks."""
    raised: dict[str, Counter[str]] = {name: Counter() for name in LEAKS}
    for name, found in examined(LEAKS, PLANTED):
        raised[name].update(check for check, outcome in found.items() if outcome.verdict is CheckVerdict.ALARM)
    caught = sum(bool(raised[name]["end-to-end"] == len(PLANTED)) for name in LEAKS)
    lines = [
        "## Planted leaks",
        "",
        f"Each leak under {len(PLANTED)} root seeds: how often each check raises an alarm. `end-to-end` sees "
        f"{caught} of {len(LEAKS)} every time.",
        "",
        f"| where | planted | {' | '.join(CANARIES)} |",
        f"|---|---|{'---|' * len(CANARIES)}",
    ]
    for name, leak in LEAKS.items():
        counts = " | ".join(f"{raised[name][check]} of {len(PLANTED)}" for check in CANARIES)
        lines.append(f"| {leak.stage} | {leak.summary} | {counts} |")
    return lines


def honest_cells() -> dict[str, Leak]:
    """Every dataset that needs no file with every model that can do its task, and the neighbours of leaks."""
    cells = {f"neighbour {name}": leak for name, leak in HONEST.items()}
    for data, kind in DATASETS.items():
        if kind.fingerprint is None and data != "mnist":
            able = [model for model, own in MODELS.items() if kind.task in own.tasks]
            cells |= {f"{data} × {model}": Leak("", "", dataset=data, model=model) for model in able}
    return cells


def honest() -> list[str]:
    """The table of alarms without a leak."""
    cells = honest_cells()
    counts = {name: Counter[CheckVerdict]() for name in CANARIES}
    alarmed, checked = [], 0
    for name, found in examined(cells, HONEST_ROOTS):
        for check, outcome in found.items():
            counts[check][outcome.verdict] += 1
        verdicts = {outcome.verdict for outcome in found.values()}
        checked += CheckVerdict.QUIET in verdicts or CheckVerdict.ALARM in verdicts
        alarmed += [name] * (CheckVerdict.ALARM in verdicts)
    lines = [
        "## Honest cells",
        "",
        f"{len(cells)} cells under {len(HONEST_ROOTS)} root seeds. To reach: an alarm in at most 1 % of the cells.",
        "",
        "| cells with an alarm | observed | 95 % interval |",
        "|---|---|---|",
        f"| of any check | {share(len(alarmed), checked)} |",
    ]
    for check, own in counts.items():
        applied = own[CheckVerdict.ALARM] + own[CheckVerdict.QUIET]
        lines.append(f"| of `{check}` | {share(own[CheckVerdict.ALARM], applied)} |")
    without = sum(own[CheckVerdict.DOES_NOT_APPLY] for own in counts.values())
    unable = sum(own[CheckVerdict.COULD_NOT_RUN] for own in counts.values())
    return [*lines, "", f"Checks that do not apply: {without}; that could not run: {unable}.", *_named(alarmed)]


def _named(alarmed: list[str]) -> list[str]:
    return ["", "Alarms: " + ", ".join(sorted(set(alarmed))) + "."] if alarmed else []


SECTIONS: Mapping[str, Callable[[], list[str]]] = {"leaks": leaks, "honest": honest}


def main(names: list[str]) -> None:
    """Measure the sections `names`, all of them where none is named, and write each between its marks."""
    if unknown := set(names) - SECTIONS.keys():
        sys.exit(f"{', '.join(sorted(unknown))}: expected sections of {', '.join(SECTIONS)}")
    for name in names or SECTIONS:
        started = time.monotonic()
        title, *lines = SECTIONS[name]()
        text = "\n".join([title, "", f"{machine()}, {time.monotonic() - started:.0f} s.", *lines])
        REPORT.write_text(placed(REPORT.read_text(encoding="utf-8"), name, text), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
