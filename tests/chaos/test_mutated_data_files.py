"""Data files with damaged bytes: each is read as an independent reader takes it, or refused in one line.

A few of each kind belong to every run of the tests; ``measure.py csv parquet`` tries many.
"""

import csv
import io
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bench.data.base import Series
from bench.data.files.joined import FILE
from bench.data.files.options import File
from bench.errors import DataError

TIMES = max(1, int(os.environ.get("BENCH_CHAOS", "16")) // 100)
"""How often the mutations of each file are repeated: a results folder takes a hundred times as long as a data file."""
FILES = Path(__file__).parents[1] / "data" / "files"
SAID = ("read with", "newest first")
STARTS = [datetime(2024, 1, 1) + timedelta(hours=hour) for hour in range(200)]


Read = Callable[..., Series | str]


@pytest.fixture
def read(timed: Callable[[str], AbstractContextManager[None]]) -> Read:
    """Reads a file, and notes what that took."""

    def call(path: Path, **parameters: object) -> Series | str:
        with timed("parquet" if path.suffix == ".parquet" else "csv"):
            return _read(path, **parameters)

    return call


def _read(path: Path, **parameters: object) -> Series | str:
    """The series, or the line that refuses the file."""
    try:
        return FILE.load(File.model_validate({"path": str(path), "column": "x", "time": "t", **parameters}), 0)
    except DataError as error:
        said = str(error)
        assert said.startswith(f"{path}: ")
        assert "\n" not in said
        assert len(said) < 1500
        return said


def _mutated(content: bytes, random: np.random.Generator, alphabet: bytes) -> bytes:
    """`content` with one to four bytes replaced, inserted, removed, or a stretch of it moved or cut off."""
    text = bytearray(content)
    for _ in range(random.integers(1, 5)):
        at, other = (int(each) for each in random.integers(0, len(text), 2))
        byte = alphabet[random.integers(len(alphabet))] if alphabet else int(random.integers(256))
        match random.integers(6):
            case 0 | 1:
                text[at] = byte
            case 2:
                text.insert(at, byte)
            case 3:
                del text[at]
            case 4:
                text[at:at] = text[other : other + 20]
            case _ if random.random() < 0.2:
                del text[max(at, 8) :]
            case _:
                del text[at : at + 3]
        if not text:
            break
    return bytes(text)


def _as_python_reads(content: bytes) -> list[tuple[str, str]]:
    """Times and values, by the standard library alone."""
    text = io.StringIO(content.decode("utf-8-sig", "surrogateescape"), newline="")
    names, *rows = [row for row in csv.reader(text, strict=True) if row]
    names = [name.strip() for name in names]
    return [(row[names.index("t")].strip(), row[names.index("x")].strip()) for row in rows]


CSVS = {
    "plain": "t,x\n" + "".join(f"{start.isoformat()},{hour * 0.37:.3f}\n" for hour, start in enumerate(STARTS)),
    "numbers": "t,x,y\n" + "".join(f"{hour},{hour * 1.25e-3},{hour}\n" for hour in range(200)),
    "quotes": '"t","x","note"\r\n' + "".join(f'"{hour}","{hour / 7}","a, ""b"""\r\n' for hour in range(200)),
    "integers": "t,x\n" + "".join(f"{hour},{10**15 + hour * 12345678901}\n" for hour in range(200)),
}


@pytest.mark.parametrize("name", CSVS)
def test_a_mutated_csv_file_is_read_as_it_is_written_or_refused(name: str, tmp_path: Path, read: Read) -> None:
    random = np.random.default_rng(sum(name.encode()))
    path, taken = tmp_path / "mine.csv", 0
    for _ in range(100 * TIMES):
        content = _mutated(CSVS[name].encode(), random, b"\",;\n\r.0919-+eE \x00\xff\xc3T:\t'")
        path.write_bytes(content)
        series = read(path, max_gap=None)
        if isinstance(series, str) or any(note.startswith(SAID) for note in series.provenance.notes):
            continue  # refused; or read in another way than this one, and said
        taken += 1
        expected = _as_python_reads(content)
        assert series.values[:, 0].tolist() == [float(value) for _, value in expected]
        assert series.time is not None
        if series.time.dtype.kind == "M":
            moments = [
                np.datetime64(time.replace(" ", "T").replace("t", "T").removesuffix("Z")) for time, _ in expected
            ]
            assert series.time.tolist() == [moment.astype(series.time.dtype).item() for moment in moments]
        else:
            assert series.time.tolist() == [float(time) for time, _ in expected]
    assert taken > TIMES  # there was something to compare


def _tables() -> dict[str, pa.Table]:
    hours = range(200)
    times = pa.array(STARTS, pa.timestamp("us"))
    return {
        "float64": pa.table({"t": times, "x": [hour * 0.37 for hour in hours]}),
        "int64": pa.table({"t": pa.array(hours, pa.int64()), "x": pa.array([7 * hour for hour in hours], pa.int64())}),
        "decimal": pa.table({"t": times, "x": pa.array([Decimal(hour) / 8 for hour in hours], pa.decimal128(30, 10))}),
        "string": pa.table({"t": [start.isoformat() for start in STARTS], "x": [f"{hour / 8}" for hour in hours]}),
    }


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
@pytest.mark.parametrize("name", _tables())
def test_a_mutated_parquet_file_with_checksums_is_read_as_it_was_written_or_refused(
    name: str, compression: str, tmp_path: Path, read: Read
) -> None:
    random = np.random.default_rng(len(name) + len(compression))
    path, table = tmp_path / "mine.parquet", _tables()[name]
    parquet.write_table(table, path, compression=compression, write_page_checksum=True, use_dictionary=False)
    content = path.read_bytes()
    truth = [float(value) for value in table["x"].to_pylist()]
    pages = content.rindex(b"PAR1", 0, len(content) - 4) if content.count(b"PAR1") > 2 else len(content) // 2
    for _ in range(15 * TIMES):
        damaged = bytearray(content)
        damaged[int(random.integers(4, pages))] ^= int(random.integers(1, 256))
        path.write_bytes(bytes(damaged))
        series = read(path)
        assert isinstance(series, str) or series.values[:, 0].tolist() == truth


@pytest.mark.parametrize("name", _tables())
def test_any_bytes_of_a_parquet_file_can_be_damaged_without_a_traceback(name: str, tmp_path: Path, read: Read) -> None:
    random = np.random.default_rng(len(name))
    path = tmp_path / "mine.parquet"
    parquet.write_table(_tables()[name], path)
    content = path.read_bytes()
    for _ in range(30 * TIMES):
        path.write_bytes(_mutated(content, random, b""))
        series = read(path)
        assert isinstance(series, str) or np.isfinite(series.values).all()


@pytest.mark.parametrize("name", sorted(file.name for file in FILES.iterdir() if file.suffix in (".csv", ".txt")))
def test_files_of_any_shape_can_be_damaged_without_a_traceback(name: str, tmp_path: Path, read: Read) -> None:
    random = np.random.default_rng(len(name))
    content = (FILES / name).read_bytes()
    header = content.decode("utf-8", "replace").splitlines()
    path = tmp_path / name
    for _ in range(4 * TIMES):
        path.write_bytes(_mutated(content, random, b"\",;\n\r.0919-+eE \x00\xff\xc3T:\t'/"))
        wanted = {"column": int(random.integers(1, 3)), "time": [None, 1, 2][random.integers(3)]}
        if wanted["column"] == wanted["time"] or not header:
            continue
        missing = ["refuse", "drop", "forward-fill"][random.integers(3)]
        series = read(path, **wanted, missing=missing)
        assert isinstance(series, str) or np.isfinite(series.values).all()
