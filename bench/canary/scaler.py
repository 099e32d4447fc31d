"""Refit the scaler with the test part multiplied by 1000: train and validation windows must not move."""

from __future__ import annotations

from bench.canary.base import Canary, Outcome, Verdict
from bench.canary.moves import distance, windows_distance
from bench.canary.pieces import Pieces, windows_of
from bench.canary.twins import multiplied_from

FACTOR = 1000.0


def check(pieces: Pieces) -> Outcome:
    """Prepare the cell twice and compare every window that training may see, digit for digit."""
    before = pieces.prepare(pieces.series)
    after = pieces.prepare(multiplied_from(pieces.series, before.cut.validation_end, FACTOR))
    if not pieces.series.values[before.cut.test].any():
        return Outcome(Verdict.DOES_NOT_APPLY, "every test point is 0, and stays 0 when it is multiplied")
    sizes = {
        "the scaler": max(
            distance(before.scaler.offset, after.scaler.offset), distance(before.scaler.scale, after.scaler.scale)
        ),
    }
    fitted = windows_of(after)
    for part, windows in windows_of(before).items():
        if part != "test":
            sizes[f"{part} windows"] = windows_distance(windows, fitted[part], len(windows), targets=True)
    largest = max(sizes.values())
    if largest > 0:
        moved = ", ".join(f"{what} by {size:.3g}" for what, size in sizes.items() if size > 0)
        return Outcome(Verdict.SANG, f"the test part times {FACTOR:g} moved {moved}; fit it on the train part", largest)
    return Outcome(Verdict.QUIET, f"{len(before.data.train)} train windows did not move", largest)


SCALER = Canary("scaler", "the test part times 1000: the scaler and the windows before it must not move", check)
