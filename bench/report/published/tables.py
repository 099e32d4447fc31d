"""A card → its tables of text: one content for HTML and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bench.published.cards import Card, Run
from bench.published.evidence import Evidence
from bench.published.values import Finding, Outcome, Spread
from bench.report.published.wording import CLAIMS, OUTCOMES, course, interval, ours, told
from bench.report.tabular import MARKS, Column, Entry, Table, nothing
from bench.report.text import NOTHING, count, number, significant
from bench.report.values import Verdict

Verdicts = Mapping[str, Verdict]
"""Cell id → what it shows against persistence."""

AS_PUBLISHED = "as published"

_LEGEND = " · ".join(f"{mark} {outcome}" for outcome, mark in OUTCOMES.items())


_SHORT = {
    Outcome.REPRODUCED: "Reproduced",
    Outcome.BETTER: "Better",
    Outcome.WORSE: "Worse",
    Outcome.CANNOT_BE: "Cannot be",
    Outcome.NOT_STATED: "Not stated",
    Outcome.NOT_RUN: "Not run",
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
            Column("Claims", kind="prose"),
        ),
        rows=tuple(_overview_row(card) for card in cards),
        below=f"Each printed epoch, and each dataset and model of a system, is counted by itself. Courses: {_LEGEND}.",
    )


def _overview_row(card: Card) -> tuple[Entry, ...]:
    found = card.outcomes
    courses = "".join(OUTCOMES[run.trajectory.outcome] for run in card.runs if run.trajectory)
    claims = Counter(claim.held for claim in card.claims)
    counts = (found.count(outcome) for outcome in OUTCOMES)
    return (
        Entry(card.id),
        Entry(card.title),
        *(Entry(count(amount) if amount else NOTHING, amount) for amount in counts),
        Entry(courses or NOTHING),
        Entry(", ".join(f"{CLAIMS[held]} {claims[held]} {held}" for held in CLAIMS if claims[held]) or NOTHING),
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
                "Ours, central 95 %", kind="text", hint="Mean of the replicates, and their 2.5 and 97.5 percentiles."
            ),
            Column("Replicates"),
            Column("Verdict", kind="text"),
            Column("Note", kind="prose"),
        ),
        rows=tuple(rows),
        below=_LEGEND,
    )


def _finding_rows(run: Run) -> Iterator[tuple[Entry, ...]]:
    name, course_of = label(run), run.trajectory
    for finding in run.all_findings:
        yield _row(name, finding)
        if course_of and finding is course_of.findings[-1]:
            whole = Finding("train loss, whole course", "", course_of.outcome, note=course(course_of))
            yield _row(name, whole, count_of=finding.ours, strong=True)


def _row(name: str, finding: Finding, *, count_of: Spread | None = None, strong: bool = False) -> tuple[Entry, ...]:
    spread = finding.ours or count_of
    return (
        Entry(name),
        Entry(finding.quantity, strong=strong),
        Entry(finding.published or NOTHING),
        Entry(ours(finding) or NOTHING),
        Entry(count(spread.count), spread.count) if spread else nothing("no chance enters"),
        Entry(str(finding.outcome), strong=strong, mark=OUTCOMES[finding.outcome]),
        Entry(finding.note),
    )


def label(run: Run) -> str:
    """A run within its card."""
    return f"{run.dataset} · {run.model}"


def results(card: Card, anchor: str, verdicts: Verdicts) -> Table:
    """Every cell of one card, as published and under the protocol, beside persistence and the noise floor."""
    published = [(run.evidence, run) for run in card.runs if run.evidence]
    cells = [*published, *((cell, None) for cell in card.protocol)]
    places = {dataset: place for place, dataset in enumerate(dict.fromkeys(cell.dataset for cell, _ in cells))}
    ordered = sorted(cells, key=lambda pair: places[pair[0].dataset])
    accuracy = any(cell.task == "classify" for cell, _ in cells)
    return Table(
        name=f"results-{anchor}",
        caption=f"{card.id}: as published, and under the protocol",
        columns=(
            Column("Data", kind="text"),
            Column("Model", kind="text"),
            Column("How", kind="text"),
            Column(
                "Accuracy" if accuracy else "RMSE", kind="text", hint="Mean, and the central 95 % of the replicates."
            ),
            *((Column("Log-loss", kind="text"),) if accuracy else (Column("MSE"), Column("Persistence", "RMSE"))),
            *(
                ()
                if accuracy
                else (Column("Noise floor", "RMSE"), Column("Skill"), Column("Against persistence", kind="text"))
            ),
            *(() if accuracy else (Column("Delay", "steps"),)),
            Column("Parameters"),
            Column("Replicates"),
        ),
        rows=tuple(_result_row(cell, run, verdicts, accuracy=accuracy) for cell, run in ordered),
        below="Errors in original units. The noise floor is the error of the best possible forecast, where known.",
    )


def _result_row(cell: Evidence, run: Run | None, verdicts: Verdicts, *, accuracy: bool) -> tuple[Entry, ...]:
    how = AS_PUBLISHED if run else "protocol"
    parameters = cell.mean("parameters")
    measured = _classified(cell) if accuracy else (*_errors(cell, verdicts), _delay(run))
    return (
        Entry(cell.dataset),
        Entry(run.model if run else cell.model),
        Entry(how, strong=run is not None),
        *measured,
        Entry(count(parameters), parameters) if parameters is not None else nothing("no replicate finished"),
        Entry(f"{len(cell.seeds)} of {cell.asked}", len(cell.seeds), hint=cell.reason),
    )


def _classified(cell: Evidence) -> tuple[Entry, ...]:
    return _spread(cell, "accuracy"), _spread(cell, "log_loss")


def _errors(cell: Evidence, verdicts: Verdicts) -> tuple[Entry, ...]:
    persistence, floor = (cell.mean(name) for name in ("persistence_mse", "noise_floor_mse"))
    mse, skill = (Spread.of(cell.numbers[name]) for name in ("mse", "skill"))
    verdict = verdicts.get(cell.cell_id, Verdict.UNTESTED)
    return (
        _spread(cell, "rmse"),
        Entry(significant(mse.mean), mse.mean) if mse else nothing("no replicate finished"),
        Entry(significant(persistence**0.5), persistence) if persistence is not None else nothing("not known"),
        Entry(significant(floor**0.5), floor) if floor is not None else nothing("not known"),
        Entry(number(skill.mean, 3), skill.mean) if skill else nothing("not known"),
        Entry(str(verdict), mark=MARKS[verdict]),
    )


def _delay(run: Run | None) -> Entry:
    if run is None or run.delay is None:
        return nothing("not measured")
    found = run.delay
    return Entry(
        f"{found.steps}", found.steps, hint=f"correlation {found.correlation:.2f}, without lag {found.at_zero:.2f}"
    )


def _spread(cell: Evidence, column: str) -> Entry:
    spread = Spread.of(cell.numbers[column])
    if spread is None:
        return nothing(cell.reason or "not known")
    return Entry(interval(spread), spread.mean, cell=cell.cell_id)


def claims(card: Card, anchor: str) -> Table | None:
    """Where each claim of one card holds; `None` where nothing was claimed."""
    if not card.claims:
        return None
    rows = [
        (Entry(claim.text), Entry(case), Entry(str(held), mark=CLAIMS[held]), Entry(told_by))
        for claim in card.claims
        for case, held, told_by in (claim.cases or (("", claim.held, claim.sentence),))
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
    found: dict[str, list[str]] = {}
    for run in card.runs:
        if run.evidence:
            found.setdefault(", ".join(run.departures) or "none", []).append(run.dataset)
    return [(", ".join(dict.fromkeys(datasets)), text) for text, datasets in found.items()]


def in_short(card: Card) -> str:
    """The verdicts of a card in one line."""
    return told(card.outcomes)
