"""Whether a side runs its own code: where each of its modules came from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from bench.errors import InputError
from bench.running.ab.worktree import Side, git

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
    found: dict[str, str] = {}
    for name, file in sorted(modules.items()):
        package = name.partition(".")[0]
        if _is_own(side, Path(file)):
            continue
        if _within(side.repository, Path(file)) or (package in packages and _is_known(side, name)):
            raise InputError(_elsewhere(side, name, file))
        if package in packages:
            found.setdefault(package, file)
    return found


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
