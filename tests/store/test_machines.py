from __future__ import annotations

from typing import Any

from bench.store.grid import grid, several, timed
from bench.store.schema import table


def row(seed: int, **columns: Any) -> dict[str, Any]:
    place = {"cell_id": "c", "suite": "s", "dataset": "sine", "model": "lstm", "sequence_length": 5, "horizon": 1}
    return {**place, "seed": seed, "status": "ok", "host": "one", "threads": 2, "fit_s": 1.0, **columns}


def test_replicates_timed_in_two_places_are_from_several_machines() -> None:
    assert several(grid(table("runs", [row(0), row(1, host="two")]))).tolist() == [[True]]
    assert several(grid(table("runs", [row(0), row(1)]))).tolist() == [[False]]


def test_a_row_without_times_is_no_machine() -> None:
    lost = row(1, status="unavailable", fit_s=None, threads=None)
    for rows in ([row(0), lost], [{**lost, "seed": 0}, row(1)]):
        runs = table("runs", rows)
        assert timed(runs).tolist() == [item["fit_s"] is not None for item in rows]
        assert several(grid(runs)).tolist() == [[False]]
