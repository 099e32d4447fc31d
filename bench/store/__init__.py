"""A results folder: one immutable Parquet part for each finished cell and table.

::

    results/full/
    ├── runs/        <cell id>.parquet     written last: a cell is stored when this part exists
    ├── trials/  curves/  predictions/     parts of the same name, with zero rows if there is nothing to store
    ├── probes/      <cell id>-<machine>.parquet     by `bench probe`, whether or not the cell is stored
    ├── superseded/                        the same four, of cells whose data, settings or code have changed
    ├── packed/  <number>/<table>.parquet  many cells in one file, by a long run or `bench compact`; see packed.json
    ├── .pending/                          parts that are being added, and notes of what is being moved or packed
    ├── unfinished/  <cell id>.parquet     the trials of a cell that is still tuned, batch by batch
    ├── suite.json                         the suite of the last run, or else of the first probe
    ├── .strays/                           what lay in .pending/ and is of no writer, and cells with a damaged part
    ├── fresh.json                         cells that `bench run --fresh` has not run again yet, where there are any
    ├── .claims/     <cell id>             which run works on which cell now
    └── .lock                              held for each change, and by one process at a time

Every change is a transaction. A cell's parts are written to ``.pending/<cell id>.tmp/``, read back, synced, and made
final by renaming that folder to ``.pending/<cell id>/``, from which moment on readers take them for the current ones;
then each part moves to its place. A cell is superseded or restored by moving its parts, after a note of that was made;
its part of `runs` leaves first and arrives last. A pack is made under a note as well, and is read from the moment on
that ``packed.json`` names it. Who takes the lock next completes what a writer that was killed had noted or made final,
and clears the rest. No other file is ever deleted: a part without its part of `runs` is not stored, but stays until
that cell is run again.
"""

from bench.store.kept_trials import read_unfinished
from bench.store.membership import KeptCell, kept_cells, without, without_surplus
from bench.store.parts import DamagedPart, is_results
from bench.store.published import publish, unsettled, writing
from bench.store.reader import (
    Gathered,
    Stored,
    cell_ids,
    gather,
    is_stored,
    read,
    read_cell,
    read_suite,
    readable,
    stored,
    summary,
    write_suite,
)
from bench.store.renewal import Renewal, read_renewal, write_renewal
from bench.store.transactions import ARCHIVE
from bench.store.writer import LOGS, Writer

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
    "is_results",
    "is_stored",
    "kept_cells",
    "publish",
    "read",
    "read_cell",
    "read_renewal",
    "read_suite",
    "read_unfinished",
    "readable",
    "stored",
    "summary",
    "unsettled",
    "without",
    "without_surplus",
    "write_renewal",
    "write_suite",
    "writing",
]
