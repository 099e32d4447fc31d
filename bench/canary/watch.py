"""Run the canaries on the cells of a suite."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

from bench.canary.base import Canary, CheckOutcome, CheckVerdict
from bench.canary.causality import CAUSALITY, SCALER
from bench.canary.chance import GBM, PERMUTED
from bench.canary.end_to_end import END_TO_END
from bench.canary.pieces import CheckBudget, Pieces
from bench.cells import Cell
from bench.data.base import Sequences, Series
from bench.errors import BenchError, one_line
from bench.protocol.prepare import load_data
from bench.running.rows import classified

CANARIES: dict[str, Canary] = {
    "causality": CAUSALITY,
    "permuted": PERMUTED,
    "gbm": GBM,
    "scaler": SCALER,
    "end-to-end": END_TO_END,
}


@dataclass(frozen=True)
class CheckResult:
    """What one canary said of one cell."""

    cell: Cell
    canary: Canary
    outcome: CheckOutcome


def watch(cells: Sequence[Cell], canaries: Iterable[Canary], budget: CheckBudget) -> Iterator[CheckResult]:
    """Every canary on every cell, in their order; what goes wrong is an outcome too.

    A canary with data of its own is requested once for all cells that differ in their dataset alone; its finding has
    the first of them.
    """
    canaries = list(canaries)
    requested: set[tuple[str, str]] = set()
    for _, group in groupby(cells, key=lambda cell: cell.dataset.id):
        same_data = list(group)
        load: Callable[[], Any] = _once(partial(load_data, same_data[0]))
        for cell in same_data:
            for canary in canaries:
                question = canary.name, replace(cell, dataset=cells[0].dataset, data_sha256=None).id
                if not (canary.own_data and question in requested):
                    requested.add(question)
                    yield CheckResult(cell, canary, ask(canary, Pieces(cell, load, budget)))


def ask(canary: Canary, pieces: Pieces) -> CheckOutcome:
    """What `canary` says; what is raised means that it could not run."""
    try:
        if pieces.cell.as_published.split == "none":
            return CheckOutcome(CheckVerdict.DOES_NOT_APPLY, "every window is trained on, and tested on")
        return canary.check(pieces)
    except BenchError as error:
        return CheckOutcome(CheckVerdict.COULD_NOT_RUN, one_line(error))
    except Exception as error:  # whatever a model or a dataset raises; KeyboardInterrupt still passes
        return CheckOutcome(CheckVerdict.COULD_NOT_RUN, classified(error)[1])


def _once(load: Callable[[], Series | Sequences]) -> Callable[[], Series | Sequences]:
    """`load`, whose data or exception is kept for the next call: a download is not tried again for every check."""
    kept: list[Series | Sequences | Exception] = []

    def again() -> Series | Sequences:
        if not kept:
            try:
                kept.append(load())
            except Exception as error:  # raised below, as often as it is requested
                kept.append(error)
        (came,) = kept
        if isinstance(came, Exception):
            raise came
        return came

    return again
