"""What a Dask worker does for one cell: see that it is fit for it, run it, and report what is known meanwhile.

The worker imports this module by name, and so needs `bench` installed, with the very code of the one that runs the
suite. Code that a suite names is only run where the run was started with ``--allow-plugin``, which each task carries.
Reports are events of the scheduler (`Worker.log_event`), which the run has subscribed to.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

import pyarrow as pa

import bench
from bench.cells import CODE_VERSION, Cell
from bench.data import dataset_kinds
from bench.errors import BenchError, InputError, one_line
from bench.models.from_source import allowing_plug_ins
from bench.registry import lookup
from bench.running.plugins import Origins
from bench.running.serving import imported, seldom
from bench.running.supervised import THREAD_COUNTS, Output
from bench.running.unfinished import REPORT, Resumed
from bench.running.workers import resolved
from bench.source_code import source_hash
from bench.store.schema import Rows
from bench.training.members import STAGES
from bench.work_clock import COMPILES

if TYPE_CHECKING:
    from distributed import Worker as DaskWorker

_FLUSH_S = 0.02
"""Events leave a worker every 2 ms; that a cell begins is to be known before the cell can end its process."""


_BOUND_S = 0.2
"""Between two looks at how much a cell has printed."""


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


def run_task(task: CellTask) -> Rows:
    """Run the cell of `task` in this thread of a Dask worker.

    Raises
    ------
    InputError
        This worker is not fit for the cell; one line that names the worker.
    """
    from distributed import get_worker

    worker = get_worker()
    worker.log_event(task.topic, {"kind": "begins", "key": task.key, "worker": worker.address, "nanny": worker.nanny})
    time.sleep(_FLUSH_S)
    for name in THREAD_COUNTS:  # Dask sets some of them; libraries read them when they are imported
        os.environ.setdefault(name, "1")
    with allowing_plug_ins(allowed=task.plug_ins):
        try:
            _refuse_unfit(worker, task)
            run_cell = imported(task.target)
        except Exception as error:  # whatever plug-ins raise; errors with arguments of their own cannot be sent
            known = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
            raise InputError(f"Dask worker {worker.address}: {one_line(known)}") from None
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)
        with _reporting(worker, task), _printing(worker, task):
            rows: Rows = run_cell(task.request, device=task.device)
            return rows


async def end_task(key: str, dask_worker: DaskWorker) -> None:
    """End this process if it runs the task `key`, for `Client.run`; its nanny starts another."""
    if key in dask_worker.active_keys:
        os._exit(1)


@contextmanager
def _reporting(worker: DaskWorker, task: CellTask) -> Iterator[None]:
    """Within the block, finished trials, compilations and stages are events."""

    def trials(table: pa.Table) -> None:
        worker.log_event(task.topic, {"kind": "trials", "key": task.key, "trials": packed(table)})

    def compiles() -> None:
        worker.log_event(task.topic, {"kind": "compiles", "key": task.key})

    def stage(what: str, done: int, of: int) -> None:
        worker.log_event(task.topic, {"kind": "stage", "key": task.key, "stage": (what, done, of)})

    tokens = REPORT.set(trials), COMPILES.set(compiles), STAGES.set(seldom(stage))
    try:
        yield
    finally:
        REPORT.reset(tokens[0])
        COMPILES.reset(tokens[1])
        STAGES.reset(tokens[2])


@contextmanager
def _printing(worker: DaskWorker, task: CellTask) -> Iterator[None]:
    """Within the block, what this process and its children print is kept, and is an event at the end."""
    output, ended, before = Output(), Event(), (os.dup(1), os.dup(2))

    def bound() -> None:
        while not ended.wait(_BOUND_S):
            output.bound()

    file = os.open(output.path, os.O_WRONLY | os.O_APPEND)
    Thread(target=bound, name="output", daemon=True).start()
    try:
        _point_at(file, file)
        yield
    finally:
        _point_at(*before)
        ended.set()
        for number in (file, *before):
            os.close(number)
        worker.log_event(task.topic, {"kind": "printed", "key": task.key, "text": output.text})


def _point_at(out: int, err: int) -> None:
    """Let standard output and standard error go to these files from here on."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # there may be none, or a closed one
            stream.flush()
    os.dup2(out, 1)
    os.dup2(err, 2)


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
