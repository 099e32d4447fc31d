from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cells import Cell
from bench.spec import Entry, Split, Training


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
