"""Rows of `probes` → the cost of each model: one value for each cell and machine, never merged over machines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from bench.cells import Case, CellKey
from bench.stats.aggregates import Median, median
from bench.store.grid import MACHINE, label
from bench.store.schema import KEY, Status

_SAME = [*KEY, *MACHINE, "status", "reason", "workload", "parameters_from", "started_at"]


@dataclass(frozen=True)
class ProbedCell:
    """The probe of one cell on one machine.

    Parameters
    ----------
    machine
        One line that names it, with its device and threads.
    reason
        Why there are no values; empty where there are.
    parameters_from
        ``runs`` or ``suite``: whose parameters were probed.
    model_parameters
        Those parameters.
    implementation, bank
        What was timed, and what the bank's speed is that of.
    rounds
        How many samples each timed quantity has.
    values
        Quantity → its median over rounds and its 95 % interval; one value where it is counted once.
    started_at
        When the session began in which it was measured, in turn with the other models of its case.
    """

    cell_id: str
    dataset: str
    model: str
    sequence_length: int
    horizon: int
    machine: str
    reason: str
    parameters_from: str
    model_parameters: Mapping[str, Any]
    implementation: str
    bank: str
    rounds: int
    values: Mapping[str, Median]
    started_at: datetime | None

    @property
    def key(self) -> CellKey:
        """Its names."""
        return CellKey(self.dataset, self.model, self.sequence_length, self.horizon)

    @property
    def case(self) -> Case:
        """What it shares with the cells that differ in their model alone."""
        return self.key.case

    def value(self, quantity: str) -> float | None:
        """The median of `quantity`, where it was measured."""
        measured = self.values.get(quantity)
        return None if measured is None else measured.value


def costs(probes: pa.Table) -> tuple[ProbedCell, ...]:
    """Every probed cell of every machine, by machine, dataset, horizon, sequence length and model.

    Parameters
    ----------
    probes
        Rows of `bench.store.schema.PROBES`.
    """
    grouped = probes.group_by(_SAME, use_threads=False).aggregate(
        [("quantity", "list"), ("repeat", "list"), ("value", "list"), ("implementation", "list")]
    )
    cells = [_cell(row) for row in grouped.to_pylist()]
    return tuple(sorted(cells, key=lambda c: (c.machine, c.dataset, c.horizon, c.sequence_length, c.model, c.cell_id)))


def _cell(row: Mapping[str, Any]) -> ProbedCell:
    samples: dict[str, list[float]] = {}
    implementations: dict[str, str] = {}
    rows = zip(row["quantity_list"], row["value_list"], row["implementation_list"], strict=True)
    for quantity, value, implementation in rows:
        if quantity is not None and value is not None:
            samples.setdefault(quantity, []).append(value)
            implementations[quantity] = implementation
    failed = row["status"] != Status.OK
    return ProbedCell(
        cell_id=row["cell_id"],
        dataset=row["dataset"],
        model=row["model"],
        sequence_length=row["sequence_length"],
        horizon=row["horizon"],
        machine=label(row),
        reason=f"{row['status']}: {row['reason']}" if failed else "",
        parameters_from=row["parameters_from"],
        model_parameters=json.loads(row["workload"] or "{}").get("parameters", {}),
        implementation=implementations.get("latency_s", ""),
        bank=implementations.get("bank_step_s", ""),
        rounds=1 + max((repeat for repeat in row["repeat_list"] if repeat is not None), default=-1),
        values={quantity: median(np.array(values)) for quantity, values in samples.items()},
        started_at=row["started_at"],
    )


def of_older_sessions(cells: Sequence[ProbedCell]) -> frozenset[str]:
    """Ids of those of one machine's cells that were not measured in turn with the newest of their case."""
    newest: dict[Case, datetime] = {}
    timed = [(cell, cell.started_at) for cell in cells if cell.started_at is not None]
    for cell, started in timed:
        newest[cell.case] = max(started, newest.get(cell.case, started))
    return frozenset(cell.cell_id for cell, started in timed if started != newest[cell.case])


def by_machine(cells: Sequence[ProbedCell]) -> dict[str, list[ProbedCell]]:
    """The cells of each machine; times compare within one."""
    groups: dict[str, list[ProbedCell]] = {}
    for cell in cells:
        groups.setdefault(cell.machine, []).append(cell)
    return groups
