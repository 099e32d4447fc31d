from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cells import Cell
from bench.running.rows import failed
from bench.spec import Entry, Split, Training
from bench.store.schema import Rows, Status, table


def cell_of(model: str = "persistence", *, dataset: str = "random", length: int = 3, seeds: int = 2) -> Cell:
    return Cell(
        suite="fakes",
        dataset=Entry(id=dataset, kind="random", parameters={}),
        model=Entry(id=model, kind="persistence", parameters={}),
        sequence_length=length,
        horizon=1,
        seeds=seeds,
        seed=0,
        split=Split(),
        training=Training(),
        tuning=None,
    )


@pytest.fixture(scope="session")
def make_cell() -> Callable[..., Cell]:
    return cell_of


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the stand-in for `run_cell`, which spawned processes can import too."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "fakes")
    return "fake_cells:run_cell"


@pytest.fixture(scope="session")
def finished() -> Callable[..., Rows]:
    """Makes the rows of a cell whose replicates are all ok."""

    def rows_of(cell: Cell, reason: str = "") -> Rows:
        rows = failed(cell, Status.DIVERGED, reason)
        runs = [{**row, "status": "ok", "mse": 1.0, "rmse": 1.0} for row in rows["runs"].to_pylist()]
        return {**rows, "runs": table("runs", runs)}

    return rows_of
