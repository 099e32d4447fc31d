"""One dataset or model of a suite file → entries: names looked up, parameters checked and completed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from bench.registry import unknown
from bench.suite.checking import check
from bench.suite.fields import Frozen, Name
from bench.suite.lists import combinations
from bench.suite.located import Place, Problems, Value
from bench.suite.spec import Entry
from bench.suite.wording import keys_within, shown


class Kind(Protocol):
    """What an entry needs to know of a registered kind: `DatasetKind` and `ModelKind` are such."""

    @property
    def summary(self) -> str:
        """One line about it."""

    @property
    def parameters(self) -> type[BaseModel]:
        """What a suite may set."""


class _Head(Frozen):
    """The keys of an entry that are no parameters."""

    kind: str
    id: Name = ""  # where it is not stated, the kind's name


@dataclass(frozen=True)
class Resolver:
    """Turns what a suite file says of one dataset or model into entries.

    Parameters
    ----------
    what
        ``"dataset"`` or ``"model"``.
    kinds
        The registry.
    folder
        The suite file's; relative paths begin there.
    problems
        Where to say what is wrong.
    """

    what: str
    kinds: Mapping[str, Kind]
    folder: Path
    problems: Problems

    def entries(self, value: Value) -> list[tuple[Place, Entry]]:
        """What `value`, a name or a mapping, stands for, with the place of each id; less what is wrong."""
        if isinstance(value.content, str):
            value = Value(value.place, {"kind": value})
        if not isinstance(value.content, dict):
            if value.place not in self.problems.places():
                text = f"expected the name of a {self.what}, or a mapping with its kind and parameters"
                self.problems.add(value.place, f"{text}, got {shown(value.content)}")
            return []
        head = self._head(value.place, {key: item for key, item in value.content.items() if key in _Head.model_fields})
        if head is None:
            return []
        if head.kind not in self.kinds:
            self.problems.add(value.content["kind"].place, unknown(head.kind, self.kinds, self.what))
            return []
        place = value.content.get("id", value).place
        found = (self._entry(place, head, suffix, parameters) for suffix, parameters in self._parameters(value, head))
        return [(place, entry) for entry in found if entry]

    def _head(self, place: Place, content: dict[str, Value]) -> _Head | None:
        return check(Value(place, content), _Head, self.problems, label=self.what)

    def _parameters(self, value: Value, head: _Head) -> list[tuple[str, Value]]:
        schema = self.kinds[head.kind].parameters.model_json_schema()
        names = keys_within(schema, ())
        content = {key: parameter for key, parameter in value.content.items() if key not in _Head.model_fields}
        for key in content.keys() - names:
            problem = unknown(key, [*_Head.model_fields, *names], "parameter")
            self.problems.add(value.keys[key], f"{head.kind}: {problem}")
        known = {key: parameter for key, parameter in content.items() if key in names}
        return list(combinations(Value(value.place, known, value.keys), schema, self.problems))

    def _entry(self, place: Place, head: _Head, suffix: str, parameters: Value) -> Entry | None:
        name = (head.id or head.kind) + suffix
        named = self._head(place, {"kind": Value(place, head.kind), "id": Value(place, name)})
        kind = self.kinds[head.kind].parameters
        complete = check(self._anchored(parameters), kind, self.problems, label=name, noun="parameter")
        if named is None or complete is None:
            return None
        stated = tuple(sorted(parameters.content))
        return Entry(id=name, kind=head.kind, parameters=complete.model_dump(mode="json"), stated=stated)

    def _anchored(self, parameters: Value) -> Value:
        """A relative `path` begins at the suite file, so that a suite means the same from every working folder."""
        path = parameters.content.get("path")
        if path is None or not isinstance(path.content, str) or not path.content:
            return parameters
        absolute = str((self.folder / path.content).absolute())
        return Value(parameters.place, {**parameters.content, "path": Value(path.place, absolute)}, parameters.keys)
