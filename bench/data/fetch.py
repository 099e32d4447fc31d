"""Find a pinned file: in the user's folder, in the cache, on the network. Its SHA-256 is checked each time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.data.hashing import file_sha256
from bench.data.pins import PINNED, Pinned
from bench.errors import DataError, DataUnavailable
from bench.registry import lookup


@dataclass(frozen=True)
class Held:
    """How one pinned file is held on this machine.

    Parameters
    ----------
    name, file
        Its name in `PINNED`, and the file's.
    state
        ``ok``; ``absent``, neither in a folder of BENCH_DATA nor in the cache; ``damaged``, another SHA-256
        or unreadable.
    path
        Where it is; `None` where it is absent.
    advice
        What is wrong and what to do; empty where nothing is.
    """

    name: str
    file: str
    state: Literal["ok", "absent", "damaged"]
    path: Path | None = None
    advice: str = ""


def locate(name: str) -> Path:
    """The file pinned as `name`, verified.

    The folders of BENCH_DATA (separated by ``os.pathsep``) and their subfolders one level down come first, then
    the cache, then the network.

    Raises
    ------
    DataError
        The file in the user's folder has another SHA-256, or a file cannot be read.
    DataUnavailable
        It is in none of these places; the message gives the two ways to provide it.
    """
    pinned = lookup(PINNED, name, "pinned file")
    if (given := _given(pinned)) is not None:
        if (sha256 := file_sha256(given)) != pinned.sha256:
            raise DataError(_differs(given, pinned, sha256))
        return given
    cached = cache_folder() / pinned.file
    if cached.is_file() and file_sha256(cached) == pinned.sha256:
        return cached
    return _download(pinned, cached)


def verify(name: str) -> Held:
    """How the file pinned as `name` is held here; asks no network."""
    pinned = lookup(PINNED, name, "pinned file")
    path = None
    try:
        path = _given(pinned) or cache_folder() / pinned.file
        if not path.is_file():
            return Held(name, pinned.file, "absent", advice=_WAYS)
        sha256 = file_sha256(path)
    except DataError as error:
        return Held(name, pinned.file, "damaged", path, str(error))
    if sha256 != pinned.sha256:
        return Held(name, pinned.file, "damaged", path, _differs(path, pinned, sha256))
    return Held(name, pinned.file, "ok", path)


def fetch(names: Iterable[str] = tuple(PINNED)) -> Iterator[Held]:
    """Provide each of the files, downloading those that are not at hand; one result as each is done."""
    for name in names:
        try:
            locate(name)
        except DataUnavailable as error:
            yield Held(name, PINNED[name].file, "absent", advice=str(error))
        except DataError:
            yield verify(name)  # it finds the same, and does not raise
        else:
            yield verify(name)


def cache_folder() -> Path:
    """BENCH_CACHE, or the user's cache folder of the operating system."""
    if named := os.environ.get("BENCH_CACHE"):
        return Path(named)
    import pooch  # slow, and most runs find their files without it

    return Path(pooch.os_cache("bench"))


_WAYS = "name a folder that holds it in BENCH_DATA, or run `bench data fetch` with a network"


def _given(pinned: Pinned) -> Path | None:
    """The file in the first folder of BENCH_DATA that has it."""
    for folder in _folders():
        try:
            for path in (folder / pinned.file, *sorted(folder.glob(f"*/{pinned.file}"))):
                if path.is_file():
                    return path
        except OSError as error:  # a name that is too long, a folder that may not be entered
            raise DataError(f"BENCH_DATA: expected folders that can be read, got {folder}: {error.strerror}") from error
    return None


def _folders() -> list[Path]:
    return [Path(part) for part in os.environ.get("BENCH_DATA", "").split(os.pathsep) if part]


def _download(pinned: Pinned, cached: Path) -> Path:
    from bench.data.download import download  # slow, and most runs find their files without it

    try:
        return download(pinned, cached.parent)
    except DataUnavailable as error:
        folders = [f"{folder}" if folder.is_dir() else f"{folder}, which is no folder" for folder in _folders()]
        given = f"not in BENCH_DATA ({'; '.join(folders)})" if folders else "BENCH_DATA names no folder"
        held = "damaged in" if cached.is_file() else "not in"
        raise DataUnavailable(
            f"{pinned.file}: {given}, {held} the cache ({cached.parent}), and {error}; {_WAYS}"
        ) from error


def _differs(path: Path, pinned: Pinned, sha256: str) -> str:
    return (
        f"{path}: expected SHA-256 {pinned.sha256}, got {sha256}; replace it with the file of {pinned.address} "
        "(line ends count), or remove it"
    )
