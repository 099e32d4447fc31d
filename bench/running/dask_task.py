"""What a Dask worker does for one cell: see that it is fit for it, have it run, and report what is known meanwhile.

The worker imports this module by name, and so needs `bench` installed, with the very code of the one that runs the
suite. Code that a suite names is only run where the run was started with ``--allow-plugin``, which each task carries.
Reports are events of the scheduler (`Worker.log_event`), which the run has subscribed to.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Self

import pyarrow as pa

import bench
from bench.cells import CODE_VERSION, Cell
from bench.data import dataset_kinds
from bench.errors import BenchError, InputError, one_line
from bench.models.from_source import allowing_plug_ins
from bench.registry import lookup
from bench.running.devices import resolved
from bench.running.plugins import Origins
from bench.running.unfinished import Resumed, Unfinished
from bench.running.workers import ProcessEngine, Terms
from bench.source_code import source_hash
from bench.store.schema import Rows

if TYPE_CHECKING:
    from distributed import Worker as DaskWorker

_FLUSH_S = 0.02
"""Events leave a worker every 2 ms; that a cell begins is to be known before the cell can end the worker."""

DEATHS = 3
"""So often a cell may end its process, or the Dask worker itself, before it is given up."""

MOST_DEATHS = 9
"""So often, where workers are also lost under other cells or none, and the cell may only have been there."""


@dataclass(frozen=True)
class Death:
    """The end of a worker within a cell, by their addresses; a worker may have no nanny."""

    worker: str
    nanny: str | None


@dataclass(frozen=True)
class Code:
    """What `bench` is where a cell runs: rows of one run are of one code.

    Parameters
    ----------
    version, code_version
        The version of the package, and that of what decides results.
    source
        SHA-256 of its source.
    """

    version: str
    code_version: int
    source: str | None

    @classmethod
    @cache
    def here(cls) -> Self:
        """That of this process."""
        return cls(bench.__version__, CODE_VERSION, source_hash("bench").sha256)

    def __str__(self) -> str:
        return f"bench {self.version} with the source {(self.source or 'unknown')[:12]}"


def code_here() -> Code:
    """The code of the process that is called, for `Client.run`."""
    return Code.here()


@dataclass(frozen=True)
class CellTask:
    """One attempt at a cell.

    Parameters
    ----------
    key
        The key of the task.
    request
        The cell, with the trials of earlier attempts.
    target
        ``"module:function"`` of what runs it.
    device
        A torch device of the worker.
    plug_ins
        Whether the suite may name code.
    code
        What the worker must have.
    topic
        Of the events of this run.
    """

    key: str
    request: Cell | Resumed
    target: str
    device: str
    plug_ins: bool
    code: Code
    topic: str

    @property
    def cell(self) -> Cell:
        """What is run."""
        return self.request.cell if isinstance(self.request, Resumed) else self.request


def run_task(task: CellTask) -> bytes:
    """Run the cell of `task` in the watched process that this Dask worker keeps for the run: what `brought_home` reads.

    A cell that hangs, crashes or takes too much memory thus ends that process, as it does on one machine, and never the
    worker, which has imported no torch.
    """
    from distributed import get_worker

    worker, logs = get_worker(), [""]
    worker.log_event(task.topic, {"kind": "begins", "key": task.key, "worker": worker.address, "nanny": worker.nanny})
    time.sleep(_FLUSH_S)
    with allowing_plug_ins(allowed=task.plug_ins):
        try:
            _refuse_unfit(worker, task)
            rows = _engine(worker, task).run(task.cell, _unfinished(worker, task, logs))
        except CancelledError:  # the run was closed, and waits for nothing
            return _home({"refused": b"the run has ended"})
        except Exception as error:  # whatever plug-ins raise; errors with arguments of their own cannot be sent
            known = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
            return _home({"refused": f"Dask worker {worker.address}: {one_line(known)}".encode()})
    return _home({**{name: packed(table) for name, table in rows.items()}, "log": logs[-1].encode()})


def brought_home(content: bytes) -> tuple[Rows, str]:
    """The rows of a cell and what it has printed, from what `run_task` gives.

    Raises
    ------
    InputError
        The worker was not fit for the cell; one line that names the worker.
    """
    table = unpacked(content)
    parts = dict(zip(table["name"].to_pylist(), table["content"].to_pylist(), strict=True))
    if "refused" in parts:
        raise InputError(parts["refused"].decode())
    log = parts.pop("log").decode()
    return {name: unpacked(part) for name, part in parts.items()}, log


def _home(parts: dict[str, bytes]) -> bytes:
    """One Arrow stream of `parts`: Dask sends bytes as they are, where it would pickle a dictionary of tables."""
    return packed(pa.table({"name": [*parts], "content": pa.array(parts.values(), pa.large_binary())}))


_ENGINES: dict[str, ProcessEngine] = {}
"""The one of the run whose cell came last, by the run's topic."""


