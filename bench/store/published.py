"""Writers of results at a URL: what they put into its copy on this machine is published, while they go on.

Each cell is claimed there too, so that runs on several machines share the cells of one URL. A claim only saves work:
what counts is decided when an entry is put, create-only. So a run goes on where nothing can be reached for a while,
and publishes what it has finished later, at its end at the latest.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.errors import StoreError
from bench.store import transactions, writer as local
from bench.store.bucket import Bucket, Item, State
from bench.store.claimed_cells import Claims, is_gone, process
from bench.store.copies import UrlCopy, url_of
from bench.store.reader import NAME as SUITE
from bench.store.renewal import FRESH, Renewal
from bench.store.schema import Rows
from bench.store.writer import Writer
from bench.text import plural

RENEWED_S = 20.0
"""Seconds between two renewals of a claim there."""

STALE_S = 90.0
"""Seconds after which a claim there that was not renewed is free."""

_LOOK_S = 2.0
"""Seconds for which a listing of the claims is taken for the present one."""

_PAUSE_S = 60.0
"""Seconds for which nothing is put there after that has failed."""

_FAILURES = 3
"""After so many in a row nothing more is tried then: one result may be at fault itself."""

log = logging.getLogger(__name__)


def unsettled(folder: Path) -> bool:
    """Whether a writer that was killed has left something for the next one: to complete, to clear or to publish."""
    url = url_of(folder)
    return transactions.unsettled(folder) or (url is not None and bool(UrlCopy(folder, Bucket(url)).unpublished()))


def publish(folder: Path) -> None:
    """Publish what is not yet, where `folder` is the copy of a URL.

    Raises
    ------
    StoreError
        Something could not be.
    """
    if url_of(folder):
        with writing(folder):
            pass


@contextmanager
def writing(folder: Path, *, alone: bool = False) -> Iterator[Writer]:
    """As `bench.store.writer.writing`; where `folder` is the copy of a URL, what is put is published there as well.

    Raises
    ------
    StoreError
        As there. Something could not be published: it is kept, and the next writer publishes it.
    """
    with local.writing(folder, alone=alone) as writer:
        if (url := url_of(folder)) is None:
            yield writer
            return
        copy = UrlCopy(folder, Bucket(url))
        publisher = _Publisher(copy, writer, SharedClaims(folder, bucket=copy.bucket))
        try:
            for item in copy.unpublished():  # by an earlier run, which was killed
                publisher.add(item)
            yield PublishingWriter(folder, publisher.claims, publisher=publisher)
        finally:
            problem = publisher.end()
        if problem:
            raise problem


@dataclass
class SharedClaims(Claims):
    """The cells that one runner has claimed, in the copy of a URL and there.

    There a claim is renewed every `RENEWED_S`; one of another machine that has stood still for `STALE_S`, as the one
    who waits counts them, is taken over by a claim of the next number.
    """

    bucket: Bucket = field(kw_only=True)
    _there: dict[str, int] = field(default_factory=dict)  # cell id → the number of the own claim
    _holders: dict[tuple[str, object], dict[str, Any]] = field(default_factory=dict)  # path and tag → whose claim it is
    _still: dict[str, tuple[State, float]] = field(default_factory=dict)  # path → what it was, since when
    _listing: tuple[float, dict[str, tuple[int, State]]] = (-_LOOK_S, {})
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def _content(self) -> bytes:
        return json.dumps({**process(), "token": self.token}).encode()

    def take_there(self, cell_id: str) -> bool:
        """Claim a cell there; `False` where another runner has it."""
        if cell_id in self._there:
            return True
        number = 1
        if not self.bucket.create(_claim(cell_id, 1), self._content):
            number = self._next(cell_id)
            if not number or not self.bucket.create(_claim(cell_id, number), self._content):
                return False
        if not self._there and self.bucket.is_new(_claim(cell_id, number), b""):
            raise StoreError(f"{self.bucket.url}: cannot be shared: its store replaces what is put create-only")
        self._there[cell_id] = number
        return True

    def _next(self, cell_id: str) -> int:
        """The number of a claim that takes over from the last one; 0 where that is not free."""
        self._listing = (-_LOOK_S, {})
        last = self._others().get(cell_id)
        return last[0] + 1 if last and self._is_free(cell_id, *last) else 0

    def _others(self) -> dict[str, tuple[int, State]]:
        """Of each cell that is claimed there the last claim: its number, and what changes when it is renewed."""
        at, claims = self._listing
        if time.monotonic() >= at + _LOOK_S:
            claims = {}
            for path, state in self.bucket.listed("claims").items():
                match path.split("/"):
                    case ["claims", cell_id, number] if number.isdecimal() and number.isascii():
                        if cell_id not in claims or claims[cell_id][0] < int(number):
                            claims[cell_id] = int(number), state
            self._listing = (time.monotonic(), claims)
        return claims

    def _is_free(self, cell_id: str, number: int, state: State) -> bool:
        """Whether the runner of that claim is gone, as far as can be known."""
        path, now = _claim(cell_id, number), time.monotonic()
        tagged = path, state[1]
        if tagged not in self._holders:
            with suppress(ValueError, TypeError):
                self._holders[tagged] = dict(json.loads(self.bucket.get(path) or b"{}"))
        gone = is_gone(self._holders.get(tagged, {}))
        if gone is not None:
            return gone
        before, since = self._still.get(path, (None, now))
        self._still[path] = (state, since if before == state else now)
        return before == state and now - since >= STALE_S

    def is_taken(self, cell_id: str) -> bool:
        """Whether another runner works on it, here or there, as far as can be known."""
        if self.is_taken_here(cell_id):
            return True
        with suppress(StoreError):  # said where a cell is claimed
            last = None if cell_id in self._there else self._others().get(cell_id)
            return last is not None and not self._is_free(cell_id, *last)
        return False

    def others(self) -> list[str]:
        """The cells that other runners work on."""
        there = [cell_id for cell_id in self._others() if cell_id not in self._there and self.is_taken(cell_id)]
        return sorted({*super().others(), *there})

    def give_back(self, cell_id: str) -> None:
        """Remove the own claim of a cell there, and those that it has taken over."""
        with self._guard, suppress(StoreError):  # then it becomes stale
            number = self._there.pop(cell_id, 0)
            for each in range(number, 0, -1):
                self.bucket.remove(_claim(cell_id, each))

    def end(self) -> None:
        """Give everything free."""
        super().end()
        for cell_id in list(self._there):
            self.give_back(cell_id)

    def renew_there(self) -> None:
        """Renew the own claims there until `end`."""
        while not self._ended.wait(RENEWED_S):
            for cell_id in list(self._there):
                with self._guard, suppress(StoreError):
                    if number := self._there.get(cell_id):  # else it was given back meanwhile
                        self.bucket.renew(_claim(cell_id, number), self._content)


def _claim(cell_id: str, number: int) -> str:
    return f"claims/{cell_id}/{number}"


class _Publisher:
    """Publishes what was put into a copy, in a thread of its own.

    Parameters
    ----------
    writer
        Of the folder alone.
    claims
        Of the runner; that of a cell is given back when the cell is published.
    """

    def __init__(self, copy: UrlCopy, writer: Writer, claims: SharedClaims) -> None:
        self.copy, self.writer, self.claims = copy, writer, claims
        self._added: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._waiting: dict[Item, None] = {}  # in their order
        self._error: Exception | None = None  # why they wait
        self._again_at = 0.0
        self._is_reached = False  # whether anything could be written there
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._serve, claims.renew_there)]
        for thread in self._threads:
            thread.start()

    def add(self, item: Item) -> None:
        """Publish the state that `item` has then."""
        self._added.put(item)

    def _serve(self) -> None:
        while (item := self._added.get()) is not None:
            self._waiting[item] = None
            if time.monotonic() >= self._again_at:
                self._publish()

    def _publish(self) -> None:
        """Publish what waits, until nothing can be written there, which is said once."""
        failures = 0
        for item in list(self._waiting):
            try:
                self.copy.publish(self.writer, item)
            except (StoreError, OSError) as error:
                if self._error is None and self._is_reached:  # else it ends the run
                    log.warning("%s; what is finished is kept in %s", error, self.copy.folder)
                self._error, self._again_at = error, time.monotonic() + _PAUSE_S
                failures += 1
                if failures == _FAILURES:
                    return
            else:
                failures, self._is_reached = 0, True
                del self._waiting[item]
                if item.kind == "cells":
                    self.claims.give_back(item.name)

    def claim(self, cell_id: str) -> bool:
        """Claim a cell there, and bring here what others have published of it; `False` where another runner has it.

        Raises
        ------
        StoreError
            Nothing was ever written there by this run, and this could not be.
        """
        if self._is_reached and time.monotonic() < self._again_at:
            return True
        try:
            if not self.claims.take_there(cell_id):
                return False
            self._is_reached = True
            self.copy.refresh(self.writer, Item("cells", cell_id))
        except StoreError as error:
            if not self._is_reached:
                raise
            log.warning("%s; the run goes on, and may do what others do as well", error)
            self._again_at = time.monotonic() + _PAUSE_S
        return True

    def end(self) -> StoreError | None:
        """Publish what is left and give everything free; what could not be published."""
        self._added.put(None)
        self._threads[0].join()
        self._publish()
        self.claims.end()
        if not self._waiting:
            return None
        count = plural(len(self._waiting), "result")
        kept = f"could not be published, kept in {self.copy.folder}: the same command publishes what is there"
        return StoreError(f"{self._error}; {count} {kept}")


@dataclass(frozen=True)
class PublishingWriter(Writer):
    """Puts cells into the copy of a URL, and publishes them; made by `writing`."""

    publisher: _Publisher = field(kw_only=True)

    def claim(self, cell_id: str) -> bool:
        """Take a cell here and there, where no other runner has it."""
        if not super().claim(cell_id):
            return False
        if self.publisher.claim(cell_id):
            return True
        super().release(cell_id)
        return False

    def release(self, cell_id: str) -> None:
        """Give a claimed cell free, here and there."""
        super().release(cell_id)
        self.publisher.claims.give_back(cell_id)

    def put(self, rows: Rows) -> None:
        """Store the rows of one cell, in place of older rows of the same cell id; it is no longer claimed."""
        super().put(rows)
        self.publisher.add(Item("cells", rows["runs"]["cell_id"][0].as_py()))

    def put_suite(self, text: str) -> None:
        """Keep `text`, a suite as JSON."""
        super().put_suite(text)
        self.publisher.add(Item("files", SUITE))

    def put_renewal(self, renewal: Renewal, waiting: Iterable[str]) -> None:
        """Keep the cells that are `waiting` to be run again."""
        super().put_renewal(renewal, waiting)
        self.publisher.add(Item("files", FRESH))

    def put_probe(self, rows: pa.Table, machine: str) -> None:
        """Store the probe of one cell on `machine`, in place of an older one there."""
        super().put_probe(rows, machine)
        self.publisher.add(Item("probes", f"{rows['cell_id'][0].as_py()}-{machine}"))

    def supersede(self, cell_id: str) -> None:
        """Set a cell aside: its rows are no longer read, and `restore` brings them back."""
        super().supersede(cell_id)
        self.publisher.add(Item("cells", cell_id))

    def restore(self, wanted: Iterable[str]) -> None:
        """Bring back those of the cells `wanted` that were set aside and are not stored."""
        wanted = list(wanted)
        super().restore(wanted)
        for cell_id in wanted:
            self.publisher.add(Item("cells", cell_id))
