"""Files that hold far more than their size, in every format: refused before their content is in memory."""

import bz2
import gzip
import lzma
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from openpyxl import Workbook
from openpyxl.styles import Font
from pyarrow import feather, ipc

from bench import content_sizes
from bench.data.files.feather import content
from bench.data.files.joined import FILE
from bench.data.files.options import File
from bench.errors import DataError

ROWS = 100_000
TEXT = b"x\n" + b"1\n" * ROWS


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_sizes, "_HARMLESS", 2**17)


def _zip(path: Path, text: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mine.csv", text)


def _packed(compress: Callable[[bytes], bytes]) -> Callable[[Path, bytes], None]:
    return lambda path, text: _write(path, compress(text))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


COMPRESSED: dict[str, Callable[[Path, bytes], None]] = {
    ".csv.gz": _packed(gzip.compress),
    ".csv.bz2": _packed(bz2.compress),
    ".csv.xz": _packed(lzma.compress),
    ".csv.zst": _packed(lambda text: pa.compress(text, codec="zstd", asbytes=True)),
    ".csv.zip": _zip,
}


def _refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        FILE.load(File(path=str(path), column="x"), 0)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_compressed_text_that_would_fill_the_memory_is_refused(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"mine{suffix}"
    COMPRESSED[suffix](path, TEXT)
    size = path.stat().st_size
    said = _refusal(path)
    assert said.startswith(f"expected a file that grows at most 64-fold when it is read, got {size} bytes for ")
    assert said.endswith(" bytes and more of text; if it is yours, write it uncompressed")
    monkeypatch.setattr(content_sizes, "_HARMLESS", len(TEXT) - 64 * size)
    assert FILE.load(File(path=str(path), column="x"), 0).values.sum() == ROWS


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_of_a_line_that_never_ends_no_more_is_read_than_is_allowed(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"mine{suffix}"
    COMPRESSED[suffix](path, b"1" * 5_000_000)
    monkeypatch.setattr(content_sizes, "_GROWTH", 1)
    count = int(_refusal(path).split(" bytes for ")[1].split(" ")[0])
    assert count < 2**17 + path.stat().st_size + 2**20 + 1


def test_a_feather_file_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, batch = tmp_path / "mine.feather", pa.record_batch({"x": np.ones(ROWS // 4), "y": np.zeros(ROWS // 4)})
    options = ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(path), "wb") as file, ipc.new_file(file, batch.schema, options=options) as writer:
        for _ in range(4):
            writer.write_batch(batch)
    size = path.stat().st_size
    with monkeypatch.context() as patched:
        patched.setattr(feather, "read_table", None)  # nothing is read
        assert _refusal(path).startswith(
            f"expected a file that grows at most 64-fold when it is read, got {size} bytes for {2 * ROWS} values; if it"
        )
    monkeypatch.setattr(content_sizes, "_HARMLESS", 16 * ROWS - 64 * size)
    assert FILE.load(File(path=str(path), column="x"), 0).values.sum() == ROWS


def test_the_content_of_a_feather_file_is_known_from_its_metadata(tmp_path: Path) -> None:
    path, rows = tmp_path / "mine.feather", 1000
    # No nulls, so no bitmaps: doubles, 32-bit offsets and letters, and 32-bit numbers of a dictionary's entries.
    columns = {"x": np.arange(rows), "s": ["ab"] * rows, "d": pa.array(["a", "bc"] * (rows // 2)).dictionary_encode()}
    batches = 4
    expected = 8 * rows + 4 * (rows + batches) + 2 * rows + 4 * rows + (4 * 3 + 3)
    for compression in ("zstd", "lz4", "uncompressed"):
        feather.write_feather(pa.table(columns), str(path), compression=compression, chunksize=rows // batches)
        count, size, width = content(path)
        assert (count, width) == (rows, 3)
        assert expected <= size <= expected + 7 * (4 * batches + 2)  # buffers are padded to multiples of 8 bytes


def test_a_feather_file_of_one_long_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.feather"
    feather.write_feather(pa.table({"x": ["1" * 5_000_000]}), str(path), compression="zstd")
    assert "grows at most 64-fold" in _refusal(path)


def test_an_excel_file_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, book = tmp_path / "mine.xlsx", Workbook()
    book.active.append(["x"])
    for _ in range(5000):
        book.active.append([1])
    book.save(path)
    monkeypatch.setattr(content_sizes, "_GROWTH", 1)
    with zipfile.ZipFile(path) as archive:
        expected = sum(len(archive.read(name)) for name in archive.namelist())
    sizes = f"got {path.stat().st_size} bytes for {expected} bytes of content"
    assert _refusal(path).startswith(f"expected a file that grows at most 1-fold when it is read, {sizes}; if it is")
    monkeypatch.setattr(content_sizes, "_HARMLESS", expected)
    assert FILE.load(File(path=str(path), column="x"), 0).values.sum() == 5000


@pytest.mark.parametrize("place", ["XFD1000", "A1000000", "ALL1001"])
def test_an_excel_file_whose_last_cell_is_far_away_is_refused(place: str, tmp_path: Path) -> None:
    path, book = tmp_path / "mine.xlsx", Workbook()
    book.active["A1"], book.active[place] = "x", 1
    book.save(path)
    assert re.search(r"grows at most 64-fold when it is read, got \d+ bytes for \d+ cells; if it is", _refusal(path))


def test_empty_cells_with_a_style_are_no_content(tmp_path: Path) -> None:
    path, book = tmp_path / "mine.xlsx", Workbook()
    for row, value in enumerate(["x", 1, 2], 1):
        book.active[f"A{row}"] = value
    for place in ("XFD1", "XFD1000"):
        book.active[place].font = Font(bold=True)
    book.save(path)
    assert FILE.load(File(path=str(path), column="x"), 0).values.sum() == 3
