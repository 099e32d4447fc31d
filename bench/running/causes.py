"""Why each cell of a plan runs, or does not: in words, so that equal causes can be counted and read together."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bench.cells import Cell
from bench.running.plan import KEYS, Plan
from bench.store import Stored
from bench.store.schema import Status
from bench.text import listed, plural, setting

NEW = "new"
"""Why a cell runs of which nothing is stored."""

_NAMED = 3
"""So many of the keys that changed are named, and so many values of what a group of cells has in common."""

_LONGEST = 24
"""Characters of a value that is shown next to its key."""


def causes(plan: Plan) -> dict[str, str]:
    """Why each cell of `plan` runs, or does not, by its id, in the order of the suite."""
    pending = {cell.id: cell for cell in plan.pending}
    return {
        cell.id: _of_run(plan, rest) if (rest := pending.get(cell.id)) else _of_rest(plan, cell) for cell in plan.cells
    }


def _of_rest(plan: Plan, cell: Cell) -> str:
    """Why `cell` does not run."""
    known = plan.stored.get(cell.id)
    if known is None:
        return "never run"
    if known.status in (Status.OK, Status.DIVERGED):
        more = plan.surplus.get(cell.id, 0)
        return f"stored: {known.status}" + (f", and {plural(more, 'more seed')} than requested" if more else "")
    return f"failed before: {known.status}; --failed-only runs it again"


def _of_run(plan: Plan, cell: Cell) -> str:
    """Why `cell` runs."""
    if blocked := plan.blocked(cell):
        return f"{blocked.status}: {blocked.reason}"
    known = plan.stored.get(cell.id)
    if known is None:
        keys = _changed(cell, plan.others.get(cell.key, {}).values())
        return f"changed: {_some(keys)}" if keys else NEW
    if plan.is_from_scratch(cell):
        return "again: --fresh"
    if known.untuned and not cell.untuned:
        return "not tuned yet"
    ended = {each.seed: each.status for each in known.replicates}
    again = Counter(ended[seed] for seed in cell.replicates if seed in ended)
    missing = sum(seed not in ended for seed in cell.replicates)
    reasons = [f"{plural(count, 'seed')} again: {status}" for status, count in again.items()]
    return ", ".join([*([f"extended by {plural(missing, 'seed')}"] if missing else []), *reasons])


def _changed(cell: Cell, others: Iterable[Stored]) -> list[str]:
    """The keys in which `cell` differs from the stored cell of its names that is nearest to it; none without one."""
    specs = [other.spec for other in others if other.spec]
    if not specs:
        return []
    wanted = dict(_flat(json.loads(cell.spec)))
    changes = [_differences(dict(_flat(json.loads(spec))), wanted) for spec in specs]
    return min(changes, key=len)


def _flat(content: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values."""
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", value


def _differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    keys = [key for key in {**wanted, **stored} if key.partition(".")[0] not in ("seeds", "time_limit_s", "limits")]
    return [_difference(key, stored, wanted) for key in keys if stored.get(key, ...) != wanted.get(key, ...)]


def _difference(key: str, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The key, and both values where they are short."""
    name = key.removeprefix("plugins.")
    values = [setting(side[key]) if key in side else "none" for side in (stored, wanted)]
    return name if max(map(len, values)) > _LONGEST else f"{name} {values[0]} → {values[1]}"


def _some(names: Sequence[str]) -> str:
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return listed([*names[:_NAMED], *more])


def grouped(plan: Plan) -> list[tuple[str, list[Cell]]]:
    """The causes, and the cells of each, in the order of the suite; a cell that runs is as the plan runs it."""
    pending = {cell.id: cell for cell in plan.pending}
    cells = {cell.id: pending.get(cell.id, cell) for cell in plan.cells}
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell_id, cause in causes(plan).items():
        groups[cause].append(cells[cell_id])
    return list(groups.items())


def shared(plan: Plan, cells: Sequence[Cell]) -> str:
    """What distinguishes `cells` from the others of `plan`: the values of each key that not all values are of."""
    parts = []
    for name, value in KEYS.items():
        own, every = (list(dict.fromkeys(map(value, each))) for each in (cells, plan.cells))
        if len(own) < len(every):
            parts.append(f"{name} {_some(own)}")
    return "; ".join(parts)
