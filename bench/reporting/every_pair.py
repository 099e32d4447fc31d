"""Every two models on the same data → the verdict on the pair, by the rules of the page, and their table.

Pairs with persistence and with the best model have the verdicts that the page gives them. All other pairs of models at
their chosen lengths are counted in its family already, and are held against that count. Pairs at other lengths are a
family of their own.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice

from bench.cells import CellKey
from bench.reporting.judging import Contender, Judged, SeedEvidence, best_of
from bench.reporting.learning import MARK
from bench.reporting.tabular import Column, Table, TableEntry
from bench.reporting.values import CellSummary, ModelPair, Section
from bench.stats.claims import ModelClaim
from bench.stats.verdicts import COMPARED, Judgement, TestedClaim, Verdict, compared, counted_pairs, pairs_at_lengths
from bench.text import NOTHING, count, percent, probability

MOST = 5000
"""Pairs of one page, at most; where there are more, first those at other lengths go, then those that no table has."""

Place = tuple[str, int]
"""A dataset and a horizon."""

_WON: Mapping[Verdict, int] = {Verdict.BETTER: 1, Verdict.WORSE: -1}


@dataclass(frozen=True, eq=False)
class _Two:
    """Two finished cells of one place; `best` is the best model there, where both are at their chosen lengths."""

    place: Place
    one: Contender
    other: Contender
    best: Contender | None

    @property
    def with_persistence(self) -> bool:
        return self.other.verdict is Verdict.REFERENCE


def every_pair(
    places: Mapping[Place, Sequence[Contender]],
    evidence: SeedEvidence,
    judged: Judged,
    *,
    learning: Collection[CellKey] = (),
) -> dict[Place, tuple[ModelPair, ...]]:
    """The verdict on every two models of a place, at their chosen lengths and at each length.

    Parameters
    ----------
    places
        The cells of those where anything is tested.
    judged
        What the page says.
    learning
        The cells that were still learning when training ended: what is said against them carries the mark.
    """
    at_chosen = {place: _ordered(cells, judged) for place, cells in places.items()}
    total = sum(math.comb(len(own), 2) for own in at_chosen.values())
    two = [each for place, own in at_chosen.items() for each in _every_two(place, own, every=total <= MOST)]
    said = [(each, judgement) for each in two if (judgement := _said(each, judged))]
    chosen = [each for each in two if not (each.other is each.best or each.with_persistence)]
    further = (each for place, cells in places.items() for each in _at_lengths(place, cells, judged))
    lengths = list(islice(further, max(MOST - total, 0) + 1))
    lengths = lengths if total + len(lengths) <= MOST else []
    counted = [judged.against_best_model[each.one.cell_id].finding for each in chosen]
    of_chosen = counted_pairs([evidence.claim(each.one, each.other) for each in chosen], counted)
    of_lengths = pairs_at_lengths([_claim(each, evidence) for each in lengths], [each.place[0] for each in lengths])
    pairs: dict[Place, list[ModelPair]] = {place: [] for place in places}
    for each, judgement in (*said, *zip((*chosen, *lengths), (*of_chosen, *of_lengths), strict=True)):
        pairs[each.place].append(_pair(each, judgement, judged, learning))
    return {place: tuple(own) for place, own in pairs.items()}


def _ordered(cells: Sequence[Contender], judged: Judged) -> list[Contender]:
    """The chosen cells, the largest error first, but for the best model and persistence, which come last."""
    done = [cell for cell in cells if cell.cell_id in judged.chosen and cell.rmse is not None]
    best = best_of([cell for cell in done if cell.verdict is not Verdict.REFERENCE])
    return sorted(done, key=lambda cell: (cell.verdict is Verdict.REFERENCE, cell is best, -(cell.rmse or 0.0)))


def _every_two(place: Place, ordered: Sequence[Contender], *, every: bool) -> Iterator[_Two]:
    """Every two chosen cells, or those pairs alone that the tables of the page have."""
    models = [cell for cell in ordered if cell.verdict is not Verdict.REFERENCE]
    for i, other in enumerate(ordered):
        if every or i >= len(models) - 1:
            yield from (_Two(place, one, other, models[-1]) for one in models[:i])


def _at_lengths(place: Place, cells: Sequence[Contender], judged: Judged) -> Iterator[_Two]:
    """Every two cells at one length, but for those that are both chosen."""
    lengths: dict[int, list[Contender]] = defaultdict(list)
    for cell in cells:
        if cell.rmse is not None:
            lengths[cell.sequence_length].append(cell)
    for own in lengths.values():
        own.sort(key=lambda cell: (cell.verdict is Verdict.REFERENCE, -(cell.rmse or 0.0)))
        for one, other in combinations(own, 2):
            if one.verdict is not Verdict.REFERENCE and not {one.cell_id, other.cell_id} <= judged.chosen:
                yield _Two(place, one, other, None)


def _said(two: _Two, judged: Judged) -> Judgement | None:
    """What the page says of the pair."""
    if two.best is None:
        return None
    if two.with_persistence:
        return judged.against_persistence.get(two.one.cell_id)
    return judged.against_best_model.get(two.one.cell_id) if two.other is two.best else None


def _claim(two: _Two, evidence: SeedEvidence) -> ModelClaim:
    if two.with_persistence:
        return replace(evidence.subject(two.one).claim, other=two.other.model)
    return evidence.claim(two.one, two.other)


def _pair(two: _Two, judgement: Judgement, judged: Judged, learning: Collection[CellKey]) -> ModelPair:
    one, verdict = two.one, compared(judgement.finding)
    if two.best and two.with_persistence:  # a suspected leak is no win
        verdict = COMPARED[judged.beats_persistence(one)]
    key = CellKey(one.dataset, one.model, one.sequence_length, one.horizon)
    late = judgement.verdict is Verdict.WORSE and key in learning
    return ModelPair(
        one=one.cell_id or "",
        other=two.other.cell_id or "",
        words=f"{judgement.words}, {MARK}" if late else judgement.words,
        claim=replace(TestedClaim.of(judgement), p=judgement.finding.p),
        won=_WON.get(verdict, 0),
        chosen=two.best is not None,
    )


_COLUMNS = (
    Column("Model", kind="text"),
    Column("Compared with", kind="text"),
    Column("Length", "points", kind="text", hint="Of both; of each where they differ."),
    Column("MSE", "ratio − 1", hint="MSE of the model over that of the other one, less 1."),
    Column("95 % interval", kind="text"),
    Column("p", "corrected", kind="text", hint="By Holm's method over the pairs that are counted with it."),
    Column("Pairs", "or claims", hint="So many were corrected together."),
    Column("Test", kind="text", hint="Of the tests that must agree, the one with the larger p-value."),
    Column("Verdict", kind="text"),
)


def table(section: Section, *, name: str, lengths: bool) -> Table | None:
    """The pairs of `section` at their chosen lengths, then those at other `lengths` if wanted; `None` without any."""
    cells = {cell.cell_id: cell for cell in section.cells}
    shown = sorted((pair for pair in section.pairs if pair.chosen or lengths), key=lambda pair: not pair.chosen)
    rows = [_row(pair, cells[pair.one], cells[pair.other]) for pair in shown]
    if not rows:
        return None
    below = (
        "The p-value and the verdict are corrected for the number of pairs. So is the interval where the correction "
        "alone leaves a pair undecided; else it is of the pair alone."
    )
    if len(shown) < len(section.pairs):
        below += " Pairs at other lengths are under “A against B”."
    return Table(name, f"Every pair of models on {section.title}", _COLUMNS, tuple(rows), below=below)


def _row(pair: ModelPair, one: CellSummary, other: CellSummary) -> tuple[TableEntry, ...]:
    claim, lengths = pair.claim, dict.fromkeys((one.sequence_length, other.sequence_length))
    return (
        TableEntry(one.model),
        TableEntry(other.model),
        TableEntry(", ".join(count(length) for length in lengths)),
        TableEntry(percent(claim.effect, 1), claim.effect),
        TableEntry(f"[{percent(claim.low, 1)}, {percent(claim.high, 1)}]" if claim.test else NOTHING),
        TableEntry(probability(claim.p).removeprefix("p = ").removeprefix("p ") if claim.test else NOTHING, claim.p),
        TableEntry(count(claim.family) if claim.test else NOTHING, claim.family),
        TableEntry(claim.test or NOTHING),
        TableEntry(pair.words),
    )
