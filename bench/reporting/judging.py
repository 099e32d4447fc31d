"""Chosen cells → their verdicts, corrected as families of claims.

The cells of one dataset → lengths chosen, the best model and the others.

The models among which the best one of a dataset is: the model confidence set over its test targets, in words.

Chosen cells → their verdicts: those against persistence corrected together, and those against the best ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from bench.arrays import FloatArray
from bench.errors import InputError
from bench.reporting.evidence import Losses
from bench.reporting.values import CellSummary, TestedClaim, Verdict
from bench.stats.claims import Claim, Window
from bench.stats.confidence_set import confidence_set
from bench.stats.verdicts import ALPHA, Kind, Subject, against_best, against_persistence
from bench.stats.verdicts import Verdict as Outcome
from bench.store.grid import Case, Grid
from bench.text import listed, plural


def choose_lengths(cells: Sequence[CellSummary]) -> tuple[CellSummary, ...]:
    """`cells` with each model's best sequence length on validation marked as chosen.

    The test part has no say. Where no validation error is stored the shortest finished length is taken.
    """
    finished: dict[str, list[CellSummary]] = {}
    for cell in cells:
        if cell.rmse is not None:
            finished.setdefault(cell.model, []).append(cell)
    picked = {model: min(own, key=_validation) for model, own in finished.items()}
    return tuple(replace(cell, chosen=picked.get(cell.model) is cell) for cell in cells)


def _validation(cell: CellSummary) -> tuple[float, int]:
    error = cell.validation_mse_scaled
    return (float("inf") if error is None else error), cell.sequence_length


def best_of(cells: Sequence[CellSummary]) -> CellSummary | None:
    """The chosen cell with the smallest error."""
    return min((cell for cell in cells if cell.chosen and cell.rmse), key=_error, default=None)


def _error(cell: CellSummary) -> float:
    return cell.rmse.value if cell.rmse else float("inf")


def others(cells: Sequence[CellSummary], best: CellSummary) -> list[CellSummary]:
    """The chosen cells beside `best`, the smallest error first."""
    return sorted((cell for cell in cells if cell.chosen and cell is not best), key=_error)


LEVELS = (0.95, 0.9)


def best_set(cells: Sequence[CellSummary], losses: Mapping[str, Losses]) -> str:
    """Which of the chosen cells of one dataset may be the best, at both `LEVELS`.

    Empty where fewer than two of them have stored predictions at the same test targets, where these are too few, and
    where the package `arch` is not installed.
    """
    names, own = _aligned(cells, losses)
    if len(names) < 2:
        return ""
    try:
        found = confidence_set(np.stack([one.model for one in own]), horizon=own[0].horizon)
    except InputError:  # the page names the extra where it explains its words
        return ""
    if found is None:
        return ""
    wide, narrow = ([name for name, p in zip(names, found.p, strict=True) if p > 1 - level] for level in LEVELS)
    over = f"{plural(len(names), 'model')} over {plural(len(own[0].index), 'stored test target')}"
    also = " and with 90 %" if wide == narrow else f", and {_among(narrow)} with 90 %"
    return f"The best model {_among(wide)} with 95 % confidence{also} (model confidence set of {over})."


def _aligned(cells: Sequence[CellSummary], losses: Mapping[str, Losses]) -> tuple[list[str], list[Losses]]:
    """The chosen cells whose predictions are stored; none where they are not at the same targets."""
    found = ((cell.model, losses.get(cell.cell_id or "")) for cell in cells if cell.chosen)
    known = {model: one for model, one in found if one}
    places = [one.index for one in known.values()]
    same = all(np.array_equal(place, places[0]) for place in places)
    return (list(known), list(known.values())) if same else ([], [])


def _among(names: Sequence[str]) -> str:
    return f"is {names[0]}" if len(names) == 1 else f"is among {listed(names)}"


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
        against_persistence=_tested(verdict),
    )


def _tested(verdict: Outcome) -> TestedClaim:
    """The numbers that the sentence of `verdict` gives."""
    found = verdict.finding
    return TestedClaim(
        other=verdict.other,
        outcome=verdict.kind.value,
        test=found.test if found.tested else "",
        effect=found.ratio - 1,
        low=found.low - 1,
        high=found.high - 1,
        p=verdict.p,
        seeds=found.seeds,
        targets=found.targets,
        family=found.family,
        sentence=verdict.sentence,
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
    claim: TestedClaim


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
            found[cell.cell_id] = Against(larger, verdict.sentence, verdict.finding.tested, _tested(verdict))
    return found
