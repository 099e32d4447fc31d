"""Cells → what is said of each, before its summary is built: verdicts, corrected as families of claims.

For each dataset the sequence length of every model is chosen, and the best model. Claims against persistence are
corrected together, and so are the other claims against the best models: a pair with persistence is judged once. The
model confidence set over the test targets is put into words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from bench.array_types import BoolArray, FloatArray
from bench.cells import CellKey
from bench.reporting.forecasts import Losses
from bench.reporting.values import CellSummary
from bench.stats.claims import ClaimOutcome, ModelClaim
from bench.stats.confidence_set import confidence_set
from bench.stats.looks import Looks
from bench.stats.verdicts import (
    Judgement,
    Subject,
    TestedClaim,
    Verdict,
    against_best,
    against_persistence,
    judged_before,
)
from bench.store.grid import Grid
from bench.text import listed, plural


@dataclass(frozen=True)
class Contender:
    """What a cell is judged by, before its summary is built.

    Parameters
    ----------
    at
        Where it is in ``[cells, models]`` of the grid.
    rmse
        Original units; `None` where no error is stored.
    verdict
        Before anything is tested: untested, the reference, or why there is nothing to test.
    """

    at: tuple[int, int]
    cell_id: str | None
    dataset: str
    model: str
    sequence_length: int
    horizon: int
    deterministic: bool
    rmse: float | None
    validation_mse_scaled: float | None
    verdict: Verdict


def choose_lengths(cells: Sequence[Contender]) -> list[Contender]:
    """Those of `cells` at their model's best sequence length on validation, in the order given.

    The test part has no say. Where no validation error is stored the shortest finished length is taken.
    """
    finished: dict[str, list[Contender]] = {}
    for cell in cells:
        if cell.rmse is not None:
            finished.setdefault(cell.model, []).append(cell)
    picked = {model: min(own, key=_validation) for model, own in finished.items()}
    return [cell for cell in cells if picked.get(cell.model) is cell]


def _validation(cell: Contender) -> tuple[float, int]:
    error = cell.validation_mse_scaled
    return (float("inf") if error is None else error), cell.sequence_length


def best_of(chosen: Sequence[Contender]) -> Contender | None:
    """The one of the chosen cells with the smallest error."""
    return min(chosen, key=_error, default=None)


def _error(cell: Contender) -> float:
    return float("inf") if cell.rmse is None else cell.rmse


def others(chosen: Sequence[Contender], best: Contender) -> list[Contender]:
    """The chosen cells other than `best`, the smallest error first."""
    return sorted((cell for cell in chosen if cell is not best), key=_error)


LEVELS = (0.95, 0.9)


def best_set(
    cells: Sequence[CellSummary],
    losses: Mapping[str, Losses],
    *,
    undecided: Collection[str] = (),
    worse: Collection[str] = (),
) -> str:
    """Which of the chosen cells of one dataset may be the best, at both `LEVELS`.

    Empty where fewer than two have predictions at the same test targets, and where these are too few. Where verdicts
    leave a model `undecided` that the set rules out, or the other way round, the sentence says so.
    """
    names, own = _aligned(cells, losses)
    if len(names) < 2:
        return ""
    model_set = confidence_set(np.stack([one.model for one in own]), horizon=own[0].horizon)
    if model_set is None:
        return ""
    wide, narrow = ([name for name, p in zip(names, model_set.p, strict=True) if p > 1 - level] for level in LEVELS)
    over = f"{plural(len(names), 'model')} over {plural(len(own[0].index), f'stored {own[0].unit}')}"
    also = " and with 90 %" if wide == narrow else f", and {_among(narrow)} with 90 %"
    apart = _apart(
        out=[name for name in names if name in undecided and name not in narrow],
        kept=[name for name in wide if name in worse],
    )
    return f"The best model {_among(wide)} with 95 % confidence{also} (model confidence set of {over}).{apart}"


def _apart(*, out: Sequence[str], kept: Sequence[str]) -> str:
    """What the set says otherwise than the verdicts."""
    said = [*([f"rules out {listed(out)}"] if out else []), *([f"does not rule out {listed(kept)}"] if kept else [])]
    return f" The set is a separate test: unlike the verdicts, it {listed(said)}." if said else ""


def _aligned(cells: Sequence[CellSummary], losses: Mapping[str, Losses]) -> tuple[list[str], list[Losses]]:
    """The chosen cells whose predictions are stored; none where they are not at the same targets."""
    pairs = ((cell.model, losses.get(cell.cell_id or "")) for cell in cells if cell.chosen)
    known = {model: one for model, one in pairs if one}
    places = [one.index for one in known.values()]
    same = all(np.array_equal(place, places[0]) for place in places)
    return (list(known), list(known.values())) if same else ([], [])


def _among(names: Sequence[str]) -> str:
    return f"is {names[0]}" if len(names) == 1 else f"is among {listed(names)}"


MARTINGALES = frozenset({"gbm", "TSLA", "GOOGL", "DJI", "A", "GOOG"})
"""Kinds of dataset on which much skill is suspicious: geometric Brownian motion, and closes."""

NEVER_MOVES = "the test part never moves"
OTHER_LENGTH = "each model is judged at the length that is best on validation"


@dataclass(frozen=True, eq=False)
class SeedEvidence:
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
    looks
        The looks that were taken at each cell with replicates.
    replicate_s
        Seconds that one more replicate of a cell takes; NaN where that is not known.
    """

    mse: Mapping[CellKey, FloatArray]
    persistence: Mapping[CellKey, FloatArray]
    floor: Mapping[CellKey, FloatArray]
    losses: Mapping[str, Losses]
    martingales: frozenset[str]
    own_data: frozenset[str]
    looks: Mapping[CellKey, Looks]
    replicate_s: Mapping[CellKey, float]

    @classmethod
    def of(
        cls,
        grid: Grid,
        losses: Mapping[str, Losses],
        kinds: Mapping[str, str],
        *,
        own_data: frozenset[str],
        looks: Sequence[Sequence[Looks | None]],
    ) -> SeedEvidence:
        """From the replicates; `kinds` names the kind of each dataset, `looks` are ``[cells][models]``."""
        martingales = frozenset(dataset for dataset, kind in kinds.items() if kind in MARTINGALES)
        mse, persistence, floor = (_by_cell(grid, list(grid.values(name))) for name in _ERRORS)
        taken = {key: one for key, one in _by_cell(grid, looks).items() if one is not None}
        replicate_s = _by_cell(grid, _replicate_s(grid).tolist())
        return cls(mse, persistence, floor, losses, martingales, own_data, taken, replicate_s)

    def subject(self, cell: Contender) -> Subject:
        """`cell` against persistence."""
        own, floor, one = self._losses(cell), self.floor[_key(cell)], self._one_series(cell)
        claim = ModelClaim(
            cell.model,
            "persistence",
            new=self.mse[_key(cell)],
            old=self.persistence[_key(cell)],
            **_window(own, own.persistence if own else None),
            deterministic=cell.deterministic and one,
            one_series=one,
            looks=self.looks.get(_key(cell)),
            replicate_s=self.replicate_s[_key(cell)],
        )
        return Subject(claim, None if np.isnan(floor).all() else floor, cell.dataset in self.martingales)

    def claim(self, cell: Contender, best: Contender) -> ModelClaim:
        """`cell` against the best one of its dataset."""
        one = self._one_series(cell) and self._one_series(best)
        own, other = (self.looks.get(_key(each)) for each in (cell, best))
        mine, its = self._losses(cell), self._losses(best)
        return ModelClaim(
            cell.model,
            best.model,
            new=self.mse[_key(cell)],
            old=self.mse[_key(best)],
            **_window(mine, its.model if mine and its and np.array_equal(mine.index, its.index) else None),
            deterministic=cell.deterministic and best.deterministic and one,
            one_series=one,
            looks=own.together(other) if own and other else None,
            replicate_s=self.replicate_s[_key(cell)] + self.replicate_s[_key(best)],
        )

    def content(self, cell: Contender) -> Hashable:
        """Equal for rows that are one: the forecasts of a model that draws no random number, on the same data."""
        own = self._losses(cell)
        if own is None or not cell.deterministic:
            return cell.cell_id
        return cell.model, cell.horizon, own.model.tobytes(), own.persistence.tobytes()

    def _one_series(self, cell: Contender) -> bool:
        return cell.cell_id not in self.own_data

    def _losses(self, cell: Contender) -> Losses | None:
        """Over the test window, where all replicates saw the same one."""
        return self.losses.get(cell.cell_id or "") if self._one_series(cell) else None


