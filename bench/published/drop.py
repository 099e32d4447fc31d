"""The largest fall from one point to the next in the test part, and the errors there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bench.published.cases import Case, over, sentence
from bench.published.evidence import Evidence, Tables
from bench.published.lags import one_step
from bench.published.values import ClaimFinding, FloatArray, Held
from bench.stats.intervals import mean


def sudden_drop(text: str, cells: Sequence[Evidence], tables: Tables) -> ClaimFinding:
    """The verdict on "fails at a sudden drop", from the one-step forecasts of `cells`.

    It holds where the error at the largest fall of the test part is larger than that of persistence, which is the
    fall itself, and larger than the network's own typical error, the median of the others: both with the whole
    interval over replicates.
    """
    cases = list(_cases(cells, tables))
    return ClaimFinding(text, over(cases), sentence(cases), tuple(cases))


def _cases(cells: Sequence[Evidence], tables: Tables) -> Iterator[Case]:
    for cell in cells:
        errors = np.array([_errors(each.prediction, each.last, each.target) for each in one_step(cell, tables)])
        if len(errors) and errors[0, 2] > 0:
            yield _case(f"{cell.dataset}, {cell.model}", *errors.T)


def _errors(prediction: FloatArray, last: FloatArray, target: FloatArray) -> tuple[float, float, float]:
    """At the largest fall, of a typical point elsewhere, and the fall."""
    falls, errors = last - target, np.abs(prediction - target)
    there = int(np.argmax(falls))
    return float(errors[there]), float(np.median(np.delete(errors, there))), float(falls[there])


def _case(label: str, there: FloatArray, typical: FloatArray, fall: FloatArray) -> Case:
    beyond = [mean(there - fall), mean(there - typical)]
    larger = [Held.HOLDS if gap.low > 0 else Held.FAILS if gap.high < 0 else Held.OPEN for gap in beyond]
    held = over([("", each, "") for each in larger])
    error = mean(there)
    text = (
        f"error {error.value:.3g} [{error.low:.3g}, {error.high:.3g}] at the largest fall of the test part, by "
        f"{fall.mean():.3g}, which is the error of persistence there; elsewhere typically {typical.mean():.3g}"
    )
    return label, held, text
