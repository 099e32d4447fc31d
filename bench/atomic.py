"""Files that are there whole or not at all, opened without following a link or waiting for a pipe.

A folder of results or reports may come from anyone. A symbolic link in it would lead what is written out of it, and a
named pipe or a device would never end: what is opened here is a regular file, and lies where its path says.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_BYTES = getattr(os, "O_BINARY", 0)


def kind_of(path: Path) -> str:
    """What lies at `path` itself, in words: ``"a file"``, ``"a folder"``, ``"a symbolic link"``; empty for nothing."""
    try:
        return _KINDS.get(stat.S_IFMT(path.lstat().st_mode), "a file")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def open_file(path: Path, *, follow: bool = False) -> BinaryIO:
    """The regular file at `path`, to be read.

    Parameters
    ----------
    follow
        Whether a symbolic link will do: only for a path that the user named.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file; `strerror` then says what it is.
    """
    return os.fdopen(_descriptor(path, os.O_RDONLY, follow=follow), "rb")


_MOST = 2**28
"""Bytes of a file that is read whole: a hundred times what the largest of ours has."""


def whole(file: BinaryIO) -> bytes:
    """All of a file that `open_file` gives.

    Raises
    ------
    ValueError
        It is too large for that: a file of strangers.
    """
    content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise ValueError(f"more than {_MOST} bytes")
    return content


def open_lock(path: Path) -> BinaryIO:
    """The regular file at `path`, made where there is none, to be read and written.

    Raises
    ------
    OSError
        As `open_file`.
    """
    return os.fdopen(_descriptor(path, os.O_RDWR | os.O_CREAT), "r+b")


def _descriptor(path: Path, flags: int, *, follow: bool = False) -> int:
    try:
        descriptor = os.open(path, flags | _NO_WAIT | _BYTES | (0 if follow else _NO_LINK), 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR) and (there := kind_of(path)) != "a file":
            raise not_a_file(path, there) from error
        raise
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise not_a_file(path, _KINDS.get(kind, "no file"))
    return descriptor


def not_a_file(path: Path, kind: str, *, expected: str = "a file") -> OSError:
    """The error for what lies at `path` in place of what is `expected` there."""
    return OSError(errno.EINVAL, f"expected {expected}, found {kind or 'nothing'}", str(path))


def real_folder(path: Path) -> Path:
    """`path`, which is a folder and no link to one; made where there is nothing, as its parents are.

    Raises
    ------
    OSError
        Something else lies there, or it cannot be made.
    """
    if kind_of(path) == "":
        path.mkdir(parents=True, exist_ok=True)
    if (kind := kind_of(path)) != "a folder":
        raise not_a_file(path, kind, expected="a folder")
    return path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` to `path`, text as UTF-8: a reader sees the old file or the new one, also after a power cut.

    The temporary file lies in the same folder, is named ``.<name>.tmp``, and is removed where it cannot be completed.
    A link at either name is replaced by the file; what it leads to is not touched.

    Raises
    ------
    OSError
        The file cannot be written; what was there before is kept.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    if kind_of(temporary) == "a folder":
        raise not_a_file(temporary, "a folder")
    temporary.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BYTES, 0o666), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
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