def _window(own: Losses | None, other: FloatArray | None) -> dict[str, Any]:
    """What a claim knows of the test window."""
    return {"window": (own.model, other), "horizon": own.horizon, "unit": own.unit} if own and other is not None else {}


_ERRORS = ("mse", "persistence_mse", "noise_floor_mse")

V = TypeVar("V")


def looks_at(grid: Grid, planned: Mapping[CellKey, int]) -> list[list[Looks | None]]:
    """``[cells][models]``: the looks that were taken at each cell, which is to have so many replicates as `planned`.

    Whenever replicates were stored there was a look at them. `None` where there are none.
    """

    def of(key: CellKey, taken: tuple[int, ...]) -> Looks | None:
        return Looks(taken, max(planned.get(key, 0), taken[-1])) if taken else None

    cases = zip(grid.cases, grid.batches(), strict=True)
    return [[of(case.key(m), taken) for m, taken in zip(grid.models, own, strict=True)] for case, own in cases]


def shares(looks: Sequence[Sequence[Looks | None]], copies: BoolArray) -> FloatArray:
    """``[cells, models]``: what the present look may spend of the error rate; all of it where replicates are copies."""
    share = np.array([[1.0 if own is None else own.share for own in cells] for cells in looks])
    return np.where(copies, 1.0, share.reshape(copies.shape))


