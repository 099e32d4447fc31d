from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.cells import Cell
from bench.running.rows import failed
from bench.spec import Entry, Split, Training
from bench.store.schema import Rows, Status, table

if TYPE_CHECKING:
    from real_cluster import RealCluster

FAKES = Path(__file__).parent / "fakes"


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
    monkeypatch.syspath_prepend(FAKES)
    return "fake_cells:run_cell"


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RealCluster]]:
    """Makes Dask clusters of real processes; all of them end with the tests."""
    if find_spec("distributed") is None:
        pytest.skip("distributed is not installed")
    sys.path.insert(0, str(FAKES))
    from real_cluster import RealCluster

    made: list[RealCluster] = []

    def make(**options: object) -> RealCluster:
        made.append(RealCluster(tmp_path_factory.mktemp("dask"), **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
    sys.path.remove(str(FAKES))


@pytest.fixture(scope="session")
def cluster(clusters: Callable[..., RealCluster]) -> RealCluster:
    """One with two workers, for tests that leave it as it was."""
    cluster = clusters()
    cluster.start_scheduler()
    for _ in range(2):
        cluster.start_worker()
    return cluster


@pytest.fixture(scope="session")
def finished() -> Callable[..., Rows]:
    """Makes the rows of a cell whose replicates are all ok."""

    def rows_of(cell: Cell, reason: str = "") -> Rows:
        rows = failed(cell, Status.DIVERGED, reason)
        runs = [{**row, "status": "ok", "mse": 1.0, "rmse": 1.0} for row in rows["runs"].to_pylist()]
        return {**rows, "runs": table("runs", runs)}

    return rows_of
