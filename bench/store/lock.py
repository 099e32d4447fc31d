"""A lock on a folder that the operating system releases when its holder dies, however it dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bench.errors import StoreError


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path` for the length of a ``with`` block.

    The file stays behind, on purpose: deleting it would let two processes lock two files of one name.

    Raises
    ------
    StoreError
        Another process holds it; the message names that process.
    """
    with path.open("a+b") as file:
        try:
            _lock(file)
        except OSError as error:
            raise StoreError(
                f"{path.parent}: expected to be the only writer, but {_holder(file)} is writing there; "
                "wait until it ends, or give another folder with --results"
            ) from error
        file.truncate(0)
        file.write(b"\0" + f"process {os.getpid()}".encode())
        file.flush()
        yield


def _holder(file: BinaryIO) -> str:
    file.seek(1)  # the first byte is what Windows locks against reading
    return file.read(100).decode(errors="replace") or "another process"


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
