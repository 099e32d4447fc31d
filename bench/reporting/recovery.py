"""Stored predictions → how long after a level shift at a known time a model is as good again as before it.

The error of a point is the mean of its absolute errors over replicates, channels and all forecasts of it. A model has
recovered at the first point, from the shift on, whose error is at most `FACTOR` times the median error before the
shift, and from which on the mean error of `IN_A_ROW` points is too: one small error alone may be chance. The points
before are those since the shift before, or since the beginning of the test part; the median of them is that of a model
which has recovered, if that took less than half of them. A forecast of several steps that was made before the shift
knows nothing of it, and counts.

Shaker & Hüllermeier, "Recovery analysis for adaptive learning from non-stationary data streams: Experimental design and
case study", Neurocomputing 150 (2015), compare the error after a change with that of a model that always knew the
changed law; here it is compared with the model's own before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from bench.array_types import FloatArray, IntArray

FACTOR = 2.0
"""So many times the median error before a shift is as good as before."""

IN_A_ROW = 5
"""Points whose mean error must be so small too."""

_FEWEST = 10
"""Points before a shift that say what the error was, at least."""

_ROUNDING = 1e-12
"""Errors of this share of the range of the truth are rounding."""


@dataclass(frozen=True)
class Recovery:
    """How one cell comes through the level shifts of its test part.

    Parameters
    ----------
    steps
        For each shift, the points from the first one at the new level to the one where it has recovered: 0 where the
        shift is not seen in its errors; `None` where it has not before the next shift, or the end.
    watched
        For each shift, the points until the next one, or the end.
    """

    cell_id: str
    model: str
    sequence_length: int
    steps: tuple[int | None, ...]
    watched: tuple[int, ...]

    @property
    def median(self) -> float | None:
        """Of `steps`; `None` where it has not recovered from half of the shifts."""
        value = float(np.median([math.inf if each is None else each for each in self.steps]))
        return value if math.isfinite(value) else None


def recovery(predictions: pa.Table, shifts: Sequence[int]) -> Recovery | None:
    """How a cell recovers; `None` where no shift has enough points before it, or an error is not finite.

    Parameters
    ----------
    predictions
        Its rows, of which there is at least one, of all replicates; its targets are points of a series.
    shifts
        Ascending positions in the series of the first points at a new level.
    """
    index, truth, prediction = (predictions[name].to_numpy() for name in ("index", "truth", "prediction"))
    points, place, count = np.unique(index, return_inverse=True, return_counts=True)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and is refused below
        error = np.bincount(place, np.abs(prediction - truth)) / count
        rounding = _ROUNDING * float(np.ptp(truth))
    measured = list(recovered(points, error, shifts, rounding=rounding)) if np.isfinite(error).all() else []
    if not measured:
        return None
    return Recovery(
        cell_id=predictions["cell_id"][0].as_py(),
        model=predictions["model"][0].as_py(),
        sequence_length=predictions["sequence_length"][0].as_py(),
        steps=tuple(steps for steps, _ in measured),
        watched=tuple(watched for _, watched in measured),
    )


def recovered(
    points: IntArray, error: FloatArray, shifts: Sequence[int], *, rounding: float = 0.0
) -> Iterator[tuple[int | None, int]]:
    """For each of `shifts` the points to recovery, and those until the next one; less those with too few before.

    Parameters
    ----------
    points, error
        ``[T]``: ascending positions in the series, and the error at each.
    shifts
        Positions within these.
    rounding
        Errors that are none.
    """
    ends = [*shifts, int(points[-1]) + 1]
    for start, (shift, stop) in zip([int(points[0]), *shifts], pairwise(ends), strict=False):
        before = error[(points >= start) & (points < shift)]
        after = (points >= shift) & (points < stop)
        if len(before) >= _FEWEST and after.any():
            limit = FACTOR * float(np.median(before)) + rounding
            yield _first_below(points[after] - shift, error[after], limit), stop - shift


def _first_below(steps: IntArray, error: FloatArray, limit: float) -> int | None:
    for place in range(len(error) - IN_A_ROW + 1):
        if error[place] <= limit and error[place : place + IN_A_ROW].mean() <= limit:
            return int(steps[place])
    return None


def known_shifts(runs: pa.Table) -> dict[str, tuple[int, ...]]:
    """Cell id → the positions of the shifts in its test part, for the cells whose rows name some."""
    if "shifts" not in runs.column_names:
        return {}
    grouped = runs.select(["cell_id", "shifts"]).group_by("cell_id", use_threads=False).aggregate([("shifts", "min")])
    rows = (row for row in grouped.to_pylist() if row["shifts_min"])
    return {row["cell_id"]: tuple(json.loads(row["shifts_min"]).get("at", ())) for row in rows}
