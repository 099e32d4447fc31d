"""What happens to a results folder as one transaction: a cell's parts are put, moved into the archive, or back.

Whatever is begun is noted under ``.pending`` before anything is touched, so that it can be completed or undone after a
kill at any point. Every function here is for the one process that holds the folder's lock.
"""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.atomic import kind_of, open_file, real_folder, sync
from bench.errors import StoreError
from bench.store.claimed_cells import abandoned
from bench.store.parts import (
    MANIFEST,
    PACKED,
    PENDING,
    UNFINISHED,
    in_packs,
    manifest,
    pack_file,
    packed_cell,
    part_of,
    write_manifest,
)
from bench.store.renewal import FRESH
from bench.store.schema import ALL, SCHEMAS

TABLES = (*(name for name in SCHEMAS if name != "runs"), "runs")
"""The order in which parts take their place; `runs` is the commit mark."""

ARCHIVE = "superseded"
"""The folder, within a results folder, of cells that were set aside; it is laid out like a results folder."""

STRAYS = ".strays"
"""The folder, within a results folder, of what lay in the place of something of ours."""

log = logging.getLogger(__name__)


def prepare_folders(archive: Path) -> None:
    """Make the folders of `archive`; what lies in their place, as a link does, is refused."""
    archive.mkdir(parents=True, exist_ok=True)
    for name in (*TABLES, PENDING):
        real_folder(archive / name)
    for name in ("probes", ARCHIVE, PACKED):
        if kind_of(archive / name):
            real_folder(archive / name)


def stage(archive: Path, cell_id: str) -> Path:
    """A new folder for the parts of a cell; what it holds is nothing until `commit`."""
    path = archive / PENDING / f"{cell_id}.tmp"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


_QUICK: Mapping[str, Any] = {"compression": "snappy", "write_statistics": False}
"""A few rows of many columns: three times faster to read than with zstd, whose pages each take their time."""

_SMALL: Mapping[str, Any] = {"compression": "zstd"}
"""Many rows of few columns."""

_FEW = 5_000
"""Rows that are written `_QUICK`: in half of the time, and a third larger."""


def write_part(staged: Path, name: str, rows: pa.Table) -> None:
    """Write one part next to its place and read it back; of no rows too, so that every folder has its columns."""
    part = staged / name
    if not rows.schema.equals(ALL[name]):
        raise ValueError(f"expected the schema of {name!r}, got {rows.schema}")
    content = _encoded(name, rows) if rows.num_rows else _of_no_rows(name)
    with part.open("xb") as stream:
        stream.write(content)
    with open_file(part) as written:
        if written.read() != content:
            raise StoreError(f"{part}: what was written does not read back; check the disk")
    sync(part)


def _encoded(name: str, rows: pa.Table) -> bytes:
    """`rows` of the table `name` as a Parquet file."""
    content = pa.BufferOutputStream()
    options = _QUICK if name == "runs" or rows.num_rows <= _FEW else _SMALL
    pq.write_table(rows.replace_schema_metadata(ALL[name].metadata), content, write_page_checksum=True, **options)
    return bytes(content.getvalue().to_pybytes())


@cache
def _of_no_rows(name: str) -> bytes:
    return _encoded(name, ALL[name].empty_table())


def commit(archive: Path, cell_id: str) -> None:
    """Make what is staged final; from here on a killed writer loses nothing."""
    final = archive / PENDING / cell_id
    staged = final.with_suffix(".tmp")
    sync(staged)
    staged.rename(final)
    sync(final.parent)
    _place(archive, cell_id)


def _place(archive: Path, cell_id: str) -> None:
    """Move final parts to their places; may be cut off at any point and called again.

    Nothing is synced: a part is among what is pending or at its place whichever of the moves are on the disk, and is
    read from both. The folder of what is pending goes last, as it is empty only then.
    """
    final = archive / PENDING / cell_id
    prepare_folders(archive)  # a folder of an earlier version lacks what came later
    for name in TABLES:
        with suppress(FileNotFoundError):  # an earlier call has moved it
            (final / name).replace(part_of(archive, name, cell_id))
    final.rmdir()


PACKING = ".packing"
"""Suffix of the note that a pack of that number is made."""

SUPERSEDING, RESTORING = ".superseding", ".restoring"
"""Suffixes of the notes of moves, in the folder of what is pending of the results folder itself."""

_MARK = ".mark"
"""Suffix of a part of `runs` that is on its way: its cell is neither here nor there."""


def move(folder: Path, cell_id: str, how: str) -> None:
    """Move the parts of a cell into the archive (`SUPERSEDING`) or back (`RESTORING`), as one transaction.

    The note that is made first decides: from then on the move is completed, by whoever comes next if need be. Nothing
    is copied, so that a full disk is no obstacle. The part of `runs` leaves first and arrives last.
    """
    source, _ = _ends(folder, how)
    unpack(source, cell_id)
    if not part_of(source, "runs", cell_id).exists():
        return  # moved before: there is nothing here that may replace what is there
    note = folder / PENDING / f"{cell_id}{how}"
    note.touch()
    sync(note.parent)
    _carry(folder, note)


