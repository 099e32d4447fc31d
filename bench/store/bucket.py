"""Results on object storage: what lies under a URL such as ``s3://bucket/prefix``, and how it gets there.

::

    s3://bucket/prefix/
    ├── runs/  trials/  curves/  predictions/  sequences/  probes/
    │       <name>-<16 digits of its SHA-256>.parquet     parts, as a results folder has them
    ├── journal/
    │   ├── cells/   <cell id>/<number>.json              which parts a cell has: the highest number counts
    │   ├── probes/  <cell id>-<machine>/<number>.json    the same, of a probe
    │   └── files/   suite.json, fresh.json: <number>.json    their text
    └── claims/      <cell id>/<number>                   which runner works on which cell now

Every object is put create-only: the store refuses it where there is one of its name (``If-None-Match: *``). The parts
of a cell come first, under names that their content gives; its entry in the journal comes last, and makes them the
current ones. So a reader sees a cell whole or not at all, one that is cut off leaves parts that nothing names, and of
two writers that replace one state of a cell the store refuses the second. Only a claim is put again, to renew it, and
removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from bench.errors import InputError, StoreError, one_line, pip_install
from bench.paths import SCHEMES

_AT_ONCE = 16
"""Transfers at the same time."""

_RETRIES: Mapping[str, Any] = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_PATIENCE: Mapping[str, Any] = {"allow_http": True, "timeout": "15m", "read_timeout": "60s", "connect_timeout": "5s"}
"""Plain HTTP is spoken where the user's own endpoint is of it, and nowhere else."""

