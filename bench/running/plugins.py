"""What identifies kinds that are not of bench: the version of their distribution, and a hash of their source.

The source of a kind is that of the packages that its entry point and its builder or loader are of
(`bench.source_code`), or of the file or package that a suite names it by.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

from bench.cells import Cell
from bench.data import dataset_kinds
from bench.data.base import DatasetKind
from bench.models import model_kinds
from bench.models.base import ModelKind
from bench.registry import short_address, third_party
from bench.source_code import source_hash

_NOT_THEIRS = frozenset({"bench", *sys.stdlib_module_names})
"""Packages whose code is known by `CODE_VERSION`, or by the version of Python."""

Kind = DatasetKind | ModelKind


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
            if kind is not None and kind.identity is not None:  # an object of this process, or named by its file
                known[f"{word} {short_address(name)}"] = kind.identity
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
