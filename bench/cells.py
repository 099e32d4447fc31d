"""A suite expands into cells; the identity of a cell is a hash of its content.

A cell can also be written as a suite of its own, which another version of the code can read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, partial
from itertools import chain, product
from typing import Any, ClassVar, Literal

from bench.cell_limits import UNLIMITED, CellLimits
from bench.registry import short_address
from bench.spec import PROTOCOL, AsPublished, Entry, Exclusion, Product, Settings, Split, Suite, Training, Tuning

CODE_VERSION = 2
"""Raise it when a change of the code changes results: stored cells of another version are run again."""


LATER: Mapping[str, Mapping[str, Any]] = {
    "training": {"epsilon": 1e-8, "steps": None, "validate_every": None, "schedule": "constant"},
    "tuning": {"steps": None},
    "split": {"stride": None, "origins": None, "refit": False},
    "oscillator": {"precision": "float64"},
}
"""Options that came after cells had been stored, of a section or of a kind of dataset, with their defaults.

At its default such an option is no part of a cell's content, so that stored cells keep their ids.
"""

LIMITS = ("time_limit_s",)
"""What ends a cell early and changes no result of one that finishes: left open in its identity."""

_COUNT = "seeds"
"""Rows of earlier versions say here how many replicates were requested, which changes no row: no part of identity."""

_OF_TRAINING = ("order:", "last_batch:", "targets:")
"""Departures from the protocol that leave the parts of a series as they are."""

_NO_IDENTITY = frozenset({_COUNT, "limits"})


@dataclass(frozen=True, order=True, slots=True)
class Case:
    """What the models of one comparison share: the cells of one case differ in their model alone."""

    dataset: str
    horizon: int
    sequence_length: int

    @property
    def title(self) -> str:
        """For people: never used to find or name anything."""
        return f"{self.dataset}, L={self.sequence_length}, h={self.horizon}"

    def key(self, model: str) -> CellKey:
        """The cell of `model` in this case."""
        return CellKey(self.dataset, model, self.sequence_length, self.horizon)


@dataclass(frozen=True, order=True, slots=True)
class CellKey:
    """The names of a cell, which stay when its content, and so its id, changes; a suite has one cell for each."""

    COLUMNS: ClassVar[tuple[str, ...]] = ("dataset", "model", "sequence_length", "horizon")
    """The columns of every table of results that hold it."""

    dataset: str
    model: str
    sequence_length: int
    horizon: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> CellKey:
        """The key in `row`, which has at least the columns `COLUMNS`."""
        return cls(*(row[name] for name in cls.COLUMNS))

    @property
    def title(self) -> str:
        """For people: never used to find or name anything."""
        return f"{self.dataset} × {self.model}, L={self.sequence_length}, h={self.horizon}"

    @property
    def case(self) -> Case:
        """The key without the model."""
        return Case(self.dataset, self.horizon, self.sequence_length)


@dataclass(frozen=True)
class Cell:
    """One dataset × model × sequence length × horizon: the unit that is run, cached, retried, failed.

    `data_sha256` is the fingerprint of the data file behind the dataset, `None` for generated data.
    `plugins` holds what identifies kinds that are not of bench: versions of distributions, and hashes of source.
    `finished` holds those of the replicates `0 … seeds - 1` that are stored and stay: only the others are run.
    `untuned` says to train with the suite's own hyperparameters, for rows that stand until the cell is tuned.
    """

    suite: str
    dataset: Entry
    model: Entry
    sequence_length: int
    horizon: int
    seeds: int
    seed: int
    split: Split
    training: Training
    tuning: Tuning | None
    as_published: AsPublished = PROTOCOL
    fresh_data: bool = False
    time_limit_s: float | None = None
    limits: CellLimits = UNLIMITED
    data_sha256: str | None = None
    plugins: dict[str, str] = field(default_factory=dict)
    finished: frozenset[int] = frozenset()
    untuned: bool = False
    season: int | Literal["detect"] | None = None

    @property
    def replicates(self) -> list[int]:
        """Those to run, ascending."""
        return [replicate for replicate in range(self.seeds) if replicate not in self.finished]

    def with_seeds(self, count: int) -> Cell:
        """With so many replicates requested: itself where it has them, for what it knows of itself stays known."""
        return self if self.seeds == count else replace(self, seeds=count)

    @cached_property
    def spec(self) -> str:
        """The resolved content of the cell, as canonical JSON: what decides one row.

        Neither the suite's name is in it nor the number of seeds, which is that of the rows. Which parameters were
        stated only matters to tuning: where nothing is tuned, a default written out is no other content. A file is
        known by its bytes, wherever it lies.
        """
        return _object(self._sections)

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits of the SHA-256 of `spec`, its `LIMITS` left open: what decides the results."""
        sections = self._sections
        decisive = {name: text for name, text in sections.items() if name not in _NO_IDENTITY}
        return _digits(_object(decisive | dict.fromkeys(LIMITS, "null")))

    @property
    def _sections(self) -> dict[str, str]:
        """What it contains, each section as canonical JSON; of those that many cells share the text is kept."""
        own = {
            "sequence_length": self.sequence_length,
            "horizon": self.horizon,
            "seed": self.seed,
            "fresh_data": self.fresh_data,
            "time_limit_s": self.time_limit_s,
            **({"limits": self.limits.stated} if self.limits.stated else {}),
            "data_sha256": self.data_sha256,
            "plugins": self.plugins,
            "code_version": CODE_VERSION,
            **({"season": self.season} if self.season else {}),  # which came later
        }
        return {
            "dataset": _text("dataset of a file" if self.data_sha256 else "dataset", self.dataset),
            "model": _text("tuned model" if self.tuning else "model", self.model),
            "split": _text("split", self.split),
            "training": _text("training", self.training),
            "tuning": _text("tuning", self.tuning) if self.tuning else "null",
            "as_published": _text("as_published", self.as_published),
            **{name: _canonical(value) for name, value in own.items()},
        }

    @property
    def about_one_series(self) -> str | None:
        """Which of its settings is about one series alone, and what to do of several; `None` where none is."""
        stated = ["split: refit"] if self.split.refit else []
        parts = [each for each in self.as_published.departures if not each.startswith(_OF_TRAINING)]
        came = next(iter([*stated, *(f"as_published: {each}" for each in parts)]), None)
        if came is None:
            return None
        return f"expected one series, which {came} is about, got several; leave it out, or state fit: local"

    @property
    def key(self) -> CellKey:
        """Its names."""
        return CellKey(self.dataset.id, self.model.id, self.sequence_length, self.horizon)

    @property
    def columns(self) -> dict[str, str | int]:
        """The columns that every table of results begins with."""
        return {"cell_id": self.id, "suite": self.suite, **asdict(self.key)}

    @property
    def title(self) -> str:
        """For people: never used to find or name anything."""
        return self.key.title


