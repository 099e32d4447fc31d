"""A suite file → `Suite`, or every problem in it at once, each with file:line:column."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.errors import SuiteError
from bench.models.base import ModelKind
from bench.registry import unknown
from bench.suite.checking import check
from bench.suite.consistency import Located, check_exclusions, check_nothing_twice, check_some_cell, check_windows
from bench.suite.entries import Kind, Resolver
from bench.suite.located import Place, Problems, Value
from bench.suite.positions import read
from bench.suite.spec import Settings, Suite
from bench.suite.wording import shown


def load(path: str | Path, *, datasets: Mapping[str, Kind], models: Mapping[str, ModelKind]) -> Suite:
    """Read the suite file at `path`.

    Parameters
    ----------
    path
        YAML 1.2 in UTF-8. A relative `path` inside it (a parameter of that name) begins at the file's folder.
    datasets, models
        The registries: which kinds there are, and what may be set for each.

    Raises
    ------
    SuiteError
        With everything that is wrong with the file.
    """
    path = Path(path)
    problems = Problems(str(path))
    root = _mapping(path, problems)
    settings = _settings(root, problems)
    found: dict[str, Located] = {}
    complete = set()
    for what, kinds in (("dataset", datasets), ("model", models)):
        before = len(problems.found)
        found[f"{what}s"] = _entries(root, f"{what}s", Resolver(what, kinds, path.parent, problems))
        complete |= {f"{what}s"} if len(problems.found) == before else set()
    check_nothing_twice(found, problems, tuned=settings is None or bool(settings.tuning))
    check_exclusions(root, found, complete, problems)
    if settings is None:
        raise SuiteError(tuple(problems.found))
    problems.check()
    entries = {key: tuple(entry for _, entry in located) for key, located in found.items()}
    suite = Suite.model_validate({**dict(settings), **entries})
    check_some_cell(suite, root, problems)
    check_windows(suite, models, found["models"], problems)
    problems.check()
    return suite


def _mapping(path: Path, problems: Problems) -> Value:
    root = read(path, problems)
    if root is None or not isinstance(root.content, dict):
        place, came = (root.place, shown(root.content)) if root else (Place(1, 1), "an empty file")
        problems.stop(place, f"expected a mapping with the keys name, datasets and models, got {came}")
    return root


def _settings(root: Value, problems: Problems) -> Settings | None:
    for key in root.content.keys() - Suite.model_fields:
        problems.add(root.keys[key], unknown(key, Suite.model_fields, "key"))
    known = {key: value for key, value in root.content.items() if key in Settings.model_fields}
    return check(Value(root.place, known, root.keys), Settings, problems)


def _entries(root: Value, key: str, resolver: Resolver) -> Located:
    listed = root.content.get(key)
    if listed is None:
        resolver.problems.add(root.place, f"the key {key!r} is missing")
    elif not isinstance(listed.content, tuple) or not listed.content:
        text = f"{key}: expected a list of at least 1, each the name of a {resolver.what} or a mapping with its kind"
        resolver.problems.add(listed.place, f"{text}, got {shown(listed.content)}")
    else:
        return [entry for item in listed.content for entry in resolver.entries(item)]
    return []
