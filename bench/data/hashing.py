"""SHA-256 of files and of generated values."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from bench.data.base import FloatArray


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of the file at `path`, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def values_sha256(values: FloatArray) -> str:
    """SHA-256 of `values` as little-endian float64 in C order, the same on every machine."""
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").data).hexdigest()