def _of_dataset(dataset: Entry, *, without_path: bool = False) -> dict[str, Any]:
    content = dataset.model_dump(exclude={"stated", "unit"})
    if without_path:
        content["parameters"].pop("path", None)
    content["parameters"] = _without_later(content["kind"], content["parameters"])
    return content


def _of_model(model: Entry, *, tuned: bool) -> dict[str, Any]:
    return {**model.model_dump(exclude=None if tuned else {"stated", "search"}), "kind": short_address(model.kind)}


_CONTENTS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "dataset": _of_dataset,
    "dataset of a file": partial(_of_dataset, without_path=True),
    "model": partial(_of_model, tuned=False),
    "tuned model": partial(_of_model, tuned=True),
    "split": lambda split: _without_later("split", split.model_dump()),
    "training": lambda training: _without_later("training", training.model_dump()),
    "tuning": lambda tuning: _without_later("tuning", tuning.model_dump(exclude={"models"})),
    "as_published": AsPublished.model_dump,
}
"""How a section that many cells share becomes content."""

_TEXTS: dict[tuple[str, int], tuple[object, str]] = {}
_MOST_TEXTS = 10_000


def _text(name: str, section: object) -> str:
    """The canonical JSON of a section, which is a frozen value; made once while it is kept here."""
    known = _TEXTS.get((name, id(section)))
    if known is None:
        if len(_TEXTS) >= _MOST_TEXTS:
            _TEXTS.clear()
        known = _TEXTS[name, id(section)] = section, _canonical(_CONTENTS[name](section))  # it keeps its number
    return known[1]


