"""Which models were still learning when their training ended: such a model was stopped, not beaten."""

import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.cells import CellKey, CellSpec
from bench.errors import StoreError
from bench.spec import Training
from bench.store.reader import readable
from bench.store.schema import Status
from bench.text import listed, plural

LEARNING = (*CellKey.COLUMNS, "status", "best_epoch", "validation_mse_scaled", "spec")
"""The columns of `runs` that say which models were still learning."""

MARK = "still learning"
"""Stands behind a verdict against such a model."""

_LATE = 0.1
"""A best validation in this last part of the budget says that training ended before learning did."""

_NAMED = 6
"""So many cells are named; the costs show all."""


def still_learning(runs: pa.Table) -> Mapping[CellKey, CellSpec]:
    """The cells, in order, most of whose replicates had their best validation among the last that they were allowed.

    Where the learning rate falls to nothing by its schedule, the best validation comes last in any case: such cells
    are not judged.
    """
    trained = runs.filter(pc.and_(pc.equal(runs["status"], Status.OK), pc.greater(runs["best_epoch"], 0)))
    chosen = trained.filter(pc.is_valid(trained["validation_mse_scaled"]))  # without validation the last is kept
    if not chosen.num_rows:
        return {}
    texts = chosen["spec"].combine_chunks().dictionary_encode()
    specs = [CellSpec.from_json(text) for text in texts.dictionary.to_pylist()]
    allowed = np.array([_allowed(spec) for spec in specs])[texts.indices.to_numpy()]
    late = chosen["best_epoch"].to_numpy() > (1 - _LATE) * allowed
    cells = chosen.select([*CellKey.COLUMNS]).append_column("late", pa.array(late.astype(np.float64)))
    cells = cells.append_column("spec", texts.indices)
    shares = cells.group_by([*CellKey.COLUMNS], use_threads=False).aggregate([("late", "mean"), ("spec", "max")])
    late_ones = {CellKey.of(row): specs[row["spec_max"]] for row in shares.to_pylist() if row["late_mean"] > 0.5}
    return dict(sorted(late_ones.items(), key=lambda item: item[0]))


def _allowed(spec: CellSpec) -> float:
    """Rounds of the budget; no number of them is late where the learning rate falls."""
    return spec.rounds if spec.training.get("schedule", "constant") == "constant" else math.inf


def learning_caution(runs: pa.Table) -> str:
    """What to say of the cells that were `still_learning`, and how to give them more; empty where none was."""
    cells = still_learning(runs)
    if not cells:
        return ""
    more = [f"{len(cells) - _NAMED} more"] if len(cells) > _NAMED else []
    several = len(pc.unique(runs["sequence_length"])) > 1
    lengths = (f" at L={key.sequence_length}" if several else "" for key in cells)
    names = (f"{key.model} on {key.dataset}{length}" for key, length in zip(cells, lengths, strict=True))
    named = listed([*itertools.islice(names, _NAMED), *more])
    return (
        f"Still learning when training ended: {named}. In most replicates the best validation is in the last tenth of "
        f"the budget; a larger one may lower the error: {_more(spec.training for spec in cells.values())}."
    )


def unseen_caution(runs: pa.Table) -> str:
    """What the curves cannot show where the learning rate falls to nothing: whether a larger budget would help.

    Empty where no cell used all of such a budget in most of its replicates.
    """
    trained = runs.filter(pc.and_(pc.equal(runs["status"], Status.OK), pc.greater(runs["epochs"], 0)))
    if not trained.num_rows:
        return ""
    texts = trained["spec"].combine_chunks().dictionary_encode()
    specs = [CellSpec.from_json(text) for text in texts.dictionary.to_pylist()]
    falls = np.array([spec.training.get("schedule", "constant") != "constant" for spec in specs])[texts.indices]
    rounds = np.array([spec.rounds for spec in specs])[texts.indices]
    whole = pa.array((falls & (trained["epochs"].to_numpy() >= rounds)).astype(np.float64))
    cells = trained.select(["cell_id"]).append_column("whole", whole).group_by("cell_id").aggregate([("whole", "mean")])
    count = int((cells["whole_mean"].to_numpy() > 0.5).sum())
    if not count:
        return ""
    return (
        f"Whether a larger budget of training would help cannot be seen in {count} of "
        f"{plural(len(cells), 'trained cell')}: most of their replicates used all of it, and the learning rate falls "
        "to nothing at its end, by the schedule. No mark “still learning” is given there; more `steps` would tell."
    )


def stored_caution(folder: Path) -> str:
    """The same of a results folder's rows that can be read; empty where there are none."""
    try:
        rows, _ = readable(folder, "runs", ("cell_id", *LEARNING))
    except StoreError:
        return ""
    return learning_caution(rows)


def _more(budgets: Iterable[Mapping[str, Any]]) -> str:
    """How a suite gives twice the largest of these budgets; of several, that it is the largest.

    >>> _more([{"epochs": 40}, {"epochs": 40}])
    '`training: {epochs: 80}` doubles it'
    >>> _more([{"epochs": 16}, {"epochs": 40}])
    '`training: {epochs: 80}` doubles the largest, of 16 and 40 epochs'
    """
    sizes: dict[str, set[int]] = {}
    for budget in (Training.model_construct(**each) for each in budgets):
        unit, size = ("steps", budget.steps) if budget.steps else ("epochs", budget.epochs or 1)
        sizes.setdefault(unit, set()).add(size)
    doubled = [f"`training: {{{unit}: {2 * max(own)}}}`" for unit, own in sizes.items()]
    several = [f"{listed([str(size) for size in sorted(own)])} {unit}" for unit, own in sizes.items()]
    what = "it" if all(len(own) == 1 for own in sizes.values()) else f"the largest, of {listed(several)}"
    return f"{listed(doubled)} {'doubles' if len(doubled) == 1 else 'double'} {what}"
