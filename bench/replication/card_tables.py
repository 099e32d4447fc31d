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
from bench.replication.systems import DESCRIBED
from bench.reporting.tabular import MARKS, Column, Table, TableEntry, nothing
from bench.reporting.values import CellSummary
from bench.stats.claims import ClaimOutcome
from bench.text import NOTHING, bounds, count, decimals, listed, number, plural, significant

OUTCOMES: Mapping[PublishedOutcome, str] = {
    PublishedOutcome.REPRODUCED: "●",
    PublishedOutcome.BETTER: "▲",
    PublishedOutcome.WORSE: "▼",
    PublishedOutcome.TOO_FEW: "◌",
    PublishedOutcome.NOT_FROM_CODE: "≠",
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
        "Ours",
        "The mean of the replicates, and the 95 % prediction interval for one more run: mean ± t · s · √(1 + 1/n), of "
        "losses and errors on their logarithms, of accuracies on that of the share of mistakes.",
    ),
    (
        "Reproduced",
        "The printed number, give or take half a unit of its last decimal, lies in that interval. A number that came "
        "from one run of the same program does so in 95 of 100 cases, however few replicates there are.",
    ),
    (
        "Better, worse than published",
        "It lies outside, and ours are better, or worse: a lower loss or error, a higher accuracy.",
    ),
    (
        "Too few to tell",
        "It lies in the interval only because that is wide with so few replicates: it would not with 20 of the same "
        "mean and spread.",
    ),
    (
        "Not from this code",
        "It lies so far outside that less than one run in a million would be there: another program, or other data, "
        "gave it.",
    ),
    (
        "Impossible",
        "No chance enters, and the printed code gives something else; or the number is below what the data admit.",
    ),
    ("Not stated", "Nothing was printed; ours is given."),
    (
        "Training loss",
        "Each printed epoch has its verdict. The whole course is judged by one number, not by how many epochs lie "
        "inside: its largest distance from the mean of all other courses, in their standard deviations. The printed "
        "course is refused where it strays farther than all but 5 % of the replicates, itself among them.",
    ),
    (
        "As published",
        "Run with its leaks and slips, which are named as departures from the protocol. A system that was published "
        "without any says “no departure”; one of which no result was printed says “as described”. The other rows "
        "follow the protocol; where the model or the data depart by themselves, they say “protocol, but”.",
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
    judged = [outcome for outcome in outcomes if outcome is not PublishedOutcome.NOT_RUN]
    impossible = [card.id for card in cards if PublishedOutcome.IMPOSSIBLE in card.outcomes]
    lines = [
        f"{plural(len(cards), 'published system')}, {plural(len(judged), 'printed number')}, each counted once: "
        f"{in_words(judged)}."
    ]
    if missing := len(outcomes) - len(judged):
        lines.append(f"{count(missing)} could not be judged: what they are of was not run.")
    if left_out:
        lines.append(f"Not run, and left out here: {listed(left_out)}.")
    if impossible:
        lines.append(f"A number that was printed is impossible in {listed(impossible)}.")
    tally = sum((_statements(card) for card in cards), Counter[str]())
    if tally:
        lines.append(f"Of {plural(tally.total(), 'statement')}, shapes and claims, {', '.join(_counted(tally))}.")
    return tuple(lines)


_NO_NUMBER = "decided by no number"
_OF_FACTS: Mapping[PublishedOutcome, str] = {
    PublishedOutcome.REPRODUCED: str(ClaimOutcome.HOLDS),
    PublishedOutcome.IMPOSSIBLE: str(PublishedOutcome.IMPOSSIBLE),
    PublishedOutcome.NOT_RUN: str(ClaimOutcome.NOT_MEASURED),
}


def _statements(card: Card) -> Counter[str]:
    """How many statements of a card hold, and so on: printed shapes and facts, claims, and those without a test."""
    tally = Counter(_OF_FACTS[fact.outcome] for fact in card.printed_statements)
    tally.update(str(claim.outcome) for claim in card.claims)
    tally.update({_NO_NUMBER: sum(len(system.published.statements) for system in card.systems)})
    return +tally


def _counted(tally: Mapping[str, int]) -> Iterator[str]:
    order = (*map(str, ClaimOutcome), str(PublishedOutcome.IMPOSSIBLE), _NO_NUMBER)
    for outcome in order:
        if amount := tally.get(outcome, 0):
            yield f"{amount} {_verb(outcome, amount)}"


def _verb(outcome: str, amount: int) -> str:
    """The outcome as the verb of a sentence about `amount` statements."""
    be = "is" if amount == 1 else "are"
    if outcome in (str(ClaimOutcome.HOLDS), str(ClaimOutcome.FAILS)):
        return outcome if amount == 1 else {"holds": "hold", "does not hold": "do not hold"}[outcome]
    return f"{be} {outcome}"


def ours(finding: PublishedFinding) -> str:
    """What we get, with the interval for one more run."""
    if finding.exact:
        return finding.exact
    return "" if finding.ours is None else interval(finding.ours, finding.printed.decimals if finding.printed else None)


def interval(spread: Spread, places: int | None = None) -> str:
    """A mean with its prediction interval: as many decimals as were printed, and enough to show four digits."""
    needed = decimals([spread.mean])
    shown = None if needed is None else min(max(needed, places or 0), 7)
    if not spread.low < spread.high:  # all equal, or one
        return number(spread.mean, shown)
    return f"{number(spread.mean, shown)} {bounds((spread.low, spread.high), shown)}"


def course(trajectory: Trajectory) -> str:
    """How far a printed course strays, next to what the replicates do."""
    if trajectory.deviation is None or trajectory.limit is None:
        return trajectory.note
    return (
        f"{trajectory.note}; the whole is judged by its largest distance from the mean of all other courses, "
        f"{trajectory.deviation:.3g} standard deviations; it is refused beyond {trajectory.limit:.3g}"
    )


Verdicts = Mapping[str, CellSummary]
"""Cell id → what it shows against persistence, and why."""

AS_PUBLISHED, AS_DESCRIBED = "as published", "as described"


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
            return Column("Accuracy", "mean; 95 % for one more run", kind="text"), Column("Log-loss", kind="text")
        rmse = Column(
            "RMSE", "pooled; 95 % for one more run", kind="text", hint="The root of the mean squared error of all."
        )
        floor = (Column("Noise floor", "RMSE"),)
        scaled = (Column("Scaled MSE"), Column("Persistence", "scaled MSE"))
        errors = (rmse, Column("MSE"), Column("Persistence", "RMSE"), *(floor if self.floor else scaled))
        return *errors, Column("Skill"), Column("Against persistence", kind="text"), Column("Delay", "steps")

    @property
    def notes(self) -> Iterator[str]:
        if self.accuracy:
            yield "On the test part; over the replicates."
            return
        yield "Errors in original units; the intervals are those of the RMSE of one more run."
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
        how = AS_DESCRIBED if cell.model.endswith(DESCRIBED) else AS_PUBLISHED
        return TableEntry(how, strong=True) if cell.departures else TableEntry(f"{how}, no departure")
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
    return TableEntry(f"{delay.steps}", delay.steps, hint=reported(delay)) if delay.shown else nothing(reported(delay))


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
    PublishedOutcome.TOO_FEW: "Too few",
    PublishedOutcome.NOT_FROM_CODE: "Not from this code",
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
            Column("Statements", kind="text"),
        ),
        rows=tuple(_overview_row(card) for card in cards),
        below=f"Each printed number is counted once, as the first dataset and model of its system give it; of “not "
        f"stated”, each dataset and model. Courses: {_LEGEND}. Statements are shapes, facts and claims: "
        f"{' · '.join(f'{mark} {outcome}' for outcome, mark in CLAIMS.items())}; – decided by no number.",
    )


