"""Suite files with published systems or without: loaded, and their JSON Schema. Every command loads suites here."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.data.base import DatasetKind
from bench.models.base import ModelKind
from bench.replication.printed import check_published
from bench.replication.systems import DESCRIBED, PUBLISHED, ReplicationSuite, System, SystemSettings, is_marked
from bench.spec import Settings, Suite
from bench.suite.checks import Located, check_exclusions, check_nothing_twice, check_tuned_models, position_of
from bench.suite.json_schema import Json, Kinds, Schemas
from bench.suite.load import SuiteFile, load_plain, positions
from bench.suite.validate import shown
from bench.suite.yaml import Position, Problems, Value

Systems = list[tuple[Value, System]]
"""Published systems, each with what the file says of it."""

_SOMETHING = [
    {"required": ["datasets", "models"], "properties": {key: {"minItems": 1} for key in ("datasets", "models")}},
    {"required": ["systems"], "properties": {"systems": {"minItems": 1}}},
]


def load(
    path: str | Path,
    *,
    datasets: Mapping[str, DatasetKind],
    models: Mapping[str, ModelKind],
    text: str | None = None,
) -> Suite:
    """Read the suite file at `path`; where it has published systems, it is a `ReplicationSuite`.

    Parameters
    ----------
    path
        As for `bench.suite.load.load`.
    datasets, models
        The registries: which kinds there are, and what may be set for each.
    text
        The content, where there is no file; `path` then names it in messages.

    Raises
    ------
    SuiteError
        With everything that is wrong with the file.
    """
    file = SuiteFile.read(path, datasets=datasets, models=models, text=text)
    if not {"systems", "references"} & file.root.content.keys():
        return load_plain(file, ReplicationSuite)
    return _load_replication(file)


def _load_replication(file: SuiteFile) -> ReplicationSuite:
    root, problems = file.root, file.problems
    settings = file.settings(root, Settings, ReplicationSuite)
    needed = _needs_entries(root, problems)
    entries, complete = file.lists(needed=needed)
    entries["references"] = file.entries(root, "references", needed=False)
    systems = _systems(file)
    check_nothing_twice(entries, problems, tuned=settings is None or bool(settings.tuning))
    check_systems([(value.place, system) for value, system in systems], entries["datasets"], problems)
    if needed:
        check_exclusions(root, entries, complete, problems)
        check_tuned_models(root, entries, complete, problems)
    suite = file.suite(ReplicationSuite, settings, entries, systems=tuple(system for _, system in systems))
    check_published(suite, systems, datasets=file.datasets, models=file.models, problems=problems)
    return file.checked(suite, _blamed(entries, systems), _lines(entries, systems))


def json_schema(datasets: Kinds, models: Kinds) -> Json:
    """The JSON Schema (2020-12) of the suites, with systems or without, that these registries allow.

    Every suite that loads is valid by it. What only a whole suite can get wrong (an id given twice, an exclusion
    of nothing) is left to `load`.
    """
    schemas = Schemas.of([ReplicationSuite, System], datasets, models)
    entries = {**schemas.entries, "references": schemas.entries["models"]}
    systems = {"type": "array", "items": schemas.filled(System, entries, least=1)}
    suite = schemas.filled(ReplicationSuite, {**entries, "systems": systems}, least=0)
    return schemas.document({**suite, "anyOf": _SOMETHING})


def check_systems(systems: Sequence[tuple[Position, System]], datasets: Located, problems: Problems) -> None:
    """No two systems, nor a system and a dataset, whose results would go by one name."""
    names = {entry.id: place for place, entry in datasets}
    for place, system in systems:
        for dataset in system.named_datasets:
            if dataset.id in names:
                first = names[dataset.id]
                problems.add(
                    place, f"two systems or datasets have the id {dataset.id!r}, the first on line {first.line}"
                )
            names.setdefault(dataset.id, place)


def check_not_marked(models: Located, problems: Problems) -> None:
    """No model of a system has the id that another of them has where it runs as published or described."""
    for place, entry in models:
        if is_marked(entry.id):
            marks = f"{PUBLISHED!r} or {DESCRIBED!r}"
            text = f"expected an id that does not end in {marks}, which mark what runs as published or described"
            problems.add(place, f"{entry.id}: {text}; rename it")


def _needs_entries(root: Value, problems: Problems) -> bool:
    """Whether the suite needs datasets and models of its own: it has no systems."""
    listed = root.content.get("systems")
    if listed is not None and listed.content == () and not {"datasets", "models"} <= root.content.keys():
        problems.stop(listed.place, "systems: expected a list of at least 1, each a mapping, got an empty list")
    return listed is None or not listed.content


def _systems(file: SuiteFile) -> Systems:
    """The published systems; less what is wrong."""
    listed, problems = file.root.content.get("systems"), file.problems
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
        elif system := _system(file, item):
            systems.append((item, system))
    return systems


def _system(file: SuiteFile, item: Value) -> System | None:
    settings = file.settings(item, SystemSettings, System)
    entries = {key: file.entries(item, key, needed=True) for key in ("datasets", "models")}
    if settings is None or not all(entries.values()):
        return None
    check_nothing_twice(entries, file.problems, tuned=True)
    check_not_marked(entries["models"], file.problems)
    own = {key: tuple(entry for _, entry in located) for key, located in entries.items()}
    return System.model_validate({**dict(settings), **own})


def _blamed(entries: Mapping[str, Located], systems: Systems) -> dict[str, Position]:
    """Where the file names each model by its id and, for those of systems, each system's datasets."""
    models = positions([each for key in ("models", "references") for each in entries.get(key, ())])
    return {**models, **{dataset.id: value.place for value, system in systems for dataset in system.named_datasets}}


def _lines(entries: Mapping[str, Located], systems: Systems) -> dict[str, Position]:
    """Where the file names each dataset; those of a system at that one's ``datasets``."""
    own = positions(entries["datasets"])
    for value, system in systems:
        own |= dict.fromkeys((each.id for each in system.named_datasets), position_of(value, ("datasets",)))
    return own
