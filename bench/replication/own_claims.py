"""Claims that a system's own printed numbers and cells decide, without any other system of its card.

Whether the printed losses never rise; whether the test error shows overfitting; whether the forecast is better than
repeating the last value; and what a second direction adds to the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from bench.replication.evidence_rows import Evidence, Tables, in_numbers
from bench.replication.facts import GATES, linear_parameters, recurrent_parameters
from bench.replication.findings import CaseFinding, ClaimFinding, level_of, mean, over, sentence
from bench.replication.printed import train_losses
from bench.replication.systems import Claim, ClaimTest, Published
from bench.stats.claims import ClaimOutcome

OVERFITTING = 2.0
"""A test error of so many times the training loss or more is a sign of overfitting."""

Decide = Callable[[Published, Sequence[Evidence], Tables], Iterator[CaseFinding]]


def decide_own(claim: Claim, published: Published, cells: Sequence[Evidence], tables: Tables) -> ClaimFinding:
    """The verdict on what `claim`, of a test in `TESTS`, says.

    Parameters
    ----------
    claim, published
        What was said, and what was printed with it.
    cells
        Those of its system that ran as published and have a finished replicate.
    tables
        Where their rows are.
    """
    cases = list(TESTS[claim.test](published, cells, tables))
    return ClaimFinding(claim.text, over(cases), sentence(cases), tuple(cases))


def _falling(published: Published, cells: Sequence[Evidence], tables: Tables) -> Iterator[CaseFinding]:
    """As printed, each loss is no larger than the one before; of ours, how many courses are so is said next to it."""
    printed = train_losses(published)
    rises = [(first, later) for first, later in pairwise(printed) if printed[later].low > printed[first].low]
    said = [f"{printed[a].text} at epoch {a}, {printed[b].text} at epoch {b}" for a, b in rises]
    ours = [text for cell in cells for text in _falling_here(cell, list(printed), tables)]
    outcome = ClaimOutcome.FAILS if rises else ClaimOutcome.HOLDS
    yield "as printed", outcome, "; ".join([*(said or ["no printed loss is larger than the one before"]), *ours])


def _falling_here(cell: Evidence, epochs: Sequence[int], tables: Tables) -> Iterator[str]:
    course = np.stack([tables.losses(cell, epoch) for epoch in epochs], axis=1)  # [replicates, epochs]
    course = course[np.isfinite(course).all(axis=1)]
    if len(course):
        falling = int((np.diff(course, axis=1) <= 0).all(axis=1).sum())
        yield f"of our {len(course)} replicates {falling} never rise at these epochs"


def _no_overfitting(published: Published, cells: Sequence[Evidence], tables: Tables) -> Iterator[CaseFinding]:
    """The test error in scaled units over the last training loss, replicate by replicate, in logarithms."""
    epochs = list(train_losses(published))
    level = level_of(len(cells))
    for cell in cells if epochs else ():
        loss, error = tables.losses(cell, epochs[-1]), cell.numbers["mse_scaled"]
        known = np.isfinite(loss) & np.isfinite(error) & (loss > 0) & (error > 0)
        ratio = mean(np.log(error[known] / loss[known]), level=level)
        limit = float(np.log(OVERFITTING))
        outcome = (
            ClaimOutcome.HOLDS
            if ratio.high < limit
            else ClaimOutcome.FAILS
            if ratio.low >= limit
            else ClaimOutcome.INCONCLUSIVE
        )
        ends = f" [{np.exp(ratio.low):.3g}, {np.exp(ratio.high):.3g}]" if np.isfinite(ratio.low) else ""
        text = f"the test error is {np.exp(ratio.value):.3g}{ends} times the training loss; a sign of overfitting is 2"
        yield f"{cell.dataset}, {cell.model}", outcome, text


def _beats_persistence(published: Published, cells: Sequence[Evidence], tables: Tables) -> Iterator[CaseFinding]:  # noqa: ARG001 - one signature
    for cell in cells:
        yield f"{cell.dataset}, {cell.model}", tables.better_than_persistence(cell), in_numbers(cell)


def _doubled(published: Published, cells: Sequence[Evidence], tables: Tables) -> Iterator[CaseFinding]:  # noqa: ARG001 - one signature
    """The recorded parameters are those of two directions; the formula gives those of one."""
    for cell in cells:
        own, total = cell.spec.model_parameters, cell.mean("parameters")
        if not own.get("bidirectional") or cell.spec.model_kind not in GATES or total is None:
            continue
        hidden, inputs, targets = own["hidden_size"], cell.shapes["train_inputs"][2], cell.shapes["train_targets"]
        head = linear_parameters(2 * hidden, targets[1] * targets[2])
        one = recurrent_parameters(cell.spec.model_kind, inputs, hidden, layers=own["layers"])
        width = cell.shapes["outputs"][-1]
        doubled = total - head == 2 * one and width == 2 * hidden
        text = f"parameters of the layers {one} and {total - head:.0f}, output size {hidden} and {width}"
        yield f"{cell.dataset}, {cell.model}", ClaimOutcome.HOLDS if doubled else ClaimOutcome.FAILS, text


TESTS: Mapping[ClaimTest, Decide] = {
    "falling-loss": _falling,
    "no-overfitting": _no_overfitting,
    "beats-persistence": _beats_persistence,
    "doubled": _doubled,
}
"""The tests that need no other system."""
