"""``bench baseline``: the committed results that a gate compares with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

    from bench.store.baseline import Asked
    from bench.store.reader import Place

baseline = typer.Typer(help="The committed results that a gate compares with.", no_args_is_help=True)

_Folder = Annotated[Path, typer.Option("--baseline", help="Where the baseline lies.")]


@baseline.command()
def update(
    results: Annotated[Path, typer.Argument(help="A results folder.")] = Path("results/ci"),
    *,
    folder: _Folder = Path("results/baseline"),
) -> None:
    """Make the runs of a results folder the baseline: all that its suite asks for, every replicate ok, small."""
    from bench.store.baseline import keep

    left_out = keep(results, folder, _asked(results))
    typer.echo(_shown(folder))
    if left_out:
        typer.echo(f"left out, since the suite has no such cell: {'; '.join(left_out)}", err=True)


@baseline.command()
def show(*, folder: _Folder = Path("results/baseline")) -> None:
    """Show the baseline's errors and where they come from."""
    typer.echo(_shown(folder))


def _asked(results: Path) -> dict[Place, Asked] | None:
    """What the suite of the last run into `results` asks for; `None` where the folder does not hold it."""
    from bench.store import read_suite
    from bench.store.baseline import Asked
    from bench.suite.cells import expand
    from bench.suite.spec import Suite

    text = read_suite(results)
    if text is None:
        return None
    cells = expand(Suite.model_validate_json(text))
    return {
        (cell.dataset.id, cell.model.id, cell.sequence_length, cell.horizon): Asked(range(cell.seeds), cell.spec)
        for cell in cells
    }


def _shown(folder: Path) -> str:
    """What the baseline in `folder` holds."""
    from bench.cli.table import results_table
    from bench.store import read
    from bench.store.baseline import size_bytes

    runs = read(folder, "runs").sort_by([(name, "ascending") for name in ("dataset", "model", "seed")])
    if not runs.num_rows:
        raise StoreError(f"{folder}: expected a baseline, got an empty folder; `bench baseline update` makes one")
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
