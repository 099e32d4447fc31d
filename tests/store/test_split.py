"""Rows by key, and which cells have data of their own."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from bench.store.grid import by_cell, grid, own_data, split
from bench.store.schema import Status, table


def test_rows_are_split_by_key_in_any_order() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"dataset": str(d), "model": None if m == 2 else f"m{m}", "at": at}
        for at, (d, m) in enumerate(rng.integers(3, size=(60, 2)))
    ]
    found = split(pa.Table.from_pylist(rows), ["dataset", "model"])
    assert set(found) == {(row["dataset"], row["model"]) for row in rows}
    for key, own in found.items():
        assert own["at"].to_pylist() == [row["at"] for row in rows if (row["dataset"], row["model"]) == key]
    assert split(pa.Table.from_pylist(rows).slice(0, 0), ["dataset", "model"]) == {}


def made(cell_id: str, *, fresh: bool, shas: list[str | None]) -> list[dict[str, object]]:
    return [
        {
            "cell_id": cell_id,
            "dataset": cell_id,
            "model": "lstm",
            "sequence_length": 10,
            "horizon": 1,
            "seed": seed,
            "status": Status.OK if sha else Status.DIVERGED,
            "reason": None if sha else "NaN",
            "data_sha256": sha,
            "spec": json.dumps({"fresh_data": fresh}),
        }
        for seed, sha in enumerate(shas)
    ]


def test_cells_have_data_of_their_own_where_the_suite_requested_it_and_the_data_differ() -> None:
    rows = [
        *made("own", fresh=True, shas=["a", "b", None]),
        *made("same", fresh=True, shas=["a", "a"]),
        *made("shared", fresh=False, shas=["a", "b"]),
    ]
    runs = table("runs", rows)
    assert own_data(runs) == {"own"}
    assert set(by_cell(runs)) == {"own", "same", "shared"}


def test_how_replicates_ended_is_said_once() -> None:
    runs = table("runs", [*made("lost", fresh=True, shas=["a", None, None]), *made("whole", fresh=True, shas=["a"])])
    layout = grid(runs)
    said = {case.dataset: layout.incomplete((c, 0)) for c, case in enumerate(layout.cases)}
    assert said == {"lost": "2 of 3 diverged: NaN", "whole": ""}
