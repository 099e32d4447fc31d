from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from bench.cells import Case
from bench.errors import InputError
from bench.store.grid import MISSING, grid, label, several
from bench.store.schema import table

Key = tuple[str, str, int, int, int]  # dataset, model, sequence length, horizon, seed

keys = st.tuples(
    st.sampled_from(["sine", "TSLA", "<b>"]),
    st.sampled_from(["lstm", "persistence"]),
    st.sampled_from([10, 30]),
    st.sampled_from([1, 6]),
    st.integers(0, 3),
)
outcomes = st.tuples(st.sampled_from(["ok", "diverged"]), st.one_of(st.none(), st.floats(0, 1e6)))


def row(key: Key, **columns: Any) -> dict[str, Any]:
    names = ("dataset", "model", "sequence_length", "horizon", "seed")
    return {"cell_id": repr(key[:4]), "status": "ok", **dict(zip(names, key, strict=True)), **columns}


@settings(deadline=None)
@given(st.dictionaries(keys, outcomes), st.randoms())
def test_grid_places_every_row_and_fills_in_nothing(found: Mapping[Key, tuple[str, float | None]], random: Any) -> None:
    rows = [row(key, status=status, mse=mse) for key, (status, mse) in found.items()]
    random.shuffle(rows)
    layout = grid(table("runs", rows))
    values = layout.values("mse")
    assert values.shape == (len(layout.cases), len(layout.models), len(layout.seeds))
    for i, case in enumerate(layout.cases):
        for j, model in enumerate(layout.models):
            for k, seed in enumerate(layout.seeds):
                key = (case.dataset, model, case.sequence_length, case.horizon, seed)
                status, mse = found.get(key, (MISSING, None))
                assert layout.status[i, j, k] == status
                if status == "ok" and mse is not None:
                    assert values[i, j, k] == mse
                else:
                    assert np.isnan(values[i, j, k])


def test_cases_and_models_and_seeds_are_sorted() -> None:
    rows = [row((d, m, n, h, s)) for d in "ba" for m in "ml" for n in (30, 10) for h in (6, 1) for s in (1, 0)]
    layout = grid(table("runs", rows))
    assert layout.cases == tuple(Case(d, h, n) for d in "ab" for h in (1, 6) for n in (10, 30))
    assert (layout.models, layout.seeds) == (("l", "m"), (0, 1))


def test_two_rows_for_one_replicate_are_refused() -> None:
    twice = row(("sine", "lstm", 10, 1, 2))
    with pytest.raises(InputError, match=r"expected one row for each replicate.*dataset='sine'.*seed=2"):
        grid(table("runs", [row(("sine", "lstm", 10, 1, 0)), twice, {**twice, "cell_id": "other"}]))


def test_no_rows_make_an_empty_grid() -> None:
    layout = grid(table("runs", []))
    assert layout.values("mse").shape == (0, 0, 0)
    assert (layout.cases, layout.models, layout.seeds) == ((), (), ())


@pytest.mark.parametrize(
    ("flags", "expected"),
    [([True, True], True), ([True, False], False), ([None, None], False), ([True, "diverged"], True)],
)
def test_one_fit_that_stands_for_every_seed(flags: list[Any], expected: bool) -> None:
    rows = [
        row(("sine", "linear", 10, 1, seed), **({"status": flag} if flag == "diverged" else {"deterministic": flag}))
        for seed, flag in enumerate(flags)
    ]
    assert grid(table("runs", rows)).deterministic().item() is expected


def test_a_cell_without_a_finished_replicate_is_not_deterministic() -> None:
    rows = [row(("sine", "linear", 10, 1, 0), status="failed", deterministic=True)]
    assert not grid(table("runs", rows)).deterministic().any()


def test_cells_timed_on_several_machines() -> None:
    rows = [
        row(("sine", "gru", 10, 1, 0), fit_s=1.0, host="a", threads=1),
        row(("sine", "gru", 10, 1, 1), fit_s=1.0, host="a", threads=2),
        row(("sine", "lstm", 10, 1, 0), fit_s=1.0, host="b", gpu="H"),
        row(("sine", "lstm", 10, 1, 1), fit_s=1.0, host="b", gpu="H"),
        row(("sine", "rnn", 10, 1, 0), fit_s=1.0, host="b", gpu=None),
    ]
    layout = grid(table("runs", rows))
    assert layout.models == ("gru", "lstm", "rnn")
    assert several(layout).tolist() == [[True, False, False]]


def test_a_machine_in_one_line() -> None:
    known = {"host": "h", "cpu": "C", "gpu": None, "device": "cpu", "threads": 2}
    assert label(known) == "h, C, device cpu, 2 threads"
    assert label(dict.fromkeys(known)) == "unnamed host"


def test_replicates_that_were_begun_together_are_one_batch() -> None:
    first, second, third = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3))
    begun = {"lstm": [first, first, second, second, second, third], "persistence": [first] * 3}
    rows = [
        row(("sine", model, 10, 1, seed), started_at=at)
        for model, times in begun.items()
        for seed, at in enumerate(times)
    ]
    layout = grid(table("runs", [*rows, row(("walk", "lstm", 10, 1, 0))]))
    assert layout.batches() == [[(2, 5, 6), (3,)], [(1,), ()]]
