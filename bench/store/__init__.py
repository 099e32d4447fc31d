"""A results folder: one immutable Parquet part for each finished cell and table.

::

    results/full/
    ├── runs/        <cell id>.parquet     written last: a cell is stored when this part exists
    ├── trials/  curves/  predictions/     parts of the same name, with zero rows if there is nothing to store
    ├── probes/      <cell id>-<machine>.parquet     by `bench probe`, whether or not the cell is stored
    ├── superseded/                        the same four, of cells whose data, settings or code have changed
    ├── .pending/                          parts that are being added, and notes of those being removed
    ├── unfinished/  <cell id>.parquet     the trials of a cell that is still tuned, batch by batch
    ├── suite.json                         the suite of the last run, or else of the first probe
    ├── .strays/                           what lay in .pending/ and is of no writer, and cells with a damaged part
    ├── fresh.json                         cells that `bench run --fresh` has not run again yet, where there are any
    └── .lock                              held by the only writer

A cell's parts are written to ``.pending/<cell id>.tmp/``, read back, synced, and made final by renaming that folder to
``.pending/<cell id>/``; then each part moves to its place. When a cell is superseded or restored, it is first stored at
its new place; then the note ``.pending/<cell id>.moved`` is made at the old place and its parts there are deleted,
`runs` first. A writer that is killed loses at most what it had not made final: the next one completes the moves and
clears the rest. No other file is ever deleted: a part without its part of `runs` is not stored, but stays until that
cell is run again.
"""

from bench.store.kept_trials import read_unfinished
from bench.store.membership import KeptCell, kept_cells, without, without_surplus
from bench.store.parts import DamagedPart
from bench.store.reader import (
    Gathered,
    Stored,
    cell_ids,
    gather,
    read,
    read_cell,
    read_suite,
    readable,
    stored,
    summary,
    write_suite,
)
from bench.store.renewal import Renewal, read_renewal, write_renewal
from bench.store.writer import ARCHIVE, LOGS, Writer, writing

__all__ = [
    "ARCHIVE",
    "LOGS",
    "DamagedPart",
    "Gathered",
    "KeptCell",
    "Renewal",
    "Stored",
    "Writer",
    "cell_ids",
    "gather",
    "kept_cells",
    "read",
    "read_cell",
    "read_renewal",
    "read_suite",
    "read_unfinished",
    "readable",
    "stored",
    "summary",
    "without",
    "without_surplus",
    "write_renewal",
    "write_suite",
    "writing",
]
