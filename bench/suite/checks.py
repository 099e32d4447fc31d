"""Checks of a whole suite: duplicates, exclusions of nothing or everything, combinations that do not fit."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from bench.cells import Cell, expand, is_glob, named
from bench.data.base import DatasetKind, SeriesParameters
from bench.errors import InputError, validation_text
from bench.limits import CELLS, GLOBS, exceeded
from bench.models.base import Choice, FloatRange, IntegerRange, ModelKind, Parameters, Shape, search_ranges
from bench.models.forecaster import ONE_SERIES, SEVERAL
from bench.registry import unknown
from bench.spec import Entry, Settings, Suite, Training
from bench.suite.yaml import Position, Problems, Value

Located = list[tuple[Position, Entry]]
"""Entries, and where the file names them."""


def check_nothing_twice(entries: Mapping[str, Located], problems: Problems, *, tuned: bool) -> None:
    """No two datasets, and no two models, of one id or of one content.

    Where models are `tuned`, one whose parameters are stated differs from one that has them by default.
    """
    for key, located in entries.items():
        ids: dict[str, Position] = {}
        contents: dict[str, tuple[Position, str]] = {}
        for place, entry in located:
            stated = entry.stated if tuned and key == "models" else ()
            search = entry.search if tuned else {}
            content = json.dumps([entry.kind, entry.parameters, stated, search], sort_keys=True)
            if entry.id in ids:
                first = ids[entry.id]
                problems.add(place, f"two {key} have the id {entry.id!r}, the first on line {first.line}: rename one")
            elif content in contents:
                first, name = contents[content]
                problems.add(place, f"{entry.id!r} is the same as {name!r} on line {first.line}: leave one of them out")
            ids.setdefault(entry.id, place)
            contents.setdefault(content, (place, entry.id))


_MOST = 50
"""Numbers that a message lists."""


def check_exclusions(
    root: Value, entries: Mapping[str, Located], complete: Collection[str], problems: Problems
) -> None:
    """Every key of every exclusion matches something; what matches nothing is a slip of the pen.

    The ids of datasets and models are only known where those are `complete`.
    """
    ids = {key: {entry.id for _, entry in entries[key]} for key in complete}
    numbers = {key: dict.fromkeys(_numbers(root, f"{key}s")) for key in ("sequence_length", "horizon")}
    blamed, rules = problems.places(), [*_stated(root)]
    if text := exceeded(GLOBS, sum(isinstance(value.content, str) and is_glob(value.content) for _, value in rules)):
        problems.stop(root.content["exclude"].place, f"exclude: {text}")
    for key, value in rules:
        content = value.content
        if value.place in blamed:
            continue
        if isinstance(content, str) and (known := ids.get(f"{key}s")) is not None:
            if content not in known and not (is_glob(content) and any(named(name, content) for name in known)):
                problems.add(value.place, f"exclude: {unknown(content, known, key)}")
        elif isinstance(content, int) and numbers.get(key) and content not in numbers[key]:
            listed = ", ".join(map(str, [*numbers[key]][:_MOST]))
            problems.add(value.place, f"exclude: expected a {key} of this suite ({listed}), got {content}")


def check_tuned_models(
    root: Value, entries: Mapping[str, Located], complete: Collection[str], problems: Problems
) -> None:
    """Every pattern of the models to tune matches one, where all of those are known."""
    tuning = root.content.get("tuning")
    patterns = tuning.content.get("models") if tuning and isinstance(tuning.content, dict) else None
    if patterns is None or not isinstance(patterns.content, tuple) or "models" not in complete:
        return
    ids = [entry.id for _, entry in entries["models"]]
    for pattern in patterns.content:
        if isinstance(pattern.content, str) and not any(named(name, pattern.content) for name in ids):
            problems.add(pattern.place, f"tuning: {unknown(pattern.content, ids, 'model')}")


def check_size(suite: Suite, root: Value, problems: Problems) -> None:
    """Raise `SuiteError` where the suite has more cells than are planned in a short time."""
    if text := exceeded(CELLS, suite.size):
        problems.stop(root.place, text)


def check_some_cell(suite: Suite, root: Value, problems: Problems) -> None:
    """Raise `SuiteError` where exclusions leave nothing to run."""
    if next(expand(suite), None) is None:
        place = root.content["exclude"].place
        problems.stop(place, f"exclude: expected some cell to be left, got all {suite.size} excluded")


Path = tuple[str | int, ...]
"""Keys and indices, from the outermost."""

Said = Iterator[tuple[Path, str]]
"""Where in a mapping, and what is wrong there."""


def check_departures(suite: Suite, root: Value, datasets: Mapping[str, DatasetKind], problems: Problems) -> None:
    """No departure of the suite from the protocol is without effect."""
    for path, text in departures_without_effect(suite, suite.datasets, datasets):
        problems.add(position_of(root, path), text)


def position_of(value: Value, path: Path) -> Position:
    """Where the file says what is at `path` of `value`, a key where that is last; else the nearest that it does say."""
    place = value.place
    for step in path:
        items = dict(enumerate(value.content)) if isinstance(value.content, tuple) else value.content
        if not isinstance(items, dict) or step not in items:
            break
        place = value.keys.get(str(step), items[step].place)
        value = items[step]
    return place


def departures_without_effect(settings: Settings, entries: Sequence[Entry], kinds: Mapping[str, DatasetKind]) -> Said:
    """Departures that would be named, and change nothing."""
    departs = settings.as_published
    if departs.split == "none" and departs.validation != "none":
        yield (
            ("as_published", "validation"),
            f"validation: expected none, since split: none leaves no part for it, got {departs.validation}; set "
            "validation: none",
        )
    if departs.scaler == "series" and settings.training.scaler == "none":
        yield (
            ("as_published", "scaler"),
            "scaler: expected a scaler that is fitted, since as_published says scaler: series, got training scaler: "
            "none; leave series out, or set another scaler",
        )
    answered = next((entry for entry in entries if kinds[entry.kind].task != "forecast"), None)
    if departs.targets == "same-at-every-step" and answered is not None:
        yield (
            ("as_published", "targets"),
            f"targets: expected data to forecast, got {answered.id}, which asks to {kinds[answered.kind].task}; leave "
            "targets out",
        )
    several = next((entry for entry in entries if kinds[entry.kind].steps is not None), None)
    stated = [key for key in ("stride", "origins", "refit") if getattr(settings.split, key)]
    for key in stated if several is not None or departs.departures else []:
        which = "a series" if several is not None else "the protocol"
        came = several.id if several is not None else f"as_published: {departs.departures[0]}"
        yield (
            ("split", key),
            f"split: {key}: expected {which}, which has origins to forecast from, got {came}; leave {key} out",
        )
    if settings.season and several is not None:
        yield (
            ("season",),
            f"season: expected a series, which may have one, got {several.id}, which is many short sequences; leave "
            "season out",
        )
    for key, value in (("windows", "minus-one"), ("split", "windows"), ("split", "apart")):
        if several is not None and getattr(departs, key) == value:
            yield (
                ("as_published", key),
                f"{key}: expected a series, since {value} is about the windows of one, got {several.id}, which is "
                f"many short sequences; leave {key} out",
            )


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
            _check_steps(cell, dataset, model)
            _check_several(cell, dataset, model)
            _check_supervision(cell, dataset, model)
            _check_settings(cell)
            model.check(cell.model.parsed(model.parameters), _shape(cell, dataset))
        except InputError as error:
            problems.add(place, f"{cell.model.id}: {error}")


def _shape(cell: Cell, dataset: DatasetKind) -> Shape:
    """The shape a model will get, as far as it is declared; a series may have more channels, and so more outputs."""
    channels, outputs = dataset.values or (1, None)
    parameters, more = cell.dataset.parsed(dataset.parameters), 0
    if isinstance(parameters, SeriesParameters):
        values, more = parameters.widths()
        channels, outputs = values + more, values if more else None
    return Shape(
        cell.sequence_length,
        cell.horizon,
        channels,
        task=dataset.task,
        outputs=outputs,
        every_step=dataset.task == "denoise" or (dataset.task == "forecast" and _asks_every_step(cell)),
        variable=dataset.variable is not None and dataset.variable(parameters),
        covariates=more,
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
    if cell.model.search and not cell.tuning:
        raise InputError("expected a suite that tunes it, since it states a search space, got none; leave search out")
    if _asks_every_step(cell) and cell.horizon != 1:
        raise InputError(
            f"expected horizon 1, since every step of a window predicts the next value, got {cell.horizon}; set "
            "horizons: [1], or supervision: last"
        )


def _check_steps(cell: Cell, dataset: DatasetKind, model: ModelKind) -> None:
    """Sequences have their own length, and nothing beyond them to predict."""
    if dataset.steps is None:
        return
    steps = dataset.steps(cell.dataset.parsed(dataset.parameters))
    if model.forecaster:
        raise InputError(ONE_SERIES)
    if (cell.sequence_length, cell.horizon) != (steps, 1):
        raise InputError(
            f"expected sequence_length {steps} and horizon 1, as the sequences of {cell.dataset.id} are, got "
            f"{cell.sequence_length} and {cell.horizon}; set them so, or exclude the others for this dataset"
        )


def _check_several(cell: Cell, dataset: DatasetKind, model: ModelKind) -> None:
    """Of several series, each model has to read windows, and each setting to be about any number of them."""
    if getattr(cell.dataset.parsed(dataset.parameters), "series", None) is None:
        return
    if model.forecaster:
        raise InputError(SEVERAL)
    if cell.model.parameters.get("carries_state"):
        raise InputError(
            f"does not apply: carries_state hands the state from window to window of one series, and {cell.dataset.id} "
            "is several; set carries_state: false, or fit: local"
        )
    if reason := cell.about_one_series:
        raise InputError(f"{cell.dataset.id}: {reason}")


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


_SEARCHED_TRAINING = ("learning_rate", "weight_decay", "clip_norm", "batch_size", "schedule")
"""Settings of training that a model may search: the others say how long it is trained, or what for."""


def wrong_search(parameters: BaseModel, kind: object, search: Mapping[str, Any]) -> str | None:
    """What is wrong with the search space that a suite states for one model; `None` where nothing is."""
    if isinstance(kind, ModelKind) and isinstance(parameters, Parameters) and kind.missing(parameters):
        return None  # what is not installed knows what it takes
    given = parameters.model_dump(mode="json")
    opened: Mapping[str, Any] = getattr(parameters, "left_open", dict)()
    training = _SEARCHED_TRAINING if getattr(kind, "gradient", False) else ()
    for name, ranges in search_ranges(search).items():
        if name not in {**given, **opened} and name not in training:
            return unknown(name, [*given, *opened, *training], "parameter")
        if not isinstance(ranges, Choice) and (text := _wrong_range(ranges)):
            return f"{name}: {text}"
        tried = ranges.options if isinstance(ranges, Choice) else (ranges.low, ranges.high)
        for value in tried:
            try:
                if name in {**given, **opened}:
                    type(parameters).model_validate_json(json.dumps({**given, name: value}))
                else:
                    Training.model_validate({name: value})
            except ValidationError as error:
                return validation_text(error) if name in validation_text(error) else f"{name}: {validation_text(error)}"
    return None


def _wrong_range(ranges: FloatRange | IntegerRange) -> str | None:
    if not ranges.low < ranges.high:
        return f"expected low < high, got {ranges.low:g} and {ranges.high:g}"
    if ranges.log and ranges.low <= 0:
        return f"expected low > 0 on a log scale, got {ranges.low:g}; raise it, or leave log out"
    return None
