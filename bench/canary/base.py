"""What a canary is, and what it may say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bench.canary.pieces import Pieces


class Verdict(StrEnum):
    """How a check ended."""

    QUIET = "quiet"
    SANG = "sang"
    DOES_NOT_APPLY = "does not apply"
    COULD_NOT_RUN = "could not run"


@dataclass(frozen=True)
class Outcome:
    """What one canary says of one cell.

    Parameters
    ----------
    verdict, words
        How the check ended, and its numbers or the reason, in one line.
    statistic
        What was measured: the largest movement, or a p-value; `None` where nothing was.
    false_alarm_rate
        The chance, at most, that it sings over an honest cell; 0 for a check that draws no conclusion from chance.
    """

    verdict: Verdict
    words: str
    statistic: float | None = None
    false_alarm_rate: float = 0.0


@dataclass(frozen=True)
class Canary:
    """One check for leaks.

    Parameters
    ----------
    name, summary
        What it is called, and what it does in one line.
    check
        ``check(pieces) -> Outcome``; what it raises means that it could not run.
    own_data
        Whether it brings its own series: then cells that differ in their dataset alone share one check.
    """

    name: str
    summary: str
    check: Callable[[Pieces], Outcome]
    own_data: bool = False
