"""The cells that a comparison asks for, in a folder that both sides read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.running.ab.agent import TITLES
from bench.suite.alone import alone
from bench.suite.cells import Cell


def asked(cells: Sequence[Cell], folder: Path) -> Path:
    """Write each of `cells` into `folder`, which is made, as a suite of its own, and return it."""
    folder.mkdir(parents=True)
    for k, cell in enumerate(cells):
        (folder / f"{k}.yaml").write_text(alone(cell), encoding="utf-8")
    titles = [cell.title for cell in cells]
    (folder / TITLES).write_text(json.dumps(titles), encoding="utf-8")
    return folder
