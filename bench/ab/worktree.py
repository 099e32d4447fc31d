"""The base of ``bench ab``: a commit in a temporary working tree and environment, both removed afterwards.

This module also writes the requested cells to a folder that both sides read, checks that each side imports its modules
from its own tree, and finds the plug-ins that the base registers if it runs with the packages installed for the head.
Signals are deferred while something is created or removed that must not be left half done.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.choices import Environment
from bench.errors import InputError
from bench.signals import deferred

_IMPORTED = ("bench/cells.py", "bench/suite/load.py", "bench/running/cell.py", "bench/probe/prober.py")
"""Modules of the base that the agent imports."""

_INSTALLED = {"site-packages", "dist-packages"}


def external(side: Side, modules: Mapping[str, str], plugins: Collection[str]) -> dict[str, str]:
    """The packages of those of `plugins` that are of another repository → the file that was imported.

    Parameters
    ----------
    side
        Whose process imported them.
    modules
        Module → its file.
    plugins
        Those of `modules` that the suite's kinds come from.

    Raises
    ------
    InputError
        A module of the side's repository was imported from elsewhere, so that it is not what the side is made of.
    """
    packages = {name.partition(".")[0] for name in plugins}
    files: dict[str, str] = {}
    for name, file in sorted(modules.items()):
        package = name.partition(".")[0]
        if _is_own(side, Path(file)):
            continue
        if _within(side.repository, Path(file)) or (package in packages and _is_known(side, name)):
            raise InputError(_elsewhere(side, name, file))
        if package in packages:
            files.setdefault(package, file)
    return files


def _is_own(side: Side, file: Path) -> bool:
    """Whether `file` lies in the side's tree, or was installed from it into an environment of its own."""
    installed = side.environment is not None and file.resolve().is_relative_to(side.environment)
    return installed or _within(side.root, file)


def _within(tree: Path, file: Path) -> bool:
    """Whether `file` is of `tree`, and is not installed into an environment that lies there."""
    file = file.resolve()
    return file.is_relative_to(tree) and not _INSTALLED & set(file.relative_to(tree).parts)


def _is_known(side: Side, module: str) -> bool:
    """Whether base or head has a file for `module`, wherever in the tree."""
    path = module.replace(".", "/")
    patterns = [f":(glob)**/{path}{ending}" for ending in (".py", "/__init__.py")]
    listing = ("ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns)
    return any(git(tree, *listing) for tree in {side.root, side.repository})


def _elsewhere(side: Side, module: str, file: str) -> str:
    own = "give the base its own environment: --environment own"
    editable = "install the working tree: pip install --editable ."
    advice = own if side.root != side.repository and side.environment is None else editable
    return f"{side.name}: expected the module {module} of {side.root}, got {file}; {advice}"


_GROUPS = ("bench.datasets", "bench.models")


def registered(tree: Path, head: Path, folder: Path) -> Path | None:
    """A folder that, first on the path, makes the plug-ins of `tree` those of the project in `head`.

    Of the distributions of one name Python takes the first on the path, so one that has nothing but entry points
    hides what is installed. `None` where both register the same, or do not say so in their ``pyproject.toml``.

    Parameters
    ----------
    tree, head
        Where the two versions lie.
    folder
        Is made where it is needed.
    """
    ours, theirs = _project(tree), _project(head)
    name = theirs.get("name")
    if not name or _points(ours) == _points(theirs) or "entry-points" in ours.get("dynamic", ()):
        return None
    info = folder / f"{name.replace('-', '_')}-{ours.get('version', '0')}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {ours.get('version', '0')}\n", encoding="utf-8"
    )
    lines = [f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points) for group, points in _points(ours)]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def _project(tree: Path) -> dict[str, Any]:
    file = tree / "pyproject.toml"
    project: dict[str, Any] = (
        tomllib.loads(file.read_text(encoding="utf-8")).get("project", {}) if file.exists() else {}
    )
    return project


