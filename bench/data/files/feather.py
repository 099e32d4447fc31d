"""What a Feather file, version 2, holds when it is read, from its metadata alone: rows, and bytes of its buffers.

The file is Arrow's IPC format (https://arrow.apache.org/docs/format/Columnar.html, format/File.fbs and Message.fbs): a
footer places the record batches and dictionaries, and each compressed buffer begins with its length in memory. Arrow
offers neither of these, and allocates what such a length says.
"""

import struct
from pathlib import Path
from typing import Any

import pyarrow as pa

_DICTIONARY, _BATCH = 2, 3  # kinds of messages


def content(path: Path) -> tuple[int, int, int]:
    """The rows of the Feather file at `path`, the bytes of all its buffers in memory, and its columns.

    Raises
    ------
    struct.error, pa.ArrowException, OSError
        It is damaged.
    """
    rows = size = 0
    with pa.memory_map(str(path)) as file:
        for place in _blocks(file):
            file.seek(place)
            message = pa.ipc.read_message(file)  # which leaves the body where it is
            count, buffers = _message(message.metadata, message.body)
            rows, size = rows + count, size + buffers
        columns = len(pa.ipc.open_file(file).schema)
    return rows, size, columns


def _blocks(file: Any) -> list[int]:
    """Where dictionaries and record batches begin, as the footer says."""
    end = file.size() - 10  # the length of the footer, and ARROW1
    length = _number("i", file.read_at(4, end), 0)
    footer = file.read_at(length, end - length)
    vectors = [_vector(footer, _number("I", footer, 0), field) for field in (2, 3)]
    return [
        _number("q", footer, start + 4 + 24 * block)
        for start in vectors
        for block in range(_number("I", footer, start) if start else 0)
    ]


def _message(metadata: Any, body: Any) -> tuple[int, int]:
    """The rows of a message, none where it is a dictionary, and the bytes of its buffers."""
    table = _number("I", metadata, 0)
    kind = _number("B", metadata, _field(metadata, table, 1))
    batch = _table(metadata, table, 2)
    if kind == _DICTIONARY:
        batch = _table(metadata, batch, 1)
    start, compressed, size = _vector(metadata, batch, 2), _field(metadata, batch, 3), 0
    for buffer in range(_number("I", metadata, start)):
        offset, length = struct.unpack_from("<qq", metadata, start + 4 + 16 * buffer)
        stated = _number("q", body, offset) if compressed and length else -1  # where nothing was gained
        size += length if stated < 0 else stated
    return _number("q", metadata, _field(metadata, batch, 0)) if kind == _BATCH else 0, size


def _number(kind: str, content: Any, place: int) -> int:
    """The little-endian number of this kind, as `struct` calls it, at `place`."""
    return int(struct.unpack_from(f"<{kind}", content, place)[0])


def _field(content: Any, table: int, number: int) -> int:
    """Where a field of a table of FlatBuffers stands (https://flatbuffers.dev/internals); 0 where it is left out."""
    offsets = table - _number("i", content, table)
    there = 4 + 2 * number < _number("H", content, offsets)
    place = _number("H", content, offsets + 4 + 2 * number) if there else 0
    return table + place if place else 0


def _table(content: Any, table: int, number: int) -> int:
    """Where the table that a field refers to begins."""
    place = _field(content, table, number)
    if not place:
        raise struct.error(f"expected field {number} of a table, got none")
    return place + _number("I", content, place)


def _vector(content: Any, table: int, number: int) -> int:
    """Where the vector that a field refers to begins, with its length; 0 where it is left out."""
    return _table(content, table, number) if _field(content, table, number) else 0
