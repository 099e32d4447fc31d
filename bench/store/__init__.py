"""A results folder: one immutable Parquet part for each finished cell and table.

::

    results/full/
    ├── runs/        <cell id>.parquet     written last: a cell is stored when this part exists
    ├── trials/  curves/  predictions/     parts of the same name, of no rows where there is nothing to tell
    ├── probes/      <cell id>-<machine>.parquet     by `bench probe`, whether or not the cell is stored
    ├── superseded/                        the same four, of cells whose data, settings or code have changed
    ├── .pending/                          parts on their way in, and notes of those on their way out
    ├── suite.json                         the suite of the last run, or else of the first probe
    └── .lock                              held by the one writer

A cell's parts are written to ``.pending/<cell id>.tmp/``, read back, synced, and made final by renaming that
folder to ``.pending/<cell id>/``; then each part moves to its place. A cell that is set aside, or brought back, is
stored there first; then the note ``.pending/<cell id>.moved`` is made here and its parts are deleted, `runs` first. A
writer that is killed loses at most what it had not made final: the next one ends the moves and clears the rest. No
other file is ever deleted: a part without its part of `runs` is not stored, but stays until that cell is run again.
"""

from bench.store.read import (
    Gathered,
    Stored,
    cell_ids,
    gather,
    read,
    read_cell,
    read_suite,
    stored,
    summary,
    write_suite,
)
from bench.store.write import ASIDE, Writer, writing

__all__ = [
    "ASIDE",
    "Gathered",
    "Stored",
    "Writer",
    "cell_ids",
    "gather",
    "read",
    "read_cell",
    "read_suite",
    "stored",
    "summary",
    "write_suite",
    "writing",
]
