"""Which stored cells are those of the suite that the folder holds: the others were kept, and are no results of it.

A suite changes while its results stay: a model leaves it, or its settings become others and some of its cells are run
again, or it has fewer seeds: then the first of a cell count. What is compared belongs to one suite, and so to one
protocol.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bench.cells import Case, Cell, CellKey, CellSpec, expand
from bench.spec import Suite
from bench.store.renewal import Renewal
from bench.store.schema import Status
from bench.text import listed

SETTINGS: Mapping[str, str] = {
    "dataset": "parameters of the data",
    "model": "parameters of the model",
    "split": "split",
    "training": "training settings",
    "tuning": "tuning settings",
    "as_published": "departures from the protocol",
    "fresh_data": "data of each replicate",
    "seed": "root seed",
}
"""What must be the same for results to be compared, by its name in a spec; and what to call it."""

_PROTOCOL = ("split", "training", "tuning", "as_published", "fresh_data", "seed")
_NO_SETTING = frozenset({"stated", "path"})


@dataclass(frozen=True)
class KeptCell:
    """A stored cell that is no result of the suite, or those of its replicates that are none.

    Parameters
    ----------
    reason
        Why it is none.
    replicates
        How many of it are kept.
    rmse
        Over those that are ok, original units; `None` where none is.
    first_seed
        The first of them: the replicates before it are results.
    """

    key: CellKey
    cell_id: str
    reason: str
    replicates: int
    rmse: float | None
    first_seed: int = 0


def kept_cells(
    runs: pa.Table, suite: Suite | None, renewal: Renewal | None = None, *, ranked: bool = False
) -> tuple[KeptCell, ...]:
    """The cells of `runs` that are no results of `suite`, sorted by key.

    Parameters
    ----------
    runs
        Rows of `bench.store.schema.RUNS`.
    suite
        What the folder is of; `None` where that is not known.
    renewal
        A request to run cells again: a cell that still waits for it is no result.
    ranked
        Whether cells are compared with each other: then, where the suite is not known, the protocol that most cells
        of a case have is taken for it.
    """
    rows = [*_cells(runs)]
    waiting = renewal.waiting({row["cell_id"]: row["started_at_min"] for row in rows}) if renewal else frozenset()
    wanted = {cell.key: cell for cell in expand(suite)} if suite else {}
    reasons = _by_suite(rows, wanted) if suite else _by_most(rows) if ranked else {}
    reasons |= dict.fromkeys(waiting, "older than the --fresh run that has not finished it")
    first = {**_surplus(rows, wanted), **dict.fromkeys(reasons, 0)}
    if not first:
        return ()
    errors = _errors(runs.filter(_from(runs, first)))
    made = [
        KeptCell(CellKey.of(row), each, reasons.get(each) or _more_seeds(row, first[each]), *errors[each], first[each])
        for row in rows
        if (each := row["cell_id"]) in first
    ]
    return tuple(sorted(made, key=lambda cell: (cell.key, cell.cell_id)))


def without(table: pa.Table, kept: tuple[KeptCell, ...]) -> pa.Table:
    """The rows of `table`, which has the column `cell_id`, that are of none of the cells `kept`."""
    return without_surplus(table, {cell.cell_id: cell.first_seed for cell in kept})


def without_surplus(table: pa.Table, seeds: Mapping[str, int]) -> pa.Table:
    """The rows of `table` of the replicates that are requested, and those of no replicate.

    Parameters
    ----------
    seeds
        Cell id → how many replicates are requested; other cells stay whole.
    """
    return table.filter(pc.invert(_from(table, seeds))) if seeds else table


def _from(table: pa.Table, first: Mapping[str, int]) -> pa.ChunkedArray:
    """``[rows]``: which are of a replicate from `first`, by cell id, on; where `table` has none, of a whole cell."""
    place = pc.index_in(table["cell_id"], value_set=pa.array(first, pa.string()))
    start = pc.take(pa.array(first.values(), pa.int64()), place)
    chosen = pc.greater_equal(table["seed"], start) if "seed" in table.column_names else pc.equal(start, 0)
    return pc.fill_null(chosen, False)  # noqa: FBT003 - pyarrow takes it by place


def _surplus(rows: list[dict[str, Any]], wanted: Mapping[CellKey, Cell]) -> dict[str, int]:
    """Ids of cells with more replicates than are `wanted`, and how many these are."""
    requested = ((row, wanted.get(CellKey.of(row))) for row in rows)
    return {row["cell_id"]: cell.seeds for row, cell in requested if cell and row["seed_max"] >= cell.seeds}


def _more_seeds(row: Mapping[str, Any], first: int) -> str:
    more = f"seed {first}" if row["seed_max"] == first else f"seeds {first} to {row['seed_max']}"
    return f"{more}: the suite has {first}"


def _cells(runs: pa.Table) -> Iterator[dict[str, Any]]:
    """One row for each cell, with its `spec`."""
    grouped = runs.group_by(["cell_id", *CellKey.COLUMNS], use_threads=False)
    for row in grouped.aggregate([("spec", "min"), ("started_at", "min"), ("seed", "max")]).to_pylist():
        yield {**row, "spec": CellSpec.from_json(row["spec_min"])}


def _errors(runs: pa.Table) -> dict[str, tuple[int, float | None]]:
    """Of each cell how many replicates there are, and the RMSE over those that are ok."""
    mse = pc.if_else(pc.equal(runs["status"], Status.OK.value), runs["mse"], None)
    grouped = runs.select(["cell_id"]).append_column("mse", mse).group_by("cell_id", use_threads=False)
    rows = grouped.aggregate([("mse", "mean"), ("cell_id", "count")]).to_pylist()
    return {
        row["cell_id"]: (row["cell_id_count"], None if row["mse_mean"] is None else row["mse_mean"] ** 0.5)
        for row in rows
    }


def _by_suite(rows: list[dict[str, Any]], wanted: Mapping[CellKey, Cell]) -> dict[str, str]:
    """Why cells are not those that a suite has, by id."""
    reasons = {}
    for row in rows:
        request = wanted.get(CellKey.of(row))
        if request is None:
            reasons[row["cell_id"]] = "the suite has no such cell"
        elif others := differences(row["spec"].content, json.loads(request.spec)):
            reasons[row["cell_id"]] = f"the suite has other {listed(others)}"
    return reasons


def _by_most(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Why cells are not of the protocol that most cells of their case have, by id."""
    cases: dict[Case, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["spec"].content:
            cases[CellKey.of(row).case].append(row)
    reasons = {}
    for own in cases.values():
        ((most, _),) = Counter(_protocol(row["spec"]) for row in own).most_common(1)
        for row in own:
            if others := differences(row["spec"].content, json.loads(most)):
                reasons[row["cell_id"]] = f"most cells next to it have other {listed(others)}"
    return reasons


def _protocol(spec: CellSpec) -> str:
    return json.dumps({name: spec.content[name] for name in _PROTOCOL if name in spec.content}, sort_keys=True)


def differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The settings, in words, that differ; what only one of two versions of bench writes is no difference."""
    both = stored.keys() & wanted.keys()
    return [word for name, word in SETTINGS.items() if name in both and not _agree(stored[name], wanted[name])]


def _agree(stored: Any, wanted: Any) -> bool:
    if isinstance(stored, dict) and isinstance(wanted, dict):
        return all(_agree(stored[name], wanted[name]) for name in stored.keys() & wanted.keys() - _NO_SETTING)
    return bool(stored == wanted)
