"""Write a results folder: to a temporary file, verified, synced, then moved to its place.

The folder is locked with a lock that the operating system releases when its holder dies, however it dies. Nothing is
written through a symbolic link: the folders of a results folder are folders, and lie in it.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from bench.atomic import kind_of, open_lock, real_folder, sync, write_atomically
from bench.errors import StoreError
from bench.store import transactions
from bench.store.claimed_cells import Claims
from bench.store.kept_trials import unusable
from bench.store.parts import PACKED, UNFINISHED, DamagedPart, in_packs, manifest, part_of, probe_part, write_manifest
from bench.store.reader import cell_ids, read_cell, read_suite, stored, write_suite
from bench.store.renewal import Renewal, write_renewal
from bench.store.schema import ALL, LATER, Rows
from bench.store.transactions import ARCHIVE, TABLES

log = logging.getLogger(__name__)

WAIT_S = 120.0
"""Seconds to wait for another process that changes the folder; each change takes some milliseconds."""


@contextmanager
def exclusive(path: Path, *, wait_s: float | None = None) -> Iterator[None]:
    """Hold the lock file `path` for the length of a ``with`` block.

    The file stays behind, on purpose: deleting it would let two processes lock two files of one name.

    Raises
    ------
    StoreError
        Another process holds it for longer than `wait_s`, by default `WAIT_S`; the message names that process.
    """
    with _writable(path.parent):
        lock = open_lock(path)
    until = time.monotonic() + (WAIT_S if wait_s is None else wait_s)
    with lock as file:
        while (error := _refusal(file)) is not None:
            if time.monotonic() >= until:
                raise StoreError(
                    f"{path.parent}: expected to be the only writer, but {_holder(file)} is writing there; "
                    "wait until it ends, or give another folder with --results"
                ) from error
            time.sleep(_POLL_S)
        with _writable(path.parent):
            _sign(file)
        yield


_POLL_S = 0.003


def _refusal(file: BinaryIO) -> OSError | None:
    """Lock `file`, or say why that cannot be done now."""
    try:
        _lock(file)
    except OSError as error:
        return error
    return None


def _sign(file: BinaryIO) -> None:
    """Name this process to those who wait; nothing is written where it is named already."""
    own = b"\0" + f"process {os.getpid()}".encode()
    if file.read(100) != own:
        file.seek(0)
        file.truncate(0)
        file.write(own)
        file.flush()


def _holder(file: BinaryIO) -> str:
    file.seek(1)  # the first byte is what Windows locks against reading
    return file.read(100).decode(errors="replace") or "another process"


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


LOGS = "logs"
"""The folder, within a results folder, of what cells have printed while they ran."""


@contextmanager
def writing(folder: Path, *, alone: bool = False) -> Iterator[Writer]:
    """A writer of `folder`, which is made where it does not exist; what an earlier one left half done is completed.

    Several processes may write at the same time: each change is made under the folder's lock.

    Parameters
    ----------
    alone
        Whether no other such writer may be there, as for measurements that another would disturb.

    Raises
    ------
    StoreError
        As `read`; or the folder cannot be written; or there is another writer that is to be alone.
    """
    with _writable(folder):
        transactions.prepare_folders(folder)
    claims = Claims(folder)
    with _locked(folder):
        archives = (folder, folder / ARCHIVE)
        for archive in archives:
            stored(archive, {})  # refuses what it must not touch before anything is moved or cleared
        with _writable(folder):
            if kind_of(folder / ARCHIVE):
                transactions.prepare_folders(folder / ARCHIVE)
            transactions.settle(folder)
            claims.clear()
            for archive in archives:
                if kind_of(archive):
                    _move_damaged(archive)
            for path, wrong in list(unusable(folder)):
                transactions.move_and_say(folder, path, wrong)
    with exclusive(folder / ".alone", wait_s=0) if alone else nullcontext():
        writer = Writer(folder, claims)
        try:
            yield writer
        finally:
            claims.end()
        if writer.recent.has_replaced:
            with writer.turn():
                transactions.forget_outworn(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Within the block nobody else changes `folder`."""
    with exclusive(folder / ".lock"):
        yield


COPY = ".copy"
"""The folder, within a results folder that is the copy of a URL, of what it knows of that. Such a folder is not packed:
what is to be published stays in parts of its own."""


