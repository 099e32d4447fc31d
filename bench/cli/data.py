"""``bench data``: fetch and verify the pinned files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer

from bench.data.pinned import PINNED, LocalFile, fetch, verify
from bench.registry import lookup
from bench.text import aligned


def fetched(names: Sequence[str]) -> int:
    """Provide the files and print how each is held; 1 where one cannot be had."""
    held = _shown(map(_provided, _chosen(names)))
    return int(any(file.state != "ok" for file in held))


def verified(names: Sequence[str]) -> int:
    """Print how each file is held; 1 where one is damaged."""
    held = _shown(map(examined, _chosen(names)))
    return int(any(file.state == "damaged" for file in held))


def examined(name: str) -> LocalFile:
    """How the file is held, without a network; one that cannot be read is damaged."""
    try:
        return verify(name)
    except OSError as error:
        return _unreadable(name, error)


def _provided(name: str) -> LocalFile:
    try:
        (held,) = fetch([name])
    except OSError as error:
        return _unreadable(name, error)
    return held


def _unreadable(name: str, error: OSError) -> LocalFile:
    place = error.filename or PINNED[name].file
    advice = f"{place}: expected a file that can be read, got {error.strerror}; fix its permissions, or remove it"
    return LocalFile(name, PINNED[name].file, "damaged", advice=advice)


def _chosen(names: Sequence[str]) -> list[str]:
    """`names`, all known, or every name."""
    for name in names:
        lookup(PINNED, name, "pinned file")
    return list(names or PINNED)


def _shown(files: Iterable[LocalFile]) -> list[LocalFile]:
    """Print each file as soon as it is known."""
    width = max(map(len, PINNED))
    held = []
    for file in files:
        typer.echo(aligned([file.state, file.name, file.advice or str(file.path)], [8, width]))
        held.append(file)
    return held
