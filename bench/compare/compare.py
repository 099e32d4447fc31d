"""Pair the cells of two result sets and say what changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench import store
from bench.compare.settings import differences
from bench.compare.sides import ResultSet
from bench.compare.values import CellChange, Change, Comparison, Place, Side
from bench.errors import InputError
from bench.report.text import listed
from bench.report.values import Bounds, Estimate
from bench.stats.intervals import Interval, paired_difference, paired_ratio
from bench.stats.table import FloatArray

_EQUAL = 1e-9
"""Relative: what differs by less is the same number, summed in another order."""

_SAME_TARGETS = 1e-6
"""Relative: errors of persistence that differ by less are of the same targets."""


def compare(old: Mapping[str, pa.Table], new: Mapping[str, pa.Table]) -> Comparison:
    """What changed from the result set `old` to the result set `new`.

    Cells are paired by dataset, model, sequence length and horizon, and their replicates by seed.

    Parameters
    ----------
    old, new
        Tables of `bench.schema`; `runs` is read.

    Raises
    ------
    InputError
        No cell is in both.
    """
    before, after = (ResultSet.of(tables["runs"]) for tables in (old, new))
    common = sorted(before.sides.keys() & after.sides.keys())
    if not common:
        raise InputError(_nothing_in_common(before, after))
    cells = _changes(before, after, common)
    return Comparison(
        cells=cells,
        appeared=tuple(sorted(after.sides.keys() - before.sides.keys())),
        vanished=tuple(sorted(before.sides.keys() - after.sides.keys())),
        failed=_where(cells, lambda cell: _whole(cell.old) and not _whole(cell.new)),
        mended=_where(cells, lambda cell: not _whole(cell.old) and _whole(cell.new)),
        changed_data=_where(cells, lambda cell: bool(_other_test(cell.old, cell.new))),
        old_machines=before.machines,
        new_machines=after.machines,
    )


def compare_folders(old: Path, new: Path) -> Comparison:
    """`compare` the results folders `old` and `new`.

    Raises
    ------
    StoreError
        One of them holds no results, or some that cannot be read.
    InputError
        No cell is in both.
    """
    return compare({"runs": store.read(old, "runs")}, {"runs": store.read(new, "runs")})


def _changes(before: ResultSet, after: ResultSet, common: Sequence[Place]) -> tuple[CellChange, ...]:
    seeds = sorted({*before.layout.seeds, *after.layout.seeds})
    old, new = before.mse(common, seeds), after.mse(common, seeds)
    ratio, difference = paired_ratio(new, old), paired_difference(new, old)
    changed = (
        _change(
            place, before.sides[place], after.sides[place], errors=(old[i], new[i]), intervals=(ratio, difference), at=i
        )
        for i, place in enumerate(common)
    )
    return tuple(
        replace(cell, other_settings=differences(before.settings[cell.place], after.settings[cell.place]))
        for cell in changed
    )


def _change(
    place: Place,
    old: Side,
    new: Side,
    *,
    errors: tuple[FloatArray, FloatArray],
    intervals: tuple[Interval, Interval],
    at: int,
) -> CellChange:
    deterministic = old.deterministic and new.deterministic
    ratio, difference = (_estimate(interval, at, deterministic=deterministic) for interval in intervals)
    if ratio is not None:
        ratio = Estimate(math.sqrt(ratio.value), _roots(ratio.interval))
    same_machine = bool(old.machine) and old.machine == new.machine
    return CellChange(
        place=place,
        old=old,
        new=new,
        paired=int(intervals[1].count[at]),
        ratio=ratio,
        difference=difference,
        fit_ratio=_quotient(new.fit_s, old.fit_s) if same_machine else None,
        predict_ratio=_quotient(new.predict_s, old.predict_s) if same_machine else None,
        change=_verdict(None if _other_test(old, new) else difference, errors, deterministic=deterministic),
        notes=tuple(_notes(old, new, paired=int(intervals[1].count[at]))),
    )


def _verdict(difference: Estimate | None, errors: tuple[FloatArray, FloatArray], *, deterministic: bool) -> Change:
    """By the interval of the paired difference; where one fit stands for every seed, by its sign."""
    if difference is None:
        return Change.NOT_COMPARABLE
    old, new = errors
    both = np.isfinite(old) & np.isfinite(new)
    if np.allclose(new[both], old[both], rtol=_EQUAL, atol=0):
        return Change.UNCHANGED
    if not deterministic and difference.interval is None:
        return Change.NOT_TESTED
    low, high = difference.interval or (difference.value, difference.value)
    if low > 0:
        return Change.WORSE
    return Change.BETTER if high < 0 else Change.NONE_SHOWN


def _estimate(interval: Interval, at: int, *, deterministic: bool) -> Estimate | None:
    """Copies of one fit have no spread over seeds, hence no interval."""
    value, low, high = (float(array[at]) for array in (interval.value, interval.low, interval.high))
    if math.isnan(value):
        return None
    return Estimate(value, None if deterministic or math.isnan(low) or math.isnan(high) else (low, high))


def _roots(bounds: Bounds | None) -> Bounds | None:
    return bounds and (math.sqrt(max(0.0, bounds[0])), math.sqrt(max(0.0, bounds[1])))


def _quotient(new: float | None, old: float | None) -> float | None:
    return new / old if new is not None and old else None


def _notes(old: Side, new: Side, *, paired: int) -> list[str]:
    notes = _other_test(old, new)
    if not paired:
        notes.append("no replicate finished in both")
    if not _whole(new):
        notes.append(f"now {new.reason}")
    elif not _whole(old):
        notes.append(f"before {old.reason}")
    return notes


def _whole(side: Side) -> bool:
    return side.finished == side.replicates


def _other_test(old: Side, new: Side) -> list[str]:
    """Why the errors are not of the same test targets; nothing is said of what one side does not hold."""
    reasons = []
    if old.data_sha256 and new.data_sha256 and old.data_sha256 != new.data_sha256:
        reasons.append(f"other data: {old.data_sha256[:12]}… before, {new.data_sha256[:12]}… now")
    if old.test_points and new.test_points and old.test_points != new.test_points:
        before, now = (listed([str(points) for points in side.test_points]) for side in (old, new))
        reasons.append(f"other test parts: {before} test points before, {now} now")
    elif not reasons and not _alike(old.persistence_mse, new.persistence_mse):
        reasons.append("other test parts: the error of persistence differs")
    return reasons


def _alike(old: Sequence[float], new: Sequence[float]) -> bool:
    """Whether each number of one is in the other; nothing is known where one is empty."""
    if not old or not new:
        return True
    near = np.isclose(np.array(old)[:, None], np.array(new), rtol=_SAME_TARGETS, atol=0)
    return bool(near.any(axis=1).all() and near.any(axis=0).all())


def _where(cells: Sequence[CellChange], condition: Callable[[CellChange], bool]) -> tuple[Place, ...]:
    return tuple(cell.place for cell in cells if condition(cell))


def _nothing_in_common(old: ResultSet, new: ResultSet) -> str:
    def names(found: ResultSet) -> str:
        shown = [str(place) for place in sorted(found.sides)[:3]]
        more = len(found.sides) - len(shown)
        return (listed(shown) or "no cell") + (f" and {more} more" if more else "")

    return (
        f"expected cells that both result sets have, found none: the old one has {names(old)}; the new one {names(new)}"
    )
