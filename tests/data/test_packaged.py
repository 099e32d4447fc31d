"""Real series from the wheels of other libraries, against what these libraries themselves load."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import arch.data.nasdaq
import arch.data.sp500
import arch.data.vix
import arch.data.wti
import numpy as np
import pytest
import statsmodels.api as sm

from bench.data import DATASETS
from bench.data.base import Series
from bench.data.packaged import PACKAGED, ChosenColumn, shipped
from bench.errors import DataUnavailable


def _loaded(name: str, **parameters: str) -> Series:
    kind = DATASETS[name]
    series = kind.load(kind.parameters(**parameters), 0)
    assert isinstance(series, Series)
    return series


@pytest.mark.parametrize(
    ("name", "module", "column"),
    [
        ("SP500", arch.data.sp500, "Close"),
        ("NASDAQ", arch.data.nasdaq, "Close"),
        ("WTI", arch.data.wti, "DCOILWTICO"),
        ("VIX", arch.data.vix, "vix"),
    ],
)
def test_prices_are_those_that_arch_loads(name: str, module: SimpleNamespace, column: str) -> None:
    series, known = _loaded(name), module.load()[column].dropna()
    np.testing.assert_array_equal(series.values[:, 0], known.to_numpy())
    np.testing.assert_array_equal(series.time, known.index.to_numpy())
    assert series.breaks == ()


@pytest.mark.parametrize(
    ("name", "column"), [("sunspots", "SUNACTIVITY"), ("nile", "volume"), ("macrodata", "realgdp")]
)
def test_series_are_those_that_statsmodels_loads(name: str, column: str) -> None:
    known = getattr(sm.datasets, name).load_pandas().data[column]
    np.testing.assert_array_equal(_loaded(name).values[:, 0], known.to_numpy())


def test_another_column() -> None:
    known = sm.datasets.macrodata.load_pandas().data["unemp"]
    np.testing.assert_array_equal(_loaded("macrodata", column="unemp").values[:, 0], known.to_numpy())


def test_weeks_without_a_measurement_repeat_the_last_one_and_never_a_later_one() -> None:
    series, known = _loaded("co2"), sm.datasets.co2.load_pandas().data["co2"]
    np.testing.assert_array_equal(series.values[:, 0], known.ffill().to_numpy())
    assert known.isna().sum() == 59


def test_el_nino_goes_by_month() -> None:
    series = _loaded("el-nino")
    known = sm.datasets.elnino.load_pandas().data.set_index("YEAR")
    assert series.time is not None
    for place, (year, month, name) in {0: (1950, 1, "JAN"), 12: (1951, 1, "JAN"), 731: (2010, 12, "DEC")}.items():
        assert series.values[place, 0] == known.loc[year, name]
        assert str(series.time[place])[:7] == f"{year}-{month:02d}"


def test_a_library_that_is_missing_is_named_with_what_to_install() -> None:
    missing = replace(PACKAGED["nile"], library="no_such_library")
    with pytest.raises(DataUnavailable, match=r'expected the library no_such_library.*pip install ".*\[data\]"'):
        shipped(missing)


def test_other_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "other_data"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    changed = replace(PACKAGED["nile"], library="other_data", file="nile.csv")
    with pytest.raises(DataUnavailable, match="got no such file: this version of other_data ships other data"):
        shipped(changed)
    (package / "nile.csv").write_text("year,volume\n1871,1\n")
    with pytest.raises(DataUnavailable, match=r"expected SHA-256 88e97bea.*got SHA-256 "):
        shipped(changed)


def test_nothing_of_the_libraries_is_imported() -> None:
    code = (
        "import sys; from bench.data import DATASETS; k = DATASETS['nile']; k.load(k.parameters(), 0); "
        "sys.exit(any(m.split('.')[0] in ('statsmodels', 'arch') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert ChosenColumn().column is None
