"""SHA-256 of files and of generated values."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from bench.data.base import FloatArray, FloatArray32
from bench.errors import DataError


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of the file at `path`, read in pieces.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: expected a file that can be read, got: {error.strerror}; mend it") from error


def values_sha256(values: FloatArray) -> str:
    """SHA-256 of `values` as little-endian float64 in C order, the same on every machine."""
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").data).hexdigest()


def arrays_sha256(*arrays: FloatArray32) -> str:
    """SHA-256 of `arrays`, one after the other, as little-endian float32 in C order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype="<f4").data)
    return digest.hexdigest()
