"""A clock that stands still while kernels are compiled: what a cell costs does not depend on which cell ran first.

Kernels are compiled when they are first called, once for each machine. That may take minutes, where the training
itself takes seconds; it counts in no time that is stored and in no time limit.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_LOCK = Lock()
_inside = 0
_since = 0.0
_stood_s = 0.0


def work_s() -> float:
    """Seconds since an arbitrary moment, without those that this process spent within `stopped`."""
    with _LOCK:
        return (_since if _inside else time.perf_counter()) - _stood_s


def stop() -> None:
    """Stop the clock; it goes on after as many calls of `go_on`, from any thread."""
    global _inside, _since  # noqa: PLW0603 - the clock of this process
    with _LOCK:
        if not _inside:
            _since = time.perf_counter()
        _inside += 1


def go_on() -> None:
    """End what `stop` began."""
    global _inside, _stood_s  # noqa: PLW0603 - the clock of this process
    with _LOCK:
        _inside -= 1
        if not _inside:
            _stood_s += time.perf_counter() - _since


@contextmanager
def stopped() -> Iterator[None]:
    """Within it the clock stands still."""
    stop()
    try:
        yield
    finally:
        go_on()
