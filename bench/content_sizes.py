"""How much a file of strangers holds when it is read: one text or number may be stored once for all rows.

A file that states sizes which are not its own is damaged, and fails when it is read.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

_GROWTH = 64
_HARMLESS = 2**30  # bytes


def most_content(size: int) -> int:
    """How many bytes a file of `size` bytes may hold when it is read: a billion, or 64 times as many as it has."""
    return _HARMLESS + _GROWTH * size


def inflated(values: int, size: int, unit: str = "values", width: int = 8) -> str:
    """Why a file of `size` bytes that states so many values is not read: it would fill the memory; empty where it is.

    A column that repeats one value may be stated a billion times in a few bytes. What holds measurements grows less.

    Parameters
    ----------
    values
        How many.
    size
        Bytes of the file.
    unit, width
        What is counted, and the bytes of one in memory.
    """
    if width * values <= most_content(size):
        return ""
    return f"expected a file that grows at most {_GROWTH}-fold when it is read, got {size} bytes for {values} {unit}"


_TEXT = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_NUMBER = 8  # bytes


def refused_size(
    file: parquet.ParquetFile,
    source: Path | BinaryIO,
    size: int,
    names: Collection[str] | None = None,
    groups: Sequence[int] | None = None,
) -> str:
    """Why `file` is not read, as it would fill the memory; empty where it is.

    Parameters
    ----------
    file
        What is open at `source`.
    size
        Its bytes.
    names
        Of the columns to be read; all where it is `None`.
    groups
        The numbers of the groups of rows to be read; all where it is `None`.
    """
    metadata, most = file.metadata, most_content(size)
    groups = range(metadata.num_row_groups) if groups is None else groups
    each = [metadata.row_group(number) for number in groups]
    rows, stored = sum(group.num_rows for group in each), sum(group.total_byte_size for group in each)
    if problem := inflated(rows * (metadata.num_columns if names is None else len(names)), size):
        return problem
    if max(1, rows) * stored <= most and not any(field.type.num_fields for field in file.schema_arrow):
        return ""  # as of nearly every file, by few numbers of it
    total, texts = 0, dict[str, list[int]]()
    for column in _columns(each, names):
        if column.physical_type in _TEXT:
            known = texts.setdefault(column.path_in_schema, [0, 0])
            known[0] += column.num_values
            known[1] += column.total_uncompressed_size
        else:
            total += _NUMBER * column.num_values
    largest = {path: values * own for path, (values, own) in texts.items()}
    total += sum(largest.values())
    for path in sorted(largest, key=largest.__getitem__, reverse=True):
        if total <= most:
            break
        if texts[path][1] <= most and "." not in path:  # else texts within lists or structures
            total += _text_bytes(source, path, groups) - largest[path]
    return inflated(total, size, "bytes of content", 1)


def _columns(groups: Sequence[Any], names: Collection[str] | None) -> Iterator[Any]:
    for column in (group.column(number) for group in groups for number in range(group.num_columns)):
        if names is None or column.path_in_schema.partition(".")[0] in names:
            yield column


def _text_bytes(source: Path | BinaryIO, name: str, groups: Sequence[int]) -> int:
    """Bytes of the texts of one column, each as often as it stands there; it is read with each text once."""
    if not isinstance(source, Path):
        source.seek(0)
        source = pa.BufferReader(source.read())
    with parquet.ParquetFile(source, read_dictionary=[name]) as file:
        return sum(map(expanded, file.read_row_groups(groups, columns=[name], use_threads=False)[name].chunks))


def expanded(column: pa.Array) -> int:
    """Bytes of a column's values, where it is a dictionary those that it stands for."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    kind = column.type.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)):
        return _NUMBER * len(column)
    lengths = pc.binary_length(column.dictionary).cast(pa.int64())
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0)
