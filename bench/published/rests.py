"""What a poor published result rests on: how it was trained, or the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.published.evidence import Evidence
from bench.published.values import ClaimFinding, Held
from bench.stats.intervals import mean, paired_ratio

ASKED_TWICE = "targets: same-at-every-step"
"""The departure that asks every step of a window for the one value after it."""


def rests_on(text: str, cells: Sequence[Evidence]) -> ClaimFinding:
    """The verdict on "the network fails", from all `cells` of its card.

    Each cell is held against persistence; and the network whose every step is asked for the one value after the
    window against the same one that is asked at the last step only, replicate by replicate.
    """
    cases = tuple(_against_persistence(cell) for cell in cells)
    if not cases:
        return ClaimFinding(text, Held.NOT_MEASURED, "no replicate finished")
    held = {case[1] for case in cases}
    over = Held.HOLDS if held == {Held.HOLDS} else Held.FAILS if held == {Held.FAILS} else Held.OPEN
    parts = [_persistence_says(held), *_target_says(cells)]
    return ClaimFinding(text, over, "; ".join(parts), cases)


def _against_persistence(cell: Evidence) -> tuple[str, Held, str]:
    skill = mean(cell.numbers["skill"])
    value, low, high = (float(number) for number in (skill.value, skill.low, skill.high))
    held = Held.HOLDS if high < 0 else Held.FAILS if low > 0 else Held.OPEN
    error, reference = (float(np.sqrt(np.mean(cell.numbers[name]))) for name in ("mse", "persistence_mse"))
    label = f"{cell.dataset}, {cell.model}"
    return label, held, f"RMSE {error:.4g}, persistence {reference:.4g}, skill {value:.3g} [{low:.3g}, {high:.3g}]"


def _persistence_says(held: set[Held]) -> str:
    if held == {Held.HOLDS}:
        return "every variant does worse than repeating the last close, however it is trained"
    if Held.FAILS in held:
        return "not every variant does worse than repeating the last close"
    return "no variant is better than repeating the last close, and not all are worse"


def _target_says(cells: Sequence[Evidence]) -> list[str]:
    """How much larger the error is where every step is asked for the same value; nothing where that was not run."""
    asked = next((cell for cell in cells if ASKED_TWICE in cell.departures), None)
    plain = next((cell for cell in cells if cell.departures and ASKED_TWICE not in cell.departures), None)
    if asked is None or plain is None:
        return []
    shared = sorted(set(asked.seeds) & set(plain.seeds))
    mse = [dict(zip(cell.seeds, cell.numbers["mse"].tolist(), strict=True)) for cell in (asked, plain)]
    ratio = paired_ratio(*(np.array([own[seed] for seed in shared]) for own in mse))
    root, low, high = (float(np.sqrt(number)) for number in (ratio.value, ratio.low, ratio.high))
    told = f"asking every step for one value multiplies the RMSE by {root:.3g} [{low:.3g}, {high:.3g}]"
    if low > 1:
        return [f"{told}: part of the failure is the target, not the network"]
    return [f"{told}: the target is not what fails"]
