"""A forecast that looks like the truth: whether it is close to it, and whether it comes late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bench.published.against import in_numbers, ratio
from bench.published.cases import Case, over, sentence
from bench.published.delay import Delay
from bench.published.evidence import Evidence, Tables
from bench.published.lags import delay_of, one_step
from bench.published.values import ClaimFinding, Held

LITTLE = 2
"""Points that a little delay may have."""


def alike(text: str, cells: Sequence[Evidence], tables: Tables) -> tuple[ClaimFinding, ClaimFinding]:
    """The verdicts on "matches closely, with a little delay": one on closeness, one on the delay.

    Closeness is held against repeating the last value, which looks close on every slow series. The delay is that of
    one-step forecasts.
    """
    close = [(_label(cell), tables.better_than_persistence(cell), in_numbers(cell)) for cell in cells]
    late = list(_late(cells, tables))
    return (
        ClaimFinding(f"{text}: closeness", over(close), _closeness(close, cells), tuple(close)),
        ClaimFinding(f"{text}: delay", over(late), "; ".join([sentence(late), *_repeats(cells, tables)]), tuple(late)),
    )


def _label(cell: Evidence) -> str:
    return f"{cell.dataset}, {cell.model}"


def _closeness(close: Sequence[Case], cells: Sequence[Evidence]) -> str:
    """How many err less than persistence, and how large the errors are beside its."""
    if not close:
        return sentence(close)
    less, more = (sum(held is each for _, held, _ in close) for each in (Held.HOLDS, Held.FAILS))
    told = (
        f"of {len(close)} forecasts {less} are shown to err less than repeating the last value, and {more} to err more"
    )
    ratios = [known for cell in cells if (known := ratio(cell)) is not None]
    return f"{told}; their RMSE is {min(ratios):.3g} to {max(ratios):.3g} times as large as its" if ratios else told


def _late(cells: Sequence[Evidence], tables: Tables) -> Iterator[Case]:
    for cell in cells:
        found = delay_of(cell, tables)
        if found is not None:
            yield _label(cell), _little(found), told(found)


def _little(found: Delay) -> Held:
    if not found.told:
        return Held.OPEN
    return Held.HOLDS if 0 < found.steps <= LITTLE else Held.FAILS


def told(found: Delay) -> str:
    """The delay in numbers."""
    steps = f"{found.steps} {'step' if abs(found.steps) == 1 else 'steps'}"
    return (
        f"{steps} at a correlation of {found.correlation:.2f}, where chance gives up to {found.chance:.2f}; "
        f"without lag {found.at_zero:.2f}"
    )


def _repeats(cells: Sequence[Evidence], tables: Tables) -> list[str]:
    """In how many cells the one-step forecasts follow the last value more closely than the one they are of."""
    followed = [found for cell in cells if (found := _follows_last(cell, tables)) is not None]
    if not followed:
        return []
    counted = (
        f"in {sum(followed)} of {len(followed)} the one-step forecasts lie, but for a constant, nearer to the last "
        "known value than to the one they are of"
    )
    most = 2 * sum(followed) > len(followed)
    return [f"{counted}: the curves look alike because the last value is repeated" if most else counted]


def _follows_last(cell: Evidence, tables: Tables) -> bool | None:
    found = list(one_step(cell, tables))
    if not found:
        return None
    from_last = np.mean([np.var(each.prediction - each.last) for each in found])
    from_target = np.mean([np.var(each.prediction - each.target) for each in found])
    return bool(from_last < from_target)
