"""Look at the data before anything runs, in this process and without torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

import pyarrow as pa

from bench.data import dataset_kinds
from bench.data.base import DatasetKind
from bench.errors import DatasetsError, InputError
from bench.registry import lookup, third_party
from bench.running.failures import classified
from bench.running.prepared import Outline, outline
from bench.schema import Status
from bench.suite.cells import Cell
from bench.suite.spec import Entry


class Blocked(NamedTuple):
    """How a cell ends that cannot begin."""

    status: Status
    reason: str


@dataclass
class Preflight:
    """What is known of the datasets of a run.

    Parameters
    ----------
    blocked
        Dataset id → how its cells end without having begun, and why: data that cannot be had, a plug-in that raises.
    outlines
        Cell id → what it trains on, for those whose data was loaded.
    """

    blocked: dict[str, Blocked] = field(default_factory=dict)
    outlines: dict[str, Outline] = field(default_factory=dict)

    def identify(self, cells: Sequence[Cell]) -> list[Cell]:
        """`cells` with what decides their identity beside the suite: data fingerprints and plugin versions.

        Raises
        ------
        DatasetsError
            Data files hold something else than they should; one line for each.
        """
        fingerprints: dict[str, str | None] = {}

        def fingerprint(entry: Entry, kind: DatasetKind) -> None:
            if kind.fingerprint:
                fingerprints[entry.id] = kind.fingerprint(_parameters(entry, kind))

        self._each_dataset(cells, fingerprint)
        plugins = {group: third_party(group) for group in ("bench.datasets", "bench.models")}
        return [
            dataclasses.replace(
                cell, data_sha256=fingerprints.get(cell.dataset.id), plugins=_distributions(cell, plugins)
            )
            for cell in cells
        ]

    def check(self, cells: Sequence[Cell]) -> None:
        """Load the datasets of `cells` once each, and see that they are well formed and long enough for every cell.

        Raises
        ------
        DatasetsError
            They are not; one line for each problem.
        """

        def load(entry: Entry, kind: DatasetKind) -> None:
            concerned = [cell for cell in cells if cell.dataset.id == entry.id]
            data = kind.load(_parameters(entry, kind), concerned[0].seed)
            # The longest window comes first: its message says how many points are enough for all.
            for cell in sorted(concerned, key=lambda cell: -cell.sequence_length - cell.horizon):
                self.outlines[cell.id] = outline(cell, data)

        self._each_dataset(cells, load)
        pa.default_memory_pool().release_unused()  # the process that waits for the others needs no series

    def train_windows(self, cell: Cell) -> int:
        """How many examples `cell` trains on; 0 where its data was not loaded."""
        known = self.outlines.get(cell.id)
        return known.train if known else 0

    def _each_dataset(self, cells: Sequence[Cell], look: Callable[[Entry, DatasetKind], None]) -> None:
        """`look` at each dataset that can be had, in the order of the cells; ids are unique within a suite."""
        kinds = dataset_kinds()
        problems: dict[str, str] = {}
        for entry in {cell.dataset.id: cell.dataset for cell in cells}.values():
            if entry.id in self.blocked:
                continue
            try:
                look(entry, lookup(kinds, entry.kind, "dataset"))
            except Exception as error:  # a plug-in may raise anything; the other datasets go on
                if problem := _problem(error):
                    problems[entry.id] = problem
                else:
                    self.blocked[entry.id] = Blocked(*classified(error))
        if problems:
            raise DatasetsError(problems)


def _problem(error: Exception) -> str | None:
    """What the user has to mend before anything runs; `None` where the other datasets can go on without this one."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return (
            f"{error.filename}: expected a file that can be read: {error.strerror}; mend its permissions, or its path"
        )
    if isinstance(error, MemoryError | OverflowError):
        came = " ".join(f"{type(error).__name__}: {error}".split())
        return f"expected a series that fits into memory and float64, got {came}; lower its length or its parameters"
    return None


def _parameters(entry: Entry, kind: DatasetKind) -> Any:
    return entry.parsed(kind.parameters)


def _distributions(cell: Cell, plugins: Mapping[str, Mapping[str, EntryPoint]]) -> dict[str, str]:
    """Distributions outside of bench that the cell's kinds come from, and their versions."""
    used = {"bench.datasets": cell.dataset.kind, "bench.models": cell.model.kind}
    points = (plugins[group].get(kind) for group, kind in used.items())
    return {point.dist.name: point.dist.version for point in points if point is not None and point.dist is not None}
