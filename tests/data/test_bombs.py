"""Files of strangers that are small and would fill the memory, or never end: refused in one line, by every door."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import bench
from bench import atomic, content_sizes, store
from bench.api.paper import _workbook
from bench.canary.sources import CannotReplace, ColumnsFile
from bench.data.files.options import File
from bench.data.files.reading import load_one
from bench.errors import DataError, StoreError
from bench.store.packing import compact
from bench.store.parts import MANIFEST, manifest
from bench.store.schema import SCHEMAS, table

GROWTH = "expected a file that grows at most 64-fold when it is read, got"
ROWS = 60_000


def repeated(text: str, rows: int = ROWS) -> pa.Table:
    """One text in every row, stored once; at 40 kB it is 2.4 GB."""
    same = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [text])
    return pa.table({"value": pa.array(range(rows), pa.float64()), "name": same})


def written(content: pa.Table, path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(content, path)
    else:
        feather.write_feather(content, path)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_a_text_that_stands_in_every_row_is_counted_as_often(tmp_path: Path, suffix: str) -> None:
    path = written(repeated("x" * 40_000), tmp_path / f"bomb{suffix}")
    assert path.stat().st_size < 2**20
    with pytest.raises(DataError, match=GROWTH) as caught:
        load_one(File(path=str(path), column="value", where={"name": "x"}))
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=GROWTH):
        bench.judge(path)
    harmless = written(repeated("x"), tmp_path / f"harmless{suffix}")
    assert len(load_one(File(path=str(harmless), column="value", where={"name": "x"}))) == ROWS


def test_a_column_that_is_not_read_does_not_count(tmp_path: Path) -> None:
    path = written(repeated("x" * 40_000), tmp_path / "bomb.parquet")
    assert len(load_one(File(path=str(path), column="value"))) == ROWS


def test_long_lists_of_one_number_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_sizes, "_HARMLESS", 2**20)
    path = written(pa.table({"value": [[1.0] * 300_000]}), tmp_path / "lists.parquet")
    with pytest.raises(DataError, match=GROWTH):
        load_one(File(path=str(path), column="value"))


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv"])
def test_what_is_judged_is_a_file_of_bounded_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(content_sizes, "_HARMLESS", 2**20)
    path = tmp_path / name
    if name == "a.csv":
        os.mkfifo(path)
    else:
        path.write_bytes(gzip.compress(b"step,truth,prediction\n" + b"1,1,1\n" * 2_000_000))
    with pytest.raises(DataError, match=r"got a named pipe|grows at most 64-fold") as caught:
        bench.judge(path)
    assert "\n" not in str(caught.value)


def test_a_device_is_nothing_to_judge() -> None:
    with pytest.raises(DataError, match="/dev/zero: expected a file, got a device"):
        bench.judge("/dev/zero")


def test_what_canaries_replace_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotReplace, match="would fill the memory"):
        ColumnsFile.read(written(repeated("x" * 40_000), tmp_path / "bomb.parquet"))
    monkeypatch.setattr("bench.canary.sources._LARGEST_FILE", 2**20)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"value\n" + b"1\n" * 2_000_000))
    with pytest.raises(CannotReplace, match="holds more than 1 MiB"):
        ColumnsFile.read(path)


def test_many_columns_of_short_texts_are_counted_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a pack of many cells: the bound that the metadata give is far above what each column holds, and adds up."""
    monkeypatch.setattr(content_sizes, "_HARMLESS", 2**28)
    texts = [f"cell-{number // 40:04}" for number in range(20_000)]
    path = written(
        pa.table({"value": [1.0] * len(texts), "a": texts, "b": texts, "c": texts}), tmp_path / "many.parquet"
    )
    with pq.ParquetFile(path) as file:
        group = file.metadata.row_group(0)
        bounds = [group.num_rows * group.column(number).total_uncompressed_size for number in (1, 2, 3)]
        most = content_sizes.most_content(path.stat().st_size)
        assert max(bounds) < most < sum(bounds)
        assert content_sizes.refused_size(file, path, path.stat().st_size) == ""


@pytest.fixture
def results(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a results folder of one cell whose reasons are so long, each the same."""

    def make(length: int) -> Path:
        key = {"cell_id": "a", "suite": "s", "dataset": "d", "model": "m", "sequence_length": 1, "horizon": 1}
        runs = [{**key, "seed": seed, "status": "failed", "reason": "x" * length} for seed in range(200)]
        rows = {name: table(name, runs if name == "runs" else []) for name in SCHEMAS}
        with store.writing(tmp_path / "results") as writer:
            writer.put(rows)
        return tmp_path / "results"

    return make


@pytest.mark.parametrize("packed", [False, True])
def test_results_of_strangers_that_repeat_a_long_text_are_refused(
    results: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    folder = results(19_000)
    if packed:
        compact(folder)
    assert store.read(folder, "runs", ("cell_id", "reason")).num_rows == 200
    monkeypatch.setattr(content_sizes, "_HARMLESS", 2**16)
    with pytest.raises(StoreError, match=GROWTH) as caught:
        store.read(folder, "runs", ("cell_id", "reason"))
    assert "\n" not in str(caught.value)


def test_a_manifest_of_any_size_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / MANIFEST
    path.write_text(json.dumps({"cells": {"a": "1"}}) + " " * 2000)
    assert manifest(tmp_path) == {"a": "1"}
    monkeypatch.setattr(atomic, "_MOST", 1000)
    path.write_text(path.read_text() + " ")
    with pytest.raises(StoreError, match="more than 1000 bytes"):
        manifest(tmp_path)


@pytest.mark.parametrize("cell_id", ["../../victim", "/tmp/victim", "..", "a\\b", ""])
def test_a_manifest_names_no_cell_whose_parts_would_lie_elsewhere(
    results: Callable[[int], Path], tmp_path: Path, cell_id: str
) -> None:
    """A note of a pack that was being made has the next writer delete what the pack stands for: only its own."""
    victim, folder = tmp_path / "victim.parquet", results(10)
    victim.touch()
    (folder / MANIFEST).write_text(json.dumps({"cells": {cell_id: "0001"}}))
    (folder / ".pending" / "0001.packing").touch()
    with pytest.raises(StoreError, match="is no id of a cell") as caught, store.writing(folder):
        pass
    assert "\n" not in str(caught.value)
    assert victim.exists()


def test_no_cell_of_a_written_workbook_is_a_formula() -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    texts = ["=cmd()|' /C calc'!A0", "+1", "-1+2", "@SUM(A1)", "plain"]
    content = _workbook({"ranking": pd.DataFrame({"model": texts, "rank": range(5)})})
    cells = [row[0] for row in openpyxl.load_workbook(io.BytesIO(content))["ranking"].iter_rows(min_row=2)]
    assert [cell.data_type for cell in cells] == ["s"] * 5
    assert [cell.value for cell in cells] == [*(f"'{text}" for text in texts[:4]), "plain"]
