"""A cell of a hundred thousand rows, written and read: verified, synced and renamed against plain Parquet."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import store
from bench.store.schema import PREDICTIONS, table

ROWS, SEEDS = 100_000, 10


@pytest.fixture(scope="module")
def rows():
    key = {"cell_id": "0" * 16, "suite": "s", "dataset": "d", "model": "m", "sequence_length": 30, "horizon": 1}
    values = np.random.default_rng(0).normal(size=(3, ROWS))
    columns = {name: [value] * ROWS for name, value in key.items()}
    columns |= {"seed": np.repeat(np.arange(SEEDS), ROWS // SEEDS), "index": np.arange(ROWS), "time": [None] * ROWS}
    columns |= {"channel": np.zeros(ROWS, int), "step": np.ones(ROWS, int), "series": [None] * ROWS}
    columns |= dict(zip(("truth", "prediction", "persistence"), values, strict=True))
    predictions = pa.table({name: pa.array(columns[name]) for name in PREDICTIONS.names}).cast(PREDICTIONS)
    runs = table("runs", [{**key, "seed": seed, "status": "ok", "reason": "", "fit_s": 1.0} for seed in range(SEEDS)])
    return {"runs": runs, "trials": table("trials", []), "curves": table("curves", []), "predictions": predictions}


@pytest.mark.benchmark(group="write 1e5 rows of one cell")
def test_write_bench(benchmark, rows, tmp_path):
    with store.writing(tmp_path) as writer:
        benchmark(writer.put, rows)


@pytest.mark.benchmark(group="write 1e5 rows of one cell")
def test_write_reference_plain_pyarrow_write(benchmark, rows, tmp_path):
    benchmark(pq.write_table, rows["predictions"], tmp_path / "part", compression="zstd")


@pytest.mark.benchmark(group="read 1e5 rows of one cell")
def test_read_bench(benchmark, rows, tmp_path):
    with store.writing(tmp_path) as writer:
        writer.put(rows)
    assert benchmark(store.read, tmp_path, "predictions").num_rows == ROWS


@pytest.mark.benchmark(group="read 1e5 rows of one cell")
def test_read_reference_plain_pyarrow_read(benchmark, rows, tmp_path):
    pq.write_table(rows["predictions"], tmp_path / "part", compression="zstd")
    assert benchmark(pq.read_table, tmp_path / "part").num_rows == ROWS
