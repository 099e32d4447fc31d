"""``bench show``: the rows of one cell, found by the beginning of its id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.cli.lines import columns
from bench.errors import InputError
from bench.report.export import rows_csv
from bench.report.text import NOTHING, listed, number
from bench.store import cell_ids, read_cell

RESULTS = Path("results")
"""Where results folders lie when none is named."""

_SEEDS = 10
"""Replicates beside each other, so that a line fits on a screen."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def show(beginning: str, results: Path | None, *, csv: bool) -> str:
    """Every row of `runs` of the cell whose id begins with `beginning`.

    Parameters
    ----------
    results
        A results folder; `None` for every folder in ``results/``.
    csv
        All columns with every digit, instead of what fits on a screen.

    Raises
    ------
    InputError
        No stored cell begins so, or several do.
    """
    folder, cell_id = _found(beginning, results)
    runs = read_cell(folder, "runs", cell_id)
    if csv:
        return rows_csv(runs).rstrip("\n")
    rows = sorted(runs.to_pylist(), key=lambda row: row["seed"])
    return "\n\n".join([columns(list(_shared(rows, folder))), *(columns(block) for block in _replicates(rows))])


def _found(beginning: str, results: Path | None) -> tuple[Path, str]:
    """The folder and the id of the only cell whose id begins with `beginning`."""
    if results and not (results / "runs").is_dir():
        raise InputError(f"{results}: expected a results folder with runs/ in it; `bench run` makes one")
    folders = [results] if results else sorted(path.parent for path in RESULTS.glob("*/runs"))
    if not folders:
        raise InputError("results/: expected results folders in it, got none; name one with --results")
    places = [(folder, cell_id) for folder in folders for cell_id in cell_ids(folder)]
    fitting = [place for place in places if place[1].startswith(beginning)] if beginning else places
    where = str(results) if results else listed([str(folder) for folder in folders])
    if not fitting:
        raise InputError(
            f"{where}: expected the beginning of a stored cell's id, got {beginning!r}; a report names them"
        )
    if len(fitting) > 1:
        several = ", ".join(f"{cell_id} in {folder}" for folder, cell_id in fitting[:3])
        more = f" and {len(fitting) - 3} more" if len(fitting) > 3 else ""
        raise InputError(f"{where}: {beginning!r} begins {several}{more}; give more of the id, or --results")
    return fitting[0]


def _shared(rows: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[tuple[str, str]]:
    """What is the same for every replicate, and known."""
    yield "results", str(folder)
    for name in rows[0]:
        if name not in _apart(rows) and rows[0][name] is not None:
            yield name, _text(rows[0][name])


def _apart(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that differ between replicates; their number always does."""
    return [name for name in rows[0] if name == "seed" or any(row[name] != rows[0][name] for row in rows)]


def _replicates(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[list[str]]]:
    """What differs, a line for each column and some replicates beside each other."""
    for start in range(0, len(rows), _SEEDS):
        block = rows[start : start + _SEEDS]
        yield [
            [name, *(number(row[name]) if isinstance(row[name], float) else _text(row[name]) for row in block)]
            for name in _apart(rows)
        ]


def _text(value: object) -> str:
    """`value` with every digit, and with nothing that a terminal would obey."""
    return NOTHING if value is None else _CONTROL.sub("\ufffd", str(value))
