"""``bench history``: what became of a metric over many runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.cli.lines import columns


def written_history(folders: Sequence[Path], *, metric: str, level: float, output: Path) -> str:
    """Write the page of `folders` into `output`; the table of steps, and where the page is."""
    from bench.compare.history import read, steps, write
    from bench.compare.history.page import COLUMNS, failures, row, statement

    series = read(folders, metric)
    found = [step for one in series for step in steps(one, level=level)]
    page = write(series, found, output, level=level)
    table = [columns([COLUMNS, *map(row, found)]), ""] if found else []
    return "\n".join([*table, statement(series, found), *failures(series), f"page: {page}"])
