"""A Dask cluster of real processes: what is refused, whose fault a death is, what survives, and TLS."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("distributed", reason="distributed is not installed")

from bench import store
from bench.cell_limits import CellLimits
from bench.cells import Cell
from bench.cgroups import oom_kills
from bench.errors import InputError
from bench.running import dask_engine
from bench.running.dask_engine import Cluster, DaskEngine, slots
from bench.running.dask_task import CellTask, Code, brought_home, end_run, run_task
from bench.running.plan import prepare
from bench.running.runner import run
from bench.running.unfinished import Unfinished
from bench.running.workers import start
from bench.store.schema import Status

if TYPE_CHECKING:
    from real_cluster import RealCluster

MakeCell = Callable[..., Cell]
MakeCluster = Callable[..., "RealCluster"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_engine, "_LOOK_S", 0.5)
    for name in ("_WORKERS_S", "_CONNECTS_S"):  # a machine with other work is slow to start processes
        monkeypatch.setattr(dask_engine, name, 120.0)


def engine(cluster: RealCluster, target: str = "fake_cells:run_cell", *, jobs: int = 4, **options: Any) -> DaskEngine:
    return DaskEngine(target, device="cpu", jobs=jobs, cluster=Cluster(cluster.address, **options))


@pytest.fixture(scope="module")
def small(clusters: MakeCluster) -> RealCluster:
    """A cluster whose worker may hold 700 MB."""
    small = clusters()
    small.start_scheduler()
    small.start_worker("--memory-limit", "700MB")
    assert within(60, lambda: _slots(small, {}) == 1)
    return small


def _inner(cluster: RealCluster) -> set[int]:
    """The numbers of the processes that are Dask workers, without what they have started."""
    nannies = {worker.pid for worker in cluster.workers}
    return {each.pid for worker in cluster.workers for each in cluster.inner(worker) if each.ppid() in nannies}


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.05)
    return condition()


class TestWhatIsRefused:
    """One line each, before any cell runs: a task that no worker can run would wait for ever."""

    @pytest.mark.parametrize(
        ("address", "needs", "message"),
        [
            ("localhost", (), "--address localhost: expected a scheduler such as tcp://"),
            (None, ("GPU",), "--need GPU: expected NAME=AMOUNT"),
            (None, ("GPU=0",), "--need GPU=0: expected NAME=AMOUNT"),
            (None, ("GPU=-1",), "--need GPU=-1: expected NAME=AMOUNT"),
        ],
    )
    def test_options(self, address: str | None, needs: tuple[str, ...], message: str) -> None:
        with pytest.raises(InputError, match=message):
            Cluster.parsed(address, needs, device="cpu")

    def test_a_cell_on_a_gpu_takes_one(self) -> None:
        assert Cluster.parsed(None, ["MEMORY=4e9", "CPU=2"], device="cuda:1").needs == {
            "GPU": 1,
            "MEMORY": 4e9,
            "CPU": 2,
        }
        assert Cluster.parsed(None, ["GPU=0.5"], device="cuda").needs == {"GPU": 0.5}
        assert Cluster.parsed(None, [], device="cpu").needs == {}

    def test_no_scheduler(self, monkeypatch: pytest.MonkeyPatch, clusters: MakeCluster) -> None:
        monkeypatch.setattr(dask_engine, "_CONNECTS_S", 1.0)
        with pytest.raises(InputError, match="expected a Dask scheduler, got") as caught:
            engine(clusters())
        assert "\n" not in str(caught.value)

    def test_a_need_that_no_worker_has(self, cluster: RealCluster) -> None:
        with pytest.raises(
            InputError,
            match=r"no worker has GPU=1 \(there is: nothing stated\); start workers with --resources 'GPU=1'",
        ):
            engine(cluster, needs={"GPU": 1.0})

    def test_workers_that_share_a_process_among_cells(self, clusters: MakeCluster) -> None:
        several = clusters()
        several.start_scheduler()
        several.start_worker("--nthreads", "2", "--resources", "GPU=1 MEMORY=1e9")
        with pytest.raises(InputError, match="expected one thread, got 2") as caught:
            engine(several)
        assert "\n" not in str(caught.value)

    def test_other_code(self, cluster: RealCluster, monkeypatch: pytest.MonkeyPatch, make_cell: MakeCell) -> None:
        mine = Code("0.0.1", 1, "f" * 64)
        monkeypatch.setattr(Code, "here", classmethod(lambda _: mine))
        with pytest.raises(InputError, match=r"expected bench 0\.0\.1 with the source f{12}, as in this run, got"):
            engine(cluster)

    def test_a_worker_that_joins_later_with_other_code_runs_nothing(
        self, cluster: RealCluster, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(engine(cluster)) as running:
            mine = Code("0.0.1", 1, "f" * 64)
            monkeypatch.setattr(Code, "here", classmethod(lambda _: mine))
            with pytest.raises(InputError, match=r"Dask worker tcp://127.0.0.1:\d+: expected bench 0.0.1") as caught:
                running.submit(make_cell()).result(60)
        assert "\n" not in str(caught.value)

    def test_other_plug_ins(self, cluster: RealCluster, make_cell: MakeCell) -> None:
        cell = dataclasses.replace(make_cell(), plugins={"source of theirs": "0" * 64})
        with closing(engine(cluster)) as running, pytest.raises(InputError, match="source of theirs: other code than"):
            running.submit(cell).result(60)

    def test_other_data(self, cluster: RealCluster, make_cell: MakeCell) -> None:
        cell = make_cell(dataset="nile")
        entry = cell.dataset.model_copy(update={"kind": "nile"})
        cell = dataclasses.replace(cell, dataset=entry, data_sha256="0" * 64)
        with closing(engine(cluster)) as running, pytest.raises(InputError, match="BENCH_DATA there is"):
            running.submit(cell).result(60)

    def test_a_cluster_that_has_no_worker_for_long(self, clusters: MakeCluster, make_cell: MakeCell) -> None:
        left = clusters()
        left.start_scheduler()
        worker = left.start_worker()
        with closing(engine(left, patience_s=2.0)) as running:
            left.kill(worker)
            with pytest.raises(InputError, match="no worker that can run a cell for"):
                running.submit(make_cell()).result(120)


def test_slots_are_the_workers_that_have_what_a_cell_needs(clusters: MakeCluster, make_cell: MakeCell) -> None:
    mixed = clusters()
    mixed.start_scheduler()
    mixed.start_worker()
    mixed.start_worker("--resources", "GPU=1 MEMORY=8e9")
    needs = {"GPU": 1.0, "MEMORY": 4e9}
    assert within(60, lambda: _slots(mixed, {}) == 2)
    assert _slots(mixed, needs) == 1
    with closing(engine(mixed, "fake_cells:environment_of", needs=needs)) as running:
        rows = [running.submit(make_cell(length=n)).result(60)["runs"] for n in (1, 2, 3)]
    pids = {row["reason"][0].as_py().split()[0] for row in rows}
    assert len(pids) == 1  # all three on the one that has a GPU


def _slots(cluster: RealCluster, needs: dict[str, float]) -> int:
    return slots(Cluster(cluster.address, needs))


def test_workers_compute_with_one_thread(cluster: RealCluster, make_cell: MakeCell) -> None:
    with closing(engine(cluster, "fake_cells:environment_of")) as running:
        reason = running.submit(make_cell()).result(60)["runs"]["reason"][0].as_py()
    assert reason.split()[1:] == ["1", "1"]


class TestWhoseFault:
    def test_what_a_cell_does_to_its_process_costs_no_worker(self, cluster: RealCluster, make_cell: MakeCell) -> None:
        """A segmentation fault, a kill, an exit and a hang in C with signals blocked: rows, with where it was."""
        assert within(60, lambda: len(_inner(cluster)) == len(cluster.workers))
        workers, logs = _inner(cluster), dict[str, str]()
        limited = dataclasses.replace(make_cell("spin-in-c"), limits=CellLimits(cell_s=2.0))
        cells = [make_cell("segfault"), make_cell("die:9"), make_cell("exit:3"), limited, make_cell("a")]
        with closing(engine(cluster)) as running:
            futures = {
                cell.model.id: running.submit(cell, Unfinished(put_log=partial(logs.__setitem__, cell.model.id)))
                for cell in cells
            }
            rows = {model: future.result(240)["runs"].to_pylist()[0] for model, future in futures.items()}
        assert {model: row["status"] for model, row in rows.items()} == {
            "segfault": "crashed",
            "die:9": "crashed" if oom_kills() is not None else "out_of_memory",
            "exit:3": "crashed",
            "spin-in-c": "timeout",
            "a": "ok",
        }
        assert "was ended by SIGSEGV, at " in rows["segfault"]["reason"]
        assert " (attempt 3); " in rows["segfault"]["reason"]
        assert "ended without an answer (exit code 3) (attempt 3); " in rows["exit:3"]["reason"]
        assert "had not answered within its limit of 2 s (limits.cell_s)" in rows["spin-in-c"]["reason"]
        assert logs["segfault"].startswith("Fatal Python error: Segmentation fault")
        assert _inner(cluster) == workers

    def test_one_that_crashes_twice_is_begun_a_third_time(
        self, cluster: RealCluster, make_cell: MakeCell, tmp_path: Path
    ) -> None:
        with closing(engine(cluster)) as running:
            rows = running.submit(make_cell(f"die-twice:{tmp_path / 'died'}")).result(240)
        assert (tmp_path / "died").read_text() == ".."
        assert rows["runs"]["status"].to_pylist() == ["ok", "ok"]

    def test_a_cell_that_ends_the_worker_itself_three_times_is_rows(
        self, clusters: MakeCluster, make_cell: MakeCell, tmp_path: Path
    ) -> None:
        fragile, deaths = clusters(), tmp_path / "deaths"
        fragile.start_scheduler()
        fragile.start_worker()
        with closing(engine(fragile)) as running:
            dying, other = [running.submit(make_cell(model)) for model in (f"end-parent:{deaths}", "a")]
            rows = dying.result(240)["runs"].to_pylist()
            assert other.result(120)["runs"]["status"].to_pylist() == ["ok", "ok"]
        assert deaths.read_text() == "..."
        assert [(row["seed"], row["status"]) for row in rows] == [(0, Status.CRASHED), (1, Status.CRASHED)]
        assert rows[0]["reason"] == "it ended the Dask worker itself 3 times; see the workers' logs"

    def test_where_something_else_ends_workers_it_takes_more_to_blame_a_cell(
        self, clusters: MakeCluster, make_cell: MakeCell, tmp_path: Path
    ) -> None:
        fragile, deaths = clusters(), tmp_path / "deaths"
        fragile.start_scheduler()
        fragile.start_worker()
        with closing(engine(fragile)) as running:
            assert within(60, lambda: len(_inner(fragile)) == 1)
            before = _inner(fragile)
            os.kill(*before, signal.SIGKILL)  # while it runs no cell
            assert within(60, lambda: bool(_inner(fragile)) and _inner(fragile) != before)
            rows = running.submit(make_cell(f"end-parent:{deaths}")).result(240)["runs"].to_pylist()
        assert deaths.read_text() == "..."  # after which it lets the worker live
        assert [row["status"] for row in rows] == [Status.OK, Status.OK]

    @pytest.mark.parametrize(
        ("limits", "said"),
        [
            (CellLimits(), "more than the 668 MiB of its Dask worker (--memory-limit)"),
            (CellLimits(cell_bytes=500 * 2**20), "more than its limit of 500 MiB (limits.cell_bytes)"),
        ],
    )
    def test_one_that_takes_too_much_memory_says_so(
        self, small: RealCluster, make_cell: MakeCell, limits: CellLimits, said: str
    ) -> None:
        workers = _inner(small)
        with closing(engine(small)) as running:
            cell = dataclasses.replace(make_cell("hoard:2e9"), limits=limits)
            rows = running.submit(cell).result(300)["runs"].to_pylist()
        assert rows[0]["status"] == Status.OUT_OF_MEMORY
        assert said in rows[0]["reason"]
        assert _inner(small) == workers

    def test_a_machine_that_goes_away_is_not_the_fault_of_its_cell(
        self, clusters: MakeCluster, make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Four machines are lost under one cell, one more than a cell may end workers; then it is finished."""
        monkeypatch.setattr(dask_engine, "_NANNY_S", 1.0)
        shaky = clusters()
        shaky.start_scheduler()
        pid_file = tmp_path / "pid"
        machine = shaky.start_worker()
        with closing(engine(shaky)) as running:
            future = running.submit(make_cell(f"hang-until:{pid_file}"))
            for _ in range(4):
                assert within(120, lambda: pid_file.exists() and pid_file.read_text() != "")
                pid_file.write_text("")
                shaky.kill(machine)
                machine = shaky.start_worker()
            Path(f"{pid_file}.go").touch()
            assert future.result(240)["runs"]["status"].to_pylist() == ["ok", "ok"]

    def test_workers_that_are_replaced_one_by_one_cost_no_cell(
        self, clusters: MakeCluster, make_cell: MakeCell
    ) -> None:
        """A rolling restart: SIGTERM closes a worker and its nanny in order."""
        rolling = clusters()
        rolling.start_scheduler()
        old = [rolling.start_worker() for _ in range(2)]
        assert within(120, lambda: _slots(rolling, {}) == 2)
        with closing(engine(rolling)) as running:
            futures = [running.submit(make_cell("sleep:0.5", length=n)) for n in range(1, 9)]
            for each in old:
                rolling.start_worker()
                time.sleep(1.0)
                os.kill(each.pid, signal.SIGTERM)
                each.wait(60)
            rows = [future.result(240)["runs"]["status"].to_pylist() for future in futures]
        assert rows == [["ok", "ok"]] * 8


