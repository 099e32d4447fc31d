"""Checks of a whole suite: duplicates, exclusions of nothing or everything, combinations that do not fit."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from bench.cells import PUBLISHED, Cell, expand, named
from bench.data.base import DatasetKind
from bench.errors import InputError
from bench.models.base import ModelKind, Shape
from bench.registry import unknown
from bench.spec import Entry, Settings, Suite, System
from bench.suite.yaml import Position, Problems, Value

Located = list[tuple[Position, Entry]]
"""Entries, and where the file names them."""


def check_nothing_twice(found: Mapping[str, Located], problems: Problems, *, tuned: bool) -> None:
    """No two datasets, and no two models, of one id or of one content.

    Where models are `tuned`, one whose parameters are stated differs from one that has them by default.
    """
    for key, located in found.items():
        ids: dict[str, Position] = {}
        contents: dict[str, tuple[Position, str]] = {}
        for place, entry in located:
            stated = entry.stated if tuned and key == "models" else ()
            content = json.dumps([entry.kind, entry.parameters, stated], sort_keys=True)
            if entry.id in ids:
                first = ids[entry.id]
                problems.add(place, f"two {key} have the id {entry.id!r}, the first on line {first.line}: rename one")
            elif content in contents:
                first, name = contents[content]
                problems.add(place, f"{entry.id!r} is the same as {name!r} on line {first.line}: leave one of them out")
            ids.setdefault(entry.id, place)
            contents.setdefault(content, (place, entry.id))


def check_not_marked(models: Located, problems: Problems) -> None:
    """No model of a system has the id that another of them has where it runs as published."""
    for place, entry in models:
        if entry.id.endswith(PUBLISHED):
            text = f"expected an id that does not end in {PUBLISHED!r}, which marks what runs as published"
            problems.add(place, f"{entry.id}: {text}; rename it")


def check_exclusions(root: Value, found: Mapping[str, Located], complete: Collection[str], problems: Problems) -> None:
    """Every key of every exclusion matches something; what matches nothing is a slip of the pen.

    The ids of datasets and models are only known where those are `complete`.
    """
    ids = {key: [entry.id for _, entry in found[key]] for key in complete}
    blamed = problems.places()
    for key, value in _stated(root):
        content = value.content
        if value.place in blamed:
            continue
        if isinstance(content, str) and f"{key}s" in ids:
            if not any(named(name, content) for name in ids[f"{key}s"]):
                problems.add(value.place, f"exclude: {unknown(content, ids[f'{key}s'], key)}")
        elif isinstance(content, int) and (known := _numbers(root, f"{key}s")) and content not in known:
            listed = ", ".join(map(str, known))
            problems.add(value.place, f"exclude: expected a {key} of this suite ({listed}), got {content}")


def check_some_cell(suite: Suite, root: Value, problems: Problems) -> None:
    """Raise `SuiteError` where exclusions leave nothing to run."""
    if next(expand(suite), None) is None:
        place = root.content["exclude"].place
        every = len(list(expand(suite.model_copy(update={"exclude": ()}))))
        problems.stop(place, f"exclude: expected some cell to be left, got all {every} excluded")


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


def check_cells(
    suite: Suite,
    datasets: Mapping[str, DatasetKind],
    models: Mapping[str, ModelKind],
    places: Mapping[str, Position],
    problems: Problems,
) -> None:
    """Each model can do the task of the datasets it meets, and serve the windows of its cells."""
    for cell in expand(suite):
        dataset, model = datasets[cell.dataset.kind], models[cell.model.kind]
        place = places.get(cell.dataset.id) or places[cell.model.id]
        if dataset.task not in model.tasks:
            can = " and ".join(sorted(model.tasks))
            problems.add(
                place,
                f"{cell.model.id}: {cell.dataset.id} asks to {dataset.task}, and {cell.model.kind} can only {can}; "
                "exclude it there",
            )
            continue
        try:
            _check_steps(cell, dataset)
            _check_supervision(cell, dataset, model)
            _check_settings(cell)
            model.check(cell.model.parsed(model.parameters), _shape(cell, dataset))
        except InputError as error:
            problems.add(place, f"{cell.model.id}: {error}")


def _shape(cell: Cell, dataset: DatasetKind) -> Shape:
    """What a model will be told, as far as it is declared; a series may have more channels, and so more outputs."""
    channels, outputs = dataset.values or (1, None)
    return Shape(
        cell.sequence_length,
        cell.horizon,
        channels,
        task=dataset.task,
        outputs=outputs,
        every_step=dataset.task == "denoise" or (dataset.task == "forecast" and _asks_every_step(cell)),
        variable=dataset.variable is not None and dataset.variable(cell.dataset.parsed(dataset.parameters)),
    )


def _check_supervision(cell: Cell, dataset: DatasetKind, model: ModelKind) -> None:
    """Of sequences to forecast, one value after the end is known and none before."""
    if dataset.steps is not None and dataset.task == "forecast" and model.gradient and _asks_every_step(cell):
        raise InputError(
            f"expected one target after the end, since no other is known of the sequences of {cell.dataset.id}, got "
            "some at every step; set supervision: last and targets: own"
        )


def _asks_every_step(cell: Cell) -> bool:
    return cell.training.supervision == "every-step" or cell.as_published.targets == "same-at-every-step"


def _check_settings(cell: Cell) -> None:
    """Settings that exclude each other."""
    if cell.tuning and cell.as_published.validation == "none":
        raise InputError(
            "expected a validation part, which tuning goes by, got as_published validation: none; set tuning: false"
        )
    if _asks_every_step(cell) and cell.horizon != 1:
        raise InputError(
            f"expected horizon 1, since every step of a window is asked for the next value, got {cell.horizon}; set "
            "horizons: [1], or supervision: last"
        )


def _check_steps(cell: Cell, dataset: DatasetKind) -> None:
    """Sequences have their own length, and nothing beyond them to predict."""
    if dataset.steps is None:
        return
    steps = dataset.steps(cell.dataset.parsed(dataset.parameters))
    if (cell.sequence_length, cell.horizon) != (steps, 1):
        raise InputError(
            f"expected sequence_length {steps} and horizon 1, as the sequences of {cell.dataset.id} are, got "
            f"{cell.sequence_length} and {cell.horizon}; set them so, or exclude the others for this dataset"
        )


def _stated(root: Value) -> Iterator[tuple[str, Value]]:
    rules = root.content.get("exclude")
    for rule in rules.content if rules and isinstance(rules.content, tuple) else ():
        if isinstance(rule.content, dict):
            yield from rule.content.items()


def _numbers(root: Value, key: str) -> list[int]:
    """The numbers under `key`, or its defaults; none where it is unknown or holds anything else."""
    if key not in root.content:
        return list(Settings.model_fields[key].default) if key in Settings.model_fields else []
    numbers = root.content[key].plain()
    return numbers if isinstance(numbers, list) and all(isinstance(number, int) for number in numbers) else []
