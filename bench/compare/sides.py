"""The rows of one result set → its cells, ready to be paired."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bench.compare.values import Place, Side
from bench.report.cells import cells
from bench.report.text import listed
from bench.report.values import CellSummary
from bench.stats.machines import MACHINE, label
from bench.stats.table import FloatArray, Grid, grid

_PLACE = ["dataset", "model", "sequence_length", "horizon"]


@dataclass(frozen=True, eq=False)
class ResultSet:
    """The cells of one result set, by their place."""

    sides: Mapping[Place, Side]
    machines: tuple[str, ...]
    layout: Grid
    _mse: FloatArray  # [cells, models, seeds]

    @classmethod
    def of(cls, runs: pa.Table) -> ResultSet:
        """The cells of `runs`, rows of `bench.schema.RUNS`."""
        layout = grid(runs)
        machines = _machines(runs)
        data = _data(runs)
        found = {_place(cell): cell for cell in cells(layout, {}, frozenset()) if cell.replicates}
        sides = {place: _side(cell, listed(machines[place]), listed(data[place])) for place, cell in found.items()}
        names = tuple(sorted({name for own in machines.values() for name in own}))
        return cls(sides, names, layout, layout.values("mse"))

    def mse(self, places: Sequence[Place], seeds: Sequence[int]) -> FloatArray:
        """``[places, seeds]``: the errors of `places`, NaN where a replicate is missing."""
        case = {(c.dataset, c.sequence_length, c.horizon): i for i, c in enumerate(self.layout.cases)}
        model = {name: j for j, name in enumerate(self.layout.models)}
        column = [self.layout.seeds.index(seed) if seed in self.layout.seeds else -1 for seed in seeds]
        padded = np.pad(self._mse, ((0, 0), (0, 0), (0, 1)), constant_values=np.nan)  # -1 picks a missing one
        rows = [padded[case[p.dataset, p.sequence_length, p.horizon], model[p.model], column] for p in places]
        return np.array(rows).reshape(len(places), len(seeds))


def _place(cell: CellSummary) -> Place:
    return Place(cell.dataset, cell.model, cell.sequence_length, cell.horizon)


def _side(cell: CellSummary, machine: str, data_sha256: str) -> Side:
    return Side(
        cell_id=cell.cell_id or "",
        finished=cell.finished,
        replicates=cell.replicates,
        reason=cell.note,
        rmse=cell.rmse,
        fit_s=cell.cost.fit_s,
        predict_s=cell.cost.predict_s,
        machine=machine,
        data_sha256=data_sha256,
    )


def _machines(runs: pa.Table) -> dict[Place, list[str]]:
    """The machines of each cell, each in one line."""
    found: dict[Place, set[str]] = defaultdict(set)
    for row in runs.group_by([*_PLACE, *MACHINE]).aggregate([]).to_pylist():
        found[Place(*(row[name] for name in _PLACE))].add(label(row))
    return {place: sorted(names) for place, names in found.items()}


def _data(runs: pa.Table) -> dict[Place, list[str]]:
    """The fingerprints of each cell's data."""
    found: dict[Place, set[str]] = defaultdict(set)
    for row in runs.group_by([*_PLACE, "data_sha256"]).aggregate([]).to_pylist():
        found[Place(*(row[name] for name in _PLACE))] |= {row["data_sha256"]} - {None}
    return {place: sorted(values) for place, values in found.items()}