def _points(project: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    entries = project.get("entry-points", {})
    return [(group, sorted(entries[group].items())) for group in _GROUPS if entries.get(group)]


TREE = "base"
CONSTRAINTS = "constraints.txt"
_LAST_LINES = 12
_NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")  # a hook of the user's may do anything on a checkout


@dataclass(frozen=True)
class Side:
    """One of the two versions.

    Parameters
    ----------
    name
        ``base`` or ``head``.
    python
        The interpreter that runs it.
    root
        The folder that comes first on its path.
    repository
        The working tree that both come from.
    commit
        For the reader.
    environment
        The folder of the virtual environment that was made for it, if one was.
    registration
        A folder whose metadata registers its plug-ins in place of those that are installed, if there is need.
    """

    name: str
    python: str
    root: Path
    repository: Path
    commit: str
    environment: Path | None = None
    registration: Path | None = None


def repository_of(folder: Path) -> Path:
    """The root of the git repository that `folder` is in.

    Raises
    ------
    InputError
        It is in none, or git is not installed.
    """
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel")).resolve()
    except InputError as error:
        raise InputError(f"{folder}: expected a git repository, whose commits can be compared; {error}") from error


def head_of(repository: Path) -> Side:
    """The working tree as it is, in the present environment."""
    commit = git(repository, "rev-parse", "--short", "HEAD")
    dirty = " and uncommitted changes" if git(repository, "status", "--porcelain", "--untracked-files=no") else ""
    return Side("head", sys.executable, repository, repository, commit + dirty)


@contextmanager
def base_of(repository: Path, ref: str, *, environment: Environment = Environment.AUTO) -> Iterator[Side]:
    """The commit `ref`, checked out into a temporary folder that is removed after the block.

    Parameters
    ----------
    repository
        Its root.
    ref
        A branch, tag or commit.
    environment
        ``shared`` runs it with the present interpreter and packages, ``own`` installs it into a new virtual
        environment; ``auto`` shares where base and head request the same packages.

    Raises
    ------
    InputError
        There is no such commit, its modules lie elsewhere, or it cannot be installed: the last lines of what git or
        pip said.
    """
    commit = _commit(repository, ref)
    with ExitStack() as stack:
        with deferred():
            folder = Path(tempfile.mkdtemp(prefix="bench-ab-")).resolve()
            stack.callback(_put_away, repository, folder)
        tree = folder / TREE
        git(repository, *_NO_HOOKS, "worktree", "add", "--detach", str(tree), commit)
        _check_layout(tree, ref)
        own = environment == Environment.OWN or (
            environment == Environment.AUTO and requirements(tree) != requirements(repository)
        )
        environment_folder = folder / "environment" if own else None
        python = _installed(tree, environment_folder) if environment_folder else sys.executable
        registration = None if own else registered(tree, repository, folder / "registration")
        yield Side("base", python, tree, repository, commit[:10], environment_folder, registration)


def _check_layout(tree: Path, ref: str) -> None:
    """The agent imports the base's modules by the names that they have here."""
    missing = [path for path in _IMPORTED if not (tree / path).is_file()]
    if missing and (tree / "bench" / "suite").is_dir():
        raise InputError(
            f"{ref}: expected a commit whose package is laid out as this one, got one without {missing[0]}; "
            "compare with a later commit"
        )


def requirements(root: Path) -> tuple[Any, str]:
    """What the project in `root` asks to be installed: its dependencies, and the exact versions it was tested with."""
    project, constraints = root / "pyproject.toml", root / CONSTRAINTS
    try:
        reported = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {}) if project.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{project}: expected TOML: {error}; name another base, or fix it") from error
    return reported.get("dependencies"), constraints.read_text(encoding="utf-8") if constraints.exists() else ""


def git(folder: Path, *arguments: str) -> str:
    """What git answers in `folder`; its last lines become the error where it fails."""
    return _output(["git", "-C", str(folder), *arguments])


def last_lines(text: str) -> str:
    """The end of what a program said."""
    return "\n".join(text.strip().splitlines()[-_LAST_LINES:])


def _commit(repository: Path, ref: str) -> str:
    try:
        return git(repository, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
    except InputError as error:
        advice = "fetch it first: a shallow clone has only its last commit"
        raise InputError(f"{ref}: expected a branch, tag or commit of {repository}; {advice}\n{error}") from error


def _installed(tree: Path, environment: Path) -> str:
    """The interpreter of a new virtual environment that holds what `tree` requests."""
    _output([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    python = str(environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    pinned = ["--constraint", str(tree / CONSTRAINTS)] if (tree / CONSTRAINTS).exists() else []
    pip = [sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check"]
    _output([*pip, "install", *pinned, str(tree)])
    return python


def _output(command: Sequence[str]) -> str:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user's own tools
    except OSError as error:
        raise InputError(f"{command[0]}: {error.strerror}; install it") from error
    if ended.returncode:
        raise InputError(last_lines(ended.stderr + ended.stdout) or f"{command[0]}: exit status {ended.returncode}")
    return ended.stdout.strip()


def _put_away(repository: Path, folder: Path) -> None:
    """Remove the working tree, also one whose making was interrupted, which git keeps locked: hence twice `force`."""
    with deferred():
        try:
            listed = git(repository, "worktree", "list", "--porcelain").splitlines()
            if f"worktree {folder / TREE}" in listed:
                git(repository, "worktree", "remove", "--force", "--force", str(folder / TREE))
        finally:
            shutil.rmtree(folder)
