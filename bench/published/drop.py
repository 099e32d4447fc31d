"""The largest fall from one point to the next in the test part, and the errors there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bench.published.cases import Case, over, sentence
from bench.published.evidence import Evidence, Tables
from bench.published.lags import OneStep, one_step
from bench.published.means import level_of, mean
from bench.published.values import ClaimFinding, FloatArray, Held


def sudden_drop(text: str, cells: Sequence[Evidence], tables: Tables) -> ClaimFinding:
    """The verdict on "fails at a sudden drop", from the one-step forecasts of `cells`.

    It holds where the error at the largest fall of the test part is larger than that of persistence, which is the
    fall itself, and larger than the network's own typical error, the median of the others: both with the whole
    interval over replicates; all intervals of the claim hold together.
    """
    cases = list(_cases(cells, tables))
    return ClaimFinding(text, over(cases), sentence(cases), tuple(cases))


def _cases(cells: Sequence[Evidence], tables: Tables) -> Iterator[Case]:
    found = [(cell, np.array([_errors(one) for one in one_step(cell, tables)])) for cell in cells]
    falling = [(cell, errors) for cell, errors in found if len(errors) and errors[0, 2] > 0]
    level = level_of(2 * len(falling))
    for cell, errors in falling:
        yield _case(f"{cell.dataset}, {cell.model}", *errors.T, level=level)


def _errors(own: OneStep) -> tuple[float, float, float]:
    """At the largest fall, of a typical point elsewhere, and the fall."""
    falls, errors = own.last - own.target, np.abs(own.prediction - own.target)
    there = int(np.argmax(falls))
    return float(errors[there]), float(np.median(np.delete(errors, there))), float(falls[there])


def _case(label: str, there: FloatArray, typical: FloatArray, fall: FloatArray, *, level: float) -> Case:
    beyond = [mean(there, fall, level=level), mean(there, typical, level=level)]
    larger = [Held.HOLDS if gap.low > 0 else Held.FAILS if gap.high < 0 else Held.OPEN for gap in beyond]
    held = over([("", each, "") for each in larger])
    text = (
        f"error {mean(there, level=level).text} at the largest fall of the test part, by {fall.mean():.3g}, "
        f"which is the error of persistence there; elsewhere typically {typical.mean():.3g}"
    )
    return label, held, text
