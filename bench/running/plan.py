"""Decide what to run: the requested cells minus those that are stored, after the data were checked.

``KEY=GLOB`` filters select cells. The data are checked in this process, without torch. The duration is estimated from a
default rate, corrected by the times of stored cells of the same kind.
"""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.cells import Cell, CellKey, named
from bench.cgroups import cpu_quota
from bench.data import dataset_kinds
from bench.data.base import DatasetKind, Sequences, Series
from bench.errors import DatasetsError, InputError, described
from bench.models import model_kinds
from bench.protocol.covariates import unread
from bench.protocol.prepare import Outline, notes_of, outline
from bench.registry import lookup, unknown
from bench.running.estimates import START_S, Estimator, left_s
from bench.running.extension import remaining
from bench.running.plugins import Origins
from bench.running.rows import Blocked, classified
from bench.spec import Entry
from bench.store import ARCHIVE, DamagedPart, Renewal, Stored, read_renewal, stored
from bench.store.schema import Status

KEYS: Mapping[str, Callable[[Cell], str]] = {
    "dataset": lambda cell: cell.dataset.id,
    "model": lambda cell: cell.model.id,
    "sequence_length": lambda cell: str(cell.sequence_length),
    "horizon": lambda cell: str(cell.horizon),
}


def only(cells: Sequence[Cell], filters: Sequence[str]) -> list[Cell]:
    """The cells that match: any of the globs given for one key, and every key given.

    Parameters
    ----------
    cells
        In the order of the suite, which is kept.
    filters
        Such as ``"dataset=noisy*"``; none keeps every cell.

    Raises
    ------
    InputError
        A filter is not ``KEY=GLOB``, its key is unknown, it matches nothing, or all of them together do.
    """
    globs: dict[str, list[str]] = {}
    for text in filters:
        key, glob = _parsed(text)
        present = sorted({KEYS[key](cell) for cell in cells})
        if not any(named(value, glob) for value in present):
            hint = f"; {_hint(key, glob)}" if any(value.startswith(glob) for value in present) else ""
            raise InputError(f"--only {text}: matches no {key} of this suite (it has: {', '.join(present)}){hint}")
        globs.setdefault(key, []).append(glob)
    chosen = [cell for cell in cells if _matches(cell, globs)]
    if not chosen:
        raise InputError(f"--only {' --only '.join(filters)}: no cell of this suite matches all of these")
    return chosen


def _parsed(text: str) -> tuple[str, str]:
    key, separator, glob = text.partition("=")
    if not separator or not glob:
        raise InputError(f"--only {text}: expected KEY=GLOB, such as --only 'model=lstm*' (keys: {', '.join(KEYS)})")
    if key not in KEYS:
        raise InputError(f"--only {text}: {unknown(key, KEYS, 'key')}")
    return key, glob


def _hint(key: str, beginning: str) -> str:
    return f"for all that begin so: --only '{key}={beginning}*'"


def _matches(cell: Cell, globs: Mapping[str, Sequence[str]]) -> bool:
    return all(any(named(KEYS[key](cell), glob) for glob in choices) for key, choices in globs.items())


