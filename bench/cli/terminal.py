"""Control-C, and standard streams that may break, while a command runs.

Control-C is handled from the first moment on and never lost. Python's own handler raises `KeyboardInterrupt` wherever
the program happens to be. Within a callback of the import system the exception is printed and dropped, and while
modules are imported it becomes a traceback.

A standard stream breaks if the reader of a pipe ends or a disk is full; the command then finishes its work without it.
"""

import io
import logging
import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO, cast

from bench.text import TextTable, cut, visible

STATUS = 130
"""128 + SIGINT, as shells have it."""

_SAME_S = 1.0
"""Interrupts this close together are one: some parents pass on what the terminal has already sent."""


_LONGEST = 4000
"""Characters of one line of a message; results, which programs read, are never cut."""


_SILENT_S = 2.0
"""Whoever waits is told why after this time."""
_waiting: list[threading.Timer] = []


STARTING = "starting: libraries are imported, the suite and its data are read"


@contextmanager
def explained(why: str, *, unless: bool) -> Iterator[None]:
    """Within the block, a line says `why` where nothing was said for a while, `unless` it is unwanted."""
    if unless:
        yield
        return
    timer = threading.Timer(_SILENT_S, say, (why,), {"err": True})
    timer.daemon = True
    _waiting.append(timer)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _waiting.remove(timer)


def quiet() -> None:
    """Something else is said: nobody waits any more without knowing why."""
    for timer in _waiting:
        timer.cancel()


def say(text: object, *, err: bool = False) -> None:
    """Print `text`: the one place that does, so that nothing which others wrote commands the terminal.

    Parameters
    ----------
    err
        To standard error, where messages go; a line that is very long is cut there, and wrapped on a terminal.
    """
    import typer

    quiet()
    shown = visible(text)
    if err:
        lines = (cut(line, _LONGEST) for line in shown.split("\n"))
        width = width_of(sys.stderr) if sys.stderr.isatty() else 0
        shown = "\n".join(_wrapped(line, width) if width else line for line in lines)
    typer.echo(shown, err=err)


def width_of(stream: TextIO) -> int:
    """The columns of the terminal that `stream` is: of `COLUMNS`, or as it says itself; never absurdly few."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isdigit() and int(stated):
        return max(int(stated), _NARROWEST)
    with suppress(OSError):
        return max(os.get_terminal_size(stream.fileno()).columns or _USUAL, _NARROWEST)
    return _USUAL


_USUAL = 80
_NARROWEST = 20


def _wrapped(line: str, width: int) -> str:
    """`line` on several ones of the terminal, broken at spaces; a path stays whole."""
    indent = " " * (len(line) - len(line.lstrip()))
    fitting = textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(fitting) if len(line) > width else line


def show_parts(*parts: str | TextTable, err: bool = False) -> None:
    """Print tables and the text around them: laid out in colour on a terminal, else as lines."""
    if is_terminal(err=err):
        from bench.cli.layout import print_parts  # rich takes longer to import than most commands take

        quiet()
        stream = sys.stderr if err else sys.stdout
        print_parts(parts, stream, width_of(stream))
    else:
        say("\n".join(map(str, parts)), err=err)


def show_markdown(text: str) -> None:
    """Print `text`, which is Markdown: as such for programs, and laid out on a terminal."""
    if is_terminal(err=False):
        from bench.cli.layout import print_markdown

        print_markdown(text, sys.stdout, width_of(sys.stdout))
    else:
        say(text)


def is_terminal(*, err: bool) -> bool:
    """Whether somebody reads standard output, or standard error, as it comes."""
    return (sys.stderr if err else sys.stdout).isatty()


class Said(logging.Handler):
    """What is logged, as messages."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message of `record`."""
        say(record.getMessage(), err=True)


class Interrupt:
    """Whether the user has requested to stop.

    The first interrupt raises `KeyboardInterrupt`, a later one ends the program at once.

    Attributes
    ----------
    defers
        Whether the first one is only noted, as `requested`, and said: what runs is to end first.
    """

    def __init__(self) -> None:
        self._came: float | None = None
        self.defers = False

    @property
    def requested(self) -> bool:
        """Whether there was one."""
        return self._came is not None

    def check(self) -> None:
        """Raise again what was dropped on its way, unless it is deferred.

        Raises
        ------
        KeyboardInterrupt
            There was an interrupt.
        """
        if self.requested and not self.defers:
            raise KeyboardInterrupt

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signal's handler."""
        now = time.monotonic()
        if self._came is None:
            self._came = now
            if not self.defers:
                raise KeyboardInterrupt
            _note(b"interrupted: ends after the cells that run; once more ends now\n")
        elif now - self._came > _SAME_S:
            _leave(number, frame)


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
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
    from bench.signals import END_SIGNALS

    came: list[int] = []

    def check() -> None:
        if came:
            raise SystemExit(128 + came[0])

    def handle(number: int, _frame: FrameType | None) -> None:
        if not came:
            came.append(number)
            check()

    before = {
        number: signal.signal(number, handle) for number in END_SIGNALS if signal.getsignal(number) != signal.SIG_IGN
    }
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
    _note(b"interrupted\n")
    os._exit(STATUS)


def _note(text: bytes) -> None:
    with suppress(OSError):  # whoever reads standard error may have left
        os.write(2, text)


class Raw(io.FileIO):
    """A descriptor that swallows what it cannot write, and remembers why."""

    broken: OSError | None = None

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]  # any buffer
        """Write `data`, or drop it where that cannot be done."""
        if self.broken is None:
            try:
                return super().write(data)
            except OSError as error:
                self.broken = error
        return memoryview(data).nbytes


@contextmanager
def tolerate_broken_streams() -> Iterator[list[str]]:
    """Within the block a standard stream that breaks is silent from then on.

    Yields
    ------
    list of str
        Filled at the end of the block: a line for each stream that lost something. A pipe whose reader has left
        is none of these: nobody wants the rest.
    """
    before = sys.stdout, sys.stderr
    problems: list[str] = []
    sys.stdout, out = _replaced(sys.stdout)
    sys.stderr, err = _replaced(sys.stderr)
    try:
        yield problems
    finally:
        for stream, raw, name in ((sys.stdout, out, "standard output"), (sys.stderr, err, "standard error")):
            stream.flush()
            if raw is not None and raw.broken is not None and not isinstance(raw.broken, BrokenPipeError):
                problems.append(f"{name}: expected to be written to, got {raw.broken.strerror}; give it another place")
        sys.stdout, sys.stderr = before


def _replaced(stream: TextIO | None) -> tuple[TextIO, Raw | None]:
    """A stream to the same place that never raises, and its `Raw`, which `None` stands for where it needs none."""
    if stream is None:  # closed before the program began
        return Path(os.devnull).open("w", encoding="utf-8"), None
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a terminal that cannot show × still gets its results
        if not stream.isatty() and _has_descriptor(stream):
            stream.flush()
            raw = Raw(stream.fileno(), "wb", closefd=False)
            buffer = io.BufferedWriter(cast(io.RawIOBase, raw))  # typeshed wants more of it than is used
            return io.TextIOWrapper(
                buffer, encoding=stream.encoding, errors="replace", line_buffering=stream.line_buffering
            ), raw
    return stream, None


def _has_descriptor(stream: TextIO) -> bool:
    try:
        stream.fileno()
    except OSError:  # a stand-in that lies in memory
        return False
    return True
