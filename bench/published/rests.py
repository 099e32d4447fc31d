"""What a poor published result rests on: how it was trained, or the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from bench.published.against import in_numbers
from bench.published.cases import Case, over
from bench.published.evidence import Evidence, Tables
from bench.published.values import ClaimFinding, Held
from bench.stats.paired import paired

ASKED_TWICE = "targets: same-at-every-step"
"""The departure that asks every step of a window for the one value after it."""

ALIKE = 1.05
"""Below this ratio of two RMSEs the target is not what makes a network fail."""

_WORSE = {Held.HOLDS: Held.FAILS, Held.FAILS: Held.HOLDS}

_SAYS = {
    Held.HOLDS: "worse than repeating the last value",
    Held.FAILS: "better than it",
    Held.OPEN: "not shown to differ from it",
    Held.NOT_MEASURED: "not tested against it",
}


def rests_on(text: str, cells: Sequence[Evidence], protocol: Sequence[Evidence], tables: Tables) -> ClaimFinding:
    """The verdict on "the network fails", from the `cells` of its card as published.

    Each is held against persistence, and the same networks under the protocol beside them: these say whether it is
    the training that fails. The network whose every step is asked for the one value after the window is held against
    the same one that is asked at the last step only, replicate by replicate.
    """
    if not cells:
        return ClaimFinding(text, Held.NOT_MEASURED, "no replicate finished")
    own = [_case(cell, tables) for cell in cells]
    others = [_case(cell, tables, how=", protocol") for cell in protocol]
    parts = [_says("as published", own), *([_says("under the protocol", others)] if others else [])]
    return ClaimFinding(text, over(own), "; ".join([*parts, *_target_says(cells)]), (*own, *others))


def _case(cell: Evidence, tables: Tables, *, how: str = "") -> Case:
    better = tables.better_than_persistence(cell)
    return f"{cell.dataset}, {cell.model}{how}", _WORSE.get(better, better), in_numbers(cell)


def _says(how: str, cases: Sequence[Case]) -> str:
    tally = Counter(held for _, held, _ in cases)
    counted = ", ".join(f"{tally[held]} {words}" for held, words in _SAYS.items() if tally[held])
    return f"{how}, of {len(cases)} {'network' if len(cases) == 1 else 'networks'} {counted}"


def _target_says(cells: Sequence[Evidence]) -> list[str]:
    """How much larger the error is where every step is asked for the same value; nothing where that was not run."""
    asked = next((cell for cell in cells if ASKED_TWICE in cell.departures), None)
    plain = next((cell for cell in cells if cell.departures and ASKED_TWICE not in cell.departures), None)
    if asked is None or plain is None:
        return []
    shared = sorted(set(asked.seeds) & set(plain.seeds))
    mse = [dict(zip(cell.seeds, cell.numbers["mse"].tolist(), strict=True)) for cell in (asked, plain)]
    found = paired(*(np.array([own[seed] for seed in shared]) for own in mse))
    ends = (found.ratio, found.ratio_low, found.ratio_high)
    return [_ratio_says(*(float(np.sqrt(np.maximum(number, 0.0))) for number in ends))]


def _ratio_says(ratio: float, low: float, high: float) -> str:
    """What follows of a ratio of RMSEs and its interval, whose ends are NaN where they are not known."""
    over = f" [{low:.3g}, {high:.3g}]" if np.isfinite(low) else ""
    told = f"asking every step for one value multiplies the RMSE by {ratio:.3g}{over}"
    if high < ALIKE:
        return f"{told}: the target is not what fails"
    if low > 1:
        return f"{told}: part of the failure is the target, not the network"
    return f"{told}: it cannot be told whether the target has to do with it"
