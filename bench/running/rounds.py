"""Where further replicates are worth their time: at the claims that are not decided, the cheapest first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.stats.looks import next_look


@dataclass(frozen=True)
class Undecided:
    """A claim that is not decided yet.

    Parameters
    ----------
    cells
        Ids of the cells whose replicates decide it.
    further
        About how many more replicates of each would decide; `None` where none are likely to.
    """

    cells: tuple[str, ...]
    further: int | None


def next_round(
    undecided: Sequence[Undecided], have: Mapping[str, int], replicate_s: Mapping[str, float], *, total: int
) -> list[tuple[str, int]]:
    """The cells to extend next, each with the number of replicates that it is to have, in the order to run them.

    Both sides of a claim are brought to the next look at it. Claims go by what deciding them costs, the least first.
    Those that more replicates are not likely to decide wait until there is nothing else to do.

    Parameters
    ----------
    undecided
        Claims of the report as it is now.
    have
        Cell id → how many replicates are stored.
    replicate_s
        Cell id → seconds of one more.
    total
        No cell gets more replicates than this.
    """
    open_claims = [claim for claim in undecided if min(have[cell] for cell in claim.cells) < total]
    likely = [claim for claim in open_claims if _count(claim, have) + (claim.further or math.inf) <= total]
    wanted: dict[str, int] = {}
    for claim in sorted(likely or open_claims, key=lambda claim: _price(claim, replicate_s)):
        count = next_look(_count(claim, have), total)
        for cell in claim.cells:
            if have[cell] < count:
                wanted[cell] = max(count, wanted.get(cell, 0))
    return list(wanted.items())


def _count(claim: Undecided, have: Mapping[str, int]) -> int:
    return min(have[cell] for cell in claim.cells)


def _price(claim: Undecided, replicate_s: Mapping[str, float]) -> float:
    """Seconds until it is likely to be decided."""
    return (claim.further or math.inf) * max(sum(replicate_s[cell] for cell in claim.cells), 1e-9)
