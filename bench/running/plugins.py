"""What identifies kinds that are not of bench: the version of their distribution, and a hash of their source.

A version stays while code is edited, so the code itself is read. The source of a kind is that of the packages that its
entry point and its builder or loader are of: every Python file and compiled module in them, as a model is seldom one
file; of a module that is in no package, its file. Data files in a package are not read, nor what it imports.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from bench.cells import Cell
from bench.data import dataset_kinds
from bench.data.base import DatasetKind
from bench.models import model_kinds
from bench.models.base import ModelKind
from bench.registry import third_party

_NOT_THEIRS = frozenset({"bench", *sys.stdlib_module_names})
"""Packages whose code is known by `CODE_VERSION`, or by the version of Python."""

_CODE = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)

Kind = DatasetKind | ModelKind


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
                return SourceHash(name, _digest(Path(spec.origin), spec.submodule_search_locations))
        except (ImportError, ValueError, OSError):  # not there, made by a program, or in an archive
            return SourceHash(name, None)
    return SourceHash(module, None)


def _digest(file: Path, folders: Sequence[str] | None) -> str:
    """Of the file of a module, or of all code in the `folders` of a package."""
    places = [(Path(root), path) for root in folders or () for path in sorted(Path(root).rglob("*"))]
    files = [(path.relative_to(root), path) for root, path in places if path.name.endswith(_CODE)]
    digest = hashlib.sha256()
    for name, path in files or [(Path(file.name), file)]:
        content = path.read_bytes()
        digest.update(f"{name.as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@dataclass
class Origins:
    """Where the kinds of cells come from; each is looked at once.

    Parameters
    ----------
    notes
        By plug-in, what to know of those whose source cannot be read.
    """

    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _points: dict[str, Mapping[str, EntryPoint]] = field(init=False)
    _kinds: dict[str, Mapping[str, Kind]] = field(init=False)
    _known: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._points = {group: third_party(group) for group in ("bench.datasets", "bench.models")}
        self._kinds = {"bench.datasets": dataset_kinds(), "bench.models": model_kinds()}

    def of(self, cell: Cell) -> dict[str, str]:
        """What identifies the kinds of `cell`, by name; empty for those of bench."""
        return {
            **self._of("bench.datasets", cell.dataset.kind, "dataset"),
            **self._of("bench.models", cell.model.kind, "model"),
        }

    def _of(self, group: str, name: str, word: str) -> dict[str, str]:
        if (group, name) not in self._known:
            kind, point = self._kinds[group].get(name), self._points[group].get(name)
            known = {} if point is None else self._of_plugin(point, kind)
            if kind is not None and kind.identity is not None:  # of this process alone
                known[f"{word} {name}"] = kind.identity
            self._known[group, name] = known
        return self._known[group, name]

    def _of_plugin(self, point: EntryPoint, kind: Kind | None) -> dict[str, str]:
        version = {point.dist.name: point.dist.version} if point.dist is not None else {}
        hashes = [source_hash(module) for module in sorted({point.module, *_modules(kind)})]
        if unread := sorted({each.package for each in hashes if each.sha256 is None}):
            known = " ".join(*version.items()) if version else "its name"
            problem = f"the source of {', '.join(unread)} cannot be read"
            effect = f"its cells are known by {known} alone, and an edit of it runs none again"
            self.notes[f"plug-in {point.name}"] = (f"{problem}: {effect}",)
        return version | {f"source of {each.package}": each.sha256 for each in hashes if each.sha256}


def _modules(kind: Kind | None) -> set[str]:
    """The modules of a kind's builder or loader that are neither of bench nor of Python."""
    maker = kind.builder if isinstance(kind, ModelKind) else getattr(kind, "load", None)
    module = maker.partition(":")[0] if isinstance(maker, str) else getattr(maker, "__module__", None)
    return {module} if module and module.partition(".")[0] not in _NOT_THEIRS else set()
