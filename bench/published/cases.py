"""The cases of a claim → one verdict, and one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from bench.published.values import Held

Case = tuple[str, Held, str]
"""Where, the verdict there, and the numbers."""


def over(cases: Sequence[Case]) -> Held:
    """Of a claim that was made without a limit: one case against it is enough."""
    held = {each for _, each, _ in cases}
    if held <= {Held.NOT_MEASURED}:
        return Held.NOT_MEASURED
    return Held.FAILS if Held.FAILS in held else Held.HOLDS if held == {Held.HOLDS} else Held.OPEN


def sentence(cases: Sequence[Case]) -> str:
    """For how many cases it holds."""
    if not cases:
        return "nothing that could decide it was measured"
    counts = [(held, sum(each is held for _, each, _ in cases)) for held in Held]
    return f"of {len(cases)} cases it " + ", ".join(f"{held} in {count}" for held, count in counts if count)
