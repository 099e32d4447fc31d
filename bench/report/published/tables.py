"""A card → its tables of text: one content for HTML and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bench.published.cards import Card, Run
from bench.published.values import Finding, Outcome, Spread
from bench.report.published.wording import CLAIMS, OUTCOMES, course, in_words, ours
from bench.report.tabular import Column, Entry, Table, nothing
from bench.report.text import NOTHING, count

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
            Column("Claims", kind="text"),
        ),
        rows=tuple(_overview_row(card) for card in cards),
        below=f"Each printed epoch, and each dataset and model of a system, is counted by itself. Courses: {_LEGEND}. "
        f"Claims: {' · '.join(f'{mark} {held}' for held, mark in CLAIMS.items())}.",
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
        Entry(" ".join(CLAIMS[held] * claims[held] for held in CLAIMS if claims[held]) or NOTHING),
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
            told_by = f"departures {', '.join(run.departures)}" if run.departures else "no departure from the protocol"
            found.setdefault(told_by, []).append(run.dataset)
    return [(", ".join(dict.fromkeys(datasets)), text) for text, datasets in found.items()]


def in_short(card: Card) -> str:
    """The verdicts of a card in one line."""
    return in_words(card.outcomes)
