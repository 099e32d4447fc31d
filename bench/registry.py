"""Look up a name in a registry; the error for an unknown name lists the known ones and the nearest match.

A registry is a dict literal in its package's ``__init__``, so spawned and remote workers see the same names. Other
packages add theirs through entry points (groups ``bench.datasets`` and ``bench.models``).
"""

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from bench.errors import InputError, described
from bench.text import cut

T = TypeVar("T")

_MOST = 200
"""Names that a message lists, or compares with the one that is not known."""

_LONGEST = 80
"""Characters of a name that a message repeats."""

_ADDED: ContextVar[Mapping[str, Mapping[str, Any]]] = ContextVar("added", default=MappingProxyType({}))
"""Kinds that exist within a ``with added(...)`` block, by group and name."""


@contextmanager
def added(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Register kinds for the length of a ``with`` block, in this thread: group → name → kind."""
    before = _ADDED.get()
    groups = {group: {**before.get(group, {}), **kinds} for group, kinds in groups.items()}
    token = _ADDED.set({**before, **groups})
    try:
        yield
    finally:
        _ADDED.reset(token)


_ADDRESS = re.compile(r"(.+\.py|[A-Za-z_][\w.]*):[A-Za-z_]\w*")


def is_address(name: str) -> bool:
    """Whether `name` is no registered one, but that of a class in a file or module: ``./net.py:Net``, ``nets:Net``."""
    return _ADDRESS.fullmatch(name) is not None


FLAG = "--allow-plugin"


def flag_of(kinds: Iterable[str]) -> str:
    """What a command needs at its end to run models of these `kinds`: the option that allows code, or nothing.

    >>> flag_of(["lstm", "./net.py:Net"]), flag_of(["lstm"])
    (' --allow-plugin', '')
    """
    return f" {FLAG}" if any(map(is_address, kinds)) else ""


def short_address(name: str) -> str:
    """`name` without the folder of a file: code is known by what it says, wherever it lies.

    >>> short_address("/home/me/net.py:Net"), short_address("lstm")
    ('net.py:Net', 'lstm')
    """
    return re.split(r"[/\\]", name)[-1] if is_address(name) else name


def lookup(table: Mapping[str, T], name: str, what: str) -> T:
    """`table[name]`, or an `InputError` that names the near match and the choices."""
    try:
        return table[name]
    except KeyError:
        raise InputError(unknown(name, table, what)) from None


def unknown(name: object, choices: Iterable[str], what: str) -> str:
    """The one line that refuses `name`: the near match where there is one, then the choices."""
    known = sorted(choices)
    shown = cut(str(name), _LONGEST)
    folded = {choice.casefold(): choice for choice in known}
    near = difflib.get_close_matches(shown.casefold(), folded, n=1) if len(folded) <= _MOST else []
    hint = f"; did you mean {folded[near[0]]!r}?" if near else ""
    more = f" and {len(known) - _MOST} more" if len(known) > _MOST else ""
    return f"unknown {what} {shown!r}{hint} (known: {', '.join(known[:_MOST])}{more})"


def third_party(group: str) -> dict[str, EntryPoint]:
    """Entry points that other distributions register in `group`, by name; none is imported here.

    Raises
    ------
    InputError
        Two of them have one name.
    """
    return dict(_registered(entry_points, group, tuple((place, _changed_at(place)) for place in sys.path)))


def _changed_at(place: str) -> int:
    """When a folder of `sys.path` was last changed, as by an installation; 0 where there is none."""
    with suppress(OSError):
        return Path(place).stat().st_mtime_ns
    return 0


@lru_cache(maxsize=8)
def _registered(
    look: Callable[..., Iterable[EntryPoint]], group: str, _places: tuple[tuple[str, int], ...]
) -> Mapping[str, EntryPoint]:
    """What `look` finds in `group`; kept until one of the places changes, since reading all of them takes 5 ms."""
    points: dict[str, EntryPoint] = {}
    for point in look(group=group):
        if point.name in points:
            both = " and ".join(map(_origin, (points[point.name], point)))
            raise InputError(
                f"plug-in {point.name!r}: expected one distribution to register it, got {both}; remove one"
            )
        points[point.name] = point
    return points


def _origin(point: EntryPoint) -> str:
    """The distribution of an entry point and its address."""
    return f"{point.dist.name if point.dist else 'an unnamed one'} ({point.value})"


def extended(table: Mapping[str, T], group: str, expected: type[T]) -> dict[str, T]:
    """`table`, what other distributions register in `group`, and what is `added` to it here.

    Raises
    ------
    InputError
        An entry point takes a name of `table` or of another, cannot be imported, or is not of the type `expected`.
    """
    points = third_party(group)
    plugins = {name: _imported(point, table, expected) for name, point in points.items()}
    return {**table, **plugins, **_ADDED.get().get(group, {})}


def _imported(point: EntryPoint, table: Mapping[str, T], expected: type[T]) -> T:
    said = f"plug-in {point.name!r} ({point.value})"
    if point.name in table:
        raise InputError(f"{said}: expected a name of its own, got a built-in one; rename the entry point")
    try:
        loaded = point.load()
    except Exception as error:
        reason = described(error)
        raise InputError(f"{said}: expected a module that imports, got {reason}; fix or uninstall it") from error
    if not isinstance(loaded, expected):
        raise InputError(f"{said}: expected a {expected.__name__}, got {type(loaded).__name__}; fix or uninstall it")
    return loaded
