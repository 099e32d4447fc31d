"""The copy on this machine of results at a URL, and how the two come to agree.

The copy is a results folder like any other, in the user's cache. It notes in ``.copy/`` of each cell, probe and file
the entry of the journal (`bench.store.bucket`) that it last agreed with. What has another content since then was
changed here, and is published as the next entry. What has a later entry there was changed elsewhere, and is brought
here. Where both happened, the entry there stays, and only replicates that it lacks are added. So a kill at any point
loses nothing: what is here and not there is published by the next run.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.atomic import open_file, real_folder, sync, write_atomically
from bench.errors import StoreError, one_line
from bench.paths import cache_folder
from bench.store import transactions
from bench.store.bucket import KINDS, Bucket, Item, JournalEntry, digest, place_id
from bench.store.parts import load, part_of
from bench.store.reader import NAME as SUITE, cell_ids, read_cell, write_suite
from bench.store.renewal import FRESH
from bench.store.schema import Rows, joined
from bench.store.transactions import ARCHIVE, TABLES
from bench.store.writer import COPY, Writer, writing
from bench.text import listed, plural

_TOGETHER = 64
"""Cells whose parts are brought here at the same time, and lie in memory meanwhile."""

_TRIES = 5
"""So often an entry is tried while others publish the same cell."""

log = logging.getLogger(__name__)


def copy_of(url: str) -> Path:
    """The folder of this machine that is the copy of the results at `url`, brought up to date.

    Raises
    ------
    InputError
        It is no URL of results, or what it needs is not installed.
    StoreError
        The store cannot be read, or the folder cannot be written.
    """
    bucket = Bucket(url.rstrip("/"))
    copy = UrlCopy(_place(bucket.url), bucket)
    try:
        real_folder(copy.folder / COPY)
        write_atomically(copy.folder / COPY / "url", bucket.url)
    except OSError as error:
        raise StoreError(f"{copy.folder}: cannot be written ({error.strerror}); see BENCH_CACHE") from error
    copy.pull()
    return copy.folder


def _place(url: str) -> Path:
    name = re.sub(r"[^\w.-]+", "-", url, flags=re.ASCII)[:80]
    return cache_folder() / "remote" / f"{name}-{place_id(url)}"


def url_of(folder: Path) -> str | None:
    """The URL that `folder` is the copy of; `None` where it is none, whatever a folder of a stranger says of itself."""
    if folder.parent != cache_folder() / "remote":
        return None
    try:
        with open_file(folder / COPY / "url") as file:
            url = file.read(10_000).decode()
    except (OSError, UnicodeDecodeError):
        return None
    return url if folder == _place(url) else None


def shown(folder: Path) -> str:
    """What to call a results folder: by its URL, where it is the copy of one."""
    return url_of(folder) or str(folder)


@dataclass(frozen=True)
class Known:
    """The entry, by its number, that the copy last agreed with; number 0 for none."""

    number: int = 0
    entry: JournalEntry | None = None


@dataclass(frozen=True)
class UrlCopy:
    """The copy `folder` of what lies in `bucket`."""

    folder: Path
    bucket: Bucket

    def here(self, item: Item) -> JournalEntry | None:
        """The state of `item` in the folder; `None` where it has none."""
        if item.kind == "files":
            text = self._text(item)
            return None if text is None else JournalEntry(text=text)
        for superseded in (False, True):
            parts = self._parts(item, superseded=superseded)
            if "runs" in parts or "probes" in parts:  # else it is not stored
                return JournalEntry({table: digest(content) for table, content in parts.items()}, superseded)
        return None

    def _parts(self, item: Item, *, superseded: bool) -> dict[str, bytes]:
        """The parts of a cell or probe in the folder, or in what it has set aside."""
        archive = self.folder / ARCHIVE if superseded else self.folder
        parts = {}
        for table in TABLES if item.kind == "cells" else ("probes",):
            with suppress(FileNotFoundError), open_file(part_of(archive, table, item.name)) as file:
                parts[table] = file.read()
        return parts

    def _text(self, item: Item) -> str | None:
        try:
            with open_file(self.folder / item.name) as file:
                return file.read().decode()
        except FileNotFoundError:
            return "" if item.name == FRESH and self.known(item).entry else None  # where it was, it is removed
        except (OSError, UnicodeDecodeError):  # said where it is read
            return None

    def known(self, item: Item) -> Known:
        """The last entry that the folder agreed with."""
        try:
            with open_file(self._note(item)) as file:
                content = file.read()
            return Known(int(json.loads(content)["number"]), JournalEntry.from_json(content))
        except (OSError, ValueError, KeyError, TypeError):
            return Known()

    def know(self, item: Item, number: int, entry: JournalEntry) -> None:
        """Note that the folder agrees with an entry."""
        place = self._note(item)
        place.parent.mkdir(exist_ok=True)
        write_atomically(place, json.dumps({"number": number, **json.loads(entry.to_json())}))

    def _note(self, item: Item) -> Path:
        return self.folder / COPY / item.kind / f"{item.name}.json"

    def unpublished(self) -> list[Item]:
        """What was changed here since the folder agreed with the journal."""
        cells = {*cell_ids(self.folder), *cell_ids(self.folder / ARCHIVE)}
        items = [Item("files", SUITE), Item("files", FRESH), *(Item("cells", name) for name in sorted(cells))]
        items += [Item("probes", name) for name in cell_ids(self.folder, "probes")]
        return [item for item in items if (here := self.here(item)) is not None and here != self.known(item).entry]

    def pull(self) -> None:
        """Bring here what was changed there; what lies here and is what it should be by its content stays.

        Raises
        ------
        StoreError
            The store cannot be read.
        """
        numbers = self.bucket.latest()
        self._forget_lost(numbers)
        if self._behind(numbers):
            with writing(self.folder) as writer:  # which completes what a writer that was killed has left
                self.update(writer, self._behind(numbers))

    def _behind(self, numbers: Mapping[Item, int]) -> dict[Item, int]:
        return {item: number for item, number in numbers.items() if self._is_behind(item, number)}

    def _is_behind(self, item: Item, number: int) -> bool:
        known, here = self.known(item), self.here(item)
        return known.number < number or here is None or (here != known.entry and self._is_damaged(item))

    def _forget_lost(self, numbers: Mapping[Item, int]) -> None:
        """Where entries that were there are there no longer, what is here counts as never published."""
        notes = [path for kind in KINDS for path in sorted((self.folder / COPY / kind).glob("*.json"))]
        items = {Item(path.parent.name, path.stem): path for path in notes}
        lost = [path for item, path in items.items() if numbers.get(item, 0) < self.known(item).number]
        for path in lost:
            path.unlink()
        if lost:
            log.warning(
                "%s: lacks %s that it had; a run publishes them again from %s: delete that folder to begin anew",
                self.bucket.url,
                plural(len(lost), "result"),
                self.folder,
            )

    def update(self, writer: Writer, numbers: Mapping[Item, int]) -> None:
        """Bring the entries of these `numbers` here."""
        items = list(numbers)
        for some in (items[first : first + _TOGETHER] for first in range(0, len(items), _TOGETHER)):
            entries = dict(self.bucket.entries({item: numbers[item] for item in some}))
            wanted = [(item, table, each) for item in some for table, each in entries[item].parts.items()]
            parts: dict[Item, dict[str, bytes]] = {item: {} for item in some}
            for (item, table, known), content in zip(wanted, self.bucket.parts(wanted), strict=True):
                if digest(content) == known:
                    parts[item][table] = content
            for item in some:
                self._take(writer, item, numbers[item], entries[item], parts[item])

    def _take(self, writer: Writer, item: Item, number: int, entry: JournalEntry, parts: Mapping[str, bytes]) -> None:
        """Make `entry` the state of `item` here, with the replicates that only the folder has."""
        with self._incoming(item, parts) as incoming:
            if wrong := self._wrong(incoming, item, entry):
                log.warning("%s: the %s %s is left out: %s", self.bucket.url, item.kind[:-1], item.name, wrong)
            elif (more := self._with_more(item, entry, incoming)) is not None:
                writer.put(more)
            elif self.here(item) != entry:
                _put(writer, item, entry, incoming)
            self.know(item, number, entry)  # what differs from it is published as the next

    @contextmanager
    def _incoming(self, item: Item, parts: Mapping[str, bytes]) -> Iterator[Path]:
        """A folder laid out as one of results, with nothing but `parts`."""
        with TemporaryDirectory(prefix="incoming-", dir=self.folder / COPY) as name:
            for table, content in parts.items():
                place = part_of(Path(name), table, item.name)
                place.parent.mkdir()
                place.write_bytes(content)
            yield Path(name)

    def _wrong(self, folder: Path, item: Item, entry: JournalEntry) -> str:
        """Why what was brought of `item` cannot be used; empty where it can."""
        if item.kind == "files":
            return "" if item.name in (SUITE, FRESH) and entry.text is not None else "expected the text of a file"
        mark, tables = ("runs", {*TABLES}) if item.kind == "cells" else ("probes", {"probes"})
        if mark not in entry.parts or entry.parts.keys() - tables:
            return f"its entry names {listed(sorted(entry.parts)) or 'no part'}"
        try:
            if item.kind == "probes":
                load(part_of(folder, "probes", item.name))
            else:
                _cell(folder, item.name)
        except StoreError as error:
            return one_line(error).replace(f"{folder}/", "").partition("; ")[0]
        lost = [table for table in entry.parts if not part_of(folder, table, item.name).is_file()]
        return f"its {listed(lost)} are not there, or not what its entry says" if lost else ""

    def _with_more(self, item: Item, entry: JournalEntry, incoming: Path) -> Rows | None:
        """The rows of a cell that were changed both there and here: of replicates that both have, those there.

        `None` where nothing is added to what is there.
        """
        here = self.here(item)
        if item.kind != "cells" or here in (None, self.known(item).entry, entry) or self._is_damaged(item):
            return None
        theirs = _cell(incoming, item.name)
        rows = joined(theirs, _cell(self._archive(here), item.name))
        return rows if rows["runs"].num_rows > theirs["runs"].num_rows else None

    def _is_damaged(self, item: Item) -> bool:
        """Whether what lies here of `item` cannot be read."""
        here = self.here(item)
        return here is not None and bool(self._wrong(self._archive(here), item, here))

    def _archive(self, here: JournalEntry) -> Path:
        return self.folder / ARCHIVE if here.superseded else self.folder

    def publish(self, writer: Writer, item: Item) -> None:
        """Make the state of `item` here the next entry there; where there is a later one, first bring it here.

        Raises
        ------
        StoreError
            The store cannot be written; what is here stays.
        """
        for _ in range(_TRIES):
            with writer.turn():  # so that the parts are of one state
                here, known = self.here(item), self.known(item)
                if here is None or here == known.entry or self._is_damaged(item):
                    return
                parts = self._parts(item, superseded=here.superseded)
            self.bucket.put_parts(item, parts)
            if self.bucket.append(item, known.number + 1, here):
                self.know(item, known.number + 1, here)
                return
            self.refresh(writer, item)
        raise StoreError(f"{self.bucket.url}: others publish {item.name} all the time")

    def refresh(self, writer: Writer, item: Item) -> None:
        """Bring the entry of `item` here, where there is a later one than is known."""
        numbers = self.bucket.latest(item)
        if numbers.get(item, 0) > self.known(item).number:
            self.update(writer, numbers)


def _cell(folder: Path, cell_id: str) -> Rows:
    return {table: read_cell(folder, table, cell_id) for table in TABLES}


def _put(writer: Writer, item: Item, entry: JournalEntry, incoming: Path) -> None:
    """Store what lies in `incoming`, whose values were verified, as one transaction."""
    folder = writer.folder
    with writer.turn():
        if item.kind == "files":
            if item.name == SUITE:
                write_suite(folder, entry.text or "")
            elif entry.text:
                write_atomically(folder / FRESH, entry.text)
            else:
                (folder / FRESH).unlink(missing_ok=True)
            return
        if item.kind == "cells":
            transactions.move(folder, item.name, transactions.RESTORING)
        staged = transactions.stage(folder, item.name)
        for table in entry.parts:
            part_of(incoming, table, item.name).replace(staged / table)
            sync(staged / table)
        if item.kind == "probes":
            (staged / "probes").replace(real_folder(folder / "probes") / f"{item.name}.parquet")
            staged.rmdir()
            return
        transactions.commit(folder, item.name)
    if entry.superseded:
        writer.supersede(item.name)
