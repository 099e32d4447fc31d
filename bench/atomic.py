"""Files that are there whole or not at all: written to a temporary file, synced, then moved to their place."""

import os
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` to `path`, text as UTF-8: a reader sees the old file or the new one, also after a power cut.

    The temporary file lies in the same folder, is named ``.<name>.tmp``, and is removed where it cannot be completed.

    Raises
    ------
    OSError
        The file cannot be written; what was there before is kept.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(temporary)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until the file or folder `path` is on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
