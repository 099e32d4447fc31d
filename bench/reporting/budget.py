"""What a budget limits, what each cell costs, and what the page's budget needs to know of each model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bench.errors import InputError
from bench.reporting.costs import ProbedCell, by_machine
from bench.reporting.tabular import Table
from bench.reporting.values import Summary
from bench.store.grid import by_cell
from bench.text import count, mebibytes, seconds

QUANTITIES = {
    "latency_s": ("latency", seconds),
    "memory_bytes": ("memory", mebibytes),
    "parameters": ("parameters", count),
    "fit_s": ("training", seconds),
}
"""What a budget is in: how messages call it, and how they write it."""

Costs = Mapping[str, float]
"""Of one cell, by the fields of `Budget`; what was not measured is missing."""


@dataclass(frozen=True)
class Budget:
    """The most that a model may cost; `None` for any.

    Parameters
    ----------
    latency_s
        Seconds to predict one window, as `bench probe` measures it.
    memory_bytes
        The most memory while it trains: above what a process takes before it holds the model, where it was probed,
        else of the whole process of the run.
    parameters
        How many numbers are fitted.
    fit_s
        Seconds to fit one model: by the probe where it was probed, else as it was run.
    """

    latency_s: float | None = None
    memory_bytes: float | None = None
    parameters: float | None = None
    fit_s: float | None = None

    def __post_init__(self) -> None:
        for name, (called, _) in QUANTITIES.items():
            most = getattr(self, name)
            if most is not None and not 0 <= most < float("inf"):
                raise InputError(f"budget: expected a {called} of at least 0, got {most}; give another")

    def exceeded(self, cost: Costs) -> str:
        """What of `cost` is too much, or not known; empty where it fits."""
        for name, (called, shown) in QUANTITIES.items():
            most, own = getattr(self, name), cost.get(name)
            if most is not None and own is None:
                return f"{called} not measured"
            if most is not None and own is not None and own > most:
                return f"{called} {shown(own)}"
        return ""


def known_costs(runs: pa.Table, probed: Sequence[ProbedCell]) -> dict[str, Costs]:
    """What each cell costs, by id: of the probe on the machine that probed most, else of the run."""
    known: dict[str, Costs] = {cell_id: _as_run(rows) for cell_id, rows in by_cell(runs).items()}
    machines = by_machine(probed).values()
    for cell in max(machines, key=len, default=()):
        if cell.cell_id in known:
            known[cell.cell_id] = {**known[cell.cell_id], **_as_probed(cell)}
    return known


def _as_run(rows: pa.Table) -> dict[str, float]:
    columns_of = {"fit_s": "fit_s", "memory_bytes": "peak_memory_bytes", "parameters": "parameters"}
    known = {name: rows[column].drop_null().to_numpy() for name, column in columns_of.items()}
    return {name: float(np.median(values)) for name, values in known.items() if len(values)}


def _as_probed(cell: ProbedCell) -> dict[str, float]:
    quantities = {"latency_s": "latency_s", "fit_s": "fit_s", "memory_bytes": "peak_memory_bytes"}
    values = {name: cell.value(quantity) for name, quantity in quantities.items()}
    return {name: value for name, value in values.items() if value is not None}


INPUTS = (
    ("latency_s", "Latency", "ms", 1e-3),
    ("memory_bytes", "Memory", "MB", 1_000_000),
    ("parameters", "Parameters", "", 1),
    ("fit_s", "Training", "s", 1),
)
"""What the page lets a reader limit: quantity, name, unit, and how much of the quantity one unit is."""


@dataclass(frozen=True)
class PageBudget:
    """What the budget on the page is made of.

    Parameters
    ----------
    inputs
        Those of `INPUTS` that were measured of some model.
    models
        As values of JSON, in the order of the ranking: the name, the error over all datasets as a share of that of
        persistence, the verdicts in words, whether it is shown to beat persistence anywhere, and of each quantity the
        most that a cell of it costs, with the dataset; `None` for what is not known.
    """

    inputs: tuple[tuple[str, str, str, float], ...]
    models: tuple[Mapping[str, Any], ...]


def page_budget(summary: Summary, ranking: Table) -> PageBudget:
    """Of the cells that the `ranking` is made from, each model at its chosen lengths, with the words of its row."""
    known = known_costs(summary.replicates, summary.probes)
    references = {model.name for model in summary.models if model.reference}
    errors = {standing.model: standing.error.value for standing in summary.standings}
    models: tuple[dict[str, Any], ...] = tuple(
        {
            "name": rank.model,
            "error": errors.get(rank.model),
            "words": row[_WORDS].text.replace("\u00a0", " "),
            "reference": rank.model in references,
            "skilled": rank.with_skill > 0,
            "costs": _largest({title: known.get(cell_id, {}) for title, cell_id in _chosen(summary, rank.model)}),
        }
        for rank, row in zip(summary.ranking.ranks, ranking.rows, strict=True)
    )
    measured = {name for model in models for name, cost in model["costs"].items() if cost is not None}
    return PageBudget(tuple(each for each in INPUTS if each[0] in measured), models)


_WORDS = 3
"""The column of the ranking with the verdicts."""


def _chosen(summary: Summary, model: str) -> list[tuple[str, str]]:
    """Of each section that it finished the title, and the id of its cell."""
    cells = ((section.title, section.chosen(model)) for section in summary.sections)
    return [(title, cell.cell_id) for title, cell in cells if cell and cell.cell_id]


def _largest(costs: Mapping[str, Costs]) -> dict[str, tuple[float, str] | None]:
    """Of each quantity the largest cost with its section; none where a cell's is not known."""
    return {
        name: max((own[name], title) for title, own in costs.items())
        if costs and all(name in own for own in costs.values())
        else None
        for name in QUANTITIES
    }
