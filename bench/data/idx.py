"""The idx format of MNIST: a big-endian header of sizes, then bytes; compressed by gzip.

Y. LeCun, C. Cortes & C. Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError

_UNSIGNED_BYTES = 8


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The unsigned bytes of the file at `path`, in its shape.

    Raises
    ------
    DataError
        It is no gzip file, has another magic number, or holds more or less than its sizes say.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a gzip file that can be read, got: {error}; replace it") from error
    expected = _UNSIGNED_BYTES << 8 | dimensions
    start = 4 * (1 + dimensions)
    header = np.frombuffer(content[:start], ">u4", count=min(len(content), start) // 4)
    if len(header) <= dimensions or header[0] != expected:
        magic = int(header[0]) if len(header) else "nothing"
        raise DataError(
            f"{path}: expected the magic number {expected} and {dimensions} sizes, as idx files of unsigned bytes "
            f"begin, got {magic}; replace it"
        )
    sizes = [int(size) for size in header[1:]]
    if len(content) - start != math.prod(sizes):
        raise DataError(
            f"{path}: expected {' × '.join(map(str, sizes))} = {math.prod(sizes)} bytes after the header, got "
            f"{len(content) - start}; replace it"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)
