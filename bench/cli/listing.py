"""``bench list`` and ``bench schema``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bench
from bench.cells import expand
from bench.data import dataset_kinds
from bench.errors import DatasetsError, InputError, Problem, SuiteError
from bench.models import model_kinds
from bench.registry import unknown
from bench.replication.suite_files import json_schema, load
from bench.spec import Suite
from bench.text import columns, plural


def listing(what: str) -> str:
    """The lines for one of datasets, models, metrics, suites."""
    if what == "suites":
        return _suites()
    if what == "metrics":
        from bench.protocol.metrics import METRICS

        return columns([(name, f"{each.better} is better", each.summary) for name, each in METRICS.items()])
    kinds = dataset_kinds() if what == "datasets" else model_kinds()
    return columns([(name, ", ".join(kind.parameters.model_fields), kind.summary) for name, kind in kinds.items()])


def schema_text() -> str:
    """The JSON Schema of suite files."""
    return json.dumps(json_schema(dataset_kinds(), model_kinds()), indent=2, ensure_ascii=False)


def loaded(name: str) -> Suite:
    """The suite of a file, or a shipped suite by its bare name.

    Raises
    ------
    InputError
        There is no such suite, or everything that is wrong with its file.
    """
    return load(suite_file(name), datasets=dataset_kinds(), models=model_kinds())


@contextmanager
def naming_lines(suite: Suite) -> Iterator[None]:
    """What is wrong with datasets of `suite` is said with the lines of the file that it was loaded from.

    Raises
    ------
    SuiteError
        In place of a `DatasetsError`.
    """
    try:
        yield
    except DatasetsError as error:
        if suite.origin is None:
            raise
        file, lines = suite.origin
        problems = (Problem(file, *lines.get(key, (0, 0)), f"{key}: {text}") for key, text in error.problems.items())
        raise SuiteError(tuple(problems)) from error


def shipped() -> dict[str, Path]:
    """Suite files by bare name: those in ``suites/`` here, then those that come with the program."""
    package = Path(bench.__file__).parent
    installed = package / "suites"
    folders = (installed if installed.is_dir() else package.parent / "suites", Path("suites"))
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def suite_file(name: str) -> Path:
    """The file of a suite, given as such or by the bare name of a shipped one; a file of that name comes first."""
    path = Path(name)
    if path.is_file() or path.suffix or path.name != name:
        return path
    if name in (known := shipped()):
        return known[name]
    raise InputError(f"{unknown(name, known, 'suite')}; a file is given with its path, such as suites/{name}.yaml")


def _suites() -> str:
    rows = []
    for name, path in shipped().items():
        try:
            suite = load(path, datasets=dataset_kinds(), models=model_kinds())
        except SuiteError as error:
            rows.append((name, "wrong", str(error.problems[0])))
        else:
            rows.append((name, plural(sum(1 for _ in expand(suite)), "cell"), str(path)))
    return columns(rows) if rows else "no suites/ folder here; give `bench run` a file"
