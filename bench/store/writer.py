"""Write a results folder: to a temporary file, verified, synced, then moved to its place.

The folder is locked with a lock that the operating system releases when its holder dies, however it dies. Nothing is
written through a symbolic link: the folders of a results folder are folders, and lie in it.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from bench.atomic import kind_of, open_file, open_lock, real_folder, sync, write_atomically
from bench.errors import StoreError
from bench.store.kept_trials import unusable
from bench.store.parts import UNFINISHED, DamagedPart, part_of, probe_part
from bench.store.reader import cell_ids, read_cell, stored, write_suite
from bench.store.renewal import Renewal, write_renewal
from bench.store.schema import ALL, LATER, SCHEMAS, Rows


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path` for the length of a ``with`` block.

    The file stays behind, on purpose: deleting it would let two processes lock two files of one name.

    Raises
    ------
    StoreError
        Another process holds it; the message names that process.
    """
    with _writable(path.parent):
        lock = open_lock(path)
    with lock as file:
        try:
            _lock(file)
        except OSError as error:
            raise StoreError(
                f"{path.parent}: expected to be the only writer, but {_holder(file)} is writing there; "
                "wait until it ends, or give another folder with --results"
            ) from error
        file.truncate(0)
        file.write(b"\0" + f"process {os.getpid()}".encode())
        file.flush()
        yield


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


TABLES = (*(name for name in SCHEMAS if name != "runs"), "runs")
"""The order in which parts take their place; `runs` is the commit mark."""

ARCHIVE = "superseded"
"""The folder, within a results folder, of cells that were set aside; it is laid out like a results folder."""

LOGS = "logs"
"""The folder, within a results folder, of what cells have printed while they ran."""

STRAYS = ".strays"
"""The folder, within a results folder, of what lay in the place of something of ours."""

_PENDING = ".pending"

log = logging.getLogger(__name__)


@contextmanager
def writing(folder: Path) -> Iterator[Writer]:
    """The one writer of `folder`, which is made where it does not exist.

    Raises
    ------
    StoreError
        As `read`; or another process writes there; or the folder cannot be written.
    """
    with _writable(folder):
        _prepare(folder)
    with exclusive(folder / ".lock"):
        archives = (folder, folder / ARCHIVE)
        for archive in archives:
            stored(archive, {})  # refuses what it must not touch before anything is moved or cleared
        with _writable(folder):
            for archive in archives:
                if kind_of(archive):
                    _prepare(archive)
                    _recover(archive)
                    _move_damaged(archive)
            for path, wrong in list(unusable(folder)):
                _move_and_say(folder, path, wrong)
        yield Writer(folder)


