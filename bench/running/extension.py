"""A stored cell that lacks replicates is extended: the winner of its study stays, and only what is missing is trained.

What decides a row is the identity of its cell and the number of its replicate, so rows of several runs make one cell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from bench.cells import Cell
from bench.models import model_kinds
from bench.store.kept_trials import unfit
from bench.store.reader import Stored, read_cell
from bench.store.schema import Rows, Status

log = logging.getLogger(__name__)

TRAINED = (Status.OK, Status.DIVERGED)
"""How a replicate ends that was trained: it would end the same way again."""


def remaining(cell: Cell, known: Stored | None, *, failed_only: bool = False) -> Cell | None:
    """`cell` with the replicates that stay as its `finished` ones; `None` where none is left to run.

    A replicate whose data was unavailable is run again, and one that ran out of time or memory if its limit was raised.
    Other failures stay, as they would fail again; where no replicate could be trained, no further one is tried. Of a
    cell that is not tuned yet nothing stays.

    Parameters
    ----------
    known
        What is stored of it.
    failed_only
        Run the replicates that are not ok, and only of cells that have such.
    """
    own = [each for each in known.replicates if each.seed < cell.seeds] if known else []
    if not own:
        return None if failed_only else cell
    if known and known.untuned and not cell.untuned:
        return cell
    if failed_only:
        stay = {each.seed for each in own if each.status is Status.OK}
        return _with_finished(cell, stay) if len(stay) < len(own) else None
    stay = {each.seed for each in own if not each.is_worth_another_try(cell)}
    if len(stay) == len(own) and not any(each.status in TRAINED for each in own):
        return None
    return _with_finished(cell, stay)


def _with_finished(cell: Cell, finished: Iterable[int]) -> Cell | None:
    stay = frozenset(finished)
    if len(stay) == cell.seeds:  # each is one of its replicates
        return None
    return replace(cell, finished=stay) if stay else cell


@dataclass(frozen=True)
class StoredStudy:
    """The trials of a stored cell; `tuning_s` is how long they took where the study came to its end, else `None`."""

    trials: pa.Table
    tuning_s: float | None


def stored_study(folder: Path, cell_id: str) -> StoredStudy | None:
    """The study of a stored cell; `None` where none was begun, or where it can be of no use, which is said.

    Raises
    ------
    StoreError
        As `bench.store.read`.
    """
    trials = read_cell(folder, "trials", cell_id)
    if not trials.num_rows:
        return None
    if wrong := unfit(trials):
        log.warning("%s: trials of its cell: %s; its study is made again", cell_id, wrong)
        return None
    runs = read_cell(folder, "runs", cell_id).select(["trials", "tuning_s"]).to_pylist()
    return StoredStudy(trials, next((row["tuning_s"] for row in runs if row["trials"] == trials.num_rows), None))


def extended(folder: Path, cell: Cell, rows: Rows) -> Rows:
    """`rows` of some replicates of `cell`, with those of its other replicates as they are stored in `folder`.

    Raises
    ------
    StoreError
        As `bench.store.read`.
    """
    before = {name: read_cell(folder, name, cell.id) for name in rows}
    new = rows["runs"]["seed"].combine_chunks()
    joined = {name: _joined(_others(before[name], new, cell.suite), table) for name, table in rows.items()}
    if not rows["trials"].num_rows:
        joined["trials"] = before["trials"]
    kind = model_kinds().get(cell.model.kind)
    if kind is not None and kind.is_stochastic(cell.model.parsed(kind.parameters)):
        joined["runs"] = _compared(joined["runs"])
    return joined


def _others(table: pa.Table, seeds: pa.Array, suite: str) -> pa.Table:
    """The rows of `table` of other replicates than `seeds`; of trials, which are of no replicate, none."""
    if "seed" not in table.column_names:
        return table.slice(0, 0)
    others = table.filter(pc.invert(pc.is_in(table["seed"], value_set=seeds)))
    at = table.schema.get_field_index("suite")
    return others.set_column(at, table.schema.field(at), pa.array([suite] * others.num_rows, pa.string()))


def _joined(before: pa.Table, now: pa.Table) -> pa.Table:
    """Both, ordered by replicate as the rows of one run are."""
    both = pa.concat_tables([before, now]).combine_chunks()
    if "seed" not in both.column_names:
        return both
    return both.take(pc.array_sort_indices(both["seed"].combine_chunks()))  # which is stable


def _compared(runs: pa.Table) -> pa.Table:
    """Whether the replicates of a model that may draw random numbers are copies, which fewer of them could not say."""
    ok = runs.filter(pc.equal(runs["status"], Status.OK.value))
    errors = ok.select(["mse", "mae"]).to_pylist()
    copies = len(errors) > 1 and all(each == errors[0] for each in errors)
    at = runs.schema.get_field_index("deterministic")
    flags = [None if flag is None else copies for flag in runs["deterministic"].to_pylist()]
    return runs.set_column(at, runs.schema.field(at), pa.array(flags, pa.bool_()))
