"""Refit the scaler with the test part multiplied by 1000: train and validation windows must not move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.canary.base import Canary, Outcome, Verdict
from bench.canary.moves import distance, examples_distance, windows_distance
from bench.canary.pieces import Pieces
from bench.canary.twins import multiplied_from, with_larger
from bench.data.base import Sequences, Series
from bench.data.examples import Examples
from bench.data.windows import Windows
from bench.running.prepared import Prepared

FACTOR = 1000.0


def check(pieces: Pieces) -> Outcome:
    """Prepare the cell twice and compare all that training may see, digit for digit."""
    source = pieces.source
    before = pieces.prepare(source)
    held_out = before.cut.test
    if isinstance(source, Series):
        values: NDArray[Any] = source.values
        twin: Series | Sequences = multiplied_from(source, before.cut.validation_end, FACTOR)
    else:
        values, twin = source.inputs, with_larger(source, held_out, FACTOR)
    if not np.nan_to_num(values[held_out]).any():
        return Outcome(Verdict.DOES_NOT_APPLY, "every test point is 0, and stays 0 when it is multiplied")
    return _compared(before, pieces.prepare(twin))


def _compared(before: Prepared, after: Prepared) -> Outcome:
    offset, scale = (distance(getattr(before.scaler, of), getattr(after.scaler, of)) for of in ("offset", "scale"))
    what = "windows" if isinstance(before.source, Series) else "sequences"
    sizes = {"the scaler": max(offset, scale), f"train {what}": _distance(before.data.train, after.data.train)}
    if before.data.validation is not None and after.data.validation is not None:
        sizes[f"validation {what}"] = _distance(before.data.validation, after.data.validation)
    largest = max(sizes.values())
    if largest > 0:
        moved = ", ".join(f"{what} by {size:.3g}" for what, size in sizes.items() if size > 0)
        return Outcome(Verdict.SANG, f"the test part times {FACTOR:g} moved {moved}; fit it on the train part", largest)
    return Outcome(Verdict.QUIET, f"{len(before.data.train)} train {what} did not move", largest)


def _distance(before: Examples, after: Examples) -> float:
    if isinstance(before, Windows) and isinstance(after, Windows):
        return windows_distance(before, after, len(before), targets=True)
    return examples_distance(before, after)


SCALER = Canary("scaler", "the test part times 1000: the scaler and the windows before it must not move", check)