@dataclass(frozen=True)
class Writer:
    """Puts cells into a results folder; made by `writing`."""

    folder: Path

    def put(self, rows: Rows) -> None:
        """Store the rows of one cell, in place of older rows of the same cell id."""
        cell_id = _only_cell(rows)
        with _writable(self.folder):
            staged = _stage(self.folder, cell_id)
            for name in TABLES:
                _write(staged, name, rows.get(name, ALL[name].empty_table()) if name in LATER else rows[name])
            _commit(self.folder, cell_id)
        self.forget_trials(cell_id)

    def keep_trials(self, trials: pa.Table) -> None:
        """Keep the finished trials of a cell whose study goes on; `put` and `forget_trials` remove them."""
        (cell_id,) = trials["cell_id"].unique().to_pylist()
        content = pa.BufferOutputStream()
        pq.write_table(trials, content, compression="zstd", write_page_checksum=True)
        with _writable(self.folder):
            path = part_of(self.folder, UNFINISHED, cell_id)
            real_folder(path.parent)
            write_atomically(path, content.getvalue().to_pybytes())

    def forget_trials(self, cell_id: str) -> None:
        """Remove what `keep_trials` has kept of a cell, if anything."""
        part = part_of(self.folder, UNFINISHED, cell_id)
        with _writable(self.folder):
            if kind_of(part.parent) != "a folder":
                return
            if kind_of(part) in ("", "a file"):
                part.unlink(missing_ok=True)
            else:
                _move_and_say(self.folder, part, f"expected a file of trials, found {kind_of(part)}")

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
        """Keep `text`, a suite as JSON; nothing is written where the folder holds that already."""
        write_suite(self.folder, text)

    def put_renewal(self, renewal: Renewal, waiting: Iterable[str]) -> None:
        """Keep the cells that are `waiting` to be run again."""
        with _writable(self.folder):
            write_renewal(self.folder, renewal, waiting)

    def put_probe(self, rows: pa.Table, machine: str) -> None:
        """Store the probe of one cell on `machine`, in place of an older one there."""
        (cell_id,) = rows["cell_id"].unique().to_pylist()
        place = probe_part(self.folder, cell_id, machine)
        with _writable(self.folder):
            staged = _stage(self.folder, place.stem)
            _write(staged, "probes", rows)
            real_folder(place.parent)
            (staged / "probes").replace(place)
            sync(place.parent)
            staged.rmdir()

    def supersede(self, cell_id: str) -> None:
        """Set a cell aside: its rows are no longer read, and `restore` brings them back."""
        with _writable(self.folder):
            _move(cell_id, self.folder, self.folder / ARCHIVE)

    def rename(self, old: str, new: str) -> None:
        """Store the rows of the cell `old` under the id `new` as well."""
        rows = {name: read_cell(self.folder, name, old) for name in TABLES}
        at = 0  # the first column of every table
        self.put(
            {
                name: table.set_column(at, table.schema.field(at), pa.array([new] * table.num_rows, pa.string()))
                for name, table in rows.items()
            }
        )

    def restore(self, wanted: Iterable[str]) -> None:
        """Bring back those of the cells `wanted` that were set aside and are not stored."""
        archived = set(cell_ids(self.folder / ARCHIVE)) - set(cell_ids(self.folder))
        with _writable(self.folder):
            for cell_id in sorted(archived.intersection(wanted)):
                _move(cell_id, self.folder / ARCHIVE, self.folder)


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


def _prepare(archive: Path) -> None:
    """Make the folders of `archive`; what lies in their place, as a link does, is refused."""
    archive.mkdir(parents=True, exist_ok=True)
    for name in (*TABLES, _PENDING):
        real_folder(archive / name)
    for name in ("probes", ARCHIVE):
        if kind_of(archive / name):
            real_folder(archive / name)


def _only_cell(rows: Mapping[str, pa.Table]) -> str:
    given = [rows[name] for name in TABLES if name in rows or name not in LATER]
    ids = {cell_id for table in given for cell_id in table["cell_id"].unique().to_pylist()}
    if len(ids) != 1 or not rows["runs"].num_rows:
        raise ValueError(f"expected the rows of one cell, with at least one run; found cells {sorted(ids)}")
    return str(ids.pop())


def _stage(archive: Path, cell_id: str) -> Path:
    path = archive / _PENDING / f"{cell_id}.tmp"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


_QUICK: Mapping[str, Any] = {"compression": "snappy", "write_statistics": False}
"""A few rows of many columns: three times faster to read than with zstd, whose pages each take their time."""

_SMALL: Mapping[str, Any] = {"compression": "zstd"}
"""Many rows of few columns."""


def _write(staged: Path, name: str, rows: pa.Table) -> None:
    """Write one part next to its place and read it back; of no rows too, so that every folder has its columns."""
    part = staged / name
    if not rows.schema.equals(ALL[name]):
        raise ValueError(f"expected the schema of {name!r}, got {rows.schema}")
    quick = _QUICK if name == "runs" else _SMALL
    with (staged / name).open("xb") as stream:
        pq.write_table(rows.cast(ALL[name]), stream, write_page_checksum=True, **quick)
    with open_file(part) as written, pq.ParquetFile(written, page_checksum_verification=True) as file:
        if not file.schema_arrow.equals(ALL[name]) or file.read().num_rows != rows.num_rows:
            raise StoreError(f"{part}: what was written does not read back; check the disk")
    sync(part)


def _commit(archive: Path, cell_id: str) -> None:
    """Make what is staged final; from here on a killed writer loses nothing."""
    final = archive / _PENDING / cell_id
    staged = final.with_suffix(".tmp")
    sync(staged)
    staged.rename(final)
    sync(final.parent)
    _place(archive, cell_id)


