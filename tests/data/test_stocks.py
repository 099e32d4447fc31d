from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from bench.data import DATASETS
from bench.data.pinned import PINNED, Pinned, Stock
from bench.errors import DataError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "stocks"
REAL = {
    # name: rows, first date, last date, first five closes
    "TSLA": (2227, "2010-06-29", "2019-05-03", [23.889999, 23.830000, 21.959999, 19.200001, 16.110001]),
    "GOOGL": (3702, "2004-08-19", "2019-05-03", [50.220219, 54.209209, 54.754753, 52.487488, 53.053055]),
    "DJI": (8636, "1985-01-29", "2019-05-03", [1292.619995, 1287.880005, 1286.770020, 1277.719971, 1290.079956]),
    "A": (1259, "2013-02-08", "2018-02-07", [45.08, 44.6, 44.62, 44.75, 44.58]),
    "GOOG": (975, "2014-03-27", "2018-02-07", [558.46, 559.99, 556.97, 567.16, 567.0]),
}


@pytest.mark.parametrize("name", REAL)
def test_the_real_closes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "BENCH_DATA" not in os.environ:
        if not SHARED.is_dir():
            pytest.skip("needs the published files: name their folder in BENCH_DATA")
        monkeypatch.setenv("BENCH_DATA", str(SHARED))
    rows, first, last, closes = REAL[name]
    kind = DATASETS[name]
    series = kind.load(Stock(), 0)
    assert series.values.shape == (rows, 1)
    assert series.values[:5, 0].tolist() == closes
    assert series.time is not None
    assert series.time[[0, -1]].astype("datetime64[D]").astype(str).tolist() == [first, last]
    assert (np.diff(series.time) > np.timedelta64(0)).all()
    assert series.best is None
    assert kind.fingerprint is not None
    assert series.provenance.sha256 == kind.fingerprint(Stock()) == PINNED[name].sha256
    assert series.provenance.source.startswith(PINNED[name].address)


@pytest.mark.parametrize(
    "content",
    [
        b"Date,Open,Close,Adj Close,Volume\r\n2020-01-02,1,1.5,9,10\r\n2020-01-03,2,2.5,9,20\r\n",
        b"date,open,close,volume,Name\n2020-01-02,1,1.5,10,A\n2020-01-03,2,2.5,20,A\n",
    ],
    ids=["capital, CRLF", "small, LF"],
)
def test_both_dialects(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pin(content, tmp_path, monkeypatch)
    kind = DATASETS["TSLA"]
    assert kind.load(Stock(), 0).values.tolist() == [[1.5], [2.5]]
    volumes = kind.load(Stock(column="volume"), 0)
    assert volumes.values.tolist() == [[10.0], [20.0]]
    assert volumes.time is not None
    assert volumes.time.astype("datetime64[D]").astype(str).tolist() == ["2020-01-02", "2020-01-03"]


def test_a_column_that_this_dialect_lacks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pin(b"date,open,close\n2020-01-02,1,1.5\n", tmp_path, monkeypatch)
    with pytest.raises(DataError, match=r"TSLA\.csv: unknown column 'adj close'.* \(known: close, date, open\)"):
        DATASETS["TSLA"].load(Stock(column="adj close"), 0)


def _pin(content: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "TSLA.csv").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(PINNED, "TSLA", Pinned(file="TSLA.csv", address="", sha256=sha256))
    monkeypatch.setenv("BENCH_DATA", str(folder))