@dataclass
class Preflight:
    """What is known of the datasets of a run.

    Parameters
    ----------
    blocked
        Dataset id → how its cells end without having begun, and why: data that cannot be had, a plug-in that raises.
    lacking
        Cell id → the same, of those whose model needs a library that is not installed.
    outlines
        Cell id → what it trains on, for those whose data was loaded.
    notes
        Dataset id → what was detected in its data or looks wrong, for those that were loaded; and what to know of
        plug-ins.
    """

    blocked: dict[str, Blocked] = field(default_factory=dict)
    lacking: dict[str, Blocked] = field(default_factory=dict)
    outlines: dict[str, Outline] = field(default_factory=dict)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def identify(self, cells: Sequence[Cell]) -> list[Cell]:
        """`cells` with what decides their identity in addition to the suite: fingerprints of data and of plug-ins.

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
        origins = Origins()
        identified = [_identified(cell, fingerprints.get(cell.dataset.id), origins.of(cell)) for cell in cells]
        self.notes |= origins.notes
        kinds = model_kinds()
        self.lacking = {
            cell.id: Blocked(Status.UNAVAILABLE, text)
            for cell in identified
            if (kind := kinds.get(cell.model.kind)) is not None
            and kind.lacks is not None
            and (text := kind.missing(cell.model.parsed(kind.parameters)))
        }
        return identified

    def blocks(self, cell: Cell) -> Blocked | None:
        """How `cell` ends without having begun; `None` where it can run."""
        return self.blocked.get(cell.dataset.id) or (self.lacking.get(cell.id) if self.lacking else None)

    def check(self, cells: Sequence[Cell]) -> None:
        """Load the datasets of `cells` once each, and see that they are well formed and long enough for every cell.

        Raises
        ------
        DatasetsError
            They are not; one line for each problem.
        """
        by_dataset: dict[str, list[Cell]] = {}
        for cell in cells:
            by_dataset.setdefault(cell.dataset.id, []).append(cell)

        def load(entry: Entry, kind: DatasetKind) -> None:
            concerned = by_dataset[entry.id]
            data = kind.load(_parameters(entry, kind), concerned[0].seed)
            # The longest window comes first: its message says how many points are enough for all.
            known: dict[tuple[object, ...], Outline] = {}
            for cell in sorted(concerned, key=lambda cell: -cell.sequence_length - cell.horizon):
                same = _outlined_by(cell)
                if same not in known:
                    known[same] = outline(cell, data)
                self.outlines[cell.id] = known[same]
            self.notes[entry.id] = (*notes_of(concerned[0], data), *_unread(concerned, data))

        self._each_dataset(cells, load)
        pa.default_memory_pool().release_unused()  # the process that waits for the others needs no series

    def train_windows(self, cell: Cell) -> int:
        """How many examples `cell` trains on; 0 where its data was not loaded."""
        known = self.outlines.get(cell.id)
        return known.train if known else 0

    def fits(self, cell: Cell) -> int:
        """How often each replicate of `cell` is fitted; 1 where its data was not loaded."""
        known = self.outlines.get(cell.id)
        return known.fits if known else 1

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


def _outlined_by(cell: Cell) -> tuple[object, ...]:
    """What the outlines of two cells of one dataset depend on; a suite has each of its settings once."""
    kind = cell.model.kind if cell.dataset.parameters.get("transform") else ""
    settings = (id(cell.split), id(cell.training), id(cell.as_published), cell.season, cell.fresh_data)
    return cell.sequence_length, cell.horizon, kind, *settings


def _unread(cells: Sequence[Cell], data: Series | Sequences) -> Iterator[str]:
    """Which models of `cells` do not read the covariates of their data."""
    if isinstance(data, Series):
        kinds = model_kinds()
        models = dict.fromkeys(cell.model.id for cell in cells if not kinds[cell.model.kind].reads_covariates)
        yield from unread(data, list(models))


def _problem(error: Exception) -> str | None:
    """What the user has to fix before anything runs; `None` where the other datasets can go on without this one."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: expected a file that can be read: {error.strerror}; fix its permissions, or its path"
    if isinstance(error, MemoryError | OverflowError):
        came = described(error)
        return f"expected a series that fits into memory and float64, got {came}; lower its length or its parameters"
    return None


def _identified(cell: Cell, data_sha256: str | None, plugins: dict[str, str]) -> Cell:
    """`cell` with what identifies its data and its kinds; itself where it has that already."""
    if (cell.data_sha256, cell.plugins) == (data_sha256, plugins):
        return cell
    return dataclasses.replace(cell, data_sha256=data_sha256, plugins=plugins)


def _parameters(entry: Entry, kind: DatasetKind) -> Any:
    return entry.parsed(kind.parameters)