def _place(archive: Path, cell_id: str) -> None:
    """Move final parts to their places; may be cut off at any point and called again."""
    final = archive / _PENDING / cell_id
    _prepare(archive)  # a folder of an earlier version lacks what came later
    for name in TABLES:
        staged, place = final / name, part_of(archive, name, cell_id)
        if staged.exists():  # else an earlier call has moved it
            staged.replace(place)
            sync(place.parent)
    final.rmdir()


def _move(cell_id: str, source: Path, target: Path) -> None:
    if not part_of(source, "runs", cell_id).exists():
        return  # moved before: there is nothing here that may replace what is there
    _prepare(target)
    staged = _stage(target, cell_id)
    for name in TABLES:
        if name in LATER and not part_of(source, name, cell_id).exists():
            continue  # the cell is older than the table
        with open_file(part_of(source, name, cell_id)) as part, (staged / name).open("xb") as copy:
            shutil.copyfileobj(part, copy)
        sync(staged / name)
    _commit(target, cell_id)
    _remove(source, cell_id)


def _remove(archive: Path, cell_id: str) -> None:
    """Delete the parts of a cell that is stored elsewhere, under a note by which `_recover` ends this if need be."""
    note = archive / _PENDING / f"{cell_id}.moved"
    note.parent.mkdir(exist_ok=True)
    note.touch()
    sync(note.parent)
    part_of(archive, "runs", cell_id).unlink()
    sync(archive / "runs")
    _clear(archive, note)


def _clear(archive: Path, note: Path) -> None:
    """Delete what is left of a cell that was moved; all of it is kept where its `runs` part still stands."""
    if not part_of(archive, "runs", note.stem).exists():
        for name in TABLES:
            part_of(archive, name, note.stem).unlink(missing_ok=True)
            sync(archive / name)
    note.unlink()


def _recover(archive: Path) -> None:
    """End what an earlier writer made final, and clear what it did not; what no writer noted is set aside, and said."""
    pending = archive / _PENDING
    for path in sorted(pending.iterdir()) if kind_of(pending) else ():
        if not _is_of_a_writer(path):
            _move_and_say(archive, path, "expected what a run leaves there, found something else")
        elif path.suffix == ".tmp":
            shutil.rmtree(path)
        elif path.suffix == ".moved":
            _clear(archive, path)
        else:
            _place(archive, path.name)


def _is_of_a_writer(path: Path) -> bool:
    """Whether a writer may have left `path`: an empty note, or a folder of nothing but parts."""
    if path.suffix == ".moved":
        return kind_of(path) == "a file" and not path.lstat().st_size
    if kind_of(path) != "a folder":
        return False
    inside = list(path.iterdir())
    return all(each.name in ALL and kind_of(each) == "a file" for each in inside)


def _move_damaged(archive: Path) -> None:
    """Move the parts of a cell of which one is damaged out of the way of those that will replace them."""
    damaged: dict[str, DamagedPart] = {}
    stored(archive, damaged)
    for cell_id, first in damaged.items():
        for name in reversed(TABLES):  # the commit mark first: without it the cell is not stored
            if kind_of(part_of(archive, name, cell_id)):
                _move_stray(part_of(archive, name, cell_id), archive, f"{cell_id}.{name}.parquet")
                sync(archive / name)
        log.warning("%s: %s; the parts of its cell were moved to %s", first.part, first.wrong, archive / STRAYS)


def _move_and_say(archive: Path, path: Path, wrong: str) -> None:
    """Move `path` out of the way of what is ours, and say so."""
    target = _move_stray(path, archive, path.name)
    log.warning("%s: %s; moved to %s", path, wrong, target)


def _move_stray(path: Path, archive: Path, name: str) -> Path:
    """Move `path` out of the way of what is ours, to `name` or the first name after it that is free."""
    strays = real_folder(archive / STRAYS)
    names = (f"{name}{f'-{number}' if number else ''}" for number in itertools.count())
    target = next(strays / name for name in names if not kind_of(strays / name))
    path.rename(target)
    return target
