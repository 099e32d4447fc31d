"""``bench baseline``: the committed results that a gate compares with."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from bench.cli.table import results_table
from bench.store import read
from bench.store.baseline import keep, size_bytes


def updated(results: Path, baseline: Path) -> str:
    """Make `baseline` hold the runs of `results`, and show it."""
    keep(results, baseline)
    return shown(baseline)


def shown(baseline: Path) -> str:
    """What `baseline` holds: its errors, and where they come from."""
    runs = read(baseline, "runs").sort_by([(name, "ascending") for name in ("dataset", "model", "seed")])
    ids = runs["cell_id"].unique().to_pylist()
    facts = {
        "suites": _values(runs["suite"]),
        "commits": _values(runs["git_commit"]) or "not known",
        "uncommitted changes": _values(runs["git_dirty"]) or "not known",
        "code versions": _values(runs["code_version"]),
        "cells": f"{len(ids)}, with {runs.num_rows} replicates, {size_bytes(baseline) / 1000:.0f} kB in {baseline}",
    }
    return "\n".join([results_table(runs, ids), "", *(f"{name}: {value}" for name, value in facts.items())])


def _values(column: pa.ChunkedArray) -> str:
    values = column.unique().to_pylist()
    return ", ".join(sorted(str(value) for value in values if value is not None))
