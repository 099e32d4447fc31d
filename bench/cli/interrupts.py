"""Control-C, from the first moment on and never lost.

Python's own handler raises `KeyboardInterrupt` wherever the program just is. Within a callback of the import system
the exception is printed and dropped, and while modules are imported it becomes a traceback.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

STATUS = 130
"""128 + SIGINT, as shells have it."""

_SAME_S = 1.0
"""Interrupts this close together are one: some parents pass on what the terminal has already sent."""


class Interrupt:
    """Whether the user has asked to stop.

    The first interrupt raises `KeyboardInterrupt`, a later one ends the program at once.
    """

    def __init__(self) -> None:
        self._came: float | None = None

    def check(self) -> None:
        """Raise again what was dropped on its way.

        Raises
        ------
        KeyboardInterrupt
            There was an interrupt.
        """
        if self._came is not None:
            raise KeyboardInterrupt

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signal's handler."""
        now = time.monotonic()
        if self._came is None:
            self._came = now
            raise KeyboardInterrupt
        if now - self._came > _SAME_S:
            _leave(number, frame)


@contextmanager
def leaving() -> Iterator[None]:
    """Within the block an interrupt ends the program at once: nothing is under way that could be lost."""
    with _handled_by(_leave):
        yield


@contextmanager
def raising() -> Iterator[Interrupt]:
    """Within the block an interrupt is a `KeyboardInterrupt`; `Interrupt.check`, called now and then, sees to it."""
    interrupt = Interrupt()
    with _handled_by(interrupt):
        yield interrupt


@contextmanager
def ending() -> Iterator[Callable[[], None]]:
    """Within the block an interrupt, a closed terminal or a request to end raises `SystemExit`, once.

    What it leaves is put away. What is ignored already, as under ``nohup``, stays so. Later ones are ignored, so that
    nothing is left behind. The function that it gives raises again what was dropped on its way.
    """
    from bench.running.ab.signals import ASKING

    came: list[int] = []

    def check() -> None:
        if came:
            raise SystemExit(128 + came[0])

    def handle(number: int, _frame: FrameType | None) -> None:
        if not came:
            came.append(number)
            check()

    before = {number: signal.signal(number, handle) for number in ASKING if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(_number: int, _frame: FrameType | None) -> None:
    with suppress(OSError):  # whoever reads standard error may have left
        os.write(2, b"interrupted\n")
    os._exit(STATUS)
