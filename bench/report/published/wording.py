"""Verdicts on published numbers in words and marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bench.published.cards import Card
from bench.published.values import Finding, Held, Outcome, Spread, Trajectory
from bench.report.text import bounds, count, decimals, listed, number, plural

OUTCOMES: Mapping[Outcome, str] = {
    Outcome.REPRODUCED: "●",
    Outcome.BETTER: "▲",
    Outcome.WORSE: "▼",
    Outcome.CANNOT_BE: "✕",
    Outcome.NOT_STATED: "○",
    Outcome.NOT_RUN: "?",
}
"""A shape for each verdict on a number, so that nobody has to tell colours apart."""

CLAIMS: Mapping[Held, str] = {Held.HOLDS: "●", Held.FAILS: "✕", Held.OPEN: "○", Held.NOT_MEASURED: "?"}
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
        "Cannot be",
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


def in_words(outcomes: Iterable[Outcome]) -> str:
    """How many of each: ``3 reproduced, 1 cannot be``."""
    tally = Counter(outcomes)
    return ", ".join(f"{tally[outcome]} {outcome}" for outcome in Outcome if tally[outcome]) or "nothing to judge"


def answer(cards: Sequence[Card], left_out: Sequence[str] = ()) -> tuple[str, ...]:
    """What became of the printed numbers, in sentences; `left_out` are the cards of which nothing was run."""
    outcomes = [outcome for card in cards for outcome in card.outcomes]
    printed = [outcome for outcome in outcomes if outcome not in (Outcome.NOT_STATED, Outcome.NOT_RUN)]
    claims = Counter(claim.held for card in cards for claim in card.claims)
    cannot = [card.id for card in cards if Outcome.CANNOT_BE in card.outcomes]
    lines = [
        f"{plural(len(cards), 'published system')}, {plural(len(printed), 'printed number')} (each dataset and model "
        f"that was held against them counted by itself): {in_words(printed)}."
    ]
    if missing := outcomes.count(Outcome.NOT_RUN):
        lines.append(f"{count(missing)} could not be judged: what they are of was not run.")
    if left_out:
        lines.append(f"Not run, and left out here: {listed(left_out)}.")
    if cannot:
        lines.append(f"What was printed cannot be in {listed(cannot)}.")
    if claims:
        counted = (f"{claims[held]} {_verb(held, claims[held])}" for held in Held if claims[held])
        lines.append(f"Of the claims, {', '.join(counted)}.")
    return tuple(lines)


def _verb(held: Held, amount: int) -> str:
    plurals = {Held.HOLDS: "hold", Held.FAILS: "do not hold"}
    return held.value if amount == 1 else plurals.get(held, held.value)


def ours(finding: Finding) -> str:
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


def course(found: Trajectory) -> str:
    """How far a printed course strays, beside what the replicates do."""
    if found.deviation is None or found.limit is None:
        return found.note
    return (
        f"{found.note}; the whole is judged by its largest distance from our mean, {found.deviation:.3g} standard "
        f"deviations, where 95 % of our replicates stay within {found.limit:.3g}"
    )
