"""Chosen cells → their verdicts, all claims of one report corrected together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.report.losses import Losses
from bench.report.values import CellSummary, Verdict
from bench.stats.claims import Claim, Window
from bench.stats.table import Case, FloatArray, Grid
from bench.stats.verdicts import ALPHA, Kind, Subject, against_best, against_persistence

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
    """

    mse: Mapping[tuple[Case, str], FloatArray]
    persistence: Mapping[tuple[Case, str], FloatArray]
    floor: Mapping[tuple[Case, str], FloatArray]
    losses: Mapping[str, Losses]
    martingales: frozenset[str]

    @classmethod
    def of(cls, grid: Grid, losses: Mapping[str, Losses], kinds: Mapping[str, str]) -> Evidence:
        """From the replicates; `kinds` names the kind of each dataset."""
        martingales = frozenset(dataset for dataset, kind in kinds.items() if kind in MARTINGALES)
        mse, persistence, floor = (_by_place(grid, name) for name in ("mse", "persistence_mse", "noise_floor_mse"))
        return cls(mse, persistence, floor, losses, martingales)

    def subject(self, cell: CellSummary) -> Subject:
        """`cell` against persistence."""
        own = self.losses.get(cell.cell_id or "")
        floor = self.floor[_place(cell)]
        claim = Claim(
            cell.model,
            "persistence",
            new=self.mse[_place(cell)],
            old=self.persistence[_place(cell)],
            window=(own.model, own.persistence) if own else None,
            horizon=cell.horizon,
            deterministic=cell.deterministic,
        )
        return Subject(claim, None if np.isnan(floor).all() else floor, cell.dataset in self.martingales)

    def claim(self, cell: CellSummary, best: CellSummary) -> Claim:
        """`cell` against the best one of its dataset."""
        return Claim(
            cell.model,
            best.model,
            new=self.mse[_place(cell)],
            old=self.mse[_place(best)],
            window=self._window(cell, best),
            horizon=cell.horizon,
            deterministic=cell.deterministic and best.deterministic,
        )

    def _window(self, cell: CellSummary, best: CellSummary) -> Window | None:
        own, other = (self.losses.get(item.cell_id or "") for item in (cell, best))
        if own is None or other is None or not np.array_equal(own.index, other.index):
            return None
        return own.model, other.model


def _by_place(grid: Grid, name: str) -> dict[tuple[Case, str], FloatArray]:
    values = grid.values(name)
    return {(case, m): values[i, j] for i, case in enumerate(grid.cases) for j, m in enumerate(grid.models)}


def _place(cell: CellSummary) -> tuple[Case, str]:
    return Case(cell.dataset, cell.horizon, cell.sequence_length), cell.model


def judged(cells: Iterable[Sequence[CellSummary]], evidence: Evidence) -> list[tuple[CellSummary, ...]]:
    """The cells of each dataset, the chosen ones with their verdicts against persistence."""
    sections = [tuple(_unjudged(cell) for cell in own) for own in cells]
    chosen = [cell for own in sections for cell in own if cell.verdict is Verdict.UNTESTED and cell.chosen]
    verdicts = against_persistence([evidence.subject(cell) for cell in chosen])
    found = {
        cell.cell_id: replace(
            cell,
            verdict=_VERDICTS[verdict.kind],
            skilled=(verdict.finding.p < ALPHA and verdict.finding.difference < 0) if verdict.finding.tested else None,
            why=verdict.sentence,
        )
        for cell, verdict in zip(chosen, verdicts, strict=True)
    }
    return [tuple(found.get(cell.cell_id, cell) for cell in own) for own in sections]


def _unjudged(cell: CellSummary) -> CellSummary:
    other = cell.verdict is Verdict.UNTESTED and not cell.chosen
    return replace(cell, verdict=Verdict.OTHER_LENGTH, why=OTHER_LENGTH) if other else cell


@dataclass(frozen=True)
class Against:
    """A chosen cell held against the best one of its dataset: whether its error is shown to be larger, and why."""

    larger: bool
    sentence: str


def against(pairs: Sequence[tuple[CellSummary, CellSummary]], evidence: Evidence) -> dict[str | None, Against]:
    """Each pair's first cell against its second, the best one of its dataset; by cell id."""
    verdicts = against_best([evidence.claim(cell, best) for cell, best in pairs])
    return {
        cell.cell_id: Against(verdict.kind is Kind.APART and verdict.finding.difference > 0, verdict.sentence)
        for (cell, _), verdict in zip(pairs, verdicts, strict=True)
    }
