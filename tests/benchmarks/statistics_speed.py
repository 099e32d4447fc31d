"""Seconds of CPU that the statistics of one report take: ``python tests/benchmarks/statistics_speed.py``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from bench.stats.aggregates import aggregate, learnable_fraction, skill
from bench.stats.claims import ModelClaim
from bench.stats.paired import paired, replicates
from bench.stats.ranks import ranks
from bench.stats.ratios import mean_error, mean_value, over_seeds
from bench.stats.verdicts import Subject, against_best, against_persistence
from bench.stats.window_tests import over_window
from bench.store import schema
from bench.store.grid import grid, several

CELLS, MODELS, SEEDS, TARGETS = 300, 10, 10, 200


def one_report() -> None:
    """300 cells × 10 models × 10 seeds."""
    rng = np.random.default_rng(0)
    mse = rng.gamma(20.0, size=(CELLS, MODELS, SEEDS))
    reference = np.full((CELLS, 1, SEEDS), 25.0)
    loss, other = rng.gamma(1.0, size=(CELLS, MODELS, TARGETS)), rng.gamma(1.0, size=(CELLS, 1, TARGETS))
    claims = [
        ModelClaim(str(m), "persistence", mse[c, m], reference[c, 0], window=(loss[c, m], other[c, 0]))
        for c in range(CELLS)
        for m in range(MODELS)
    ]
    effect = over_seeds(mse, reference).effect
    timed("over seeds", lambda: over_seeds(mse, reference))
    timed("power", lambda: replicates(effect))
    timed("over the window, h = 6", lambda: over_window(loss, other, horizon=6))
    timed("ranks", lambda: ranks(mse.mean(axis=-1)))
    timed("interquartile mean", lambda: aggregate(1 - mse.swapaxes(0, 1) / 25))
    timed("skill", lambda: skill(mse, reference))
    timed("learnable fraction", lambda: learnable_fraction(mse, reference, 0.5 * reference))
    timed("against persistence", lambda: against_persistence([Subject(one, 0.5 * one.old) for one in claims]))
    timed("against the best", lambda: against_best([claims[c : c + MODELS] for c in range(0, len(claims), MODELS)]))


def a_million_rows() -> None:
    """1000 datasets × 10 models × 10 lengths × 10 seeds."""
    rows = million()
    layout = timed("grid", lambda: grid(rows))
    mse, skills = timed("values", lambda: (layout.values("mse"), layout.values("skill")))
    timed("deterministic, machines", lambda: (layout.deterministic(), several(layout)))
    timed("two means", lambda: (mean_error(mse), mean_value(skills)))
    timed("paired", lambda: paired(mse, skills))


def million() -> pa.Table:
    """Rows of `runs` in a random order."""
    place = np.random.default_rng(0).permutation(1_000_000)
    numbers = np.random.default_rng(1).random((4, len(place)))
    columns = {
        "cell_id": (place // 10).astype(str),
        "dataset": np.char.add("dataset ", (place // 1000).astype(str)),
        "model": np.char.add("model ", (place // 100 % 10).astype(str)),
        "sequence_length": place // 10 % 10,
        "horizon": np.ones_like(place),
        "seed": place % 10,
        "status": np.where(numbers[0] < 0.99, "ok", "diverged"),
        "host": np.full(len(place), "host"),
        **dict(zip(("mse", "skill", "fit_s"), numbers[1:], strict=True)),
    }
    arrays = [
        pa.array(columns[field.name]).cast(field.type) if field.name in columns else pa.nulls(len(place), field.type)
        for field in schema.RUNS
    ]
    return pa.table(arrays, schema=schema.RUNS)


def timed(name: str, work: Callable[[], Any]) -> Any:
    """What `work` returns; writes the seconds of CPU it took."""
    start = time.process_time()
    result = work()
    sys.stdout.write(f"| {name} | {time.process_time() - start:.3f} |\n")
    return result


if __name__ == "__main__":
    for part in (one_report, a_million_rows):
        sys.stdout.write(f"\n| {part.__doc__} | s |\n|---|---|\n")
        timed("all of it", part)
