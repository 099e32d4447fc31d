"""The base: a commit in a working tree and an environment of its own, both gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.errors import InputError
from bench.running.ab.registration import registered
from bench.running.ab.signals import deferred

Environment = Literal["auto", "shared", "own"]

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
def base_of(repository: Path, ref: str, *, environment: Environment = "auto") -> Iterator[Side]:
    """The commit `ref`, checked out into a temporary folder that is removed after the block.

    Parameters
    ----------
    repository
        Its root.
    ref
        A branch, tag or commit.
    environment
        ``shared`` runs it with the present interpreter and packages, ``own`` installs it into a new virtual
        environment; ``auto`` shares where base and head ask for the same packages.

    Raises
    ------
    InputError
        There is no such commit, or it cannot be installed: the last lines of what git or pip said.
    """
    commit = _commit(repository, ref)
    with ExitStack() as stack:
        with deferred():
            folder = Path(tempfile.mkdtemp(prefix="bench-ab-")).resolve()
            stack.callback(_put_away, repository, folder)
        tree = folder / TREE
        git(repository, *_NO_HOOKS, "worktree", "add", "--detach", str(tree), commit)
        own = environment == "own" or (environment == "auto" and requirements(tree) != requirements(repository))
        environment_folder = folder / "environment" if own else None
        python = _installed(tree, environment_folder) if environment_folder else sys.executable
        registration = None if own else registered(tree, repository, folder / "registration")
        yield Side("base", python, tree, repository, commit[:10], environment_folder, registration)


def requirements(root: Path) -> tuple[Any, str]:
    """What the project in `root` asks to be installed: its dependencies, and the exact versions it was tested with."""
    project, constraints = root / "pyproject.toml", root / CONSTRAINTS
    try:
        told = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {}) if project.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{project}: expected TOML: {error}; name another base, or mend it") from error
    return told.get("dependencies"), constraints.read_text(encoding="utf-8") if constraints.exists() else ""


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
    """The interpreter of a new virtual environment that holds what `tree` asks for."""
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
