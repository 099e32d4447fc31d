"""Values that know their place in a file, and the problems found there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from bench.errors import Problem, SuiteError


class Place(NamedTuple):
    """A line and a column of a file, from 1; 0 where there is none to name."""

    line: int
    column: int


@dataclass(frozen=True)
class Problems:
    """Everything found wrong in one file so far; the same thing at the same place counts once."""

    file: str
    found: set[Problem] = field(default_factory=set)

    def add(self, place: Place, message: str) -> None:
        """Note that what begins at `place` is wrong, in one line."""
        self.found.add(Problem(self.file, place.line, place.column, " ".join(message.split())))

    def places(self) -> frozenset[Place]:
        """Where something is known to be wrong: what follows from it there need not be told."""
        return frozenset(Place(problem.line, problem.column) for problem in self.found)

    def check(self) -> None:
        """Raise what was found, if anything, as one `SuiteError`."""
        if self.found:
            raise SuiteError(tuple(self.found))

    def stop(self, place: Place, message: str) -> NoReturn:
        """Add one more and raise all of them: there is no going on after it."""
        self.add(place, message)
        raise SuiteError(tuple(self.found))


@dataclass(frozen=True)
class Value:
    """A value of the file and the place where it begins.

    Parameters
    ----------
    place
        Of the value; of its anchor, where it is an alias.
    content
        `None`, a bool, int, float or str; a tuple of `Value`; or a dict of `Value`.
    keys
        Of a mapping: where each key begins.
    """

    place: Place
    content: Any
    keys: Mapping[str, Place] = field(default_factory=dict)

    def plain(self) -> Any:
        """The value without places: what JSON would hold."""
        if isinstance(self.content, dict):
            return {key: value.plain() for key, value in self.content.items()}
        if isinstance(self.content, tuple):
            return [value.plain() for value in self.content]
        return self.content
