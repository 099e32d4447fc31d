"""What was found whole in a results folder, kept in the user's cache: parts that have not changed are not opened again.

A part is taken for unchanged while it is the same file with the same size and the same time of change, which the system
sets and no program can. The cache is this user's own, so that a folder from elsewhere cannot vouch for itself, and is
of the code that verified: another version looks again. Reports open every part whatever is kept here.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.atomic import open_file, write_atomically
from bench.paths import cache_folder
from bench.store.schema import RUNS, SCHEMAS

WORTH_KEEPING = 20
"""Parts that were opened before anything is kept: fewer are opened as fast as the cache is read."""

_KEPT = 20
"""Results folders that are remembered."""

_SETTLED_NS = 10**9
"""Two changes within one tick of the system's clock have one time: only a part older than this shows the next one."""

_SIGNATURES = b"signatures"

Signature = tuple[int, int, int]
"""Number of the file, bytes, time of change in ns."""


class Verified:
    """What is known of the parts of one results folder.

    Parameters
    ----------
    folder
        It need not exist.
    moving
        Cells whose current parts have not come to their places yet.

    Attributes
    ----------
    runs
        The rows of all unchanged parts of `runs`, ordered by cell id.
    """

    def __init__(self, folder: Path, moving: frozenset[str] = frozenset()) -> None:
        self._place = _place(folder)
        self._present = {
            table: {name: own for name, own in _signatures(folder / table).items() if name not in moving}
            for table in SCHEMAS
        }
        rows, before = _kept(self._place)
        self._unchanged = {
            table: {name for name, own in before.get(table, {}).items() if present.get(name) == tuple(own)}
            for table, present in self._present.items()
        }
        known = self._unchanged["runs"]
        whole = known == before.get("runs", {}).keys()
        self.runs = rows if whole else rows.filter(pa.array([name in known for name in rows["cell_id"].to_pylist()]))
        self._opened = 0

    def unchanged(self, table: str) -> frozenset[str]:
        """The cells whose part of `table` was verified earlier, or is noted as verified now."""
        return frozenset(self._unchanged[table])

    def note(self, table: str, cell_ids: Iterable[str]) -> None:
        """These parts of `table` were opened and verified now."""
        opened = set(cell_ids)
        self._opened += len(opened)
        self._unchanged[table] |= opened

    def keep(self, runs: pa.Table) -> None:
        """Remember what is verified, where that is worth it; `runs` are the rows of all verified parts of it."""
        if self._opened < WORTH_KEEPING:
            return
        settled = time.time_ns() - _SETTLED_NS
        signatures = {
            table: {name: own for name, own in present.items() if name in self._unchanged[table] and own[2] < settled}
            for table, present in self._present.items()
        }
        own = pa.array([name in signatures["runs"] for name in runs["cell_id"].to_pylist()])
        content = pa.BufferOutputStream()
        described = {_SIGNATURES: json.dumps(signatures)}
        pq.write_table(runs.filter(own).replace_schema_metadata(described), content, compression="snappy")
        with suppress(OSError):  # a convenience: without it, parts are opened
            self._place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._place, content.getvalue().to_pybytes())
            _forget(self._place.parent)


def _place(folder: Path) -> Path:
    name = hashlib.sha256(f"{os.path.realpath(folder)}\0{_code()}".encode()).hexdigest()[:24]
    return cache_folder() / "verified" / f"{name}.parquet"


@cache
def _code() -> str:
    """What decides whether a part is whole."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def _signatures(folder: Path) -> dict[str, Signature]:
    """Of each regular file in `folder`, by its name without ``.parquet``."""
    present: dict[str, Signature] = {}
    with suppress(OSError), os.scandir(folder) as entries:  # what cannot be listed is said where it is read
        for entry in entries:
            if entry.name.endswith(".parquet") and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                present[entry.name[: -len(".parquet")]] = (status.st_ino, status.st_size, status.st_ctime_ns)
    return present


def _kept(place: Path) -> tuple[pa.Table, Mapping[str, Mapping[str, list[int]]]]:
    try:
        with open_file(place) as source, pq.ParquetFile(source) as file:
            rows = file.read(use_threads=False)
        signatures = json.loads(rows.schema.metadata[_SIGNATURES])
        return rows.replace_schema_metadata(RUNS.metadata).cast(RUNS), signatures
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):  # none, or of another version
        return pa.Table.from_arrays([pa.nulls(0, field.type) for field in RUNS], schema=RUNS), {}


def _forget(folder: Path) -> None:
    """Remove what was kept longest ago, beyond `_KEPT`."""
    kept = sorted(folder.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    for path in kept[:-_KEPT]:
        path.unlink(missing_ok=True)
