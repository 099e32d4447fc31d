"""Decide what to probe: the workload of each cell, and the cells that are not stored for this machine."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_high
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bench.cells import Cell
from bench.models import model_kinds
from bench.probe.workload import Workload
from bench.registry import lookup
from bench.running.plan import Preflight
from bench.running.rows import Blocked, as_json
from bench.spec import Training
from bench.store import is_results, read
from bench.store.environment import libraries, machine_id
from bench.store.reader import read_probes
from bench.store.schema import Status
from bench.tuning.candidates import resolve


@dataclass(frozen=True)
class Setting:
    """How to probe: on which device, with how many threads, in how many rounds."""

    device: str
    threads: int
    repeats: int

    @property
    def machine(self) -> str:
        """Names this machine, device and number of threads in the store."""
        return machine_id(self.device, self.threads)


@dataclass(frozen=True)
class Wanted:
    """One cell to probe.

    Parameters
    ----------
    workload
        What to measure; `None` where the cell's data cannot be had, so that its shape is not known.
    parameters_from
        ``runs`` where the parameters and epochs are those that the cell's replicates were trained with, ``suite``
        where the cell is not stored and they are the suite's own.
    blocked
        Why there is no workload.
    """

    cell: Cell
    workload: Workload | None
    parameters_from: str
    blocked: Blocked | None = None


@dataclass(frozen=True)
class ProbePlan:
    """What is requested, and what of it is not stored yet."""

    folder: Path
    setting: Setting
    cells: tuple[Cell, ...]
    pending: tuple[Wanted, ...]


def prepare(cells: Sequence[Cell], folder: Path, setting: Setting, *, fresh: bool = False) -> ProbePlan:
    """Look at the data and at the results folder; nothing is written.

    Parameters
    ----------
    cells
        Those that are wanted, as `expand` yields them.
    folder
        The results folder; it need not exist.
    setting
        How they are to be probed.
    fresh
        Probe every cell again.

    Raises
    ------
    InputError
        Data that is not well formed or too short, a results folder that cannot be read: one line for each.
    """
    preflight = Preflight()
    identified = preflight.identify(cells)
    preflight.check(identified)
    trained = _trained(folder)
    wanted = [_wanted(cell, preflight, trained.get(cell.id)) for cell in identified]
    done = {} if fresh else _rounds(read_probes(folder, machine=setting.machine))
    lacking = {each.cell.key.case for each in wanted if done.get(_key(each), 0) < setting.repeats}
    pending = [each for each in wanted if each.cell.key.case in lacking]
    return ProbePlan(folder, setting, tuple(identified), tuple(pending))


def _key(wanted: Wanted) -> tuple[str, str | None]:
    return wanted.cell.id, wanted.workload.to_json() if wanted.workload else None


def _trained(folder: Path) -> dict[str, dict[str, Any]]:
    """Cell id → the hyperparameters of its replicates that are ok, with the median of their numbers of rounds."""
    if not is_results(folder):
        return {}
    runs = read(folder, "runs").select(["cell_id", "status", "hyperparameters", "epochs"])
    ok = runs.filter(pc.equal(runs["status"], Status.OK.value))
    grouped = ok.group_by("cell_id", use_threads=False).aggregate([("hyperparameters", "first"), ("epochs", "list")])
    trained = {}
    for row in grouped.to_pylist():
        if row["hyperparameters_first"] and None not in row["epochs_list"]:
            values = json.loads(row["hyperparameters_first"])
            rounds = median_high(row["epochs_list"])
            trained[row["cell_id"]] = values | {"rounds": rounds} if rounds else values  # a closed form has none
    return trained


def _wanted(cell: Cell, preflight: Preflight, trained: Mapping[str, Any] | None) -> Wanted:
    parameters_from = "runs" if trained else "suite"
    if blocked := preflight.blocks(cell):
        return Wanted(cell, None, parameters_from, blocked)
    kind = lookup(model_kinds(), cell.model.kind, "model")
    values = trained or resolve(kind, cell).values()
    settings = Training.model_fields.keys() & values if kind.gradient else ()  # else they may be the model's own
    training = cell.training.model_copy(update={name: values[name] for name in settings})
    own = kind.parameters.model_fields.keys() | cell.model.parameters.keys() | ({*cell.model.search} - {*settings})
    rounds = values.get("rounds", training.rounds)
    steps = training.steps and min(training.steps, rounds * (training.round_steps or 1))
    known = preflight.outlines[cell.id]
    workload = Workload(
        kind=cell.model.kind,
        parameters=as_json({name: values[name] for name in own & values.keys()}),
        shape=known.shape,
        batch_size=known.train if training.batch_size == "all" else training.batch_size,
        train_windows=min(known.train, training.windows_per_epoch or known.train),
        validation_windows=known.validation,
        epochs=rounds,
        members=cell.seeds,
        steps=steps,
    )
    return Wanted(cell, workload, parameters_from)


def _rounds(probes: pa.Table) -> dict[tuple[str, str | None], float]:
    """How many rounds are stored of each cell and workload, measured with the libraries that are installed now.

    What failed would fail again and counts as done, but for data that was not there.
    """
    ours = json.dumps(libraries(), sort_keys=True)
    known = probes.filter(pc.equal(probes["libraries"], ours))
    grouped = known.group_by(["cell_id", "workload", "status"]).aggregate([("repeat", "max")]).to_pylist()
    rounds = {}
    for row in grouped:
        if row["status"] != Status.UNAVAILABLE:
            ok = row["status"] == Status.OK
            rounds[row["cell_id"], row["workload"]] = row["repeat_max"] + 1 if ok else math.inf
    return rounds
