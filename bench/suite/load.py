"""A suite file → `Suite`, or every problem in it at once, each with file:line:column.

For dataset and model entries, names are looked up, and parameters are checked and completed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel, Field

from bench.data.base import DatasetKind
from bench.errors import BenchError, InputError, SuiteError
from bench.limits import POINTS, exceeded
from bench.models.base import ModelKind, StatedSearch
from bench.models.from_source import anchored
from bench.paths import path_of
from bench.registry import is_address, lookup, short_address, unknown
from bench.spec import Entry, Frozen, Gate, Name, Origin, Settings, Suite, Training, Unit
from bench.suite.checks import (
    Located,
    check_cells,
    check_departures,
    check_exclusions,
    check_nothing_twice,
    check_size,
    check_some_cell,
    check_tuned_models,
    wrong_search,
)
from bench.suite.validate import check, combinations, json_schema_of, keys_within, shown
from bench.suite.yaml import Position, Problems, Value, read


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


class _DatasetHead(_Head):
    """Those of a dataset."""

    unit: Unit | None = None


class _ModelHead(_Head):
    """Those of a model."""

    search: StatedSearch = Field({}, description="What tuning may vary: name to a list of values or a range.")


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

    def entries(self, value: Value) -> list[tuple[Position, Entry]]:
        """What `value`, a name or a mapping, stands for, with the place of each id; less what is wrong."""
        if isinstance(value.content, str):
            value = Value(value.place, {"kind": value})
        if not isinstance(value.content, dict):
            if value.place not in self.problems.places():
                text = f"expected the name of a {self.what}, or a mapping with its kind and parameters"
                self.problems.add(value.place, f"{text}, got {shown(value.content)}")
            return []
        head = self._head(value.place, {key: item for key, item in value.content.items() if key in self._keys})
        if head is None or (resolved := self._kind(head.kind, value.content["kind"].place)) is None:
            return []
        head = head.model_copy(update={"kind": resolved})
        place = value.content.get("id", value).place
        pairs = self._parameters(value, head)
        entries = (entry for suffix, parameters in pairs for entry in self._apart(place, head, suffix, parameters))
        return [(place, entry) for entry in entries if entry]

    def _apart(self, place: Position, head: _Head, suffix: str, parameters: Value) -> Iterator[Entry | None]:
        """The entries that stand in the place of one, which is most often itself."""
        kind, entry = self.kinds[head.kind], self._entry(place, head, suffix, parameters)
        apart = kind.apart if isinstance(kind, DatasetKind) else None
        if entry is None or apart is None:
            yield entry
            return
        try:
            several = apart(entry.parsed(kind.parameters))
        except BenchError as error:
            self.problems.add(place, f"{entry.id}: {error}")
            return
        if not several:
            yield entry
        for name, changes in several.items():
            changed = {key: _located(place, item) for key, item in changes.items()}
            content = {key: item for key, item in (parameters.content | changed).items() if item.content is not None}
            yield self._entry(place, head, f"{suffix}@{name}", Value(place, content, parameters.keys))

    @property
    def _keys(self) -> Mapping[str, object]:
        """Those that are no parameters."""
        return self._heads.model_fields

    @property
    def _heads(self) -> type[_Head]:
        return _ModelHead if self.what == "model" else _DatasetHead

    def _head(self, place: Position, content: dict[str, Value]) -> _Head | None:
        return check(Value(place, content), self._heads, self.problems, label=self.what)

    def _kind(self, name: str, place: Position) -> str | None:
        """The kind's name in the registry; that of a class in a file with the file's whole path."""
        if self.what == "model" and is_address(name):
            name = anchored(name, self.folder)
        elif self.what == "model" and name.endswith(".py"):
            self.problems.add(place, f"expected a file and its class, such as {name}:MyNet, got {name!r}")
            return None
        try:
            lookup(self.kinds, name, self.what)
        except InputError as error:
            self.problems.add(place, str(error))
            return None
        return name

    def _parameters(self, value: Value, head: _Head) -> list[tuple[str, Value]]:
        schema = json_schema_of(self.kinds[head.kind].parameters)
        names = keys_within(schema, ())
        content = {key: parameter for key, parameter in value.content.items() if key not in self._keys}
        if schema.get("additionalProperties") is True:  # the class itself knows which
            names |= content.keys()
        for key in content.keys() - names:
            problem = self._of_suite(key) or unknown(key, [*self._keys, *names], "parameter")
            self.problems.add(value.keys[key], f"{short_address(head.kind)}: {problem}")
        known = {key: parameter for key, parameter in content.items() if key in names}
        return list(combinations(Value(value.place, known, value.keys), schema, self.problems))

    def _of_suite(self, key: str) -> str | None:
        """What is wrong with a key that is of the suite, and the same for all of its entries."""
        if key in Suite.model_fields:
            return f"{key!r} is a key of the suite, for all of its cells; move it to the top of the file"
        if key in Training.model_fields:
            return f"{key!r} is a key of the suite's training, for all of its models; move it to training at the top"
        return None

    def _entry(self, place: Position, head: _Head, suffix: str, parameters: Value) -> Entry | None:
        name = (head.id or short_address(head.kind).rpartition(":")[2]) + suffix
        named = self._head(place, {"kind": Value(place, head.kind), "id": Value(place, name)})
        kind = self.kinds[head.kind].parameters
        complete = check(self._anchored(parameters), kind, self.problems, label=name, noun="parameter")
        if named is None or complete is None:
            return None
        if self.what == "dataset" and (text := exceeded(POINTS, _points(self.kinds[head.kind], complete))):
            self.problems.add(place, f"{name}: {text}")
            return None
        unit = head.unit if isinstance(head, _DatasetHead) else None
        if unit and getattr(self.kinds[head.kind], "steps", None):
            self.problems.add(
                place, f"{name}: unit: expected a series, got {head.kind}, which is sequences; leave it out"
            )
            return None
        search = head.model_dump(include={"search"}, mode="json").get("search", {})
        if wrong := wrong_search(complete, self.kinds[head.kind], search):
            self.problems.add(place, f"{name}: search: {wrong}")
            return None
        return Entry.of(name, head.kind, complete, parameters.content, search=search, unit=unit)

    def _anchored(self, parameters: Value) -> Value:
        """A relative `path` begins at the suite file, so that a suite means the same from every working folder."""
        path = parameters.content.get("path")
        if path is None or not isinstance(path.content, str) or not path.content:
            return parameters
        try:
            absolute = str((self.folder / path_of(path.content)).absolute())
        except InputError as error:
            self.problems.add(path.place, f"path: {error}")
            return parameters
        return Value(parameters.place, {**parameters.content, "path": Value(path.place, absolute)}, parameters.keys)


def _located(place: Position, item: object) -> Value:
    """A plain value as one of the file, at `place`."""
    if isinstance(item, Mapping):
        return Value(place, {key: _located(place, value) for key, value in item.items()}, dict.fromkeys(item, place))
    return Value(place, item)


def _points(kind: object, parameters: object) -> int:
    """How many points a dataset generates: those of one series, or of all of its sequences."""
    length, count = getattr(parameters, "length", 0), getattr(parameters, "count", None)
    points = count * steps(parameters) if count is not None and (steps := getattr(kind, "steps", None)) else length
    return points if isinstance(points, int) else 0


S = TypeVar("S", bound=BaseModel)
Whole = TypeVar("Whole", bound=Suite)


def load(
    path: str | Path,
    *,
    datasets: Mapping[str, DatasetKind],
    models: Mapping[str, ModelKind],
    text: str | None = None,
) -> Suite:
    """Read the suite file at `path`, once: the suite knows the lines of its datasets by its `origin`.

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
    return load_plain(SuiteFile.read(path, datasets=datasets, models=models, text=text), Suite)


