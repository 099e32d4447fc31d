"""A suite file → `Suite`, or every problem in it at once, each with file:line:column.

One dataset or model of a suite file → entries: names looked up, parameters checked and completed.

A suite file → `Suite`, or every problem in it at once, each with file:line:column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel

from bench.data.base import DatasetKind
from bench.errors import SuiteError
from bench.models.base import ModelKind
from bench.registry import unknown
from bench.replication.printed import check_possible, place_of
from bench.spec import Entry, Frozen, Name, Settings, Suite, System, SystemSettings
from bench.suite.checks import (
    Located,
    check_cells,
    check_exclusions,
    check_not_marked,
    check_nothing_twice,
    check_some_cell,
    check_systems,
)
from bench.suite.validate import check, combinations, keys_within, shown
from bench.suite.yaml import Place, Problems, Value, read


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


S = TypeVar("S", bound=BaseModel)


def load(
    path: str | Path,
    *,
    datasets: Mapping[str, DatasetKind],
    models: Mapping[str, ModelKind],
    text: str | None = None,
) -> Suite:
    """Read the suite file at `path`.

    Parameters
    ----------
    path
        YAML 1.2 in UTF-8. A relative `path` inside it (a parameter of that name) begins at the file's folder.
    datasets, models
        The registries: which kinds there are, and what may be set for each.
    text
        What the file would say, where there is none.

    Raises
    ------
    SuiteError
        With everything that is wrong with the file.
    """
    return _loaded(Path(path), datasets, models, text)[0]


def dataset_places(
    path: str | Path, *, datasets: Mapping[str, DatasetKind], models: Mapping[str, ModelKind]
) -> dict[str, Place]:
    """Where the suite file at `path` names each dataset, by its id; those of a system at that one's ``datasets``.

    Raises
    ------
    SuiteError
        As `load`.
    """
    return _loaded(Path(path), datasets, models)[1]


def _loaded(
    path: Path, datasets: Mapping[str, DatasetKind], models: Mapping[str, ModelKind], text: str | None = None
) -> tuple[Suite, dict[str, Place]]:
    problems = Problems(str(path))
    root = _mapping(path, problems, text)
    settings = _settings(root, Settings, Suite, problems)
    resolvers = {
        "datasets": Resolver("dataset", datasets, path.parent, problems),
        "models": Resolver("model", models, path.parent, problems),
    }
    listed = root.content.get("systems")
    needed = listed is None or not listed.content
    if listed is not None and listed.content == () and not {"datasets", "models"} <= root.content.keys():
        problems.stop(listed.place, "systems: expected a list of at least 1, each a mapping, got an empty list")
    found: dict[str, Located] = {}
    complete = set()
    for key, resolver in resolvers.items():
        before = len(problems.found)
        found[key] = _entries(root, key, resolver, needed=needed)
        complete |= {key} if len(problems.found) == before else set()
    found["references"] = _entries(root, "references", resolvers["models"], needed=False)
    systems = _systems(root, resolvers, problems)
    check_nothing_twice(found, problems, tuned=settings is None or bool(settings.tuning))
    check_systems([(value.place, system) for value, system in systems], found["datasets"], problems)
    if needed:
        check_exclusions(root, found, complete, problems)
    if settings is None:
        raise SuiteError(tuple(problems.found))
    problems.check()
    entries = {key: tuple(entry for _, entry in located) for key, located in found.items()}
    suite = Suite.model_validate({**dict(settings), **entries, "systems": tuple(each for _, each in systems)})
    check_some_cell(suite, root, problems)
    check_possible(suite, systems, root, datasets=datasets, models=models, problems=problems)
    check_cells(suite, datasets, models, _places(found, systems), problems)
    problems.check()
    return suite, _dataset_places(found["datasets"], systems)


def _mapping(path: Path, problems: Problems, text: str | None) -> Value:
    root = read(path, problems, text)
    if root is None or not isinstance(root.content, dict):
        place, came = (root.place, shown(root.content)) if root else (Place(1, 1), "an empty file")
        problems.stop(place, f"expected a mapping with the keys name, datasets and models, got {came}")
    return root


def _settings(value: Value, settings: type[S], whole: type[BaseModel], problems: Problems) -> S | None:
    """What `value` says beside its lists of entries and systems; of `whole`, `settings` are the rest."""
    for key in value.content.keys() - whole.model_fields:
        problems.add(value.keys[key], unknown(key, whole.model_fields, "key"))
    known = {key: item for key, item in value.content.items() if key in settings.model_fields}
    return check(Value(value.place, known, value.keys), settings, problems)


def _entries(value: Value, key: str, resolver: Resolver, *, needed: bool) -> Located:
    listed = value.content.get(key)
    if listed is None or (listed.content == () and not needed):
        if needed:
            resolver.problems.add(value.place, f"the key {key!r} is missing")
    elif not isinstance(listed.content, tuple) or not listed.content:
        text = f"{key}: expected a list of at least 1, each the name of a {resolver.what} or a mapping with its kind"
        resolver.problems.add(listed.place, f"{text}, got {shown(listed.content)}")
    else:
        return [entry for item in listed.content for entry in resolver.entries(item)]
    return []


def _systems(root: Value, resolvers: Mapping[str, Resolver], problems: Problems) -> list[tuple[Value, System]]:
    """The published systems, each with what the file says of it; less what is wrong."""
    listed = root.content.get("systems")
    if listed is None:
        return []
    if not isinstance(listed.content, tuple):
        problems.add(listed.place, f"systems: expected a list of systems, got {shown(listed.content)}")
        return []
    systems = []
    for item in listed.content:
        if not isinstance(item.content, dict):
            text = "expected a mapping with the keys id, title, datasets and models"
            problems.add(item.place, f"systems: {text}, got {shown(item.content)}")
            continue
        settings = _settings(item, SystemSettings, System, problems)
        entries = {key: _entries(item, key, resolver, needed=True) for key, resolver in resolvers.items()}
        if settings is not None and all(entries.values()):
            check_nothing_twice(entries, problems, tuned=True)
            check_not_marked(entries["models"], problems)
            own = {key: tuple(entry for _, entry in located) for key, located in entries.items()}
            systems.append((item, System.model_validate({**dict(settings), **own})))
    return systems


def _places(found: Mapping[str, Located], systems: list[tuple[Value, System]]) -> dict[str, Place]:
    """Where the file names each model by its id and, for those of systems, each system's datasets."""
    places = {entry.id: place for key in ("models", "references") for place, entry in found[key]}
    return {**places, **{dataset.id: value.place for value, system in systems for dataset in system.named_datasets}}


def _dataset_places(datasets: Located, systems: list[tuple[Value, System]]) -> dict[str, Place]:
    own = {entry.id: place for place, entry in datasets}
    for value, system in systems:
        own |= dict.fromkeys((each.id for each in system.named_datasets), place_of(value, ("datasets",)))
    return own