def cpu_count() -> int:
    """The CPUs that this process may use: those that it may run on, and no more than its container's quota pays for."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return there if quota is None else max(1, min(there, int(quota)))


@dataclass(frozen=True)
class Plan:
    """What a run will do, and what it knows beforehand.

    Parameters
    ----------
    folder
        The results folder.
    cells
        Every cell that is wanted, identified, in the order of the suite.
    stored
        Those cells that are stored already, in short, by id, as far as their replicates are requested; among them those
        that `restored` brings back.
    surplus
        How many more replicates of a cell are stored than are requested, by id, where there are such.
    pending
        Cells to run, or to note as blocked; with the replicates that are stored and stay, if any.
    restored
        Ids of cells that were set aside earlier and are wanted again.
    renamed
        Id of a wanted cell → the id that an earlier version has stored it under.
    fresh
        Whether every cell is run again from its beginning.
    from_scratch
        Ids of the cells that are run again from their beginning: nothing stays of what is stored of them.
    renewal
        The request to run stored cells again, this one or one that was interrupted; `None` where there is none.
    others
        Stored cells that are not wanted, by the key of the wanted cell that will stand for them, then by id:
        their data, settings or code have changed since.
    damaged
        What is wrong with stored cells that count as not stored: a line for each.
    until
        The time of `time.monotonic` at which the run ends; `None` for no limit. Of cells that are not finished by then
        the trials are stored.
    round, rounds
        Which plan of the run it is, from 1, and about how many there are.
    """

    folder: Path
    cells: tuple[Cell, ...]
    stored: Mapping[str, Stored]
    surplus: Mapping[str, int]
    pending: tuple[Cell, ...]
    restored: frozenset[str]
    renamed: Mapping[str, str]
    fresh: bool
    from_scratch: frozenset[str]
    renewal: Renewal | None
    others: Mapping[CellKey, Mapping[str, Stored]]
    damaged: tuple[str, ...]
    preflight: Preflight
    estimator: Estimator
    until: float | None = None
    round: int = 1
    rounds: int = 1

    @property
    def outdated(self) -> list[str]:
        """Those of `others` whose key is taken already."""
        return sorted(cell_id for what in self.stored.values() for cell_id in self.outdated_by(what))

    def outdated_by(self, what: Stored) -> list[str]:
        """Those of `others` that `what` stands for: a cell without its data hides no results."""
        others = self.others.get(what.key, {})
        empty = what.status is Status.UNAVAILABLE
        return [cell_id for cell_id, other in others.items() if not empty or other.status is Status.UNAVAILABLE]

    def is_hidden(self, what: Stored) -> bool:
        """Whether older results say more of this key than `what` does."""
        return len(self.outdated_by(what)) < len(self.others.get(what.key, {}))

    def is_from_scratch(self, cell: Cell) -> bool:
        """Whether nothing stays of what is stored of `cell`."""
        return cell.id in self.from_scratch

    def renews(self, cell: Cell, started_at: datetime | None) -> bool:
        """Whether rows of `cell`, the first of them started then, are what the request to run cells again asks for."""
        waits = self.renewal is not None and self.renewal.waiting({cell.id: started_at})
        return self.is_from_scratch(cell) or not waits

    def is_renewed(self, cell: Cell, started_at: datetime | None) -> bool:
        """Whether rows of `cell`, the first of them started then, are newer than the request to run it again."""
        return self.renewal is None or not self.renewal.waiting({cell.id: started_at})

    def is_worse(self, what: Stored, cell: Cell) -> bool:
        """Whether `what` only says that `cell` could not be run again, and what is stored of it is ok."""
        before = self.stored.get(cell.id) if self.is_from_scratch(cell) else None
        return before is not None and before.status is Status.OK and what.status not in (Status.OK, Status.DIVERGED)

    @property
    def notes(self) -> list[str]:
        """What was detected in the data that were loaded, and what looks wrong in them."""
        return [f"{name}: {note}" for name, notes in self.preflight.notes.items() for note in notes]

    @property
    def nothing_to_do(self) -> bool:
        """Whether the results folder already is what it should be."""
        return not (self.pending or self.restored or self.renamed or self.outdated)

    def blocked(self, cell: Cell) -> Blocked | None:
        """How `cell` ends without having begun; `None` where it can run."""
        return self.preflight.blocks(cell)

    def seconds(self, cell: Cell) -> float:
        """About how long `cell` takes, by what is known so far."""
        if self.blocked(cell):
            return 0.0
        known = self.preflight
        return self.estimator.seconds(cell, known.train_windows(cell), fits=known.fits(cell))

    def estimate_s(self, jobs: int) -> float:
        """About how long all of it takes on `jobs` workers."""
        if all(map(self.blocked, self.pending)):
            return 0.0
        return START_S + left_s(map(self.seconds, self.pending), jobs)


def prepare(cells: Sequence[Cell], folder: Path, *, fresh: bool = False, failed_only: bool = False) -> Plan:
    """Look at the data and at the results folder; nothing is written.

    Parameters
    ----------
    cells
        Those that are wanted, as `expand` yields them.
    folder
        The results folder; it need not exist.
    fresh
        Run every cell again; what is stored stays until its replacement is finished. A run that is interrupted goes
        on with those that it had not come to.
    failed_only
        Run the stored cells that are not ok, and no others.

    Raises
    ------
    InputError
        Data that is not well formed or too short, a results folder that cannot be read: one line for each.
    """
    preflight = Preflight()
    wanted = {cell.id: cell for cell in preflight.identify(cells)}
    damaged: dict[str, DamagedPart] = {}
    everything = stored(folder, damaged)
    archived = _restorable(folder, everything, wanted)
    renamed = {
        what.identity: old
        for old, what in everything.items()
        if what.identity in wanted and what.identity not in everything and what.identity not in archived
    }
    older = {**archived, **{cell_id: everything[old] for cell_id, old in renamed.items()}, **everything}
    renewal = _renewal(folder, older, wanted if fresh else ())
    restored = archived.keys() - (renewal.cells if renewal else ())
    have = _wanted(everything, wanted) | {cell_id: archived[cell_id] for cell_id in restored}
    have |= {cell_id: everything[old] for cell_id, old in renamed.items()}
    requested = {cell_id: what.first(wanted[cell_id].seeds) for cell_id, what in have.items()}
    surplus = {each: len(what.replicates) - len(requested[each].replicates) for each, what in have.items()}
    renewed = renewal.cells if renewal and not failed_only else frozenset()
    from_scratch = frozenset(wanted) if fresh else renewed
    pending = [
        rest
        for cell in wanted.values()
        if (
            rest := cell
            if cell.id in from_scratch
            else remaining(cell, requested.get(cell.id), failed_only=failed_only)
        )
    ]
    preflight.check(pending)
    return Plan(
        folder=folder,
        cells=tuple(wanted.values()),
        stored=requested,
        surplus={cell_id: count for cell_id, count in surplus.items() if count},
        pending=tuple(pending),
        restored=frozenset(restored),
        renamed=renamed,
        fresh=fresh,
        from_scratch=from_scratch,
        renewal=renewal,
        others=_others(everything, wanted),
        damaged=tuple(f"{each.part}: {each.wrong}" for each in damaged.values()),
        preflight=preflight,
        estimator=_estimator(wanted, requested),
    )


def _restorable(folder: Path, everything: Mapping[str, Stored], wanted: Mapping[str, Cell]) -> dict[str, Stored]:
    """The wanted cells that were set aside earlier, with results, and are not stored."""
    archived = _wanted(stored(folder / ARCHIVE, {}), wanted)
    return {
        cell_id: what
        for cell_id, what in archived.items()
        if cell_id not in everything and what.status is not Status.UNAVAILABLE
    }


def _renewal(folder: Path, older: Mapping[str, Stored], fresh: Iterable[str]) -> Renewal | None:
    """What is to run again: the cells `fresh`, and those of an earlier request that has not been carried out.

    `older` are those that have results of before: stored, under an earlier id, or set aside.
    """
    earlier = read_renewal(folder)
    waiting = earlier.waiting({cell_id: what.started_at for cell_id, what in older.items()}) if earlier else set()
    if again := older.keys() & fresh:
        return Renewal(datetime.now(UTC), frozenset(again | waiting))
    return Renewal(earlier.began, frozenset(waiting)) if earlier else None


def _wanted(known: Mapping[str, Stored], wanted: Mapping[str, Cell]) -> dict[str, Stored]:
    return {cell_id: what for cell_id, what in known.items() if cell_id in wanted}


def _others(everything: Mapping[str, Stored], wanted: Mapping[str, Cell]) -> dict[CellKey, dict[str, Stored]]:
    others: dict[CellKey, dict[str, Stored]] = {cell.key: {} for cell in wanted.values()}
    for cell_id, what in everything.items():
        if cell_id not in wanted and what.key in others:
            others[what.key][cell_id] = what
    return others


def _estimator(wanted: Mapping[str, Cell], have: Mapping[str, Stored]) -> Estimator:
    estimator = Estimator()
    for cell_id, what in have.items():
        if what.train_windows is not None and not wanted[cell_id].split.refit:  # how often it was fitted is not stored
            cell, count = wanted[cell_id], len(what.replicates)
            run = dataclasses.replace(cell, seeds=count, untuned=what.untuned)
            estimator.observe(run, what.train_windows, what.seconds)
    return estimator
