"""Cells one after another in this process: for debuggers and profilers."""

from __future__ import annotations

from concurrent.futures import Future

from bench.running.engines.base import imported
from bench.schema import Rows
from bench.suite.cells import Cell


class InlineEngine:
    """Runs each cell within `submit`."""

    def __init__(self, target: str, *, device: str, jobs: int) -> None:
        del jobs  # always one at a time
        self._run_cell = imported(target)
        self._device = device

    def submit(self, cell: Cell) -> Future[Rows]:
        """Run `cell` now."""
        future: Future[Rows] = Future()
        future.set_result(self._run_cell(cell, device=self._device))
        return future

    def close(self) -> None:
        """Nothing is held."""
