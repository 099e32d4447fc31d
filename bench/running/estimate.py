"""About how long cells take: a default rate, corrected by what cells of the same kind took before."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from bench.models import model_kinds
from bench.suite.cells import Cell
from bench.suite.spec import Entry

START_S = 3.0
"""A worker's first seconds: a fresh interpreter that imports torch."""

_CLOSED_FORM_S = 0.05
_STEP_S = 5.0e-8
"""Seconds of one time step of one window through forward and backward pass, beside the arithmetic."""
_FLOP_S = 2.0e-11
"""Seconds of one floating-point operation of a small network on one core."""
_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
_STOPS_AT = 0.6
"""Early stopping and pruning leave about this part of the epochs."""


class Estimator:
    """Seconds by cell, from a default and from what was observed."""

    def __init__(self) -> None:
        self._kinds = model_kinds()
        self._ratios: dict[tuple[object, ...], list[float]] = {}

    def observe(self, cell: Cell, train_windows: int, seconds: float) -> None:
        """`cell` took `seconds`: similar cells are taken to be as much slower or faster than the default."""
        ratio = seconds / self.default_s(cell, train_windows)
        for key in self._keys(cell):
            self._ratios.setdefault(key, []).append(ratio)

    def seconds(self, cell: Cell, train_windows: int) -> float:
        """About how long `cell` takes."""
        known = next((self._ratios[key] for key in self._keys(cell) if key in self._ratios), [1.0])
        return self.default_s(cell, train_windows) * median(known)

    def _keys(self, cell: Cell) -> list[tuple[object, ...]]:
        """What similar cells share, from the most similar to the least."""
        dataset, model, kind = cell.dataset.id, cell.model.id, cell.model.kind
        return [("cell", dataset, model), ("model", model), ("kind", kind), ("all", self._kinds[kind].gradient)]

    def default_s(self, cell: Cell, train_windows: int) -> float:
        """The estimate before anything is known: windows × steps × passes, at the rates given above."""
        kind = self._kinds[cell.model.kind]
        if not kind.gradient:
            return _CLOSED_FORM_S
        tuning, epochs = cell.tuning, cell.training.epochs
        passes = cell.seeds * epochs
        if tuning and kind.search:
            passes += tuning.trials * (tuning.epochs or epochs)
        step_s = _STEP_S + _FLOP_S * _flops_of_a_step(cell.model)
        return _CLOSED_FORM_S + _STOPS_AT * passes * train_windows * cell.sequence_length * step_s


def left_s(cells: Iterable[float], jobs: int) -> float:
    """Seconds until `jobs` workers have ended cells of these seconds: never less than the longest of them."""
    each = list(cells)
    return max([sum(each) / jobs, *each])


def _flops_of_a_step(model: Entry) -> float:
    """Forward and backward pass of a recurrent layer; a model without these parameters is taken for the like."""
    numbers = {name: value for name, value in model.parameters.items() if isinstance(value, int)}
    gates = _GATES.get(str(model.parameters.get("cell", model.kind)), 4)
    return float(12 * gates * numbers.get("layers", 1) * numbers.get("hidden_size", 32) ** 2)
