"""Open a data file that is plain or compressed, and refuse what is no regular file."""

import bz2
import csv
import gzip
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from bench.content_sizes import inflated, most_content
from bench.errors import DataError

UNREADABLE = (
    *(OSError, EOFError, ValueError, RuntimeError, csv.Error, pa.ArrowException),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)
"""What the libraries raise for a file that cannot be read, or whose compressed content is damaged."""

_KINDS: Mapping[Callable[[int], bool], str] = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}


def existing(text: str) -> Path:
    """The regular file at the path `text`; a link to one is followed.

    Raises
    ------
    DataError
        There is none: nothing, a folder, or something that would have to be waited for.
    """
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        came = "none there"
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be entered, a NUL
        came = getattr(error, "strerror", None) or str(error)
    else:
        if stat.S_ISREG(mode):
            return path
        came = next((kind for test, kind in _KINDS.items() if test(mode)), "something else")
    raise DataError(
        f"{path}: expected a file, got {came}; correct the path (in a suite file, a relative one begins at the folder "
        "of that file)"
    )


_SIGNATURES = {
    rb"\x1f\x8b": ("gzip", ".gz"),
    rb"PK\x03\x04": ("zip", ".zip"),
    rb"\x28\xb5\x2f\xfd": ("zstd", ".zst"),
    rb"BZh[1-9]1AY&SY": ("bzip2", ".bz2"),
    rb"\xfd7zXZ": ("xz", ".xz"),
}
"""How compressed files begin, as regular expressions → the program that makes them, and how their names end."""
_PIECE = 1 << 20
_TABLES = {b"PAR1": ".parquet", b"ARROW1": ".feather", b"FEA1": ".feather"}
"""First and last bytes of tables → how their names end."""


def refuse_compressed(path: Path) -> None:
    """Refuse a file that is compressed and whose name does not say so.

    Raises
    ------
    DataError
        With the name that it should have.
    """
    if compression(path):
        return
    start, end = _ends(path)
    for mark, suffix in _TABLES.items():
        if start.startswith(mark) and end.endswith(mark):  # at both ends: a column of a CSV file may be called so
            raise DataError(f"{path}: expected CSV text, got a table in another format; name it {suffix}")
    for mark, (program, suffix) in _SIGNATURES.items():
        if re.match(mark, start):
            raise DataError(
                f"{path}: expected CSV text, got a file that {program} has compressed; name it .csv{suffix}"
            )


def _ends(path: Path) -> tuple[bytes, bytes]:
    """The first and last bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
            file.seek(-min(path.stat().st_size, 6), os.SEEK_END)
            return start, file.read()
    except OSError as error:
        raise DataError(f"{path}: expected a file that can be read, got: {error.strerror}; fix it") from error


def compression(path: Path) -> str:
    """How the name of a compressed file ends, such as ``.gz``; empty for any other."""
    suffix = path.suffix.lower()
    return suffix if suffix in _OPENERS else ""


def opened(path: Path) -> BinaryIO:
    """The bytes of the file at `path`, uncompressed.

    Raises
    ------
    DataError
        A zip archive holds more than one file.
    OSError, zipfile.BadZipFile
        It cannot be read; so do later reads of it, with any of `UNREADABLE`.
    """
    opener = _OPENERS.get(path.suffix.lower())
    return path.open("rb") if opener is None else opener(path)


def refuse_inflated(path: Path) -> None:
    """Refuse a compressed file whose content would fill the memory; it is read in pieces, of which none is kept.

    Raises
    ------
    DataError
        With how much there is at least, or as for `opened`.
    """
    if not compression(path):
        return
    size, count = path.stat().st_size, 0
    try:
        with opened(path) as file:
            while count <= most_content(size) and (piece := file.read(_PIECE)):
                count += len(piece)
    except UNREADABLE:  # said by who reads it, who gets no further
        pass
    if problem := inflated(count, size, "bytes and more of text", 1):
        raise DataError(f"{path}: {problem}; if it is yours, write it uncompressed")


def refuse_inflated_workbook(path: Path) -> None:
    """Refuse an Excel file whose members, or whose cells up to the last one, are more than memory has room for.

    Raises
    ------
    DataError
        With how much there is.
    OSError, zipfile.BadZipFile
        It cannot be read.
    """
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:  # whose readers stop where the stated size is reached
        members = archive.infolist()
        problem = inflated(sum(entry.file_size for entry in members), size, "bytes of content", 1)
        if not problem:
            problem = inflated(sum(_cells(archive, entry) for entry in members), size, "cells")
    if problem:
        raise DataError(f"{path}: {problem}; if it is yours, write it as CSV")


_PLACE = re.compile(rb"""<(?:\w+:)?(?:row|c)\b[^<>]*?\sr=["']([A-Za-z]{0,3})(\d{1,18})["'][^<>]*>""")
"""A row or a cell of a sheet, with the letters of its column and the number of its row."""
_LONGEST_TAG = 4096


def _cells(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Rows times columns of a sheet, up to its last cell: what lies between is filled in when it is read."""
    rows, width, rest = 0, 1, b""
    if not entry.filename.endswith(".xml"):
        return 0
    with archive.open(entry) as file:
        while piece := file.read(_PIECE):
            text = rest + piece
            for place in _PLACE.finditer(text):
                rows = max(rows, int(place[2]))
                if not place[0].endswith(b"/>"):  # else an empty cell, which only has a style
                    width = max(width, _column_number(place[1]))
            rest = text[-_LONGEST_TAG:]
            rest = rest[rest.rfind(b"<") :] if rest.rfind(b"<") > rest.rfind(b">") else b""  # the next piece ends it
    return rows * width


def _column_number(letters: bytes) -> int:
    """1 for ``A``, 27 for ``AA``; 0 for no letters."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - 64
    return number


def _unzipped(path: Path) -> BinaryIO:
    archive = zipfile.ZipFile(path)
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/")]  # a copy of attributes, not data
    if len(names) != 1:
        came = f"{len(names)} ({', '.join(names[:5])}{', …' if len(names) > 5 else ''})" if names else "none"
        raise DataError(f"{path}: expected one file in the archive, got {came}; store the one that is meant by itself")
    return cast(BinaryIO, archive.open(names[0]))


_OPENERS: Mapping[str, Callable[[Path], BinaryIO]] = {
    ".gz": lambda path: cast(BinaryIO, gzip.open(path)),  # noqa: SIM115 - the caller closes it
    ".bz2": lambda path: cast(BinaryIO, bz2.open(path)),  # noqa: SIM115 - the caller closes it
    ".xz": lambda path: cast(BinaryIO, lzma.open(path)),  # noqa: SIM115 - the caller closes it
    ".zip": _unzipped,
    ".zst": lambda path: cast(BinaryIO, pa.input_stream(str(path), compression="zstd")),
}
