"""Cards → what a reader should take away: a few sentences, each with the verdict that it rests on.

Nothing is written by hand: a sentence is there if its verdict is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from bench.replication.card_tables import CLAIMS, OUTCOMES, interval
from bench.replication.cards import Card, Run
from bench.replication.findings import ClaimFinding, PublishedFinding, PublishedOutcome
from bench.stats.claims import ClaimOutcome
from bench.text import slug

MOST = 5
"""Sentences above a page; what surprises most comes first."""


@dataclass(frozen=True)
class Headline:
    """One finding.

    Parameters
    ----------
    card, anchor, title
        The card with its verdict: its id, its name within the page, and the title of what was published.
    text
        The finding, without a full stop.
    about, verdict, mark
        What the verdict is on, where the finding does not say it; the verdict, and its shape.
    """

    card: str
    anchor: str
    title: str
    text: str
    about: str
    verdict: str
    mark: str


def headlines(cards: Sequence[Card]) -> tuple[Headline, ...]:
    """The first `MOST` of all findings: one of each kind and card, by kind."""
    headlines = (headline for find in _KINDS for card in cards for headline in islice(find(card), 1))
    return tuple(islice(headlines, MOST))


def _explained(card: Card) -> Iterator[Headline]:
    """What a claim was found to rest on."""
    for claim in card.claims:
        if claim.explanation:
            yield _of_claim(card, claim, claim.explanation, about=f" on “{claim.text}”")


def _other_data(card: Card) -> Iterator[Headline]:
    """Numbers that the printed code does not give, and a variant of its data does."""
    for run in card.runs:
        for finding in run.findings:
            if finding.outcome is PublishedOutcome.NOT_FROM_CODE and (variant := _reproduced(card, run, finding)):
                where, ours = variant
                text = (
                    f"The printed {finding.quantity}, {finding.published}, is not from the printed code, which gives "
                    f"{_ours(finding)}; {where} gives {_ours(ours)}"
                )
                yield _of_number(card, finding, text)


def _reproduced(card: Card, run: Run, finding: PublishedFinding) -> tuple[str, PublishedFinding] | None:
    """Where else the same number is reproduced: on other data of the same system."""
    others = (other for other in card.runs if other.system == run.system and other.dataset != run.dataset)
    same = ((other.dataset, each) for other in others for each in other.findings if each.quantity == finding.quantity)
    return next(((name, each) for name, each in same if each.outcome is PublishedOutcome.REPRODUCED), None)


def _ours(finding: PublishedFinding) -> str:
    """The mean of our replicates with the interval for one more run."""
    return interval(finding.ours) if finding.ours else finding.exact


def _impossible(card: Card) -> Iterator[Headline]:
    """Numbers that cannot be."""
    for run in card.runs:
        for finding in run.findings:
            if finding.outcome is PublishedOutcome.IMPOSSIBLE and not finding.is_statement:
                text = f"The printed {finding.quantity}, {finding.published}, cannot be: its code gives {finding.exact}"
                yield _of_number(card, finding, text)


def _contradicted(card: Card) -> Iterator[Headline]:
    """Claims that do not hold; the first case against them in numbers."""
    for claim in card.claims:
        against = [said for _, outcome, said in claim.cases if outcome is ClaimOutcome.FAILS]
        if claim.outcome is ClaimOutcome.FAILS and against:
            many = f", not so in {len(against)} of {len(claim.cases)} cases" if len(claim.cases) > 1 else ""
            yield _of_claim(card, claim, f"“{claim.text}”{many}: {against[0].partition(';')[0]}")


_KINDS: Sequence[Callable[[Card], Iterator[Headline]]] = (_explained, _other_data, _impossible, _contradicted)


def _of_claim(card: Card, claim: ClaimFinding, text: str, *, about: str = "") -> Headline:
    return _headline(card, text, about=about, verdict=claim.outcome, mark=CLAIMS[claim.outcome])


def _of_number(card: Card, finding: PublishedFinding, text: str) -> Headline:
    return _headline(card, text, about="", verdict=finding.outcome, mark=OUTCOMES[finding.outcome])


def _headline(card: Card, text: str, *, about: str, verdict: str, mark: str) -> Headline:
    return Headline(card.id, f"system-{slug(card.id)}", card.title, text, about, str(verdict), mark)
