"""A clock that stands still while kernels are compiled: what a cell costs does not depend on which cell ran first.

Kernels are compiled when they are first called, once for each machine. That may take minutes, where the training
itself takes seconds; it counts in no time that is stored and in no time limit. Durations that people write are read
here too.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from bench.errors import InputError

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


def _nobody() -> None:
    """Where nobody waits."""


COMPILES: ContextVar[Callable[[], None]] = ContextVar("compiles", default=_nobody)
"""Called when a kernel is about to be compiled, and not read from disk: people wait for that only once."""

_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(min|[smh])\s*")


def parsed_seconds(text: str) -> float:
    """A duration, as a person writes it, in seconds.

    >>> parsed_seconds("20m"), parsed_seconds("1h 30 min"), parsed_seconds("45s")
    (1200.0, 5400.0, 45.0)

    Raises
    ------
    InputError
        It is none, or not above 0.
    """
    parts = _PART.findall(text.strip())
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not total or _PART.sub("", text.strip()):
        raise InputError(f"expected a duration, such as 45s, 20m or 1h30m, got {text!r}")
    return total