def _ends(folder: Path, how: str) -> tuple[Path, Path]:
    return (folder, folder / ARCHIVE) if how == SUPERSEDING else (folder / ARCHIVE, folder)


def _carry(folder: Path, note: Path) -> None:
    """Make the move of `note`, or what is left of it."""
    cell_id = note.stem
    source, target = _ends(folder, note.suffix)
    prepare_folders(target)
    mark = note.with_suffix(_MARK)
    if (left := part_of(source, "runs", cell_id)).exists():
        left.replace(mark)
        sync(left.parent)
    if mark.exists():  # else it has arrived, as the last one
        part_of(target, "runs", cell_id).unlink(missing_ok=True)
        for name in TABLES:
            if name != "runs" and (part := part_of(source, name, cell_id)).exists():
                part.replace(part_of(target, name, cell_id))
        for name in TABLES:
            sync(target / name)
        mark.replace(part_of(target, "runs", cell_id))
        sync(target / "runs")
    for name in TABLES:
        sync(source / name)
    note.unlink()


def _clear(archive: Path, note: Path) -> None:
    """Delete what is left of a cell that was moved; all of it is kept where its `runs` part still stands."""
    if not part_of(archive, "runs", note.stem).exists():
        for name in TABLES:
            part_of(archive, name, note.stem).unlink(missing_ok=True)
            sync(archive / name)
    note.unlink()


def unpack(archive: Path, cell_id: str) -> None:
    """Give a cell that is in a pack parts of its own again, and take it out of the manifest."""
    cells = dict(manifest(archive))
    if cell_id not in cells:
        return
    if cell_id in in_packs(archive, [cell_id]):
        rows = {name: packed_cell(archive, name, cell_id) for name in TABLES}
        staged = stage(archive, cell_id)
        for name in TABLES:
            write_part(staged, name, rows[name])
        commit(archive, cell_id)
    _forget_packed(archive, [cell_id])


def _forget_packed(archive: Path, cell_ids: Iterable[str]) -> None:
    """Take cells out of the manifest; packs that none is in any more are removed."""
    gone = set(cell_ids)
    write_manifest(archive, {name: pack for name, pack in manifest(archive).items() if name not in gone})
    _remove_packs(archive)


def _remove_packs(archive: Path) -> None:
    """Remove the packs that the manifest does not name."""
    used = {*manifest(archive).values()}
    for name in _packs(archive):
        place = archive / PACKED / name
        if name not in used and kind_of(place) == "a folder":
            gone = archive / PENDING / f"{name}.tmp"
            shutil.rmtree(gone, ignore_errors=True)
            place.rename(gone)
            sync(place.parent)
            shutil.rmtree(gone)
    if kind_of(archive / PACKED) == "a folder" and not any((archive / PACKED).iterdir()):
        (archive / PACKED).rmdir()


_ROWS = 2**16
"""Rows of a row group, about: whole cells, so that one cell is read without most of the others."""


def pack(archive: Path, ids: Sequence[str], rows_of: Callable[[str], Iterable[pa.Table]]) -> None:
    """Bring the cells `ids`, sorted, into a pack of their own; `rows_of` a table gives their rows in that order.

    It is written and verified next to its place, and read from the moment on that the manifest names it; only then are
    the parts deleted that it stands for. What is interrupted is completed or undone by the next writer, by the note
    that is made first.
    """
    number = f"{max(map(int, manifest(archive).values()), default=0) + 1:04}"
    note = archive / PENDING / f"{number}{PACKING}"
    note.touch()
    sync(note.parent)
    staged = archive / PENDING / f"{number}.tmp"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    for table in TABLES:
        _write_pack(staged / f"{table}.parquet", table, _grouped(rows_of(table)))
    sync(staged)
    real_folder(archive / PACKED)
    staged.rename(pack_file(archive, number, "runs").parent)
    sync(archive / PACKED)
    write_manifest(archive, {**manifest(archive), **dict.fromkeys(ids, number)})
    end_packing(archive, note)


