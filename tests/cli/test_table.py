"""The table that ends a run."""

from __future__ import annotations

from typing import Any

from bench.cli.results_table import results_table
from bench.store.schema import table


def _row(model: str, seed: int, rmse: float | None, **other: Any) -> dict[str, Any]:
    place = {"dataset": "d", "model": model, "sequence_length": 5, "horizon": 1, **other}
    cell_id = f"{place['model']}{place['sequence_length']}"
    mse = None if rmse is None else rmse**2
    return {**place, "cell_id": cell_id, "seed": seed, "status": "failed" if rmse is None else "ok", "mse": mse}


def lines(*given: Any) -> list[str]:
    return "\n".join(map(str, results_table(*given))).splitlines()


def test_errors_are_pooled_over_the_seeds_that_are_ok_and_models_in_the_order_asked_for() -> None:
    rows = [
        *(_row("b", 0, 1.0), _row("b", 1, 2.0)),
        *(_row("a", 0, 1.25), _row("a", 1, None)),
        *(_row("c", 0, None), _row("c", 1, None)),
        *(_row("b", 0, 123456.0, sequence_length=9), _row("x", 0, 0.5)),
    ]
    shown = lines(table("runs", rows), ["c5", "b5", "a5", "b9", "never-run"])
    assert shown[1:] == [
        "dataset  L  h  c  b          a",
        "d        5  1  –  1.581      1.250*",  # the root of (1² + 2²) / 2
        "d        9  1  –  1.235e+05  –",
    ]


def test_many_models_have_a_line_for_each_cell() -> None:
    names = [f"m{k}" for k in range(11)]
    rows = [_row(name, 0, 1.0 + k) for k, name in enumerate(names)] + [_row("m3", 0, None, sequence_length=9)]
    shown = lines(table("runs", rows), [*(f"{name}5" for name in names), "m39"])
    assert [line.split() for line in shown[1:4]] == [
        ["dataset", "L", "h", "model"],
        ["d", "5", "1", "m0", "1.000*"],
        ["d", "5", "1", "m1", "2.000"],
    ]
    assert [line.split() for line in shown[-2:]] == [
        ["d", "5", "1", "m10", "11.00"],
        ["d", "9", "1", "m3", "–"],
    ]


def test_nothing_stored_is_a_table_of_nothing() -> None:
    assert lines(table("runs", []), ["a"])[1:] == ["dataset  L  h"]
