"""The contract of `Engine`, which every way to run cells keeps: each class is one way, its tests are the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from bench.api.folders import from_mapping
from bench.cell_limits import CellLimits
from bench.cells import Cell, expand
from bench.choices import EngineName
from bench.cli.engines import EngineOptions
from bench.errors import InputError
from bench.models.from_source import allowing_plug_ins
from bench.running.sharding import ShardEngine, divided
from bench.running.unfinished import Unfinished
from bench.running.workers import ENGINES, RUN_CELL, Engine, start
from bench.store.schema import Rows

MakeCell = Callable[..., Cell]
Make = Callable[..., Engine]

TIMING = {"started_at", "fit_s", "predict_s", "tuning_s", "peak_memory_bytes", "duration_s", "machine_reference_s"}
"""Columns of what a cell took, which differ from run to run."""

CODE = {"git_commit", "git_dirty"}
"""Columns of the checkout, which the runner fills in for every engine."""

SUITE = {
    "name": "small",
    "datasets": [{"id": "wave", "kind": "noisy-sine", "length": 120}],
    "models": ["persistence", "linear-ar", {"id": "tuned", "kind": "gru", "hidden_size": 4}],
    "sequence_lengths": [4],
    "seeds": 2,
    "training": {"epochs": 2},
    "tuning": {"trials": 2, "models": ["tuned"]},
}


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.05)
    return condition()


def assert_same(one: Rows, other: Rows) -> None:
    """Equal in every column but times: numbers to 1e-6, everything else exactly."""
    assert one.keys() == other.keys()
    for name in one:
        left, right = one[name].to_pylist(), other[name].to_pylist()
        assert len(left) == len(right), name
        for a, b in zip(left, right, strict=True):
            for column in a.keys() - TIMING - CODE:
                if isinstance(a[column], float):
                    assert b[column] == pytest.approx(a[column], rel=1e-6, abs=1e-12, nan_ok=True), (name, column)
                else:
                    assert b[column] == a[column], (name, column)


@pytest.fixture(scope="module")
def truth() -> list[tuple[Cell, Rows]]:
    """Cells and their rows, made by calling `run_cell` with one thread of torch."""
    import torch

    from bench.running.cell import run_cell

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [(cell, run_cell(cell)) for cell in expand(from_mapping(SUITE))]
    finally:
        torch.set_num_threads(before)


class EngineConformance:
    """What every engine does; a subclass says how it is made."""

    concurrent: ClassVar[bool] = True
    """Whether `submit` returns before the cell is finished, which has a process of its own."""

    @pytest.fixture
    def make(self) -> Make:
        """Makes the engine for a target, and for the cells that it will be given."""
        raise NotImplementedError

    def test_rows_are_those_of_the_function_itself(self, make: Make, truth: list[tuple[Cell, Rows]]) -> None:
        with closing(make(RUN_CELL, [cell for cell, _ in truth])) as engine:
            futures = [engine.submit(cell) for cell, _ in truth]
            for future, (_, expected) in zip(futures, truth, strict=True):
                assert_same(expected, future.result(300))

    def test_a_cell_that_fails_is_rows_and_the_others_go_on(self, make: Make, fakes: str, make_cell: MakeCell) -> None:
        cells = [make_cell("fail:diverged"), make_cell("a"), make_cell("b")]
        with closing(make(fakes, cells)) as engine:
            rows = [future.result(120)["runs"].to_pylist() for future in [engine.submit(cell) for cell in cells]]
        assert [[row["status"] for row in each] for each in rows] == [["diverged"] * 2, ["ok"] * 2, ["ok"] * 2]
        assert [row["mse"] for row in rows[1]] == [int(cells[1].id, 16) / 2**64] * 2

    def test_trials_come_home_before_the_rows(self, make: Make, fakes: str, make_cell: MakeCell) -> None:
        kept: list[int] = []
        unfinished = Unfinished(keep=lambda trials: kept.append(trials.num_rows))
        cell = make_cell("batches")
        with closing(make(fakes, [cell])) as engine:
            engine.submit(cell, unfinished).result(120)
        assert kept == [2, 4]
        assert unfinished.trials.num_rows == 4

    def test_what_cannot_be_imported_is_no_matter_of_a_cell(self, make: Make, make_cell: MakeCell) -> None:
        with pytest.raises(InputError) as caught, closing(make("no_such_module:run_cell", [make_cell()])) as engine:
            engine.submit(make_cell()).result(120)
        assert "no_such_module: expected a module that can be imported" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_closing_ends_what_runs_at_once_and_leaves_no_process(
        self, make: Make, fakes: str, make_cell: MakeCell, tmp_path: Path
    ) -> None:
        before = set(psutil.Process().children(recursive=True))
        pid_file = tmp_path / "pid"
        cells = [make_cell(f"hang:{pid_file}" if self.concurrent else "a"), make_cell("b")]
        engine = make(fakes, cells)
        futures = [engine.submit(cell) for cell in cells]
        if self.concurrent:
            assert within(120, lambda: pid_file.exists() and pid_file.read_text() != "")
            running = psutil.Process(int(pid_file.read_text()))
        engine.close()
        engine.close()
        if self.concurrent:
            assert within(20, lambda: not running.is_running() or running.status() == psutil.STATUS_ZOMBIE)
            with pytest.raises(CancelledError):
                futures[0].result(30)
        left = set(psutil.Process().children(recursive=True)) - before
        _, alive = psutil.wait_procs([each for each in left if "resource_tracker" not in str(each.cmdline())], 20)
        assert alive == []

    def test_a_cell_that_waits_can_be_cancelled_and_is_never_run(
        self, make: Make, fakes: str, make_cell: MakeCell, tmp_path: Path
    ) -> None:
        """All that run are kept busy meanwhile; one that is finished at once cannot be cancelled."""
        if not self.concurrent:
            cells = [make_cell("a")]
            with closing(make(fakes, cells)) as engine:
                assert not engine.submit(cells[0]).cancel()
            return
        files = [tmp_path / str(number) for number in range(4)]
        cells = [make_cell(f"hang-until:{file}", length=1 + number) for number, file in enumerate(files)]
        with closing(make(fakes, cells)) as engine:
            futures = [engine.submit(cell) for cell in cells]
            assert within(120, lambda: sum(map(Path.exists, files)) >= 1)
            cancelled = [number for number in range(4) if futures[number].cancel()]
            assert cancelled
            for file in files:
                Path(f"{file}.go").touch()
            for number in {*range(4)} - {*cancelled}:
                assert futures[number].result(120)["runs"]["status"].to_pylist() == ["ok", "ok"]
        assert not any(files[number].exists() for number in cancelled)

    def test_limits_of_a_cell_are_kept_where_it_has_a_process(
        self, make: Make, fakes: str, make_cell: MakeCell
    ) -> None:
        if not self.concurrent:
            with pytest.raises(InputError, match="expected no limits of a cell"):
                EngineOptions("inline").refuse({"cell_s": 2.0})
            return
        cells = [replace(make_cell("sleep-blocked"), limits=CellLimits(cell_s=2.0)), make_cell("a")]
        with closing(make(fakes, cells)) as engine:
            rows = [future.result(240)["runs"].to_pylist()[0] for future in [engine.submit(cell) for cell in cells]]
        assert [row["status"] for row in rows] == ["timeout", "ok"]
        assert "(limits.cell_s) and was ended" in rows[0]["reason"]

    def test_code_that_a_suite_names_needs_permission(self, make: Make, tmp_path: Path) -> None:
        """Without it the cell ends as rows that name the flag, or is refused so; the code is not run."""
        marker = tmp_path / "ran"
        (tmp_path / "net.py").write_text(_NET.format(marker=str(marker)))
        models = [{"id": "mine", "kind": f"{tmp_path}/net.py:Net"}]
        with allowing_plug_ins():
            (cell,) = expand(from_mapping({**SUITE, "tuning": False, "models": models}))
        marker.unlink()
        with allowing_plug_ins(allowed=False):
            assert "--allow-plugin" in how_it_ended(make, cell)
        assert not marker.exists()


def how_it_ended(make: Make, cell: Cell) -> str:
    """The reason in the rows of `cell`, or why it was refused."""
    try:
        with closing(make(RUN_CELL, [cell])) as engine:
            return str(engine.submit(cell).result(120)["runs"]["reason"][0])
    except InputError as error:
        return str(error)


_NET = """
from pathlib import Path
Path({marker!r}).touch()
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
    def forward(self, x):
        return x[:, -1:] * self.scale