def _grouped(cells: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows of `cells`, in order, some of them at a time."""
    group: list[pa.Table] = []
    for rows in cells:
        group.append(rows)
        if sum(each.num_rows for each in group) >= _ROWS:
            yield pa.concat_tables(group).combine_chunks()
            group = []
    if group:
        yield pa.concat_tables(group).combine_chunks()


def _write_pack(path: Path, table: str, groups: Iterable[pa.Table]) -> None:
    """Write a file of a pack and read it back."""
    count = 0
    with (
        path.open("xb") as stream,
        pq.ParquetWriter(stream, ALL[table], write_page_checksum=True, **_SMALL) as writer,
    ):
        for rows in groups:
            count += rows.num_rows
            if rows.num_rows:
                writer.write_table(rows, row_group_size=rows.num_rows)
    with path.open("rb") as written, pq.ParquetFile(written, page_checksum_verification=True) as file:
        whole = sum(file.read_row_group(number).num_rows for number in range(file.metadata.num_row_groups))
    if whole != count:
        raise StoreError(f"{path}: what was written does not read back; check the disk")
    sync(path)


def end_packing(archive: Path, note: Path) -> None:
    """Delete what a pack stands for, where the manifest names it, or else the pack; then the note."""
    for cell_id, pack in manifest(archive).items():
        if pack == note.stem:
            for name in reversed(TABLES):  # the mark first: from then on the pack is read
                part_of(archive, name, cell_id).unlink(missing_ok=True)
    for name in TABLES:
        sync(archive / name)
    _remove_packs(archive)
    note.unlink()


def unsettled(folder: Path) -> bool:
    """Whether a writer that was killed has left something for the next one to complete or to clear."""
    return is_pending(folder) or abandoned(folder) or any(map(_outworn, (folder, folder / ARCHIVE)))


def is_pending(folder: Path) -> bool:
    """The same, of what was noted or half written alone: quick enough for every change."""
    for archive in (folder, folder / ARCHIVE):
        with suppress(FileNotFoundError, NotADirectoryError):
            if next((archive / PENDING).iterdir(), None):
                return True
    return any(_halves(folder))


def _outworn(archive: Path) -> bool:
    """Whether there are packs that are not read, or packed cells that have parts of their own."""
    cells, place = manifest(archive), archive / PACKED
    empty = kind_of(place) == "a folder" and not any(place.iterdir())
    return empty or bool(set(_packs(archive)) - {*cells.values()}) or len(in_packs(archive)) < len(cells)


def _packs(archive: Path) -> list[str]:
    place = archive / PACKED
    return sorted(path.name for path in place.iterdir() if path.name.isdigit()) if kind_of(place) == "a folder" else []


def _halves(folder: Path) -> Iterator[Path]:
    """Files of `bench.atomic.write_atomically` that were not completed."""
    names = [folder / f".{name}.tmp" for name in ("suite.json", FRESH, MANIFEST)] + [
        folder / ARCHIVE / f".{MANIFEST}.tmp"
    ]
    if kind_of(folder / UNFINISHED) == "a folder":
        names.extend((folder / UNFINISHED).glob(".*.parquet.tmp"))
    return (path for path in names if kind_of(path) == "a file")


def forget_outworn(archive: Path) -> None:
    """Take those cells out of the manifest that have parts of their own, which count; and remove unread packs."""
    if _outworn(archive):
        _forget_packed(archive, manifest(archive).keys() - in_packs(archive).keys())


def settle(folder: Path) -> None:
    """End what earlier writers made final, and clear what they did not; only for the one that holds the lock.

    What no writer noted is moved out of the way, and said.
    """
    for path in list(_halves(folder)):
        path.unlink(missing_ok=True)
    for archive in (folder, folder / ARCHIVE):
        pending = archive / PENDING
        # Moves come before the marks that they carry, which are then no longer there.
        for path in sorted(pending.iterdir(), key=_order) if kind_of(pending) == "a folder" else ():
            if kind_of(path):
                _settle(archive, path, within=archive != folder)
        forget_outworn(archive)


def _order(path: Path) -> tuple[bool, str]:
    return path.suffix == _MARK, path.name


def _settle(archive: Path, path: Path, *, within: bool) -> None:
    """What one entry of what is pending asks for; `within` the archive no moves are noted."""
    if not _is_of_a_writer(path) or (within and path.suffix in (SUPERSEDING, RESTORING)):
        move_and_say(archive, path, "expected what a run leaves there, found something else")
    elif path.suffix == ".tmp":
        shutil.rmtree(path)
    elif path.suffix == ".moved":
        _clear(archive, path)
    elif path.suffix == PACKING:
        end_packing(archive, path)
    elif path.suffix in (SUPERSEDING, RESTORING):
        _carry(archive, path)
    else:
        _place(archive, path.name)


def _is_of_a_writer(path: Path) -> bool:
    """Whether a writer may have left `path`: an empty note, or a folder of nothing but parts."""
    if path.suffix in (".moved", PACKING, SUPERSEDING, RESTORING):
        return kind_of(path) == "a file" and not path.lstat().st_size
    if kind_of(path) != "a folder":
        return False
    inside = list(path.iterdir())
    return all(each.name.removesuffix(".parquet") in ALL and kind_of(each) == "a file" for each in inside)


def move_and_say(archive: Path, path: Path, wrong: str) -> None:
    """Move `path` out of the way of what is ours, and say so."""
    target = move_stray(path, archive, path.name)
    log.warning("%s: %s; moved to %s", path, wrong, target)


def move_stray(path: Path, archive: Path, name: str) -> Path:
    """Move `path` out of the way of what is ours, to `name` or the first name after it that is free."""
    strays = real_folder(archive / STRAYS)
    names = (f"{name}{f'-{number}' if number else ''}" for number in itertools.count())
    target = next(strays / name for name in names if not kind_of(strays / name))
    path.rename(target)
    return target