def test_a_scheduler_that_comes_back_is_given_its_cells_again(clusters: MakeCluster, make_cell: MakeCell) -> None:
    lost = clusters()
    lost.start_scheduler()
    lost.start_worker()
    with closing(engine(lost)) as running:
        futures = [running.submit(make_cell("sleep:1", length=n)) for n in range(1, 5)]
        futures[0].result(120)
        lost.kill(lost.scheduler)
        lost.start_scheduler()
        lost.start_worker()  # the first may come back or end, as its nanny decides
        assert [future.result(240)["runs"]["status"].to_pylist() for future in futures] == [["ok", "ok"]] * 4


def test_a_scheduler_that_stays_away_ends_the_run_with_one_line(
    clusters: MakeCluster, make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = clusters()
    lost.start_scheduler()
    lost.start_worker()
    with closing(engine(lost, patience_s=1.0)) as running:
        future = running.submit(make_cell("sleep:60"))
        time.sleep(1.0)
        monkeypatch.setattr(dask_engine, "_CONNECTS_S", 5.0)
        lost.kill(lost.scheduler)
        with pytest.raises(InputError, match=r"expected a Dask scheduler, got|no worker that can run") as caught:
            future.result(120)
    assert "\n" not in str(caught.value)


def test_a_run_stores_what_comes_home(cluster: RealCluster, make_cell: MakeCell, tmp_path: Path) -> None:
    cells = [make_cell(model) for model in ("a", "b", "c", "fail:failed")]
    here = partial(start, "inline", jobs=1, device="cpu", target="fake_cells:run_cell")
    outcomes = []
    for folder, begin in (("dask", partial(engine, cluster)), ("here", here)):
        run(prepare(cells, tmp_path / folder), begin, jobs=2, device="cpu", listener=lambda _: None)
        rows = store.read(tmp_path / folder, "runs", ("cell_id", "seed", "status", "mse")).to_pylist()
        outcomes.append(sorted(rows, key=lambda row: (row["cell_id"], row["seed"])))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == 8


def test_rows_and_logs_come_home_as_arrow_and_unpickled(cluster: RealCluster, make_cell: MakeCell) -> None:
    """What Dask itself is given to send back is bytes, which it sends as they are."""
    from distributed.protocol import serialize

    cell = make_cell("say:something")
    with closing(engine(cluster)) as running:
        task = CellTask("a-key", cell, "fake_cells:run_cell", "cpu", plug_ins=False, code=Code.here(), topic="a-topic")
        content = running._client.submit(run_task, task, pure=False).result(60)
        running._client.run(end_run, "a-topic")
        rows, log = brought_home(content)
        expected = running.submit(cell).result(60)
    assert serialize(content)[1] == [content]
    assert log.splitlines()[0] in (r"something \x1b[31mred", "its child")
    alike = ["cell_id", "seed", "status", "mse", "spec"]  # the others are times, memory and the like
    assert rows["runs"].select(alike).equals(expected["runs"].select(alike))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of all who speak TLS with one another: a certificate that signs itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=bench -keyout key.pem -out cert.pem"
    subprocess.run(words.split(), cwd=folder, check=True, capture_output=True)
    prefix = "DASK_DISTRIBUTED__COMM"
    sides = ("SCHEDULER", "WORKER", "CLIENT")
    return {
        f"{prefix}__REQUIRE_ENCRYPTION": "True",
        f"{prefix}__TLS__CA_FILE": str(folder / "cert.pem"),
        **{f"{prefix}__TLS__{side}__CERT": str(folder / "cert.pem") for side in sides},
        **{f"{prefix}__TLS__{side}__KEY": str(folder / "key.pem") for side in sides},
    }


@pytest.fixture
def tls(certificates: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process has the certificates, as its environment would have told Dask when it started."""
    import dask

    names = {name: name.removeprefix("DASK_").lower().replace("__", ".").replace("_", "-") for name in certificates}
    for name, value in certificates.items():
        monkeypatch.setenv(name, value)
    with dask.config.set({names[name]: value == "True" or value for name, value in certificates.items()}):
        yield


def test_cells_run_over_tls_and_not_without_a_certificate(
    clusters: MakeCluster, certificates: dict[str, str], make_cell: MakeCell, request: pytest.FixtureRequest
) -> None:
    secret = clusters(protocol="tls", env=certificates)
    secret.start_scheduler()
    secret.start_worker()
    with pytest.raises(InputError, match="expected the certificates of this run, got none"):
        engine(secret)
    request.getfixturevalue("tls")
    with closing(engine(secret)) as running:
        assert running.submit(make_cell("a")).result(120)["runs"]["status"].to_pylist() == ["ok", "ok"]


@pytest.mark.skipif(
    "BENCH_CHAOS" not in os.environ, reason="BENCH_CHAOS is not set (python tests/chaos/measure.py dask)"
)
def test_a_run_survives_lost_workers_and_a_lost_scheduler(
    clusters: MakeCluster,
    make_cell: MakeCell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    note: Callable[..., None],
) -> None:
    """40 cells, a machine or a worker process killed every 4 s, the scheduler once: all rows, as by a local run."""
    monkeypatch.setattr(dask_engine, "_NANNY_S", 10.0)
    cells = [make_cell("sleep:1.5", length=n) for n in range(1, 41)]
    chaos, done, killed = clusters(), threading.Event(), {"machine": 0, "process": 0, "scheduler": 0}
    chaos.start_scheduler()
    for _ in range(3):
        chaos.start_worker()

    def kill() -> None:
        random_ = random.Random(0)
        while not done.wait(4.0):
            chaos.workers = [each for each in chaos.workers if each.poll() is None]
            while len(chaos.workers) < 3:  # as SLURM or systemd would
                chaos.start_worker()
            if killed["machine"] == 2 and not killed["scheduler"]:
                chaos.kill(chaos.scheduler)
                chaos.start_scheduler()
                killed["scheduler"] += 1
            elif random_.random() < 0.5:
                chaos.kill(random_.choice(chaos.workers))
                killed["machine"] += 1
            else:
                with suppress(Exception):  # it may have ended by itself
                    chaos.inner(random_.choice(chaos.workers))[0].kill()
                    killed["process"] += 1

    killer = threading.Thread(target=kill)
    begin = partial(DaskEngine, "fake_cells:run_cell", jobs=6, device="cpu", cluster=Cluster(chaos.address))
    assert within(120, lambda: _slots(chaos, {}) == 3)
    killer.start()
    began = time.monotonic()
    try:
        run(prepare(cells, tmp_path / "dask"), begin, jobs=6, device="cpu", listener=lambda _: None)
    finally:
        done.set()
        killer.join()
    seconds = time.monotonic() - began
    here = partial(start, "processes", jobs=8, device="cpu", target="fake_cells:run_cell")
    run(prepare(cells, tmp_path / "here"), here, jobs=8, device="cpu", listener=lambda _: None)
    columns = ("cell_id", "seed", "status", "mse")
    rows = [store.read(tmp_path / folder, "runs", columns).to_pylist() for folder in ("dask", "here")]
    dask_rows, local = (sorted(each, key=lambda row: (row["cell_id"], row["seed"])) for each in rows)
    note("dask", rows=len(dask_rows), equal=dask_rows == local, killed=killed, seconds=seconds)
    assert len(local) == 80
    assert dask_rows == local
    assert killed["scheduler"] == 1
    assert killed["machine"] + killed["process"] >= 4


def test_what_a_cell_prints_on_a_worker_goes_to_its_log(cluster: RealCluster, make_cell: MakeCell) -> None:
    logs: list[str] = []
    with closing(engine(cluster)) as running:
        for model in ("say:first", "a", "say:next"):
            rows = running.submit(make_cell(model), Unfinished(put_log=logs.append)).result(60)
            assert rows["runs"]["status"].to_pylist()[0] == "ok"
    assert [sorted(log.splitlines()) for log in logs] == [
        [r"first \x1b[31mred", "its child"],
        [],
        ["its child", r"next \x1b[31mred"],
    ]