@dataclass
class Recent:
    """What a writer has put lately, so that many cells become few files without being read again.

    Attributes
    ----------
    rows
        By cell id.
    has_replaced
        Whether a cell that is in a pack has parts of its own now.
    """

    rows: dict[str, Rows] = field(default_factory=dict)
    has_replaced: bool = False
    _parts: dict[str, tuple[int, int]] = field(default_factory=dict)  # cell id → file and time of its part of `runs`
    _bytes: int = 0

    CELLS: ClassVar[int] = 1000
    BYTES: ClassVar[int] = 2**27

    def add(self, folder: Path, cell_id: str, rows: Rows) -> None:
        """`rows` have come to their places."""
        self.rows[cell_id], self._parts[cell_id] = rows, _file_of(folder, cell_id)
        self._bytes += sum(table.nbytes for table in rows.values())
        self.has_replaced |= cell_id in manifest(folder)

    @property
    def are_many(self) -> bool:
        """Whether they are worth a pack."""
        return len(self.rows) >= self.CELLS or self._bytes >= self.BYTES

    def take(self, folder: Path) -> dict[str, Rows]:
        """Those that are still what is stored of their cells, sorted; here they are forgotten."""
        known = {each: self.rows[each] for each in sorted(self.rows) if self._parts[each] == _file_of(folder, each)}
        self.rows, self._parts, self._bytes = {}, {}, 0
        return known


def _file_of(folder: Path, cell_id: str) -> tuple[int, int]:
    """What another part of `runs` in the same place would not have in common with this one."""
    with suppress(FileNotFoundError):
        status = part_of(folder, "runs", cell_id).lstat()
        return status.st_ino, status.st_ctime_ns
    return 0, 0


