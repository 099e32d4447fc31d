"""Real series that come in the wheels of other libraries, so that no network is needed: statsmodels' and arch's.

Only the files are read, by this project's own reader; the libraries are not imported. The SHA-256 of each is known:
what another version ships under the same name is refused and not silently another dataset.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from bench.data.base import DatasetKind, Parameters, Provenance, Series, SeriesParameters, file_sha256
from bench.data.files.joined import load_file
from bench.data.files.options import Channels, File, Text
from bench.data.files.table import Name
from bench.data.stand_ins import stand_in
from bench.errors import DataError, DataUnavailable, pip_install


@dataclass(frozen=True)
class Packaged:
    """One file of another library's wheel.

    Parameters
    ----------
    library
        The package that it lies in, which is also what pip calls it.
    file
        Its path in that package.
    sha256
        SHA-256 of its bytes.
    reader
        How it is read: options of the dataset `file`, without the path and the column.
    column
        Of the values, unless another is stated.
    """

    library: str
    file: str
    sha256: str
    column: str
    reader: dict[str, Any]


_DAILY = {"time": "Date", "time_format": "%m/%d/%Y", "max_gap": None}

PACKAGED: dict[str, Packaged] = {
    "sunspots": Packaged(
        "statsmodels",
        "datasets/sunspots/sunspots.csv",
        "f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b",
        "SUNACTIVITY",
        {"time": "YEAR"},
    ),
    "co2": Packaged(
        "statsmodels",
        "datasets/co2/co2.csv",
        "16695fa2786e53414e5a6b54767a3fdf5de99cfbc68617f69d1362d92776a92f",
        "co2",
        {"time": "date", "time_format": "%Y%m%d", "missing": "forward-fill"},
    ),
    "nile": Packaged(
        "statsmodels",
        "datasets/nile/nile.csv",
        "88e97bea7249e5832a85e41aec6ce4b8f7b1b14aae930c8363da7f193286b598",
        "volume",
        {"time": "year"},
    ),
    "macrodata": Packaged(
        "statsmodels",
        "datasets/macrodata/macrodata.csv",
        "d93c0d3a7a77ef83c3af14e46032bb1d02ae3a512b22ab94159a8ca226fcf708",
        "realgdp",
        {},
    ),
    "SP500": Packaged(
        "arch",
        "data/sp500/sp500.csv.gz",
        "1e028cbb9c400cc018c816ccc439b33c919387e726c3ed5ca2c05c82746059de",
        "Close",
        _DAILY,
    ),
    "NASDAQ": Packaged(
        "arch",
        "data/nasdaq/nasdaq.csv.gz",
        "b2009535343ebb14e0aa11ed086788d2997a416ffe4f9450eed9a561ae30ac59",
        "Close",
        _DAILY,
    ),
    "WTI": Packaged(
        "arch",
        "data/wti/wti.csv.gz",
        "b83498894138a65cdc14a67fc1716aa90b3cfda274f976bd3692cc3f1500084d",
        "DCOILWTICO",
        {**_DAILY, "missing": "drop"},
    ),
    "VIX": Packaged(
        "arch",
        "data/vix/vix.csv.gz",
        "410bd07360dc798f7206d681b8347c6150e7fbd8b05fb1ae29bbe2c9985d66ef",
        "vix",
        {**_DAILY, "missing": "drop"},
    ),
}
EL_NINO = Packaged(
    "statsmodels",
    "datasets/elnino/elnino.csv",
    "b647be00e0fd264be9764e317e6b963f35030014ecca2b21b204521716e463ad",
    "",
    {},
)


class ChosenColumn(Channels):
    """Parameters of a series from a table."""

    column: Text | None = Field(None, description="The values; null for the usual column.")

    @property
    def targets(self) -> tuple[Name, ...]:
        """The columns that are forecast; where none is stated, the usual one, which has no name here."""
        return super().targets or ("",)


class NoChoice(SeriesParameters):
    """No parameters."""


def located(name: str) -> Path:
    """The file of the dataset `name`, or its stand-in within a check for leaks."""
    return stand_in(name) or shipped(PACKAGED[name])


def shipped(packaged: Packaged) -> Path:
    """The file where its library lies, with the bytes that are expected.

    Raises
    ------
    DataUnavailable
        The library is not installed, or its version ships another file.
    """
    spec = find_spec(packaged.library)
    if spec is None or not spec.submodule_search_locations:
        raise DataUnavailable(
            f"{packaged.file}: expected the library {packaged.library}, which ships it, got none that is installed; "
            f"{pip_install('data')}"
        )
    path = Path(next(iter(spec.submodule_search_locations))) / packaged.file
    if not path.is_file() or (came := file_sha256(path)) != packaged.sha256:
        there = f"SHA-256 {came}" if path.is_file() else "no such file"
        raise DataUnavailable(
            f"{path}: expected SHA-256 {packaged.sha256}, got {there}: this version of {packaged.library} ships "
            f"other data; {pip_install('data')} names one that does not, or read the file as a dataset of kind file"
        )
    return path


def _load(name: str, parameters: ChosenColumn, seed: int) -> Series:
    path, packaged = located(name), PACKAGED[name]
    chosen = {key: getattr(parameters, key) for key in ("columns", "target", "known_future")}
    column = None if parameters.columns or parameters.target else parameters.column or packaged.column
    read = File(path=str(path), column=column, **chosen, **packaged.reader)
    series = load_file(read, seed)
    return replace(series, provenance=_provenance(packaged, f", {read.described()}", series.provenance.notes))


def _provenance(packaged: Packaged, what: str, notes: tuple[str, ...] = ()) -> Provenance:
    return Provenance(f"{packaged.library}: {packaged.file}{what}", packaged.sha256, notes=notes)


def load_el_nino(_parameters: NoChoice, _seed: int) -> Series:
    """Monthly temperatures of the sea's surface, of which the file has a row for each year and a column for each month.

    Raises
    ------
    DataUnavailable
        As for `shipped`.
    DataError
        The file is not such a table.
    """
    path = shipped(EL_NINO)
    with path.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    try:
        years, table = [int(row[0]) for row in rows], np.array([row[1:] for row in rows], np.float64)
    except ValueError as error:
        raise DataError(f"{path}: expected numbers by year and month, got: {error}; install it again") from error
    first = np.datetime64(f"{years[0]}-01", "M")
    time = (first + np.arange(table.size)).astype("datetime64[s]")
    return Series(table.reshape(-1, 1), _provenance(EL_NINO, ", by month"), time=time)


def _fingerprint(packaged: Packaged, _parameters: Parameters) -> str:
    return packaged.sha256


def packaged_kind(name: str, summary: str) -> DatasetKind:
    """The dataset of the file called `name` here."""
    return DatasetKind(summary, ChosenColumn, partial(_load, name), partial(_fingerprint, PACKAGED[name]))


EL_NINO_KIND = DatasetKind(
    "the sea's surface temperature, by month 1950 to 2010", NoChoice, load_el_nino, partial(_fingerprint, EL_NINO)
)
