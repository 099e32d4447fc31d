"""Limits of running cells, kept from outside: what takes too long or too much memory is ended with all that it started.

The address space is not limited (``RLIMIT_AS``): torch and CUDA reserve far more of it than they use. The resident set
of a worker and of its children is read every `TICK_S` instead.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import psutil

from bench.cells import Cell
from bench.cgroups import memory_left
from bench.running.supervised import Worker
from bench.store.schema import Status
from bench.text import mebibytes

TICK_S = 0.05
"""Between two looks: a process that fills memory at 5 GB/s takes 250 MB in it."""

STANDING_S = 300.0
"""Start of a process, imports and compilation count in no limit, up to so much in one cell: an import may hang too."""

SHARE = 0.8
"""Of the memory that is free when a run begins: what one cell may take where nothing is stated."""

RESERVE = 0.03
"""Of the memory that is free when a run begins: with less, the largest cell is ended before the system does it."""


class Ending(NamedTuple):
    """Why a worker has ended without an answer.

    Parameters
    ----------
    status, text
        What becomes of the cell, and why, to be read after "its process".
    own
        Whether its neighbours have no part in it, so that it would end the same way alone.
    """

    status: Status
    text: str
    own: bool = False


@dataclass(frozen=True)
class Bounds:
    """What a cell may take.

    Parameters
    ----------
    seconds, of_time
        By the clock, but for what `STANDING_S` says; and which limit that is.
    size, of_memory
        Bytes; and which limit that is.
    stated
        Whether the limit of memory is the suite's, the user's or a Dask worker's.
    """

    seconds: float = math.inf
    of_time: str = ""
    size: float = math.inf
    of_memory: str = ""
    stated: bool = False

    @classmethod
    def of(cls, cell: Cell, free: float, memory_limit: float = math.inf) -> Bounds:
        """Those of `cell`, where `free` bytes were free when the run began, and its Dask worker may take so many.

        A cell sees to its `time_limit_s` itself, between two steps; it is ended where it has not by a little later.
        """
        limit, given = cell.time_limit_s or math.inf, cell.limits
        times = [(limit + max(1.0, 0.05 * limit), f"its time_limit_s of {limit:g} s")]
        if given.cell_s is not None:
            times.append((given.cell_s, f"its limit of {given.cell_s:g} s (limits.cell_s)"))
        if given.cell_bytes is not None:
            size, of_memory = float(given.cell_bytes), f"its limit of {mebibytes(given.cell_bytes)} (limits.cell_bytes)"
        else:
            size, of_memory = SHARE * free, f"{SHARE:.0%} of the {mebibytes(free)} that were free"
        stated = given.cell_bytes is not None
        if memory_limit < size:
            size, stated = memory_limit, True
            of_memory = f"the {mebibytes(memory_limit)} of its Dask worker (--memory-limit)"
        return cls(*min(times), size, of_memory, stated=stated)

    def less(self, seconds: float) -> Bounds:
        """What is left after so many seconds."""
        return replace(self, seconds=self.seconds - seconds)


def free_bytes() -> float:
    """Bytes of memory that can still be taken here."""
    available, left = int(psutil.virtual_memory().available), memory_left()
    return available if left is None else min(available, left)


@dataclass(eq=False)
class Watched:
    """One cell that is run by `worker`; `ending` says why it was ended, if it was."""

    worker: Worker[Any, Any]
    bounds: Bounds
    began: float = field(default_factory=time.perf_counter)
    ending: Ending | None = None
    stood_before: float = field(init=False)

    def __post_init__(self) -> None:
        self.stood_before = self.worker.stood_s

    @property
    def spent_s(self) -> float:
        """Seconds that count."""
        stood = min(self.worker.stood_s - self.stood_before, STANDING_S)
        return time.perf_counter() - self.began - stood

    def excess(self, size: float) -> Ending | None:
        """Why it is to be ended now, with so many bytes held; `None` where it is not."""
        if size > self.bounds.size:
            text = f"held {mebibytes(size)} and was ended: more than {self.bounds.of_memory}"
            return Ending(Status.OUT_OF_MEMORY, text, own=self.bounds.stated)
        if self.spent_s > self.bounds.seconds:
            return Ending(Status.TIMEOUT, f"had not answered within {self.bounds.of_time} and was ended", own=True)
        return None


class Supervisor:
    """Looks at all cells that run, in a thread that is there while any does."""

    def __init__(self) -> None:
        self.free = free_bytes()
        self._reserve = RESERVE * self.free
        self._changed = threading.Condition()
        self._watched: list[Watched] = []
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, worker: Worker[Any, Any], bounds: Bounds) -> Iterator[Watched]:
        """Within the block `worker` is ended where it exceeds `bounds`, which is noted in what is given."""
        watched = Watched(worker, bounds)
        with self._changed:
            self._watched.append(watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="supervisor", daemon=True)
                self._thread.start()
        try:
            yield watched
        finally:
            with self._changed:
                self._watched.remove(watched)

    def _look(self) -> None:
        while True:
            with self._changed:
                running = [each for each in self._watched if each.ending is None]
                if not self._watched:
                    self._thread = None
                    return
                self._end_excessive({each: each.worker.resident_bytes() for each in running})
            time.sleep(TICK_S)

    def _end_excessive(self, sizes: dict[Watched, int]) -> None:
        for watched, size in sizes.items():
            watched.worker.output.bound()
            if not size:  # it is dead; what it has started may still hold its pipe
                watched.worker.kill()
            elif ending := watched.excess(size):
                _end(watched, ending)
        if sizes and free_bytes() < self._reserve:
            largest = max(sizes, key=lambda each: sizes[each])
            if largest.ending is None and sizes[largest] > self._reserve:
                text = f"held {mebibytes(sizes[largest])}, the most of all, and was ended as memory ran out here"
                _end(largest, Ending(Status.OUT_OF_MEMORY, text))


def _end(watched: Watched, ending: Ending) -> None:
    watched.ending = ending
    watched.worker.say_where()
    watched.worker.kill()
