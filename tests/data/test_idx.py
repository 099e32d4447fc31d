from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from bench.data.images import read_idx
from bench.errors import DataError


def idx(magic: int, sizes: list[int], content: bytes) -> bytes:
    return struct.pack(f">{1 + len(sizes)}I", magic, *sizes) + content


def written(folder: Path, content: bytes) -> Path:
    path = folder / "some-idx.gz"
    path.write_bytes(gzip.compress(content))
    return path


def test_images_and_labels(tmp_path: Path) -> None:
    images = read_idx(written(tmp_path, idx(2051, [2, 3, 2], bytes(range(12)))), 3)
    assert images.tolist() == np.arange(12).reshape(2, 3, 2).tolist()
    assert images.dtype == np.uint8
    assert read_idx(written(tmp_path, idx(2049, [3], bytes([7, 0, 255]))), 1).tolist() == [7, 0, 255]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (idx(2049, [3], bytes(3)), "expected the magic number 2051 and 3 sizes, .* got 2049"),
        (idx(2051, [3], b""), "expected the magic number 2051 and 3 sizes, .* got 2051"),
        (b"", "expected the magic number 2051 and 3 sizes, .* got nothing"),
        (b"ab", "got nothing"),
        (idx(2051, [2, 3, 2], bytes(11)), r"expected 2 × 3 × 2 = 12 bytes after the header, got 11; replace it"),
        (idx(2051, [2, 3, 2], bytes(13)), r"expected 2 × 3 × 2 = 12 bytes after the header, got 13; replace it"),
        (idx(2051, [2**32 - 1] * 3, bytes(1)), r"= 79228162458924105385300197375 bytes after the header, got 1"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_idx(written(tmp_path, content), 3)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(bytes(100))[:-12]], ids=["plain", "cut off"])
def test_what_is_no_gzip_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some-idx.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="expected a gzip file that can be read"):
        read_idx(path, 3)