def _replicate_s(grid: Grid) -> FloatArray:
    """``[cells, models]``: seconds to fit and to predict once; none for copies of one fit."""
    times = np.nan_to_num(grid.values("predict_s")) + grid.values("fit_s")
    known = np.isfinite(times).any(axis=2)
    medians = np.full(known.shape, np.nan)
    medians[known] = np.nanmedian(times[known], axis=1)
    return np.where(grid.deterministic(), 0.0, medians)


def _by_cell(grid: Grid, values: Sequence[Sequence[V]]) -> dict[CellKey, V]:
    return {case.key(model): values[i][j] for i, case in enumerate(grid.cases) for j, model in enumerate(grid.models)}


def _key(cell: Contender) -> CellKey:
    return CellKey(cell.dataset, cell.model, cell.sequence_length, cell.horizon)


Families = Mapping[str, str]
"""Dataset → the part of the page whose claims are corrected together; one without is a family of its own."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What is said of the cells of a report, by cell id; a cell that is in none of these is not judged.

    Parameters
    ----------
    chosen
        The cells at their model's best sequence length on validation.
    left_out
        The cells at another length where those chosen are judged.
    still
        Datasets and horizons whose test part never moves.
    against_persistence
        Of the chosen cells that can be tested.
    against_best, against_best_model
        Of the chosen cells next to the best one of their dataset; and next to the best that is not persistence.
    """

    chosen: frozenset[str | None]
    left_out: frozenset[str | None]
    still: frozenset[tuple[str, int]]
    against_persistence: Mapping[str | None, Judgement]
    against_best: Mapping[str | None, Judgement]
    against_best_model: Mapping[str | None, Judgement]

    @classmethod
    def of(
        cls,
        cells: Mapping[str, Sequence[Sequence[Contender]]],
        evidence: SeedEvidence,
        families: Families = MappingProxyType({}),
        *,
        different_data: frozenset[str] = frozenset(),
        mixed_data: frozenset[str] = frozenset(),
        still: Collection[tuple[str, int]] = (),
    ) -> Judged:
        """Judge all cells of a report.

        Parameters
        ----------
        cells
            Of each dataset the cells at each horizon.
        different_data
            Datasets whose cells did not all see the same data: nothing there is tested.
        mixed_data
            Datasets of which some cells have data of their own for each replicate: no cell there is compared with
            the best one.
        still
            Datasets and horizons whose test part never moves: nothing there is tested.
        """
        chosen = {dataset: [choose_lengths(own) for own in horizons] for dataset, horizons in cells.items()}
        moving = {
            dataset: [own for own in horizons if own and (dataset, own[0].horizon) not in still]
            for dataset, horizons in chosen.items()
        }
        tested = {dataset: own for dataset, own in moving.items() if dataset not in different_data}
        compared = [each for dataset, own in tested.items() if dataset not in mixed_data for each in own]
        known = _against_persistence(
            [cell for own in tested.values() for each in own for cell in each if _is_untested(cell)],
            evidence,
            families,
        )
        picked = {cell.at for own in chosen.values() for each in own for cell in each}
        untested = (
            cell
            for dataset in tested
            for own in cells[dataset]
            for cell in own
            if _is_untested(cell) and (dataset, cell.horizon) not in still
        )
        of_models = _of_models(compared, evidence, families)
        return cls(
            chosen=frozenset(cell.cell_id for own in chosen.values() for each in own for cell in each),
            left_out=frozenset(cell.cell_id for cell in untested if cell.at not in picked),
            still=frozenset(still),
            against_persistence=known,
            against_best=of_models | _of_references(compared, evidence, known),
            against_best_model=of_models,
        )

    def verdict(self, cell: Contender) -> Verdict:
        """The verdict on `cell` against persistence."""
        if judgement := self.against_persistence.get(cell.cell_id):
            return judgement.verdict
        return Verdict.OTHER_LENGTH if cell.cell_id in self.left_out else cell.verdict

    def words(self, cell: Contender) -> str:
        """The verdict on `cell` with what qualifies it."""
        if judgement := self.against_persistence.get(cell.cell_id):
            return judgement.words
        verdict = self.verdict(cell)
        still = verdict is Verdict.UNTESTED and (cell.dataset, cell.horizon) in self.still
        return f"{verdict}: {NEVER_MOVES}" if still else str(verdict)

    def spends(self, cell: Contender) -> float:
        """What the correction leaves the claim of `cell` against persistence of the error rate (`Finding.spends`)."""
        judgement = self.against_persistence.get(cell.cell_id)
        return 1.0 if judgement is None else judgement.finding.spends

    def words_next_to_best(self, cell: Contender) -> str:
        """The comparison of `cell` with the best one in the same words; empty where there was none."""
        judgement = self.against_best.get(cell.cell_id)
        return "" if judgement is None else judgement.words

    def beats_persistence(self, cell: Contender) -> ClaimOutcome:
        """Whether `cell` does; a suspected leak is no evidence that it does, nor that it may."""
        judgement = self.against_persistence.get(cell.cell_id)
        outcome = ClaimOutcome.NOT_MEASURED if judgement is None else judgement.finding.outcome
        leak = judgement is not None and judgement.verdict is Verdict.LEAK and outcome is not ClaimOutcome.FAILS
        return ClaimOutcome.NOT_MEASURED if leak else outcome

    def why(self, cell: Contender) -> str:
        """The verdict on `cell` against persistence in a sentence; empty where nothing was tested."""
        if judgement := self.against_persistence.get(cell.cell_id):
            return judgement.sentence
        return OTHER_LENGTH if cell.cell_id in self.left_out else ""

    def claims(self, cell: Contender) -> tuple[TestedClaim | None, TestedClaim | None]:
        """The tests of `cell` against persistence and against the best one, in numbers."""
        both = (own.get(cell.cell_id) for own in (self.against_persistence, self.against_best))
        first, second = (None if judgement is None else TestedClaim.of(judgement) for judgement in both)
        return first, second

    def why_not_best(self, cell: Contender) -> str:
        """The comparison of `cell` with the best one in a sentence; empty where there was none."""
        judgement = self.against_best.get(cell.cell_id)
        return "" if judgement is None else judgement.sentence


