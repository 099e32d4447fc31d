"""Signals that request an end, and how they are deferred while something must not be left half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

END_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What requests a program to end; the last one, where there is such, says that its terminal was closed."""


@contextmanager
def deferred() -> Iterator[None]:
    """Within the block no request to end is acted on; one that came is acted on after it.

    A process that is started meanwhile inherits the mask; one that is killed ends all the same. The mask is of this
    thread alone, and the system may give a signal to another one, whose handler Python then calls here: within the
    block it only notes the signal.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    came: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        heeded = [number for number in END_SIGNALS if callable(signal.getsignal(number))]
        handlers = {number: signal.signal(number, lambda number, _frame: came.append(number)) for number in heeded}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if came:
            signal.raise_signal(came[0])
