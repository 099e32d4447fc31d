"""What a suite is likely to see before it is run: from stored replicates, from other models there, or assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from bench.cells import Cell
from bench.running.resolution import ASSUMED, described, resolutions
from bench.spec import Entry
from bench.stats.looks import Looks, schedule
from bench.store import writing
from bench.store.schema import SCHEMAS, table

NETS = ("lstm", "gru", "rnn")


@pytest.fixture
def cells(make_cell: Callable[..., Cell]) -> list[Cell]:
    """Two datasets × persistence, linear-ar and three networks."""
    return [
        replace(make_cell(dataset=dataset), model=Entry(id=model, kind=model, parameters={}))
        for dataset in ("one", "two")
        for model in ("persistence", "linear-ar", *NETS)
    ]


def keep(folder: Path, cells: list[Cell], errors: Mapping[str, np.ndarray], dataset: str = "one") -> None:
    """Store replicates with these MSEs."""
    with writing(folder) as writer:
        for cell in (cell for cell in cells if cell.dataset.id == dataset and cell.model.id in errors):
            rows = [
                {
                    "cell_id": cell.id,
                    "suite": "s",
                    **asdict(cell.key),
                    "seed": seed,
                    "status": "ok",
                    "mse": float(mse),
                    "rmse": float(mse**0.5),
                }
                for seed, mse in enumerate(errors[cell.model.id])
            ]
            writer.put({name: table(name, rows if name == "runs" else []) for name in SCHEMAS})


def needed(spread: float, count: int, level: float) -> float:
    """By statsmodels: by what share the larger MSE must exceed the smaller one."""
    return float(np.expm1(spread * TTestPower().solve_power(nobs=count, alpha=level, power=0.8)))


def test_without_results_the_spread_is_assumed_and_said_once(tmp_path: Path, cells: list[Cell]) -> None:
    found = resolutions(cells, tmp_path / "none", Looks.once(10))
    pairs = 3 + 2 * 3  # of the networks, and with the two models that draw no random number
    assert len(found) == pairs
    share = needed(ASSUMED, 10, 0.05 / (2 * pairs))
    assert all(each.changes == pytest.approx((share, share), rel=1e-4) for each in found)
    said = described(found, Looks.once(10)).splitlines()
    assert said == [
        "smallest difference that 10 seeds will show with probability 0.8 (the test window may show less):",
        f"  persistence – lstm and 8 other pairs: MSE {100 * share:.0f}\u202f% apart; spread assumed: "
        "standard deviation 0.1 of the log ratio",
    ]


def test_stored_replicates_say_the_spread_of_their_pair_and_else_of_their_dataset(
    tmp_path: Path, cells: list[Cell]
) -> None:
    rng = np.random.default_rng(0)
    errors = {model: np.exp(0.3 * rng.normal(size=6)) for model in ("lstm", "gru")} | {"persistence": np.ones(6)}
    keep(tmp_path, cells, errors)
    found = {each.models: each for each in resolutions(cells, tmp_path, Looks.once(10))}
    level = 0.05 / 18
    spreads = {
        ("lstm", "gru"): np.std(np.log(errors["lstm"] / errors["gru"]), ddof=1),
        ("persistence", "lstm"): np.std(np.log(errors["lstm"]), ddof=1),
        ("persistence", "gru"): np.std(np.log(errors["gru"]), ddof=1),
    }
    for pair, spread in spreads.items():
        assert sorted((needed(spread, 10, level), needed(ASSUMED, 10, level))) == pytest.approx(
            found[pair].changes, rel=1e-4
        )
        assert (found[pair].measured, found[pair].borrowed) == (1, 0)
    other = found["gru", "rnn"]
    assert (other.measured, other.borrowed) == (0, 1)
    assert needed(float(np.median([*spreads.values()])), 10, level) == pytest.approx(max(other.changes), rel=1e-4)
    assert "over 2 cases); spread 1 from stored seeds, 1 assumed: " in found["lstm", "gru"].words


def test_two_replicates_are_no_spread(tmp_path: Path, cells: list[Cell]) -> None:
    keep(tmp_path, cells, {model: np.array([1.0, 2.0]) for model in NETS})
    assert {each.measured for each in resolutions(cells, tmp_path, Looks.once(10))} == {0}


def test_a_plan_of_several_looks_sees_what_its_last_look_does(tmp_path: Path, cells: list[Cell]) -> None:
    looks = Looks(schedule(3, 30), 30)
    (found, *_) = resolutions(cells, tmp_path, looks)
    level = 0.05 / 18 * (1 - (19 / 30) ** 1.5)
    assert found.changes[0] == pytest.approx(needed(ASSUMED, 30, level), rel=1e-4)


def test_where_nothing_is_random_nothing_is_said(tmp_path: Path, cells: list[Cell]) -> None:
    fixed = [cell for cell in cells if cell.model.id not in NETS]
    assert described(resolutions(fixed, tmp_path, Looks.once(10)), Looks.once(10)) == ""