"""


class TestInline(EngineConformance):
    concurrent = False

    @pytest.fixture
    def make(self) -> Make:
        return lambda target, _: start("inline", jobs=1, device="cpu", target=target)


class TestProcesses(EngineConformance):
    @pytest.fixture
    def make(self) -> Make:
        return lambda target, _: start("processes", jobs=2, device="cpu", target=target)


class AllShards:
    """Two machines, each with the cells of its own shard; exactly one takes each cell."""

    def __init__(self, target: str, cells: Sequence[Cell]) -> None:
        begin = partial(start, "processes", jobs=1, device="cpu", target=target)
        self._engines = [ShardEngine(begin, own) for own in divided(cells, 2)]

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        (own,) = [engine for engine in self._engines if cell.key in engine._keys]
        for engine in self._engines:
            if engine is not own:
                with pytest.raises(InputError, match="the machine of its own shard runs it"):
                    engine.submit(cell, unfinished)
        return own.submit(cell, unfinished)

    def close(self) -> None:
        for engine in self._engines:
            engine.close()


class TestShards(EngineConformance):
    @pytest.fixture
    def make(self) -> Make:
        return AllShards


class TestDask(EngineConformance):
    @pytest.fixture
    def make(self, cluster: Any) -> Iterator[Make]:
        from bench.running.dask_engine import Cluster, DaskEngine

        return lambda target, _: DaskEngine(target, device="cpu", jobs=2, cluster=Cluster(cluster.address))


class TestDaskOfThisMachine(EngineConformance):
    @pytest.fixture
    def make(self) -> Make:
        pytest.importorskip("distributed", reason="distributed is not installed")
        return lambda target, _: start("dask", jobs=1, device="cpu", target=target)


def test_the_options_name_every_engine() -> None:
    assert set(ENGINES) == set(EngineName)
