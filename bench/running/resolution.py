"""The smallest difference between two models that a suite is likely to see, before it is run.

The spread of the log ratio of two models' errors over seeds comes from stored replicates of the same cells, or of other
pairs of models on the dataset, or else it is assumed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median, stdev

from bench.cells import Case, Cell, CellKey
from bench.errors import StoreError
from bench.models import model_kinds
from bench.models.base import ModelKind
from bench.stats.claims import ALPHA
from bench.stats.looks import Looks
from bench.stats.paired import POWER, smallest_effect
from bench.store import readable
from bench.store.schema import Status
from bench.text import percent, plural

ASSUMED = 0.1
"""The standard deviation over seeds of the log ratio of two models' MSE, where nothing is stored.

Measured with 30 seeds on four datasets: 0.006 to 0.6, median 0.08 (`reports/anytime.md`).
"""

FEWEST = 3
"""Replicates that a spread is taken from."""

Errors = Mapping[CellKey, Mapping[int, float]]
"""Cell → replicate → logarithm of its MSE."""


@dataclass(frozen=True)
class Resolution:
    """Of one pair of models.

    Parameters
    ----------
    models
        Their ids.
    changes
        Of each case by how much the larger MSE must exceed the smaller one to be seen with probability `POWER`, as
        a share of it; ascending.
    measured
        In how many of the cases the spread is known from stored replicates of both models.
    borrowed
        In how many it is that of other pairs on the dataset; in the rest it is `ASSUMED`.
    """

    models: tuple[str, str]
    changes: tuple[float, ...]
    measured: int
    borrowed: int

    @property
    def words(self) -> str:
        """What to expect of the pair."""
        low, middle, high = self.changes[0], median(self.changes), self.changes[-1]
        over = f" ({_share(low)} to {_share(high)} over {len(self.changes)} cases)" if high > low else ""
        known = [
            f"{count} {source}"
            for count, source in (
                (self.measured, "from stored seeds"),
                (self.borrowed, "from other models there"),
                (len(self.changes) - self.measured - self.borrowed, _ASSUMED),
            )
            if count
        ]
        spread = ", ".join(known) if len(known) > 1 else known[0].partition(" ")[2]
        return f"MSE {_share(middle)} apart{over}; spread {spread}"


_ASSUMED = f"assumed: standard deviation {ASSUMED:g} of the log ratio"


def _share(change: float) -> str:
    return percent(change, 0 if change >= 0.1 else 1)


def resolutions(cells: Sequence[Cell], folder: Path, looks: Looks) -> list[Resolution]:
    """Of every pair of models of which one draws random numbers, in the order of the suite.

    Parameters
    ----------
    cells
        Of the suite.
    folder
        Its results folder, which need not exist.
    looks
        Those that are planned; the last one decides what is seen.
    """
    compared = list(_pairs(cells))
    if not compared:
        return []
    errors = _stored(folder, {cell.key for cell in cells})
    pairs: dict[tuple[str, str], list[tuple[Case, float | None]]] = defaultdict(list)
    for one, other in compared:
        pairs[one.model.id, other.model.id].append((one.key.case, _spread(errors, one.key, other.key)))
    known: dict[str, list[float]] = defaultdict(list)
    for case, spread in (each for own in pairs.values() for each in own):
        if spread is not None:
            known[case.dataset].append(spread)
    effect = float(smallest_effect(looks.taken[-1], level=1 - ALPHA * looks.share / _family(pairs)))
    return [_resolution(models_of, own, known, effect) for models_of, own in pairs.items()]


def _family(pairs: Mapping[tuple[str, str], Sequence[tuple[Case, float | None]]]) -> int:
    """How many claims are corrected together: at one sequence length of each dataset and horizon."""
    return max(1, sum(len({(case.dataset, case.horizon) for case, _ in own}) for own in pairs.values()))


def _pairs(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell]]:
    """Those of one case, of which at least one side has a spread over seeds."""
    kinds = model_kinds()
    cases: dict[Case, list[Cell]] = defaultdict(list)
    for cell in cells:
        cases[cell.key.case].append(cell)
    for own in cases.values():
        spread = [cell.fresh_data or _draws(kinds, cell) for cell in own]
        for (one, has_spread), (other, others) in combinations(zip(own, spread, strict=True), 2):
            if has_spread or others:
                yield one, other


def _draws(kinds: Mapping[str, ModelKind], cell: Cell) -> bool:
    kind = kinds[cell.model.kind]
    return kind.draws(cell.model.parsed(kind.parameters))


def _spread(errors: Errors, one: CellKey, other: CellKey) -> float | None:
    own, theirs = errors.get(one, {}), errors.get(other, {})
    gaps = [own[seed] - theirs[seed] for seed in own.keys() & theirs.keys()]
    return stdev(gaps) if len(gaps) >= FEWEST else None


def _resolution(
    models: tuple[str, str],
    own: Sequence[tuple[Case, float | None]],
    known: Mapping[str, Sequence[float]],
    effect: float,
) -> Resolution:
    borrowed = {case: median(known[case.dataset]) for case, spread in own if spread is None and known[case.dataset]}
    spreads = [borrowed.get(case, ASSUMED) if spread is None else spread for case, spread in own]
    changes = sorted(_exceeds(effect * spread) for spread in spreads)
    return Resolution(models, tuple(changes), sum(spread is not None for _, spread in own), len(borrowed))


def _exceeds(log_ratio: float) -> float:
    try:
        return math.expm1(log_ratio)
    except OverflowError:
        return math.inf


def _stored(folder: Path, wanted: set[CellKey]) -> Errors:
    """The errors of the replicates that are ok, the latest where a cell was run with several settings."""
    columns = ("cell_id", *CellKey.COLUMNS, "seed", "status", "mse", "started_at")
    try:
        rows = readable(folder, "runs", columns)[0].sort_by("started_at").to_pylist()
    except StoreError:  # there are none, or none that can be read, which the plan says
        return {}
    errors: dict[CellKey, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row["status"] == Status.OK and row["mse"] and CellKey.of(row) in wanted:
            errors[CellKey.of(row)][row["seed"]] = math.log(row["mse"])
    return errors


def described(foreseen: Sequence[Resolution], looks: Looks, *, most: int = 20) -> str:
    """What a suite is likely to see, in lines: pairs of which the same is said share one; empty for no pair."""
    by_words: dict[str, list[str]] = defaultdict(list)
    for each in foreseen:
        by_words[each.words].append(" – ".join(each.models))
    lines = [f"  {_some(names)}: {words}" for words, names in by_words.items()]
    if not lines:
        return ""
    more = [f"  and {plural(len(lines) - most, 'pair')} more"] if len(lines) > most else []
    head = (
        f"smallest difference that {plural(looks.taken[-1], 'seed')} will show with probability {POWER:g} "
        "(the test window may show less):"
    )
    return "\n".join([head, *lines[:most], *more])


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {plural(len(names) - 1, 'other pair')}"