_ENDPOINTS = (
    *("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    *("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_ENDPOINT", "GOOGLE_BASE_URL"),
)
"""Environment variables that say which store a URL is of."""


_NAMES = {
    "cells": re.compile(r"\w[\w-]*", re.ASCII),
    "probes": re.compile(r"\w[\w-]*", re.ASCII),
    "files": re.compile(r"[a-z]+\.json"),
}
KINDS = tuple(_NAMES)
"""What has a journal: cells, probes, and files such as ``suite.json``."""


State = tuple[object, object]
"""When an object was put last, and the tag of its content."""


class Item(NamedTuple):
    """What has a state of its own: a cell, a probe, or a file; `kind` is one of `KINDS`."""

    kind: str
    name: str


@dataclass(frozen=True)
class JournalEntry:
    """One state of an item, as the journal notes it.

    Parameters
    ----------
    parts
        Table → SHA-256 of its part, 64 hexadecimal digits.
    superseded
        Whether the cell is set aside.
    text
        The content of a file; empty where it is removed, `None` for cells and probes.
    """

    parts: Mapping[str, str] = field(default_factory=dict)
    superseded: bool = False
    text: str | None = None

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps({"parts": dict(sorted(self.parts.items())), "superseded": self.superseded, "text": self.text})

    @classmethod
    def from_json(cls, content: bytes) -> JournalEntry:
        """The entry of `to_json`.

        Raises
        ------
        ValueError
            It is none.
        """
        try:
            known = json.loads(content)
            parts = {str(table): str(digest) for table, digest in known["parts"].items()}
            text = known["text"]
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(error) from error
        if not all(table.isidentifier() and re.fullmatch("[0-9a-f]{64}", each) for table, each in parts.items()):
            raise ValueError("expected the SHA-256 of each part")
        return cls(parts, bool(known["superseded"]), None if text is None else str(text))


def digest(content: bytes) -> str:
    """SHA-256, by which a part is known."""
    return hashlib.sha256(content).hexdigest()


def place_id(url: str) -> str:
    """12 digits that stand for `url` at the endpoint that the environment names."""
    place = [url, *(os.environ.get(name, "") for name in _ENDPOINTS)]
    return hashlib.sha256("\0".join(place).encode()).hexdigest()[:12]


class Bucket:
    """What lies under one URL. Credentials are those of the environment, and are neither kept nor shown.

    Parameters
    ----------
    url
        With one of `bench.paths.SCHEMES`.

    Raises
    ------
    InputError
        It is no such URL, or the library is not installed.
    """

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        if re.search("[@?#]", rest):
            raise InputError(
                f"{scheme}://…: expected a URL without @, ? and #; credentials belong into the environment, such as "
                "AWS_ACCESS_KEY_ID"
            )
        if {".", ".."} & {*rest.split("/")}:
            raise InputError(f"{url!r:.200}: expected names between the slashes, got . or ..; write the place itself")
        if scheme not in SCHEMES or not rest.strip("/"):
            raise InputError(f"{url!r:.200}: expected a bucket and where in it, such as s3://bucket/results/quick")
        try:
            import obstore
            from obstore.store import from_url
        except ImportError:
            raise InputError(
                f"{url}: expected obstore, which reads and writes it, to be installed: {pip_install('storage')}"
            ) from None
        self.url = url
        self._objects: Any = obstore
        local: Mapping[str, Any] = {"mkdir": True, "automatic_cleanup": True}
        remote: Mapping[str, Any] = {"client_options": _PATIENCE, "retry_config": _RETRIES}
        with self._saying("opened"):
            self._store: Any = from_url(url, **(local if scheme == "file" else remote))

    @contextmanager
    def _saying(self, what: str) -> Iterator[None]:
        """Say in one line why something cannot be done there."""
        try:
            yield
        except (self._objects.exceptions.BaseError, OSError, ValueError) as error:
            raise StoreError(f"{self.url}: cannot be {what}: {_reason(error)}") from None

    def listed(self, prefix: str) -> dict[str, State]:
        """Each object under `prefix`, by its path."""
        with self._saying("listed"):
            chunks = self._objects.list(self._store, f"{prefix}/")
            return {each["path"]: (each["last_modified"], each["e_tag"]) for chunk in chunks for each in chunk}

    def get(self, path: str) -> bytes | None:
        """The content of an object; `None` where there is none."""
        with self._saying("read"):
            try:
                return bytes(self._objects.get(self._store, path).bytes())
            except FileNotFoundError:
                return None

    def is_new(self, path: str, content: bytes) -> bool:
        """Put an object that is not there yet; `False` where it is, and stays as it is."""
        with self._saying("written to"):
            try:
                self._objects.put(self._store, path, content, mode="create")
            except self._objects.exceptions.AlreadyExistsError:
                return False
            return True

    def create(self, path: str, content: bytes) -> bool:
        """The same; whether `content` is there now, also by an earlier try whose answer was lost."""
        return self.is_new(path, content) or self.get(path) == content

    def renew(self, path: str, content: bytes) -> None:
        """Put an object again, so that its time of change is of now."""
        with self._saying("written to"):
            self._objects.put(self._store, path, content, use_multipart=False)

    def remove(self, path: str) -> None:
        """Remove an object, if it is there."""
        with self._saying("written to"), suppress(FileNotFoundError):
            self._objects.delete(self._store, path)

    def latest(self, item: Item | None = None) -> dict[Item, int]:
        """The number of the entry that counts, of each item or of one."""
        prefix = "journal" if item is None else f"journal/{item.kind}/{item.name}"
        numbers: dict[Item, int] = {}
        for path in self.listed(prefix):
            match path.split("/"):
                case ["journal", ("cells" | "probes" | "files") as kind, name, file] if _NAMES[kind].fullmatch(name):
                    number = file.removesuffix(".json")
                    if number.isdecimal() and number.isascii():
                        each = Item(kind, name)
                        numbers[each] = max(int(number), numbers.get(each, 0))
        return numbers

    def entry(self, item: Item, number: int) -> JournalEntry:
        """An entry of the journal.

        Raises
        ------
        StoreError
            It cannot be read.
        """
        path = _entry_path(item, number)
        try:
            return JournalEntry.from_json(self.get(path) or b"")
        except ValueError as error:
            raise StoreError(f"{self.url}/{path}: expected an entry of the journal, got {one_line(error)}") from None

    def entries(self, numbers: Mapping[Item, int]) -> Iterator[tuple[Item, JournalEntry]]:
        """An entry of each item."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from zip(numbers, pool.map(self.entry, numbers.keys(), numbers.values()), strict=True)

    def append(self, item: Item, number: int, entry: JournalEntry) -> bool:
        """Make `entry` the state of `item`, unless it has an entry of that `number` already; whether it has this."""
        return self.create(_entry_path(item, number), entry.to_json().encode())

    def put_parts(self, item: Item, parts: Mapping[str, bytes]) -> None:
        """Put those of `parts`, by table, that are not there yet."""
        paths = [_part_path(item, table, digest(content)) for table, content in parts.items()]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self.is_new, paths, parts.values()))

    def parts(self, wanted: Iterable[tuple[Item, str, str]]) -> Iterator[bytes]:
        """The content of parts, each given by its item, its table and its digest; empty of one that is not there.

        Whether it is what its digest says is for the caller to see.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from pool.map(lambda each: self.get(_part_path(*each)) or b"", wanted)


def _entry_path(item: Item, number: int) -> str:
    return f"journal/{item.kind}/{item.name}/{number:06}.json"


def _part_path(item: Item, table: str, known: str) -> str:
    return f"{table}/{item.name}-{known[:16]}.parquet"


_ADVICE = {
    "NoSuchBucket": "there is no such bucket; make it first, or name another",
    "AccessDenied": "permission denied; let these credentials list, read, write and delete objects there",
    "InvalidAccessKeyId": "its credentials are not known there; see AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "its credentials are refused; see AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "its credentials have expired; renew AWS_SESSION_TOKEN",
    "NotImplemented": "its store has no create-only put (If-None-Match), without which nothing is safe there",
}
_BY_STATUS = {
    "401": "its credentials are refused; see those of the environment",
    "403": _ADVICE["AccessDenied"],
    "404": _ADVICE["NoSuchBucket"],
    "501": _ADVICE["NotImplemented"],
}


def _reason(error: Exception) -> str:
    """Why a request failed; nothing of what a server repeats of it, which may name a key."""
    text = str(error)
    if re.search(r"/latest/(api/token|meta-data)|metadata\.google|169\.254\.169\.254", text):  # where clouds keep some
        return "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or those of your store"
    if code := re.search(r"<Code>(\w+)</Code>", text):
        return _ADVICE.get(code[1], code[1])
    if "redirect" in text:
        return "the bucket is of another region; set AWS_REGION"
    if status := re.search(r"status code: (\d+) ?([\w ]*)", text):
        return _BY_STATUS.get(status[1], f"{status[1]} {status[2]}".strip())
    if "error sending request" in text or "timed out" in text:
        return "no answer; see the network, and AWS_ENDPOINT_URL where the store is not Amazon's"
    return one_line(text.partition("Debug source")[0])[:200]
