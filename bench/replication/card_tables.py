"""A card → its tables of text: the same content for HTML and Markdown.

The tables give the verdicts on published numbers, and the errors of the cells as published and under the protocol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.replication.cards import Card, Run
from bench.replication.evidence_rows import Evidence, skill_of
from bench.replication.facts import NO_TEST_PART
from bench.replication.findings import PublishedFinding, PublishedOutcome, Spread, Trajectory
from bench.replication.statements import reported
from bench.reporting.tabular import MARKS, Column, Table, TableEntry, nothing
from bench.reporting.values import CellSummary
from bench.stats.claims import ClaimOutcome
from bench.text import NOTHING, bounds, count, decimals, listed, number, plural, significant

OUTCOMES: Mapping[PublishedOutcome, str] = {
    PublishedOutcome.REPRODUCED: "●",
    PublishedOutcome.BETTER: "▲",
    PublishedOutcome.WORSE: "▼",
    PublishedOutcome.IMPOSSIBLE: "✕",
    PublishedOutcome.NOT_STATED: "○",
    PublishedOutcome.NOT_RUN: "?",
}
"""A shape for each verdict on a number, so that nobody has to tell colours apart."""

CLAIMS: Mapping[ClaimOutcome, str] = {
    ClaimOutcome.HOLDS: "●",
    ClaimOutcome.FAILS: "✕",
    ClaimOutcome.INCONCLUSIVE: "○",
    ClaimOutcome.NOT_MEASURED: "?",
}
"""A shape for each verdict on a claim."""

TERMS = (
    (
        "Reproduced",
        "The printed number, give or take half a unit of its last decimal, lies in the central 95 % of our replicates: "
        "between their 2.5 and 97.5 percentiles.",
    ),
    (
        "Better, worse than published",
        "It lies outside, and ours are better, or worse: a lower loss or error, a higher accuracy.",
    ),
    (
        "Impossible",
        "No chance enters, and the printed code gives something else; or the number is below what the data admit.",
    ),
    ("Not stated", "Nothing was printed; ours is given."),
    (
        "Training loss",
        "Each printed epoch has its verdict. The whole course is judged by one number, not by how many epochs lie "
        "inside: it is reproduced where it strays no farther from the mean of the replicates than 95 % of them do.",
    ),
    (
        "As published",
        "Run with its leaks and slips, which are named as departures from the protocol. A system that was published "
        "without any says “no departure”. The other rows follow the protocol; where the model or the data depart by "
        "themselves, they say “protocol, but”.",
    ),
    (
        "Delay",
        "The lag at which the moves of the one-step forecasts correlate best with moves of the truth: 1 is yesterday's "
        "move drawn a day late. Empty where no lag correlates more than chance gives.",
    ),
)
"""What the words of the page mean."""


def in_words(outcomes: Iterable[PublishedOutcome]) -> str:
    """How many of each: ``3 reproduced, 1 impossible``."""
    tally = Counter(outcomes)
    return (
        ", ".join(f"{tally[outcome]} {outcome}" for outcome in PublishedOutcome if tally[outcome]) or "nothing to judge"
    )


def answer(cards: Sequence[Card], left_out: Sequence[str] = ()) -> tuple[str, ...]:
    """What became of the printed numbers, in sentences; `left_out` are the cards of which nothing was run."""
    outcomes = [outcome for card in cards for outcome in card.outcomes]
    printed = [
        outcome for outcome in outcomes if outcome not in (PublishedOutcome.NOT_STATED, PublishedOutcome.NOT_RUN)
    ]
    claims = Counter(claim.outcome for card in cards for claim in card.claims)
    impossible = [card.id for card in cards if PublishedOutcome.IMPOSSIBLE in card.outcomes]
    lines = [
        f"{plural(len(cards), 'published system')}, {plural(len(printed), 'printed number')} (each dataset and model "
        f"that was held against them counted by itself): {in_words(printed)}."
    ]
    if missing := outcomes.count(PublishedOutcome.NOT_RUN):
        lines.append(f"{count(missing)} could not be judged: what they are of was not run.")
    if left_out:
        lines.append(f"Not run, and left out here: {listed(left_out)}.")
    if impossible:
        lines.append(f"What was printed is impossible in {listed(impossible)}.")
    if claims:
        counted = (f"{claims[each]} {_verb(each, claims[each])}" for each in ClaimOutcome if claims[each])
        lines.append(f"Of the claims, {', '.join(counted)}.")
    return tuple(lines)


def _verb(outcome: ClaimOutcome, amount: int) -> str:
    plurals = {ClaimOutcome.HOLDS: "hold", ClaimOutcome.FAILS: "do not hold"}
    return outcome.value if amount == 1 else plurals.get(outcome, outcome.value)


def ours(finding: PublishedFinding) -> str:
    """What we get, with the central 95 % of the replicates and how many there are."""
    if finding.exact:
        return finding.exact
    return "" if finding.ours is None else interval(finding.ours, finding.printed.decimals if finding.printed else None)


def interval(spread: Spread, places: int | None = None) -> str:
    """A mean with the central 95 %: as many decimals as were printed, and enough to show four digits."""
    needed = decimals([spread.mean])
    shown = None if needed is None else min(max(needed, places or 0), 7)
    if spread.low == spread.high:
        return number(spread.mean, shown)
    return f"{number(spread.mean, shown)} {bounds((spread.low, spread.high), shown)}"


def course(trajectory: Trajectory) -> str:
    """How far a printed course strays, next to what the replicates do."""
    if trajectory.deviation is None or trajectory.limit is None:
        return trajectory.note
    return (
        f"{trajectory.note}; the whole is judged by its largest distance from our mean, {trajectory.deviation:.3g} "
        f"standard deviations, where 95 % of our replicates stay within {trajectory.limit:.3g}"
    )


Verdicts = Mapping[str, CellSummary]
"""Cell id → what it shows against persistence, and why."""

AS_PUBLISHED = "as published"


def results(card: Card, anchor: str, verdicts: Verdicts) -> Table:
    """Every cell of one card, as published and under the protocol, next to persistence and the noise floor."""
    published = [(run.evidence, run) for run in card.runs if run.evidence]
    cells = [*published, *((cell, None) for cell in card.protocol)]
    places = {dataset: place for place, dataset in enumerate(dict.fromkeys(cell.dataset for cell, _ in cells))}
    ordered = sorted(cells, key=lambda pair: places[pair[0].dataset])
    shown = _Shown.of([cell for cell, _ in cells])
    return Table(
        name=f"results-{anchor}",
        caption=f"{card.id}: as published, and under the protocol",
        columns=(
            *(Column(title, kind="text") for title in ("Data", "Model", "How")),
            *shown.columns,
            Column("Parameters"),
            Column("Replicates"),
        ),
        rows=tuple(_result_row(cell, run, verdicts, shown=shown) for cell, run in ordered),
        below=" ".join(shown.notes),
    )


@dataclass(frozen=True)
class _Shown:
    """What of the errors is shown for all cells of a card.

    Parameters
    ----------
    accuracy
        Classes are distinguished.
    floor
        A noise floor is known of some; of data that the world made, the scaled error stands in its place.
    trained_on
        Some were tested on the windows that they were trained on.
    """

    accuracy: bool
    floor: bool
    trained_on: bool

    @classmethod
    def of(cls, cells: Sequence[Evidence]) -> _Shown:
        return cls(
            accuracy=any(cell.task == "classify" for cell in cells),
            floor=any(cell.mean("noise_floor_mse") is not None for cell in cells),
            trained_on=any(NO_TEST_PART in cell.departures for cell in cells),
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        if self.accuracy:
            return Column("Accuracy", "mean; central 95 %", kind="text"), Column("Log-loss", kind="text")
        rmse = Column("RMSE", "pooled; central 95 %", kind="text", hint="The root of the mean squared error of all.")
        floor = (Column("Noise floor", "RMSE"),)
        scaled = (Column("Scaled MSE"), Column("Persistence", "scaled MSE"))
        errors = (rmse, Column("MSE"), Column("Persistence", "RMSE"), *(floor if self.floor else scaled))
        return *errors, Column("Skill"), Column("Against persistence", kind="text"), Column("Delay", "steps")

    @property
    def notes(self) -> Iterator[str]:
        if self.accuracy:
            yield "On the test part; over the replicates."
            return
        yield "Errors in original units; the central 95 % are those of the RMSEs of the replicates."
        if self.floor:
            yield "The noise floor is the error of the best possible forecast, where known."
        else:
            yield "Scaled errors are in units of the range of all values before the test part."
        if self.trained_on:
            yield f"Rows with {NO_TEST_PART} as published: errors on the training windows, nothing was held out."


def _result_row(cell: Evidence, run: Run | None, verdicts: Verdicts, *, shown: _Shown) -> tuple[TableEntry, ...]:
    parameters = cell.mean("parameters")
    measured = _classified(cell) if shown.accuracy else (*_errors(cell, verdicts, floor=shown.floor), _delay(run))
    return (
        TableEntry(cell.dataset),
        TableEntry(run.model if run else cell.model),
        _how(cell, run),
        *measured,
        TableEntry(count(parameters), parameters) if parameters is not None else nothing("no replicate finished"),
        TableEntry(f"{len(cell.seeds)} of {cell.requested}", len(cell.seeds), hint=cell.reason),
    )


def _how(cell: Evidence, run: Run | None) -> TableEntry:
    """As published or not; whatever departs from the protocol is marked."""
    if run:
        return TableEntry(AS_PUBLISHED, strong=True) if cell.departures else TableEntry(f"{AS_PUBLISHED}, no departure")
    return TableEntry(f"protocol, but {cell.departures}", strong=True) if cell.departures else TableEntry("protocol")


def _classified(cell: Evidence) -> tuple[TableEntry, ...]:
    return _spread(cell, "accuracy"), _spread(cell, "log_loss")


def _errors(cell: Evidence, verdicts: Verdicts, *, floor: bool) -> tuple[TableEntry, ...]:
    mse, persistence, skill = cell.mean("mse"), cell.mean("persistence_mse"), skill_of(cell)
    judged = verdicts[cell.cell_id]
    return (
        _spread(cell, "rmse"),
        TableEntry(significant(mse), mse) if mse is not None else nothing("no replicate finished"),
        _root(persistence),
        *((_root(cell.mean("noise_floor_mse")),) if floor else _scaled(cell)),
        TableEntry(number(skill, 3), skill) if skill is not None else nothing("not known"),
        TableEntry(judged.words, mark=MARKS[judged.verdict], hint=judged.why),
    )


def _root(mse: float | None) -> TableEntry:
    return TableEntry(significant(mse**0.5), mse) if mse is not None else nothing("not known")


def _scaled(cell: Evidence) -> tuple[TableEntry, TableEntry]:
    """The scaled MSE of the cell, and of persistence."""
    mse, scaled, persistence = (cell.mean(name) for name in ("mse", "mse_scaled", "persistence_mse"))
    if not mse or scaled is None or persistence is None:
        return nothing("not known"), nothing("not known")
    reference = persistence * scaled / mse
    return TableEntry(significant(scaled), scaled), TableEntry(significant(reference), reference)


def _delay(run: Run | None) -> TableEntry:
    if run is None or run.delay is None:
        return nothing("not measured")
    delay = run.delay
    return (
        TableEntry(f"{delay.steps}", delay.steps, hint=reported(delay))
        if delay.significant
        else nothing(reported(delay))
    )


def _spread(cell: Evidence, column: str) -> TableEntry:
    spread = cell.spread(column)
    if spread is None:
        return nothing(cell.reason or "not known")
    return TableEntry(interval(spread), spread.mean, cell=cell.cell_id)


_LEGEND = " · ".join(f"{mark} {outcome}" for outcome, mark in OUTCOMES.items())


_SHORT = {
    PublishedOutcome.REPRODUCED: "Reproduced",
    PublishedOutcome.BETTER: "Better",
    PublishedOutcome.WORSE: "Worse",
    PublishedOutcome.IMPOSSIBLE: "Impossible",
    PublishedOutcome.NOT_STATED: "Not stated",
    PublishedOutcome.NOT_RUN: "Not run",
}


def overview(cards: Sequence[Card]) -> Table:
    """One row for each system: what became of what was printed."""
    return Table(
        name="published-overview",
        caption="What became of the printed numbers",
        columns=(
            Column("System", kind="text"),
            Column("What", kind="prose"),
            *(Column(_SHORT[outcome], hint=str(outcome)) for outcome in OUTCOMES),
            Column("Course of loss", kind="text"),
            Column("Claims", kind="text"),
        ),
        rows=tuple(_overview_row(card) for card in cards),
        below=f"Each printed epoch, and each dataset and model of a system, is counted by itself. Courses: {_LEGEND}. "
        f"Claims: {' · '.join(f'{mark} {outcome}' for outcome, mark in CLAIMS.items())}.",
    )


def _overview_row(card: Card) -> tuple[TableEntry, ...]:
    outcomes = card.outcomes
    courses = "".join(OUTCOMES[run.trajectory.outcome] for run in card.runs if run.trajectory)
    claims = Counter(claim.outcome for claim in card.claims)
    counts = (outcomes.count(outcome) for outcome in OUTCOMES)
    return (
        TableEntry(card.id),
        TableEntry(card.title),
        *(TableEntry(count(amount) if amount else NOTHING, amount) for amount in counts),
        TableEntry(courses or NOTHING),
        TableEntry(" ".join(CLAIMS[each] * claims[each] for each in CLAIMS if claims[each]) or NOTHING),
    )


def findings(card: Card, anchor: str) -> Table:
    """The verdict on every number of one card."""
    rows = [row for run in card.runs for row in _finding_rows(run)]
    return Table(
        name=f"findings-{anchor}",
        caption=f"{card.id}: what was printed, and what we get",
        columns=(
            Column("System", kind="text"),
            Column("Quantity", kind="text"),
            Column("Printed", kind="text"),
            Column(
                "Ours, central 95 %",
                kind="text",
                hint="Mean of the replicates (RMSE: pooled), and their 2.5 and 97.5 percentiles.",
            ),
            Column("Replicates"),
            Column("Verdict", kind="text"),
            Column("Note", kind="prose"),
        ),
        rows=tuple(rows),
        below=f"{_LEGEND}. Ours: the mean of the replicates; of an RMSE the pooled one.",
    )


def _finding_rows(run: Run) -> Iterator[tuple[TableEntry, ...]]:
    name, course_of = label(run), run.trajectory
    for finding in run.all_findings:
        yield _row(name, finding)
        if course_of and finding is course_of.findings[-1]:
            whole = PublishedFinding("train loss, whole course", "", course_of.outcome, note=course(course_of))
            yield _row(name, whole, count_of=finding.ours, strong=True)


def _row(
    name: str, finding: PublishedFinding, *, count_of: Spread | None = None, strong: bool = False
) -> tuple[TableEntry, ...]:
    spread = finding.ours or count_of
    return (
        TableEntry(name),
        TableEntry(finding.quantity, strong=strong),
        TableEntry(finding.published or NOTHING),
        TableEntry(ours(finding) or NOTHING),
        TableEntry(count(spread.count), spread.count) if spread else nothing("no chance enters"),
        TableEntry(str(finding.outcome), strong=strong, mark=OUTCOMES[finding.outcome]),
        TableEntry(finding.note),
    )


def label(run: Run) -> str:
    """A run within its card."""
    return f"{run.dataset} · {run.model}"


def claims(card: Card, anchor: str) -> Table | None:
    """Where each claim of one card holds; `None` where nothing was claimed."""
    if not card.claims:
        return None
    rows = [
        (
            TableEntry(claim.text),
            TableEntry(case),
            TableEntry(str(outcome), mark=CLAIMS[outcome]),
            TableEntry(reported_by),
        )
        for claim in card.claims
        for case, outcome, reported_by in (claim.cases or (("", claim.outcome, claim.sentence),))
    ]
    return Table(
        name=f"claims-{anchor}",
        caption=f"{card.id}: what was claimed, case by case",
        columns=(
            Column("Claim", kind="text"),
            Column("Case", kind="text"),
            Column("Verdict", kind="text"),
            Column("Numbers", kind="prose"),
        ),
        rows=tuple(rows),
    )


def departures(card: Card) -> list[tuple[str, str]]:
    """What runs as published, and how it departs from the protocol; those alike together."""
    datasets_of: dict[str, list[str]] = {}
    for run in card.runs:
        if run.evidence:
            reported_by = (
                f"departures {', '.join(run.departures)}" if run.departures else "no departure from the protocol"
            )
            datasets_of.setdefault(reported_by, []).append(run.dataset)
    return [(", ".join(dict.fromkeys(datasets)), text) for text, datasets in datasets_of.items()]


def in_short(card: Card) -> str:
    """The verdicts of a card in one line."""
    return in_words(card.outcomes)
