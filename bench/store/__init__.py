"""A results folder: one immutable Parquet part for each finished cell and table.

::

    results/full/
    ├── runs/        <cell id>.parquet     written last: a cell is stored when this part exists
    ├── trials/  curves/  predictions/     parts of the same name; an empty table writes none
    ├── superseded/                        the same four, of cells whose data, settings or code have changed
    ├── .pending/                          parts on their way in
    └── .lock                              held by the one writer

A cell's parts are written to ``.pending/<cell id>.tmp/``, read back, synced, and made final by renaming that
folder to ``.pending/<cell id>/``; then each part moves to its place. A writer that is killed loses at most what it
had not made final: the next one ends the moves and clears the rest.
"""

from bench.store.reader import Place, Stored, read, stored, summary
from bench.store.writer import ASIDE, Writer, writing

__all__ = ["ASIDE", "Place", "Stored", "Writer", "read", "stored", "summary", "writing"]
