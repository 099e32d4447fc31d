"""Where cells run: one small protocol, several engines, each imported when it is first asked for."""

from __future__ import annotations

from bench.registry import lookup
from bench.running.engines.base import RUN_CELL, Engine, imported

ENGINES = {
    "processes": "bench.running.engines.processes:ProcessEngine",
    "inline": "bench.running.engines.inline:InlineEngine",
}


def start(name: str, *, jobs: int, device: str, target: str = RUN_CELL) -> Engine:
    """The engine `name`, ready for cells.

    Parameters
    ----------
    name
        One of `ENGINES`.
    jobs
        How many cells it may run at the same time.
    device
        The torch device that cells are run on.
    target
        ``"module:function"`` of what is called with each cell, as `bench.running.cell.run_cell`; every process
        of the engine imports it by this name.

    Raises
    ------
    InputError
        There is no such engine, or it cannot be imported.
    """
    engine: Engine = imported(lookup(ENGINES, name, "engine"))(target, device=device, jobs=jobs)
    return engine
