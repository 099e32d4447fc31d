"""Result tables → the files of the page of published systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from bench import store
from bench.published.cards import cards
from bench.published.evidence import Tables
from bench.report.published.page import files
from bench.report.summary import summarise
from bench.schema import Rows
from bench.suite.spec import Suite, System


def systems(results: Path) -> tuple[System, ...]:
    """The published systems of the suite that `results` are of; none where the folder does not tell its suite."""
    text = store.read_suite(results)
    return Suite.model_validate_json(text).systems if text else ()


def parted(rows: Rows, systems: Sequence[System]) -> tuple[Rows, Rows]:
    """The rows that belong to `systems`, and all others."""
    names = pa.array([dataset.id for system in systems for dataset in system.named_datasets], pa.string())
    masks = {name: pc.is_in(table["dataset"], value_set=names) for name, table in rows.items()}
    own = {name: table.filter(masks[name]) for name, table in rows.items()}
    return own, {name: table.filter(pc.invert(masks[name])) for name, table in rows.items()}


def render(rows: Rows, systems: Sequence[System], *, folder: str, names: tuple[str, str]) -> dict[str, str | bytes]:
    """The files of the page: path within its folder → content.

    Parameters
    ----------
    rows
        Those of `systems`.
    systems
        Of the suite that was run.
    folder
        Where the rows were read from, as the user wrote it.
    names
        Of the HTML page and of the Markdown page.
    """
    found = Tables(rows)
    return files(cards(systems, found), found, summarise(rows, folder=folder), names=names)
