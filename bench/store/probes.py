"""The probes of a results folder: a part for each cell and machine, since one cell may be probed on several."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from bench.schema import PROBES
from bench.store.part import load, part_of
from bench.store.reader import cell_ids


def probe_part(folder: Path, cell_id: str, machine: str) -> Path:
    """Where the probe of one cell on `machine` (`bench.environment.machine_id`) lies, or would lie."""
    return part_of(folder, "probes", f"{cell_id}-{machine}")


def read_probes(folder: Path, *, machine: str | None = None) -> pa.Table:
    """All rows of `bench.schema.PROBES` in a results folder, or those of one machine; none where nothing was probed.

    Raises
    ------
    StoreError
        A part is torn, of another schema version, or holds the rows of another cell.
    """
    names = [name for name in cell_ids(folder, "probes") if machine in (None, name.rpartition("-")[2])]
    parts = (load(part_of(folder, "probes", name)) for name in names)
    return pa.concat_tables([PROBES.empty_table(), *(part for part in parts if part is not None)])
