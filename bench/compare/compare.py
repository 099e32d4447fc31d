"""Pair the cells of two result sets and say what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from bench import store
from bench.compare.judging import judged
from bench.compare.pairs import Pairs
from bench.compare.refusals import check_pair
from bench.compare.settings import differences
from bench.compare.sides import ResultSet
from bench.compare.targets import other_targets
from bench.compare.values import CellChange, Comparison, MetricChange, Place, Side, worst
from bench.errors import InputError, StoreError
from bench.suite.spec import Gate


def compare(
    old: Mapping[str, pa.Table], new: Mapping[str, pa.Table], gate: Gate | None = None, *, gate_file: str = ""
) -> Comparison:
    """What changed from the result set `old` to the result set `new`.

    Cells are paired by dataset, model, sequence length and horizon, and their replicates by seed.

    Parameters
    ----------
    old, new
        Tables of `bench.schema`; `runs` is read.
    gate
        What counts as a change; where it is not given, that of a suite which says nothing of it.
    gate_file
        Where it is from.

    Raises
    ------
    InputError
        The two cannot be compared: other suites, a metric that only one has, no cell in both.
    """
    gate = gate or Gate()
    before, now = (ResultSet.of(tables["runs"]) for tables in (old, new))
    check_pair(before, now, gate.thresholds.stated())
    cells = _cells(Pairs.of(before, now), gate)
    return Comparison(
        suite=now.suites[0],
        gate_file=gate_file,
        alpha=gate.alpha,
        thresholds=gate.thresholds.stated(),
        cells=cells,
        appeared=tuple(sorted(now.sides.keys() - before.sides.keys())),
        vanished=tuple(sorted(before.sides.keys() - now.sides.keys())),
        failed=_where(cells, lambda cell: bool(cell.failing)),
        thinned=_where(cells, lambda cell: bool(cell.vanished)),
        mended=_where(cells, lambda cell: not cell.old.whole and cell.new.whole and not cell.losses()),
        changed_data=_where(cells, lambda cell: bool(other_targets(cell.old, cell.new))),
        old_machines=before.machines,
        new_machines=now.machines,
        old_commits=before.commits,
        new_commits=now.commits,
    )


def compare_folders(old: Path, new: Path, gate: Gate | None = None, *, gate_file: str = "") -> Comparison:
    """`compare` the results folders `old` and `new`.

    Raises
    ------
    InputError
        As `compare`; or a folder holds no results, or some that cannot be read: one line for each folder.
    """
    tables: list[Mapping[str, pa.Table]] = []
    problems = []
    for folder in (old, new):
        try:
            tables.append({"runs": store.read(folder, "runs")})
        except StoreError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))
    return compare(tables[0], tables[1], gate, gate_file=gate_file)


def _cells(pairs: Pairs, gate: Gate) -> tuple[CellChange, ...]:
    lost = zip(pairs.failing(gate.thresholds.stated()), pairs.vanished(), strict=True)
    return tuple(
        replace(_cell(place, pairs, metrics=metrics, paired=int(paired)), failing=failing, vanished=vanished)
        for place, metrics, paired, (failing, vanished) in zip(
            pairs.places, judged(pairs, gate), pairs.count(), lost, strict=True
        )
    )


def _cell(place: Place, pairs: Pairs, *, metrics: tuple[MetricChange, ...], paired: int) -> CellChange:
    old, new = pairs.old.sides[place], pairs.new.sides[place]
    same_machine = bool(old.machine) and old.machine == new.machine
    return CellChange(
        place=place,
        old=old,
        new=new,
        paired=paired,
        metrics=metrics,
        verdict=worst([metric.verdict for metric in metrics]),
        fit_ratio=_quotient(new.fit_s, old.fit_s) if same_machine else None,
        predict_ratio=_quotient(new.predict_s, old.predict_s) if same_machine else None,
        notes=tuple(_notes(old, new, paired=paired, metrics=metrics)),
        other_settings=differences(pairs.old.settings[place], pairs.new.settings[place]),
    )


def _quotient(new: float | None, old: float | None) -> float | None:
    return new / old if new is not None and old else None


def _notes(old: Side, new: Side, *, paired: int, metrics: Sequence[MetricChange]) -> list[str]:
    notes = other_targets(old, new)
    if not paired:
        notes.append("no replicate finished in both")
    elif not metrics and not notes:
        notes.append("no metric that is looked at has finite values in both")
    for metric in metrics:
        if metric.pairs < paired:
            notes.append(f"{metric.metric} is finite in both in {metric.pairs} of {paired} replicates")
    if not old.whole:
        notes.append(f"before {old.reason}")
    if not new.whole:
        notes.append(f"now {new.reason}")
    return notes


def _where(cells: Sequence[CellChange], condition: Callable[[CellChange], bool]) -> tuple[Place, ...]:
    return tuple(cell.place for cell in cells if condition(cell))
