"""Daily prices, as published, from pinned files in two dialects: ``Date,…,Close,…`` and ``date,…,close,…``."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field

from bench.data.base import DatasetKind, Parameters, Provenance, Series
from bench.data.columns import check
from bench.data.delimited import header, read_delimited
from bench.data.fetch import locate
from bench.data.pins import PINNED


class Stock(Parameters):
    """Parameters of a stock."""

    column: Literal["open", "high", "low", "close", "adj close", "volume"] = Field("close", description="The values.")


def stock(name: str, summary: str) -> DatasetKind:
    """The dataset of the file pinned as `name`."""
    return DatasetKind(summary, Stock, partial(_load, name), partial(_fingerprint, name))


def _load(name: str, parameters: Stock, _seed: int) -> Series:
    path = locate(name)
    names = {column.lower(): column for column in header(path)}
    column = names.get(parameters.column, parameters.column)
    columns = read_delimited(path, column, names["date"])
    check(columns, column, max_gap=None)
    provenance = Provenance(source=f"{PINNED[name].address}, column {column!r}", sha256=PINNED[name].sha256)
    return Series(values=columns.values[:, None], provenance=provenance, time=columns.time)


def _fingerprint(name: str, _parameters: Stock) -> str:
    return PINNED[name].sha256
