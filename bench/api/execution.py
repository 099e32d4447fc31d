"""Carry out a suite as ``bench run`` does, in silence, within a process that is the user's own."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

from bench.api.folders import naming_lines, refuse_other_folder
from bench.cells import expand
from bench.running.anytime import Goal, plans, run_all
from bench.running.devices import for_cells, resolved
from bench.running.plan import cpu_count
from bench.running.runner import Event
from bench.running.workers import start
from bench.spec import Suite


def carry_out(suite: Suite, folder: Path, *, engine: str, jobs: int | None, device: str) -> None:
    """Run what `suite` requests and `folder` does not hold yet.

    Parameters
    ----------
    engine
        ``"processes"``, or ``"inline"`` for one cell after another in this process.
    jobs
        Cells at the same time; `None` for one for each CPU.

    Raises
    ------
    InputError
        Something is wrong with data, device or folder; nothing was run.
    """
    device = device if device == "auto" else resolved(device)
    refuse_other_folder(folder, suite.name)
    goal = Goal.of(suite)
    rounds = plans(list(expand(suite)), folder, suite, goal)
    with naming_lines(suite):
        plan = next(rounds)
    jobs = min(jobs or cpu_count(), max(goal.cells(plan), 1))
    if device == "auto":
        device = "cpu" if plan.nothing_to_do and goal.first is None else for_cells(device)
    begin = partial(start, engine, jobs=jobs, device=device)
    with _alone() if engine == "inline" and not plan.nothing_to_do else _without_main():
        run_all(chain([plan], rounds), begin, jobs=jobs, device=device, listener=_silent, suite=suite)


def _silent(_event: Event) -> None:
    """Nobody watches."""


@contextmanager
def _alone() -> Iterator[None]:
    """One thread, as in a worker process: numbers depend on no thread count; the user's count comes back.

    What is logged goes to the user's handlers, and nowhere where there are none.
    """
    import torch
    from threadpoolctl import threadpool_limits

    log, silence = logging.getLogger("bench"), logging.NullHandler()
    before = torch.get_num_threads()
    log.addHandler(silence)
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
        log.removeHandler(silence)


@contextmanager
def _without_main() -> Iterator[None]:
    """Let worker processes start without the user's script, which each would otherwise run again from its top."""
    main = sys.modules["__main__"]
    before = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    for name in before:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(main, name, value)
