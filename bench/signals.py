"""Signals that request an end, and how they are deferred while something must not be left half done."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

END_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What requests a program to end; the last one, where there is such, says that its terminal was closed."""


@contextmanager
def deferred() -> Iterator[None]:
    """Within the block no request to end is acted on; one that came is acted on after it.

    A process that is started meanwhile inherits this; one that is killed ends all the same.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
