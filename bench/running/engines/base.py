"""The contract between the runner and whatever runs cells."""

from __future__ import annotations

import importlib
from concurrent.futures import Future
from typing import Any, Protocol

from bench.errors import InputError
from bench.schema import Rows
from bench.suite.cells import Cell

RUN_CELL = "bench.running.engines.warm:run_cell"
"""What every engine runs, by address: importing it imports torch, which the process of the runner can do without."""


class Engine(Protocol):
    """Runs cells, like an executor of `concurrent.futures`; every engine runs the same function."""

    def submit(self, cell: Cell) -> Future[Rows]:
        """Begin `cell`, or queue it.

        The future holds rows, whatever becomes of the cell. An exception in it is a fault of the engine, or
        tells that the engine was closed, or is the `InputError` of what cannot be imported.
        """

    def close(self) -> None:
        """End at once what still runs and free everything held; may be called twice."""


def imported(address: str) -> Any:
    """What lies at ``"module:name"``.

    Raises
    ------
    InputError
        It cannot be imported: something is wrong with the installation, and with no cell.
    """
    module, name = address.split(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:
        came = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{module}: expected a module that can be imported, got {came}; mend the installation (`bench doctor` "
            "says more) and run again"
        ) from error