def load_gate(path: Path) -> Gate:
    """The gate of the suite file at `path`: nothing else of it is looked at, and no code that it names is imported.

    Raises
    ------
    SuiteError
        The file cannot be read, or what it says of the gate is wrong.
    """
    problems = Problems(str(path))
    stated = _mapping(path, problems, None).content.get("gate")
    gate = Gate() if stated is None else check(stated, Gate, problems, label="gate")
    problems.check()
    return gate or Gate()


def load_plain(file: SuiteFile, keys: type[BaseModel]) -> Suite:
    """The suite that a `file` without published systems holds; a key that `keys` lacks is unknown.

    Raises
    ------
    SuiteError
        With everything that is wrong with the file.
    """
    settings = file.settings(file.root, Settings, keys)
    entries, complete = file.lists(needed=True)
    check_nothing_twice(entries, file.problems, tuned=settings is None or bool(settings.tuning))
    check_exclusions(file.root, entries, complete, file.problems)
    check_tuned_models(file.root, entries, complete, file.problems)
    suite = file.suite(Suite, settings, entries)
    return file.checked(suite, positions(entries["models"]), positions(entries["datasets"]))


@dataclass(frozen=True)
class SuiteFile:
    """A suite file, read and not yet checked: what the loaders of suites with and without more keys share.

    Parameters
    ----------
    path
        Of the file, as the user wrote it.
    root
        The mapping that it holds.
    datasets, models
        The registries.
    problems
        What has been found wrong so far.
    """

    path: Path
    root: Value
    datasets: Mapping[str, DatasetKind]
    models: Mapping[str, ModelKind]
    problems: Problems

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        datasets: Mapping[str, DatasetKind],
        models: Mapping[str, ModelKind],
        text: str | None = None,
    ) -> SuiteFile:
        """Read the file, or `text` in its place.

        Raises
        ------
        SuiteError
            It cannot be read, is not YAML, or holds no mapping.
        """
        path = Path(path)
        problems = Problems(str(path))
        return cls(path, _mapping(path, problems, text), datasets, models, problems)

    def settings(self, value: Value, settings: type[S], whole: type[BaseModel]) -> S | None:
        """What `value` says next to its lists of entries; of `whole`, `settings` are the rest."""
        for key in value.content.keys() - whole.model_fields:
            self.problems.add(value.keys[key], unknown(key, whole.model_fields, "key"))
        known = {key: item for key, item in value.content.items() if key in settings.model_fields}
        return check(Value(value.place, known, value.keys), settings, self.problems)

    def lists(self, *, needed: bool) -> tuple[dict[str, Located], set[str]]:
        """The suite's datasets and models, and those of the two keys under which nothing is wrong."""
        entries: dict[str, Located] = {}
        complete = set()
        for key in ("datasets", "models"):
            before = len(self.problems.collected)
            entries[key] = self.entries(self.root, key, needed=needed)
            complete |= {key} if len(self.problems.collected) == before else set()
        return entries, complete

    def entries(self, value: Value, key: str, *, needed: bool) -> Located:
        """The entries under `key` of `value`: datasets, or else models."""
        what, kinds = ("dataset", self.datasets) if key == "datasets" else ("model", self.models)
        resolver = Resolver(what, kinds, self.path.parent, self.problems)
        listed = value.content.get(key)
        if listed is None or (listed.content == () and not needed):
            if needed:
                self.problems.add(value.place, f"the key {key!r} is missing")
        elif not isinstance(listed.content, tuple) or not listed.content:
            text = f"{key}: expected a list of at least 1, each the name of a {what} or a mapping with its kind"
            self.problems.add(listed.place, f"{text}, got {shown(listed.content)}")
        else:
            return [entry for item in listed.content for entry in resolver.entries(item)]
        return []

    def suite(
        self, whole: type[Whole], settings: Settings | None, entries: Mapping[str, Located], **more: object
    ) -> Whole:
        """The suite that the parts make.

        Raises
        ------
        SuiteError
            With all that was found wrong, if anything was.
        """
        if settings is None:
            raise SuiteError(tuple(self.problems.collected))
        self.problems.check()
        fields = {key: tuple(entry for _, entry in located) for key, located in entries.items()}
        suite = whole.model_validate({**dict(settings), **fields, **more})
        check_size(suite, self.root, self.problems)
        check_some_cell(suite, self.root, self.problems)
        check_departures(suite, self.root, self.datasets, self.problems)
        return suite

    def checked(self, suite: Whole, blamed: Mapping[str, Position], lines: Mapping[str, Position]) -> Whole:
        """`suite`, all of whose cells can be run.

        Parameters
        ----------
        blamed
            By the id of a dataset, or else of a model: where to say what is wrong with its cells.
        lines
            Where the file names each dataset.

        Raises
        ------
        SuiteError
            With all that is wrong.
        """
        check_cells(suite, self.datasets, self.models, blamed, self.problems)
        self.problems.check()
        return suite.loaded_from(Origin(str(self.path), lines))


def positions(located: Located) -> dict[str, Position]:
    """Where the file names each entry, by its id."""
    return {entry.id: place for place, entry in located}


def _mapping(path: Path, problems: Problems, text: str | None) -> Value:
    root = read(path, problems, text)
    if root is None or not isinstance(root.content, dict):
        place, came = (root.place, shown(root.content)) if root else (Position(1, 1), "an empty file")
        problems.stop(place, f"expected a mapping with the keys name, datasets and models, got {came}")
    return root
