"""Where suites, results and reports lie: suites by their names, the page of a results folder, its suite's gate."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import bench
from bench import store
from bench.data import dataset_kinds
from bench.errors import DatasetsError, InputError, Problem, StoreError, SuiteError
from bench.limits import CELLS, exceeded
from bench.models import model_kinds
from bench.paths import RESULTS, is_url, path_of
from bench.registry import unknown
from bench.replication.suite_files import load
from bench.replication.systems import parsed
from bench.spec import Gate, Suite
from bench.store.copies import copy_of
from bench.store.reader import OWN, suite_name
from bench.suite.load import load_gate


def shipped() -> dict[str, Path]:
    """Suite files by bare name: those in ``suites/`` here, then those that come with the program."""
    package = Path(bench.__file__).parent
    installed = package / "suites"
    folders = (installed if installed.is_dir() else package.parent / "suites", Path("suites"))
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def suite_file(name: str) -> Path:
    """The file of a suite, given as such or by the bare name of a shipped one; a file of that name comes first."""
    path = path_of(name)
    if path.is_file() or path.suffix or path.name != name:
        return path
    if name in (known := shipped()):
        return known[name]
    raise InputError(f"{unknown(name, known, 'suite')}; a file is given with its path, such as suites/{name}.yaml")


def loaded(name: str) -> Suite:
    """The suite of a file, a shipped suite by its bare name, or the suite that a results folder keeps.

    Raises
    ------
    InputError
        There is no such suite, or everything that is wrong with its file.
    """
    if (suite := _kept(_place(name))) is not None:
        return suite
    return load(suite_file(name), datasets=dataset_kinds(), models=model_kinds())


def results_of(name: str, suite: Suite) -> Path:
    """Where the results of `suite` lie when no folder is named: in the folder that keeps it, if it was given so."""
    place = _place(name)
    return RESULTS / suite.name if _kept(place) is None else place


def _place(name: str) -> Path:
    """Where the results folder `name` would lie on this machine; of a URL, its copy."""
    return copy_of(name) if is_url(name) else path_of(name)


def _kept(folder: Path) -> Suite | None:
    """The suite that the results folder `folder` keeps; `None` where it is no such folder."""
    if not folder.is_dir() or (text := store.read_suite(folder)) is None:
        return None
    try:
        suite = parsed(text)
    except (ValidationError, RecursionError) as error:
        raise InputError(
            f"{folder}: expected a suite as this version of bench keeps it; give the suite's file instead"
        ) from error
    if problem := exceeded(CELLS, suite.size):
        raise InputError(f"{folder}: {problem}")
    return suite


def from_mapping(content: Mapping[str, Any]) -> Suite:
    """The suite of a mapping with the keys of a suite file; a relative path begins at the working folder.

    Raises
    ------
    SuiteError
        With everything that is wrong with it.
    """
    try:
        text = json.dumps(dict(content), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"suite: expected text, numbers, lists and mappings, as a suite file has: {error}") from error
    try:
        suite = load("suite", datasets=dataset_kinds(), models=model_kinds(), text=text)
        return suite.loaded_from(None)  # its lines are of no file
    except SuiteError as error:  # one line of text: its places say nothing
        messages = dict.fromkeys(problem.message for problem in error.problems)
        raise SuiteError([Problem("suite", 0, 0, message) for message in messages]) from error


def as_mapping(suite: Suite) -> dict[str, Any]:
    """What a suite file would say to be `suite`: of its datasets and models, the parameters that were stated."""
    content = suite.model_dump(mode="json", exclude_unset=True, exclude={"datasets", "models"})
    for key in ("datasets", "models"):
        content[key] = [
            {
                "id": entry.id,
                "kind": entry.kind,
                **({"search": entry.search} if entry.search else {}),
                **{name: entry.parameters[name] for name in entry.stated},
            }
            for entry in getattr(suite, key)
        ]
    return content


def refuse_other_folder(folder: Path, suite: str) -> None:
    """See that what is to be stored in `folder` may lie there: it is new or empty, or of the suite of that name.

    Raises
    ------
    InputError
        It holds results of another suite, or files that are no results.
    """
    names = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    if (other := suite_name(folder)) is not None and other != suite:
        raise InputError(
            f"{folder}: expected results of the suite {suite!r}, got those of {other!r}; name another folder"
        )
    foreign = [name for name in names if not name.startswith(".")]
    if foreign and not OWN & set(names):
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise InputError(
            f"{folder}: expected a results folder, or an empty or a new one, got one that holds {foreign[0]}{more}; "
            "name another folder"
        )


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


def gate_of(suite: str | None, new: Path) -> tuple[Gate, str]:
    """What counts as a change, and the file that says so; empty for the defaults.

    Parameters
    ----------
    suite
        The suite whose gate it is; `None` for the shipped suite that the results `new` name, where there is one.
    """
    if suite is None:
        known = shipped()
        suite = next((name for name in suites_of(new) if name in known), None)
    if suite is None:
        return Gate(), ""
    kept = _kept(_place(suite))
    gate = load_gate(suite_file(suite)) if kept is None else kept.gate
    return gate, (shipped()[suite].as_posix() if suite in shipped() else suite)


def suites_of(results: Path) -> list[str]:
    """The suites that the rows of `results` name; the comparison says what is wrong with a folder without any."""
    try:
        return sorted(store.read(results, "runs", ["cell_id", "suite"])["suite"].unique().to_pylist())
    except StoreError:
        return []
