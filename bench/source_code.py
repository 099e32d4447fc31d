"""Hashes of source: what identifies code that is not of bench.

A version stays while code is edited, so the code itself is read: every Python file and compiled module of a package, as
a model is seldom one file; of a module that is in no package, its file. Of a file that is named by its path, also the
files of its own folder that it imports. Data files are not read, nor what is imported from elsewhere.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

_CODE = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)


@dataclass(frozen=True)
class SourceHash:
    """The hash of the code that a module is of.

    Parameters
    ----------
    package
        What was read: a package, or a module that is in none.
    sha256
        Over the names and contents of its files; `None` where they cannot be read.
    """

    package: str
    sha256: str | None


def source_hash(module: str) -> SourceHash:
    """The hash of the package that `module` is of; within a namespace, of the first package in it.

    Nothing but its parents is imported: a builder's module may need torch.
    """
    names = module.split(".")
    for end in range(1, len(names) + 1):
        name = ".".join(names[:end])
        try:
            spec = find_spec(name)
            if spec is not None and spec.origin is not None:  # a namespace has none
                return SourceHash(name, _of_module(Path(spec.origin), spec.submodule_search_locations))
        except (ImportError, ValueError, OSError):  # not there, made by a program, or in an archive
            return SourceHash(name, None)
    return SourceHash(module, None)


def _of_module(file: Path, folders: Sequence[str] | None) -> str:
    """Of the file of a module, or of all code in the `folders` of a package."""
    files = [each for root in folders or () for each in _code_in(Path(root))]
    return _digest(files or [(file.name, file)])


def file_hash(path: Path) -> str:
    """The hash of the Python file at `path`, and of what it imports from its own folder.

    Raises
    ------
    OSError
        It cannot be read.
    """
    files: dict[str, Path] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file.name not in files:
            files[file.name] = file
            waiting += [each for name in _imported(file) if (each := path.parent / f"{name}.py").is_file()]
    names = sorted({name for file in files.values() for name in _imported(file)})
    packages = [each for name in names if (each := path.parent / name / "__init__.py").is_file()]
    inside = [(f"{each.parent.name}/{name}", file) for each in packages for name, file in _code_in(each.parent)]
    return _digest([*sorted(files.items()), *inside])


def _imported(file: Path) -> Iterator[str]:
    """The first names of what the file imports; none of one that is not Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _code_in(folder: Path) -> list[tuple[str, Path]]:
    paths = (path for path in sorted(folder.rglob("*")) if path.name.endswith(_CODE))
    return [(path.relative_to(folder).as_posix(), path) for path in paths]


def _digest(files: Sequence[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in files:
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