def _object(sections: Mapping[str, str]) -> str:
    """Canonical JSON of an object, of that of its values."""
    return "{" + ",".join(f'"{name}":{sections[name]}' for name in sorted(sections)) + "}"


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _identity(content: Mapping[str, Any]) -> str:
    decisive = {name: value for name, value in content.items() if name not in _NO_IDENTITY} | dict.fromkeys(LIMITS)
    return _digits(_canonical(decisive))


def _without_later(where: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` less those of `LATER` that are at their default."""
    later = LATER.get(where, {})
    return {name: value for name, value in options.items() if name not in later or value != later[name]}


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _canonical(content: Any) -> str:
    return _CANONICAL.encode(content)


@dataclass(frozen=True)
class CellSpec:
    """What `Cell.spec` says, read back from a row.

    Parameters
    ----------
    content
        Section → its value; a section that the version of the row did not write is not there.
    """

    content: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str | None) -> CellSpec:
        """The spec as it is stored; one without sections where the row holds none."""
        return cls(json.loads(text) if text else {})

    @property
    def cell_id(self) -> str | None:
        """The id of the cell that it is of; rows of an earlier version may have another, which more entered.

        `None` for what no cell has, such as a number that is not finite.
        """
        try:
            return _identity(self.content)
        except ValueError:
            return None

    @property
    def dataset_kind(self) -> str:
        """Empty where it is not stored; so are the others."""
        return str(self._section("dataset").get("kind", ""))

    @property
    def dataset_parameters(self) -> Mapping[str, Any]:
        """All parameters of the dataset, as in the suite or by default."""
        parameters: Mapping[str, Any] = self._section("dataset").get("parameters", {})
        return parameters

    @property
    def as_published(self) -> Mapping[str, Any]:
        """The settings of `AsPublished`."""
        return self._section("as_published")

    @property
    def model_kind(self) -> str:
        """As in the registry."""
        return str(self._section("model").get("kind", ""))

    @property
    def model_parameters(self) -> Mapping[str, Any]:
        """All parameters of the model, as in the suite or by default."""
        parameters: Mapping[str, Any] = self._section("model").get("parameters", {})
        return parameters

    @property
    def training(self) -> Mapping[str, Any]:
        """The settings of `Training`."""
        return self._section("training")

    @property
    def rounds(self) -> int:
        """Rounds of the training's budget, at most: epochs, or validations where it is in steps."""
        return Training.model_construct(**self.training).rounds

    @property
    def time_limit_s(self) -> float | None:
        """Seconds that the cell had, at most; `None` for no limit."""
        return self.content.get("time_limit_s")

    @property
    def limits(self) -> CellLimits:
        """What ended its process, where it took more."""
        return CellLimits.model_construct(**self._section("limits"))

    @property
    def has_its_own_id(self) -> bool:
        """Whether nothing is in it that entered the ids of an earlier version and no longer does."""
        return _COUNT not in self.content and self.time_limit_s is None

    @property
    def fresh_data(self) -> bool:
        """Whether each replicate has data of its own seed."""
        return bool(self.content.get("fresh_data"))

    @property
    def portable(self) -> Mapping[str, Any]:
        """What decides the results, without what only the machine that ran it knows: its data files and plugins."""
        dataset = self._section("dataset")
        parameters = {name: value for name, value in dataset["parameters"].items() if name != "path"}
        left_out = ("data_sha256", "plugins", *_NO_IDENTITY, *LIMITS)
        own = {name: value for name, value in self.content.items() if name not in left_out}
        return {**own, "dataset": {**dataset, "parameters": parameters}}

    def _section(self, name: str) -> Mapping[str, Any]:
        return self.content.get(name) or {}


def expand(suite: Suite) -> Iterator[Cell]:
    """Every cell of `suite` that no exclusion matches, in the order of the file."""
    excluded = _Exclusions.of(suite.exclude)
    cells = chain.from_iterable(map(_cells, suite.products()))
    yield from (cell for cell in cells if not excluded.have(cell))


def _cells(of: Product) -> Iterator[Cell]:
    settings, datasets, models = of
    tuning = {model.id: _tuning(settings, model) for model in models}
    for dataset, model, length, horizon in product(datasets, models, settings.sequence_lengths, settings.horizons):
        yield Cell(
            suite=settings.name,
            dataset=dataset,
            model=model,
            sequence_length=length,
            horizon=horizon,
            seeds=settings.most_seeds,
            seed=settings.seed,
            split=settings.split,
            training=settings.training,
            tuning=tuning[model.id],
            as_published=settings.as_published,
            fresh_data=settings.fresh_data,
            time_limit_s=settings.time_limit_s,
            limits=settings.limits,
            season=settings.season,
        )


def _tuning(settings: Settings, model: Entry) -> Tuning | None:
    """The budget of a cell of `model`; `None` where it is not to be tuned."""
    tuning = settings.tuning or None
    if tuning is None or tuning.models is None:
        return tuning
    if not any(named(model.id, pattern) for pattern in tuning.models):
        return None
    return Tuning.model_validate(tuning.model_dump(exclude={"models"}, exclude_unset=True))


def named(name: str, pattern: str) -> bool:
    """Whether `pattern` is `name` itself, or a glob that matches it."""
    return name == pattern or fnmatchcase(name, pattern)


def is_glob(pattern: str | None) -> bool:
    """Whether `pattern` may match other names than its own."""
    return pattern is not None and any(character in pattern for character in "*?[")


_Key = tuple[str | None, str | None, int | None, int | None]
"""What a rule says of dataset, model, length and horizon; `None` for what it leaves open."""


@dataclass(frozen=True)
class _Exclusions:
    """Rules, so arranged that many of them take no longer than one: those without globs are looked up.

    Parameters
    ----------
    exact
        Of the rules without globs: which parts of the key each states → the keys that are stated.
    globs
        The other rules.
    """

    exact: Mapping[tuple[bool, ...], set[_Key]]
    globs: tuple[Exclusion, ...]

    @classmethod
    def of(cls, rules: Sequence[Exclusion]) -> _Exclusions:
        exact: dict[tuple[bool, ...], set[_Key]] = {}
        for rule in rules:
            key = rule.dataset, rule.model, rule.sequence_length, rule.horizon
            if not (is_glob(rule.dataset) or is_glob(rule.model)):
                exact.setdefault(tuple(part is not None for part in key), set()).add(key)
        return cls(exact, tuple(rule for rule in rules if is_glob(rule.dataset) or is_glob(rule.model)))

    def have(self, cell: Cell) -> bool:
        key = cell.dataset.id, cell.model.id, cell.sequence_length, cell.horizon
        for stated, keys in self.exact.items():
            if tuple(part if said else None for part, said in zip(key, stated, strict=True)) in keys:
                return True
        return any(_matches(cell, rule) for rule in self.globs)


def _matches(cell: Cell, rule: Exclusion) -> bool:
    return (
        (rule.dataset is None or named(cell.dataset.id, rule.dataset))
        and (rule.model is None or named(cell.model.id, rule.model))
        and rule.sequence_length in (None, cell.sequence_length)
        and rule.horizon in (None, cell.horizon)
    )


_SECTIONS = ("split", "training", "as_published", "tuning")


def alone(cell: Cell) -> str:
    """The text of a suite that has only `cell`; what its own file does not state is left to the reader's defaults."""
    content: dict[str, Any] = {
        "name": cell.suite,
        "datasets": [_entry(cell.dataset)],
        "models": [_entry(cell.model)],
        "sequence_lengths": [cell.sequence_length],
        "horizons": [cell.horizon],
        **{name: getattr(cell, name) for name in ("seeds", "seed", "fresh_data", "time_limit_s")},
    }
    if cell.season:
        content["season"] = cell.season
    for name in _SECTIONS:
        section = getattr(cell, name)
        content[name] = section.model_dump(mode="json", exclude_unset=True) if section else False
    return json.dumps(content, indent=1, ensure_ascii=False)


def _entry(entry: Entry) -> dict[str, Any]:
    search = {"search": entry.search} if entry.search else {}
    return {"id": entry.id, "kind": entry.kind, **search, **_stated(entry)}


def _stated(entry: Entry) -> dict[str, Any]:
    """The parameters that the suite states; one at its default may be left out of `Entry.parameters`."""
    return {name: entry.parameters[name] for name in entry.stated if name in entry.parameters}