@dataclass(frozen=True)
class Writer:
    """Puts cells into a results folder; made by `writing`."""

    folder: Path
    claims: Claims
    recent: Recent = field(default_factory=Recent)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Within the block this writer is the only one, and nothing is left half done by one that was killed."""
        with _writable(self.folder), _locked(self.folder):
            if transactions.is_pending(self.folder):
                transactions.settle(self.folder)
            yield

    def claim(self, cell_id: str) -> bool:
        """Take a cell, which no other runner then takes until its rows are put or `release` gives it free."""
        with self.turn():
            return self.claims.take(cell_id)

    def release(self, cell_id: str) -> None:
        """Give a claimed cell free."""
        with self.turn():
            self.claims.release(cell_id)

    def put(self, rows: Rows) -> None:
        """Store the rows of one cell, in place of older rows of the same cell id; it is no longer claimed."""
        cell_id = _only_cell(rows)
        with self.turn():
            staged = transactions.stage(self.folder, cell_id)
            given = {name: rows.get(name, ALL[name].empty_table()) if name in LATER else rows[name] for name in TABLES}
            for name in TABLES:
                transactions.write_part(staged, name, given[name])
            transactions.commit(self.folder, cell_id)
            if not (self.folder / COPY).is_dir():
                self.recent.add(self.folder, cell_id, given)
            self._forget(cell_id)
            self.claims.release(cell_id)
            if self.recent.are_many:
                cells = self.recent.take(self.folder)
                transactions.pack(self.folder, list(cells), lambda table: (each[table] for each in cells.values()))

    def keep_trials(self, trials: pa.Table) -> None:
        """Keep the finished trials of a cell whose study goes on; `put` and `forget_trials` remove them."""
        (cell_id,) = trials["cell_id"].unique().to_pylist()
        content = pa.BufferOutputStream()
        pq.write_table(trials, content, compression="zstd", write_page_checksum=True)
        with self.turn():
            path = part_of(self.folder, UNFINISHED, cell_id)
            real_folder(path.parent)
            write_atomically(path, content.getvalue().to_pybytes())

    def forget_trials(self, cell_id: str) -> None:
        """Remove what `keep_trials` has kept of a cell, if anything."""
        with self.turn():
            self._forget(cell_id)

    def _forget(self, cell_id: str) -> None:
        part = part_of(self.folder, UNFINISHED, cell_id)
        if kind_of(part.parent) != "a folder":
            return
        if kind_of(part) in ("", "a file"):
            part.unlink(missing_ok=True)
        else:
            transactions.move_and_say(self.folder, part, f"expected a file of trials, found {kind_of(part)}")

    def put_log(self, cell_id: str, text: str) -> None:
        """Keep what a cell has printed in place of what it printed before; nothing where it printed nothing."""
        place = self.folder / LOGS / f"{cell_id}.log"
        with _writable(self.folder):
            if text:
                real_folder(place.parent)
                write_atomically(place, text.encode())
            elif kind_of(place.parent) == "a folder" and kind_of(place) == "a file":
                place.unlink(missing_ok=True)

    def put_suite(self, text: str) -> None:
        """Keep `text`, a suite as JSON; nothing is written where the folder holds that already.

        Raises
        ------
        StoreError
            The folder cannot be written, or another runner works there, with another suite.
        """
        if read_suite(self.folder) == text:
            return
        with self.turn():
            if read_suite(self.folder) not in (None, text) and (others := self.claims.others()):
                raise StoreError(
                    f"{self.folder}: expected to be the only writer, but another run with another suite goes on there "
                    f"({len(others)} cells are claimed); wait until it ends, or give another folder with --results"
                )
            write_suite(self.folder, text)

    def put_renewal(self, renewal: Renewal, waiting: Iterable[str]) -> None:
        """Keep the cells that are `waiting` to be run again."""
        with self.turn():
            write_renewal(self.folder, renewal, waiting)

    def put_probe(self, rows: pa.Table, machine: str) -> None:
        """Store the probe of one cell on `machine`, in place of an older one there."""
        (cell_id,) = rows["cell_id"].unique().to_pylist()
        place = probe_part(self.folder, cell_id, machine)
        with self.turn():
            staged = transactions.stage(self.folder, place.stem)
            transactions.write_part(staged, "probes", rows)
            real_folder(place.parent)
            (staged / "probes").replace(place)
            sync(place.parent)
            staged.rmdir()

    def supersede(self, cell_id: str) -> None:
        """Set a cell aside: its rows are no longer read, and `restore` brings them back."""
        with self.turn():
            transactions.move(self.folder, cell_id, transactions.SUPERSEDING)

    def rename(self, old: str, new: str) -> None:
        """Store the rows of the cell `old` under the id `new` as well."""
        rows = {name: read_cell(self.folder, name, old) for name in TABLES}
        if not rows["runs"].num_rows:
            return  # another runner was here before
        at = 0  # the first column of every table
        self.put(
            {
                name: table.set_column(at, table.schema.field(at), pa.array([new] * table.num_rows, pa.string()))
                for name, table in rows.items()
            }
        )

    def restore(self, wanted: Iterable[str]) -> None:
        """Bring back those of the cells `wanted` that were set aside and are not stored."""
        if not (archived := set(cell_ids(self.folder / ARCHIVE)).intersection(wanted)):
            return
        with self.turn():
            for cell_id in sorted(archived - set(cell_ids(self.folder))):
                transactions.move(self.folder, cell_id, transactions.RESTORING)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        taken = error.errno == errno.EINVAL  # as `bench.atomic` says that something else lies there
        advice = "move it away" if taken else "make room or fix the permissions"
        raise StoreError(
            f"{error.filename or folder}: cannot be written ({error.strerror or error}); {advice}, or give another "
            "folder with --results; what was stored before is kept"
        ) from error


def _only_cell(rows: Mapping[str, pa.Table]) -> str:
    given = [rows[name] for name in TABLES if name in rows or name not in LATER]
    ids = {cell_id for table in given for cell_id in table["cell_id"].unique().to_pylist()}
    if len(ids) != 1 or not rows["runs"].num_rows:
        raise ValueError(f"expected the rows of one cell, with at least one run; found cells {sorted(ids)}")
    return str(ids.pop())


def _move_damaged(archive: Path) -> None:
    """Move the parts of a cell of which one is damaged out of the way of those that will replace them."""
    damaged: dict[str, DamagedPart] = {}
    stored(archive, damaged)
    packed = in_packs(archive)
    for place in sorted({archive / PACKED / packed[cell_id] for cell_id in damaged.keys() & packed}):
        write_manifest(archive, {name: pack for name, pack in manifest(archive).items() if pack != place.name})
        if kind_of(place):
            transactions.move_and_say(archive, place, "expected packed cells that can be read")
    for cell_id, first in damaged.items():
        if cell_id in packed:
            continue
        for name in reversed(TABLES):  # the commit mark first: without it the cell is not stored
            if kind_of(part_of(archive, name, cell_id)):
                transactions.move_stray(part_of(archive, name, cell_id), archive, f"{cell_id}.{name}.parquet")
                sync(archive / name)
        log.warning(
            "%s: %s; the parts of its cell were moved to %s", first.part, first.wrong, archive / transactions.STRAYS
        )