def _overview_row(card: Card) -> tuple[TableEntry, ...]:
    outcomes = Counter(card.outcomes)
    outcomes[PublishedOutcome.NOT_STATED] = card.not_stated
    courses = "".join(OUTCOMES[run.trajectory.outcome] for run in card.runs if run.trajectory)
    tally = _statements(card)
    failed = tally.pop(str(PublishedOutcome.IMPOSSIBLE), 0)
    tally[str(ClaimOutcome.FAILS)] += failed
    marks = [CLAIMS[each] * tally[str(each)] for each in CLAIMS]
    return (
        TableEntry(card.id),
        TableEntry(card.title),
        *(TableEntry(count(outcomes[each]) if outcomes[each] else NOTHING, outcomes[each]) for each in OUTCOMES),
        TableEntry(courses or NOTHING),
        TableEntry(" ".join(filter(None, [*marks, NOTHING * tally[_NO_NUMBER]])) or NOTHING),
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
                "Ours, 95 % for one more run",
                kind="text",
                hint="Mean of the replicates (RMSE: pooled), and the prediction interval for one more run.",
            ),
            Column("Replicates"),
            Column("Verdict", kind="text"),
            Column("Note", kind="prose"),
        ),
        rows=tuple(rows),
        below="Ours: the mean of the replicates; of an RMSE the pooled one.",
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


def departures(card: Card) -> list[tuple[str, str, str]]:
    """How cells run, which, and how they depart from the protocol; equal ones together."""
    datasets_of: dict[tuple[str, str], list[str]] = {}
    for run in card.runs:
        if run.evidence:
            departs = f"departures {', '.join(run.departures)}" if run.departures else "no departure from the protocol"
            how = AS_DESCRIBED if run.evidence.model.endswith(DESCRIBED) else AS_PUBLISHED
            datasets_of.setdefault((how.capitalize(), departs), []).append(run.dataset)
    return [(how, ", ".join(dict.fromkeys(datasets)), text) for (how, text), datasets in datasets_of.items()]


def in_short(card: Card) -> str:
    """The verdicts of a card in one line: on its numbers, and on its statements."""
    tally = _statements(card)
    said = [f"of {plural(tally.total(), 'statement')} {', '.join(_counted(tally))}"] if tally else []
    return "; ".join([f"numbers: {in_words(card.outcomes)}", *said])
