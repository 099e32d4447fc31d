"""Cells as tasks of a Dask cluster, whose scheduler and workers may be anywhere; their rows come home to this process.

A worker runs one cell at a time, in a watched process that it keeps (`bench.running.dask_task`): a cell that hangs,
crashes or takes too much memory ends as the rows that it would be on one machine.

A worker may still be lost. Of each attempt it is known which worker began it and which nanny watches over that worker,
and the scheduler says which workers were lost. A nanny that lives on after its worker's death shows that the machine is
there: the cell ended the worker, and after the third time it is a row, or after the ninth where workers are also lost
under other cells or none. A worker that was closed, or whose nanny went too, is no fault of the cell, which is run
again elsewhere.

Dask's own count (``allowed-failures``) also charges cells that only waited at the worker, or whose machine went away; a
task that it gives up is therefore submitted again while the cell has not ended three workers. A scheduler that is lost
takes all tasks with it: the engine connects to the one that comes back under its address, and submits them again.

Dask pickles tasks, and whoever reaches its scheduler can run code: use TLS beyond one machine. Rows, trials and logs
come home as Arrow.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import count
from threading import Lock, Thread
from typing import Any, Self

from bench.cells import Cell
from bench.errors import InputError, described, pip_install
from bench.models.from_source import plug_ins_allowed
from bench.running import dask_task
from bench.running.dask_task import Death
from bench.running.rows import failed
from bench.running.unfinished import Unfinished
from bench.store.schema import Rows, Status

try:
    import dask
    from distributed import Client, KilledWorker, LocalCluster, Security
    from distributed.client import ClosedClientError
except ImportError as missing:
    raise InputError(
        f"--engine dask: expected the package distributed, got {described(missing)}; install it: {pip_install('dask')}"
    ) from missing

log = logging.getLogger(__name__)

_CONNECTIONS = 3
"""So often a question to workers is repeated whose connection is lost."""

_ROUNDS = 10
"""Times that Dask may give up a cell whose machines went away."""

_LOOK_S = 2.0
"""Seconds between two looks at whether a cell that waits can still be run."""

_CONNECTS_S = 10.0
"""Seconds in which a scheduler answers."""

_WORKERS_S = 10.0
"""Seconds in which a worker comes to a scheduler."""

_ENDS_S = 5.0
"""Seconds in which workers end the processes of a run; one that does not answer keeps its own."""

_CLOSES_S = 0.5
"""Seconds after which a worker of this machine that is to end is killed."""

_NANNY_S = 30.0
"""Seconds in which a nanny has started another worker, or else is taken to be gone."""


@dataclass(frozen=True)
class Cluster:
    """Where cells run, and what each takes of a worker.

    Parameters
    ----------
    address
        Of the scheduler; `None` for a cluster of this machine.
    needs
        Resource, as workers state theirs with ``--resources`` → how much of it a cell takes.
    patience_s
        How long no scheduler, or no worker that can run a cell, may be there before the run ends.
    """

    address: str | None = None
    needs: Mapping[str, float] = field(default_factory=dict)
    patience_s: float = 600.0

    @classmethod
    def parsed(cls, address: str | None, needs: Sequence[str], *, device: str) -> Self:
        """What the options say; a cell on a GPU takes one.

        Raises
        ------
        InputError
            One of them is not such.
        """
        if address is not None and not re.fullmatch(r"[a-z]+://\S+:\d+", address):
            raise InputError(
                f"--address {address}: expected a scheduler such as tcp://127.0.0.1:8786 or tls://host:8786"
            )
        known = {"GPU": 1.0} if device.startswith("cuda") else {}
        for text in needs:
            parts = re.fullmatch(r"([A-Za-z]\w*)=(\d+(?:\.\d+)?(?:e\d+)?)", text)
            if parts is None or not float(parts[2]) > 0:
                raise InputError(f"--need {text}: expected NAME=AMOUNT, such as GPU=1, CPU=2 or MEMORY=4e9")
            known[parts[1]] = float(parts[2])
        return cls(address, known)

    def serve(self, worker: Mapping[str, Any]) -> bool:
        """Whether `worker`, as the scheduler describes it, has what a cell needs."""
        there = worker["resources"]
        return all(there.get(name, 0) >= amount for name, amount in self.needs.items())


@dataclass
class _Course:
    """What is known of one cell that runs."""

    cell: Cell
    unfinished: Unfinished
    key: str = ""
    worker: Death | None = None  # the one that runs it, as it would end
    deaths: list[Death] = field(default_factory=list)


class _EndedWorkersError(Exception):
    """The workers of a cell have died as often as is allowed, and Dask would try another."""


class DaskEngine:
    """`jobs` threads here, each waiting on one cell at a time.

    Parameters
    ----------
    target
        As for `bench.running.workers.start`; every worker imports it by this name.
    device
        A torch device of the workers.
    jobs
        Cells at the same time; without an address also the number of workers.
    cluster
        Where they run.

    Raises
    ------
    InputError
        There is no scheduler or no worker, none has what a cell needs, or one is not fit to run cells.
    """

    def __init__(self, target: str, *, device: str, jobs: int, cluster: Cluster | None = None) -> None:
        self._target, self._device = target, device
        self._cluster = cluster or Cluster()
        self._topic = f"bench-{uuid.uuid4().hex}"
        self._numbers = count()
        self._joining = Lock()  # of those who wait for a scheduler
        self._lock = Lock()  # guards what follows; held shortly, as the thread that hears of events waits for it
        self._courses: dict[str, _Course] = {}
        self._lost_under, self._given_up = set[str](), set[str]()  # ids of cells; empty for a worker that ran none
        self._served = self._looked = time.monotonic()
        self._closed = False
        self._local = _local_cluster(jobs) if self._cluster.address is None else None
        self._address = str(self._local.scheduler_address if self._local else self._cluster.address)
        try:
            self._client = self._connected(_CONNECTS_S)
            refuse_unfit(self._client, self._cluster, self._address)
        except BaseException:
            self.close()
            raise
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="cell")

    def submit(self, cell: Cell, unfinished: Unfinished | None = None) -> Future[Rows]:
        """Run `cell` on the next free worker."""
        here = copy_context()  # whether plug-ins are allowed
        return self._threads.submit(here.run, self._run, cell, unfinished or Unfinished())

    def close(self) -> None:
        """End the processes that run cells of this run, which its workers keep."""
        with self._lock:
            first, self._closed = not self._closed, True
        if not first:
            return
        if client := getattr(self, "_client", None):
            with suppress(Exception):  # a scheduler that is gone has nothing to end
                client.cancel([*client.futures], force=True)
                client.unsubscribe_topic("all")  # of the end of this client too, which it could not hear
            if self._local is None:
                ending = Thread(target=_end_run, args=(client, self._topic), daemon=True)
                ending.start()
                ending.join(_ENDS_S)
            client.close(timeout=2)
        if self._local:
            _ended(self._local)
        if threads := getattr(self, "_threads", None):
            threads.shutdown(cancel_futures=True)

    def _run(self, cell: Cell, unfinished: Unfinished) -> Rows:
        course = _Course(cell, unfinished)
        for given_up in range(_ROUNDS):
            try:
                return self._attempt(course)
            except (KilledWorker, _EndedWorkersError):
                if outcome := self._outcome(course, last=given_up == _ROUNDS - 1):
                    return failed(cell, *outcome, device=self._device)
        raise AssertionError  # the last round has an outcome

    def _attempt(self, course: _Course) -> Rows:
        """The rows of a task, which begins again with every scheduler that is lost.

        Raises
        ------
        KilledWorker, _EndedWorkersError
            It has ended its workers, as Dask counts it or as is counted here.
        """
        while True:
            client = self._client
            with self._followed(course):
                task = dask_task.CellTask(
                    course.key,
                    course.unfinished.request(course.cell),
                    self._target,
                    self._device,
                    plug_ins_allowed(),
                    dask_task.Code.here(),
                    self._topic,
                )
                try:
                    return self._awaited(client, course, task)
                except (CancelledError, OSError, ClosedClientError) as lost:
                    if self._closed:
                        raise CancelledError from lost
            self._reconnect(client)

    @contextmanager
    def _followed(self, course: _Course) -> Iterator[None]:
        """Within the block, events of a new task are of `course`."""
        with self._lock:
            course.key = f"{course.cell.id}-{self._topic[-8:]}-{next(self._numbers)}"
            self._courses[course.key] = course
        try:
            yield
        finally:
            with self._lock:
                del self._courses[course.key]
                course.worker = None

    def _awaited(self, client: Client, course: _Course, task: dask_task.CellTask) -> Rows:
        remote = client.submit(
            dask_task.run_task, task, key=task.key, pure=False, retries=0, resources=dict(self._cluster.needs) or None
        )
        while True:
            try:
                content: bytes = remote.result(timeout=_LOOK_S)
            except TimeoutError:
                if self._is_to_blame(course):
                    remote.cancel()
                    raise _EndedWorkersError from None
                self._refuse_to_wait(client)
            except ModuleNotFoundError as error:
                raise InputError(
                    f"{self._address}: expected workers that can import bench, got {described(error)}; install it there"
                ) from error
            else:
                if self._closed:
                    raise CancelledError
                rows, log = dask_task.brought_home(content)
                course.unfinished.log(log)
                return rows

    def _refuse_to_wait(self, client: Client) -> None:
        """See that there is a worker, or was one lately; one thread looks for all."""
        now = time.monotonic()
        with self._lock:
            if due := now - self._looked >= _LOOK_S:
                self._looked = now
        if due and any(map(self._cluster.serve, client.scheduler_info()["workers"].values())):
            self._served = now
        waited = now - self._served
        if waited > self._cluster.patience_s:
            raise InputError(
                f"{self._address}: no worker that can run a cell for {waited:.0f} s; finished cells are kept: start "
                "workers, and the same command goes on"
            )

    def _outcome(self, course: _Course, *, last: bool) -> tuple[Status, str] | None:
        """How `course` ends whose workers died; `None` where that was no fault of its cell."""
        course.deaths = self._blamed(course.deaths)
        if self._is_to_blame(course):
            self._given_up.add(course.cell.id)
            return Status.CRASHED, f"it ended the Dask worker itself {len(course.deaths)} times; see the workers' logs"
        if last:
            gone = f"Dask gave it up {_ROUNDS} times, as its workers went away together with their nannies"
            return Status.CRASHED, f"{gone}; see the logs of these machines, then run it again with `--failed-only`"
        return None

    def _is_to_blame(self, course: _Course) -> bool:
        """Whether so many deaths are the doing of the cell: more, where something else ends workers too."""
        others = self._lost_under - self._given_up - {course.cell.id}
        return len(course.deaths) >= (dask_task.MOST_DEATHS if others else dask_task.DEATHS)

    def _blamed(self, deaths: Sequence[Death]) -> list[Death]:
        """Those of `deaths` after which the machine was still there."""
        end = time.monotonic() + _NANNY_S
        while True:
            with suppress(Exception):  # while the scheduler is away
                there = {each["nanny"] for each in self._client.scheduler_info()["workers"].values()} | {None}
                blamed = [death for death in deaths if death.nanny in there]
                if len(blamed) == len(deaths) or time.monotonic() > end or self._closed:
                    return blamed
            time.sleep(0.2)

    def _connected(self, timeout_s: float) -> Client:
        """A client that hears of this run's events.

        Raises
        ------
        InputError
            No scheduler is there.
        """
        if self._address.startswith("tls:") and Security().get_connection_args("client")["ssl_context"] is None:
            raise InputError(
                f"{self._address}: expected the certificates of this run, got none; docs/clusters.md says how to state "
                "them"
            )
        try:
            client = Client(self._address, timeout=timeout_s, set_as_default=False, name=self._topic)
        except (OSError, ValueError, RuntimeError) as error:  # what Dask raises, by what is wrong
            raise InputError(
                f"{self._address}: expected a Dask scheduler, got {described(error)}; start one with `dask scheduler`, "
                "or correct --address; where it speaks TLS, state the certificates (docs/clusters.md)"
            ) from error
        client.subscribe_topic(self._topic, self._hear)
        client.subscribe_topic("all", self._hear_of_workers)
        return client

    def _reconnect(self, lost: Client) -> None:
        """Take the scheduler that comes back in place of `lost`; one thread does so for all.

        Raises
        ------
        InputError
            None came back.
        """
        with self._joining:
            if self._client is not lost or self._closed:
                return
            with suppress(Exception):  # it is of no use either way
                lost.close(timeout=1)
            end = time.monotonic() + self._cluster.patience_s
            while True:
                try:
                    self._client = self._connected(_CONNECTS_S)
                except InputError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(1.0)
                else:
                    self._served = time.monotonic()
                    return

    def _hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        """What a worker says of a cell."""
        _, said = event
        with self._lock:
            if (course := self._courses.get(said["key"])) is None:
                return
            if said["kind"] == "begins":
                course.worker = Death(said["worker"], said["nanny"])
            elif said["kind"] == "trials":
                course.unfinished.record(dask_task.unpacked(said["trials"]))
            elif said["kind"] == "stage":
                course.unfinished.advance(*said["stage"])
            else:
                course.unfinished.compiles()

    def _hear_of_workers(self, event: tuple[float, Any]) -> None:
        """A worker that was lost while it ran a cell is a death; one that was closed is none."""
        _, said = event
        if not isinstance(said, Mapping) or said.get("action") != "remove-worker":
            return
        with self._lock:
            own = [each for each in self._courses.values() if each.worker and each.worker.worker == said["worker"]]
            if not said["expected"]:
                self._lost_under |= {course.cell.id for course in own} or {""}
            for course in own:
                if course.worker and not said["expected"]:
                    course.deaths.append(course.worker)
                course.worker = None


def _local_cluster(jobs: int) -> LocalCluster:
    """A scheduler and `jobs` workers on this machine, which nobody else reaches; each cell may take its memory."""
    with dask.config.set({"distributed.scheduler.allowed-failures": dask_task.DEATHS - 1}):
        return LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
        )


def _end_run(client: Client, topic: str) -> None:
    with suppress(Exception):  # a worker that is gone has nothing to end
        for worker, raised in client.run(dask_task.end_run, topic, on_error="return").items():
            if isinstance(raised, Exception) and not isinstance(raised, OSError):
                log.warning("Dask worker %s keeps the processes of this run: %s", worker, described(raised))


def _ended(local: LocalCluster) -> None:
    """Close `local` without waiting for what its workers run."""
    pids = [nanny.pid for nanny in local.workers.values() if nanny.pid]
    closing = Thread(target=local.close, kwargs={"timeout": 60})
    closing.start()
    closing.join(_CLOSES_S)  # nannies that know of the end start no worker again
    for pid in pids if closing.is_alive() else ():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    closing.join()


def _codes(client: Client) -> Mapping[str, Any]:
    """What code each worker has, or what was raised there; requested again where a connection was lost meanwhile."""
    for _ in range(_CONNECTIONS):
        answers: Mapping[str, Any] = client.run(dask_task.code_here, on_error="return")
        if not any(isinstance(answer, OSError) for answer in answers.values()):
            break
        time.sleep(1)
    return answers


def refuse_unfit(client: Client, cluster: Cluster, where: str) -> int:
    """See that cells can run: how many of them at a time.

    Raises
    ------
    InputError
        There are no workers, none has what a cell needs, or one is not fit to run cells.
    """
    try:
        client.wait_for_workers(1, timeout=_WORKERS_S)
    except TimeoutError:
        raise InputError(
            f"{where}: expected workers, got none; start some: `dask worker {where} --nthreads 1`"
        ) from None
    workers: Mapping[str, Any] = client.scheduler_info()["workers"]
    for name, worker in workers.items():
        if worker["nthreads"] != 1:
            raise InputError(f"Dask worker {name}: {dask_task.several_threads(worker['nthreads'])}")
    suitable = sum(map(cluster.serve, workers.values()))
    if not suitable:
        needs = " ".join(f"{name}={amount:g}" for name, amount in cluster.needs.items())
        there = sorted({f"{key}={value:g}" for each in workers.values() for key, value in each["resources"].items()})
        raise InputError(
            f"{where}: no worker has {needs} (there is: {', '.join(there) or 'nothing stated'}); start workers with "
            f"--resources '{needs}', or leave out --need"
        )
    for name, code in _codes(client).items():
        if code != dask_task.Code.here():
            came = (
                dask_task.other_code(dask_task.Code.here(), code)
                if isinstance(code, dask_task.Code)
                else f"bench cannot be imported: {described(code)}"
            )
            raise InputError(f"Dask worker {name}: {came}")
    return suitable


def slots(cluster: Cluster) -> int:
    """How many cells a cluster runs at a time, as far as its workers are there.

    Raises
    ------
    InputError
        As `DaskEngine`.
    """
    engine = DaskEngine("bench.running.cell:run_cell", device="cpu", jobs=1, cluster=cluster)
    try:
        return refuse_unfit(engine._client, cluster, engine._address)
    finally:
        engine.close()