def _is_untested(cell: Contender) -> bool:
    return cell.verdict is Verdict.UNTESTED


def _against_persistence(
    cells: Sequence[Contender], evidence: SeedEvidence, families: Families
) -> dict[str | None, Judgement]:
    """Of each of `cells`, those of one family corrected together; rows that are one count once."""
    by_family: dict[str, list[Contender]] = defaultdict(list)
    for cell in cells:
        by_family[families.get(cell.dataset, "")].append(cell)
    sizes = Counter(cell.dataset for cell in cells)  # what is in several datasets counts in the largest
    by_cell: dict[str | None, Judgement] = {}
    for part, own in by_family.items():
        first = {evidence.content(cell): cell for cell in sorted(own, key=lambda one: -sizes[one.dataset])[::-1]}
        datasets = [] if part else [cell.dataset for cell in first.values()]
        judgements = against_persistence([evidence.subject(cell) for cell in first.values()], datasets)
        by_content = dict(zip(first, judgements, strict=True))
        by_cell |= {cell.cell_id: by_content[evidence.content(cell)] for cell in own}
    return by_cell


def _of_models(
    datasets: Sequence[Sequence[Contender]], evidence: SeedEvidence, families: Families
) -> dict[str | None, Judgement]:
    """Of each model next to the best one of its dataset, persistence aside; those of one family corrected together."""
    by_family: dict[str, list[tuple[Contender, Sequence[Contender]]]] = defaultdict(list)
    for each in datasets:
        models = [cell for cell in each if not _is_reference(cell)]
        if best := best_of(models):
            by_family[families.get(best.dataset, "")].append((best, others(models, best)))
    by_cell: dict[str | None, Judgement] = {}
    for part, family in by_family.items():
        names = [] if part else [best.dataset for best, _ in family]
        judgements = against_best([[evidence.claim(cell, best) for cell in rest] for best, rest in family], names)
        cells = [cell for _, rest in family for cell in rest]
        by_cell |= {cell.cell_id: judgement for cell, judgement in zip(cells, judgements, strict=True)}
    return by_cell


def _of_references(
    datasets: Sequence[Sequence[Contender]], evidence: SeedEvidence, known: Mapping[str | None, Judgement]
) -> dict[str | None, Judgement]:
    """Of each pair of persistence and the best cell of a dataset, as it is `known` from the claim against persistence.

    Where persistence is the best, these are all the others.
    """
    return {
        cell.cell_id: _of_reference(cell, best, evidence, known)
        for each in datasets
        if (best := best_of(each))
        for cell in others(each, best)
        if _is_reference(cell) or _is_reference(best)
    }


def _of_reference(
    cell: Contender, best: Contender, evidence: SeedEvidence, known: Mapping[str | None, Judgement]
) -> Judgement:
    if _is_reference(cell) and _is_reference(best):  # one forecast under two names: nothing is left to chance
        return against_best([[evidence.claim(cell, best)]])[0]
    model, reference = (best, cell) if _is_reference(cell) else (cell, best)
    claim = replace(evidence.subject(model).claim, other=reference.model)
    return judged_before(claim, known[model.cell_id], turned=cell is reference)


def _is_reference(cell: Contender) -> bool:
    return cell.verdict is Verdict.REFERENCE