def _engine(worker: DaskWorker, task: CellTask) -> ProcessEngine:
    """What runs the cells of this run here, in one process, which has its imports and the run's plug-ins."""
    if task.topic not in _ENGINES:
        for topic in list(_ENGINES):
            end_run(topic)
        process = multiprocessing.current_process()
        if process.daemon:  # a nanny starts it so, which forbids children; ours end with it, as their guards see to
            process.daemon = False
        terms = Terms(DEATHS, neighbours=True, memory_limit=worker.memory_manager.memory_limit or math.inf)
        _ENGINES[task.topic] = ProcessEngine(task.target, device=task.device, jobs=1, terms=terms)
    return _ENGINES[task.topic]


def end_run(topic: str) -> None:
    """End the process that runs cells of the run `topic` here, for `Client.run`."""
    if engine := _ENGINES.pop(topic, None):
        engine.close()


def _unfinished(worker: DaskWorker, task: CellTask, logs: list[str]) -> Unfinished:
    """The earlier trials of the cell; those that finish, and compilations, are events, and `logs` is given the log."""

    def trials(table: pa.Table) -> None:
        worker.log_event(task.topic, {"kind": "trials", "key": task.key, "trials": packed(table)})

    def compiles() -> None:
        worker.log_event(task.topic, {"kind": "compiles", "key": task.key})

    def stage(what: str, done: int, of: int) -> None:
        worker.log_event(task.topic, {"kind": "stage", "key": task.key, "stage": (what, done, of)})

    unfinished = Unfinished(keep=trials, compiles=compiles, reached=stage, put_log=logs.append)
    if isinstance(before := task.request, Resumed):
        return replace(unfinished, trials=before.trials, tuning_s=before.tuning_s, at_once=before.at_once)
    return unfinished


def packed(table: pa.Table) -> bytes:
    """`table` in Arrow's own format."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpacked(content: bytes) -> pa.Table:
    """The table of which `content` was made."""
    return pa.ipc.open_stream(content).read_all()


def _refuse_unfit(worker: DaskWorker, task: CellTask) -> None:
    """See that this worker gives the rows that any other would.

    Raises
    ------
    InputError
        Its code, plug-ins or data are others, or it runs several cells at a time.
    """
    if (here := Code.here()) != task.code:
        raise InputError(other_code(task.code, here))
    if worker.state.nthreads != 1:
        raise InputError(several_threads(worker.state.nthreads))
    if task.device != "cpu":
        resolved(task.device)
    _refuse_other_content(task.cell)


def other_code(wanted: Code, came: Code) -> str:
    """Why a worker is refused whose code is another."""
    return f"expected {wanted}, as in this run, got {came}; install the same code there and start it again"


def several_threads(count: int) -> str:
    """Why a worker is refused that runs several cells in one process."""
    return (
        f"expected one thread, got {count}: cells share no process; start it with `--nthreads 1`, and "
        "`--nworkers` for more cells at a time"
    )


def _refuse_other_content(cell: Cell) -> None:
    """See that plug-ins and data here are those that `cell` is known by."""
    plugins = Origins().of(cell)
    if changed := sorted(name for name in {*plugins, *cell.plugins} if plugins.get(name) != cell.plugins.get(name)):
        raise InputError(f"{_some(changed)}: other code than in this run; install or copy the same there")
    if cell.data_sha256 is None:
        return
    kind = lookup(dataset_kinds(), cell.dataset.kind, "dataset")
    came = kind.fingerprint(cell.dataset.parsed(kind.parameters)) if kind.fingerprint else None
    if came != cell.data_sha256:
        folders = os.environ.get("BENCH_DATA", "unset")
        raise InputError(
            f"{cell.dataset.id}: expected the data of this run, got others or none (BENCH_DATA there is {folders}); "
            "start the worker with BENCH_DATA set to a folder that holds them"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
