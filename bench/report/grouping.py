"""A table by cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def by_cell(table: pa.Table) -> Mapping[str, pa.Table]:
    """The rows of each cell, by cell id."""
    return dict(_slices(table))


def _slices(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    codes = _codes(table)
    if (np.diff(codes) < 0).any():  # the store gives cells in order: then nothing has to move
        table = table.take(pa.array(np.argsort(codes, kind="stable")))
        codes = np.sort(codes)
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for start, end in pairwise(edges):
        if end > start:
            yield table["cell_id"][start].as_py(), table.slice(start, end - start)


def _codes(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    ids = pc.unique(table["cell_id"])
    return np.asarray(pc.index_in(table["cell_id"], value_set=ids), dtype=np.int64)
