"""Standard streams that may break while the work goes on: the reader of a pipe leaves, a disk is full."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast


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
def lasting() -> Iterator[list[str]]:
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
