"""Chosen cells → their verdicts: those against persistence corrected together, and those against the best ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from bench.report.losses import Losses
from bench.report.values import CellSummary, Verdict
from bench.stats.claims import Claim, Window
from bench.stats.table import Case, FloatArray, Grid
from bench.stats.verdicts import ALPHA, Kind, Subject, against_best, against_persistence
from bench.stats.verdicts import Verdict as Outcome

MARTINGALES = frozenset({"gbm", "TSLA", "GOOGL", "DJI", "A", "GOOG"})
"""Kinds of dataset on which much skill is suspicious: geometric Brownian motion, and closes."""

OTHER_LENGTH = "each model is judged at the length that is best on validation"

_VERDICTS: Mapping[Kind, Verdict] = {
    Kind.BETTER: Verdict.SKILL,
    Kind.NO_SKILL: Verdict.NO_SKILL,
    Kind.WORSE: Verdict.WORSE,
    Kind.FLOOR: Verdict.FLOOR,
    Kind.LEAK: Verdict.LEAK,
    Kind.UNTESTED: Verdict.UNTESTED,
}


@dataclass(frozen=True, eq=False)
class Evidence:
    """What cells are compared by.

    Parameters
    ----------
    mse, persistence, floor
        ``[seeds]`` for each case and model, NaN where a replicate or its value is missing.
    losses
        By cell id.
    martingales
        Datasets of which persistence is the best forecast known.
    own_data
        Ids of the cells whose replicates each have data of their own: there the replicates decide alone.
    """

    mse: Mapping[tuple[Case, str], FloatArray]
    persistence: Mapping[tuple[Case, str], FloatArray]
    floor: Mapping[tuple[Case, str], FloatArray]
    losses: Mapping[str, Losses]
    martingales: frozenset[str]
    own_data: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, grid: Grid, losses: Mapping[str, Losses], kinds: Mapping[str, str], *, own_data: frozenset[str]
    ) -> Evidence:
        """From the replicates; `kinds` names the kind of each dataset."""
        martingales = frozenset(dataset for dataset, kind in kinds.items() if kind in MARTINGALES)
        mse, persistence, floor = (_by_place(grid, name) for name in ("mse", "persistence_mse", "noise_floor_mse"))
        return cls(mse, persistence, floor, losses, martingales, own_data)

    def subject(self, cell: CellSummary) -> Subject:
        """`cell` against persistence."""
        own, floor, one = self._losses(cell), self.floor[_place(cell)], self._one_series(cell)
        claim = Claim(
            cell.model,
            "persistence",
            new=self.mse[_place(cell)],
            old=self.persistence[_place(cell)],
            window=(own.model, own.persistence) if own else None,
            horizon=cell.horizon,
            deterministic=cell.deterministic and one,
            one_series=one,
        )
        return Subject(claim, None if np.isnan(floor).all() else floor, cell.dataset in self.martingales)

    def claim(self, cell: CellSummary, best: CellSummary) -> Claim:
        """`cell` against the best one of its dataset."""
        one = self._one_series(cell) and self._one_series(best)
        return Claim(
            cell.model,
            best.model,
            new=self.mse[_place(cell)],
            old=self.mse[_place(best)],
            window=self._window(cell, best),
            horizon=cell.horizon,
            deterministic=cell.deterministic and best.deterministic and one,
            one_series=one,
        )

    def content(self, cell: CellSummary) -> Hashable:
        """Equal for rows that are one: the forecasts of a model that draws no random number, on the same data."""
        own = self._losses(cell)
        if own is None or not cell.deterministic:
            return cell.cell_id
        return cell.model, cell.horizon, own.model.tobytes(), own.persistence.tobytes()

    def _one_series(self, cell: CellSummary) -> bool:
        return cell.cell_id not in self.own_data

    def _losses(self, cell: CellSummary) -> Losses | None:
        """Over the test window, where all replicates saw the same one."""
        return self.losses.get(cell.cell_id or "") if self._one_series(cell) else None

    def _window(self, cell: CellSummary, best: CellSummary) -> Window | None:
        own, other = self._losses(cell), self._losses(best)
        if own is None or other is None or not np.array_equal(own.index, other.index):
            return None
        return own.model, other.model


def _by_place(grid: Grid, name: str) -> dict[tuple[Case, str], FloatArray]:
    values = grid.values(name)
    return {(case, m): values[i, j] for i, case in enumerate(grid.cases) for j, m in enumerate(grid.models)}


def _place(cell: CellSummary) -> tuple[Case, str]:
    return Case(cell.dataset, cell.horizon, cell.sequence_length), cell.model


Families = Mapping[str, str]
"""Dataset → the part of the page whose claims are corrected together; a dataset without one is of the whole."""


def judged(
    cells: Iterable[Sequence[CellSummary]], evidence: Evidence, families: Families = MappingProxyType({})
) -> list[tuple[CellSummary, ...]]:
    """The cells of each dataset, the chosen ones with their verdicts against persistence."""
    sections = [tuple(_unjudged(cell) for cell in own) for own in cells]
    by_family: dict[str, list[CellSummary]] = defaultdict(list)
    for own in sections:
        for cell in own:
            if cell.verdict is Verdict.UNTESTED and cell.chosen:
                by_family[families.get(cell.dataset, "")].append(cell)
    found = {cell.cell_id: cell for family in by_family.values() for cell in _family(family, evidence)}
    return [tuple(found.get(cell.cell_id, cell) for cell in own) for own in sections]


def _family(chosen: Sequence[CellSummary], evidence: Evidence) -> list[CellSummary]:
    """With their verdicts, corrected together; rows that are one count once."""
    first = {evidence.content(cell): cell for cell in reversed(chosen)}
    verdicts = against_persistence([evidence.subject(cell) for cell in first.values()])
    found = dict(zip(first, verdicts, strict=True))
    return [_with(cell, found[evidence.content(cell)]) for cell in chosen]


def _with(cell: CellSummary, verdict: Outcome) -> CellSummary:
    finding = verdict.finding
    differs, smaller = finding.p < ALPHA, finding.difference < 0
    told = finding.tested and verdict.kind is not Kind.LEAK
    return replace(
        cell,
        verdict=_VERDICTS[verdict.kind],
        skilled=differs and smaller if told else None,
        worse=differs and not smaller,
        why=verdict.sentence,
    )


def _unjudged(cell: CellSummary) -> CellSummary:
    other = cell.verdict is Verdict.UNTESTED and not cell.chosen
    return replace(cell, verdict=Verdict.OTHER_LENGTH, why=OTHER_LENGTH) if other else cell


@dataclass(frozen=True)
class Against:
    """A chosen cell held against the best one of its dataset: whether its error is shown to be larger, and why."""

    larger: bool
    sentence: str
    tested: bool


def against(
    datasets: Iterable[tuple[CellSummary, Sequence[CellSummary]]],
    evidence: Evidence,
    families: Families = MappingProxyType({}),
) -> dict[str | None, Against]:
    """The best cell of each dataset, and the others held against it; by cell id."""
    by_family: dict[str, list[tuple[CellSummary, Sequence[CellSummary]]]] = defaultdict(list)
    for best, others in datasets:
        by_family[families.get(best.dataset, "")].append((best, others))
    found: dict[str | None, Against] = {}
    for family in by_family.values():
        verdicts = against_best([[evidence.claim(cell, best) for cell in others] for best, others in family])
        cells = [cell for _, others in family for cell in others]
        for cell, verdict in zip(cells, verdicts, strict=True):
            larger = verdict.kind is Kind.APART and verdict.finding.difference > 0
            found[cell.cell_id] = Against(larger, verdict.sentence, verdict.finding.tested)
    return found
