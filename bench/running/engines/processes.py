"""Cells side by side in warm local processes; the death of one concerns the cell that it ran and no other."""

from __future__ import annotations

import signal
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Lock

from bench.running.engines.gate import Gate
from bench.running.engines.worker import Worker, WorkerDiedError
from bench.running.rows import failed
from bench.schema import ADVICE, Rows, Status
from bench.suite.cells import Cell


class ProcessEngine:
    """`jobs` threads here, each waiting on a worker process of its own.

    A pool of `concurrent.futures` gives up all its work when one process dies. Here the dead process is
    replaced, its cell is tried once more while nothing else runs (it may have died of its neighbours' memory),
    and if that fails too the cell becomes rows that say why.
    """

    def __init__(self, target: str, *, device: str, jobs: int) -> None:
        self._target = target
        self._device = device
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="cell")
        self._gate = Gate()
        self._lock = Lock()  # guards what follows
        self._idle: list[Worker[Cell, Rows]] = []
        self._workers: set[Worker[Cell, Rows]] = set()
        self._closed = False

    def submit(self, cell: Cell) -> Future[Rows]:
        """Run `cell` on the next free worker."""
        return self._threads.submit(self._run, cell)

    def close(self) -> None:
        """Kill the workers: an idle one has nothing to lose, a busy one's cell is not wanted any more."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.join()

    def _run(self, cell: Cell) -> Rows:
        try:
            with self._gate.beside():
                return self._call(cell)
        except WorkerDiedError:
            pass
        try:
            with self._gate.alone():
                return self._call(cell)
        except WorkerDiedError as death:
            return failed(cell, *_classified(death.exit_code), device=self._device)

    def _call(self, cell: Cell) -> Rows:
        worker = self._take()
        try:
            rows = worker.call(cell)
        except WorkerDiedError:
            with self._lock:
                self._workers.discard(worker)
                if self._closed:
                    raise CancelledError from None
            raise
        with self._lock:
            self._idle.append(worker)
        return rows

    def _take(self) -> Worker[Cell, Rows]:
        with self._lock:
            if self._closed:
                raise CancelledError
            if self._idle:
                return self._idle.pop()
            worker: Worker[Cell, Rows] = Worker(self._target, self._device)
            self._workers.add(worker)
            return worker


def _classified(exit_code: int | None) -> tuple[Status, str]:
    """What the end of a worker says about its cell."""
    if exit_code == -9:  # by number: Windows has no SIGKILL
        return Status.OUT_OF_MEMORY, (
            "its process was killed twice (SIGKILL), the second time while it ran alone, as systems do when memory "
            f"runs out; {ADVICE[Status.OUT_OF_MEMORY]}; `--failed-only` runs the cell again"
        )
    name = signal.Signals(-exit_code).name if exit_code and exit_code < 0 else f"exit code {exit_code}"
    return Status.FAILED, f"its process ended twice without an answer ({name}); {ADVICE[Status.FAILED]}"
