"""``bench baseline``: the committed results that a gate compares with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pyarrow as pa

baseline = typer.Typer(help="The committed results that a gate compares with.", no_args_is_help=True)

_Folder = Annotated[Path, typer.Option("--baseline", help="Where the baseline lies.")]


@baseline.command()
def update(
    results: Annotated[Path, typer.Argument(help="A results folder.")] = Path("results/ci"),
    *,
    folder: _Folder = Path("results/baseline"),
) -> None:
    """Make the runs of a results folder the baseline: small enough to be committed, every replicate ok."""
    from bench.store.baseline import keep

    keep(results, folder)
    typer.echo(_shown(folder))


@baseline.command()
def show(*, folder: _Folder = Path("results/baseline")) -> None:
    """Show the baseline's errors and where they come from."""
    typer.echo(_shown(folder))


def _shown(folder: Path) -> str:
    """What the baseline in `folder` holds."""
    from bench.cli.table import results_table
    from bench.store import read
    from bench.store.baseline import size_bytes

    runs = read(folder, "runs").sort_by([(name, "ascending") for name in ("dataset", "model", "seed")])
    ids = runs["cell_id"].unique().to_pylist()
    facts = {
        "suites": _values(runs["suite"]),
        "commits": _values(runs["git_commit"]) or "not known",
        "uncommitted changes": _values(runs["git_dirty"]) or "not known",
        "code versions": _values(runs["code_version"]),
        "cells": f"{len(ids)}, with {runs.num_rows} replicates, {size_bytes(folder) / 1000:.0f} kB in {folder}",
    }
    return "\n".join([results_table(runs, ids), "", *(f"{name}: {value}" for name, value in facts.items())])


def _values(column: pa.ChunkedArray) -> str:
    return ", ".join(sorted(str(value) for value in column.unique().to_pylist() if value is not None))
