"""How long a cell takes: by the arithmetic of its networks at rough rates, corrected by cells that were stored.

Each network of a cell is counted by itself: those of the replicates, and those of the trials as the mean over the
search space. A step of a small network takes its time whatever its width, which a rate alone would not see.
"""

import math
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product
from statistics import fmean, median
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from bench.cells import Cell
from bench.models import model_kinds
from bench.models.base import Choice, ModelKind
from bench.spec import Training
from bench.store.environment import machine_reference_s
from bench.tuning.candidates import space

START_S = 3.0
"""A worker's first seconds: a fresh interpreter that imports torch."""

_CLOSED_FORM_S = 0.05
_UPDATE_S = 4.6e-5
"""Seconds of one step of the optimiser of one network, in addition to its windows."""
_STEP_S = 3.4e-8
"""Seconds of one point of one window through one layer, forward and back, in addition to the arithmetic."""
_FLOP_S = 1.24e-11
"""Seconds of one floating-point operation of a network on one core.

The three are fitted to the 49 recurrent cells of ``suites/tutorials.yaml`` that took more than 0.3 s on one machine:
80 % of them then take between 1 / 1.5 and 1.5 times their estimate. Elsewhere the latter two are as much longer as the
machine's reference product (`machine_reference_s`).
"""
_REFERENCE_S = 2.2e-3
"""Seconds of the reference product on that machine."""
_MATRICES: Mapping[str, float] = {
    "rnn": 1,
    "gru": 3,
    "lstm": 4,
    "mlp": 0.25,
    "dlinear": 0.1,
    "nlinear": 0.1,
    "tcn": 6,
    "n-beats": 0.5,
    "tsmixer": 1,
    "transformer": 12,
    "patchtst": 6,
}
"""Of hidden_size rows and columns in one layer, for each point of a window: of gates, else about as many as cost it."""
_SLOWER: Mapping[str, float] = {"tcn": 2.1, "n-beats": 3.8, "transformer": 3.5, "lru": 11.7}
"""How many times as long as its arithmetic a network takes that torch carries out operation by operation.

From the processor time of 30 steps of 4 members each, 32 units, length 24, batches of 64, on a busy machine of about
that pace. One size of each was measured, so that other widths and lengths may be off; kinds that are not here are
taken as they are counted, which was too little for these.
"""
_LAYERS = 4  # where the window decides how many there are
_WHOLE = 1000  # windows of a batch that is the whole train part, whose length is not looked at
_STOPS_AT = 0.85
"""Early stopping leaves about this part of a replicate's budget."""
_PRUNED_AT = 0.75
"""Early stopping and pruning leave about this part of a trial's budget."""
_HALVED_AT = 0.2
"""The same by halving: all trials go through a 16th of the budget, half of them through an 8th, and so on."""


class Estimator:
    """Seconds by cell, from a default and from what was observed.

    Parameters
    ----------
    pace
        How many times slower than the machine that the rates are of; `None` for this machine's, which is measured.
    """

    def __init__(self, pace: float | None = None) -> None:
        self._pace = pace
        self._kinds = model_kinds()
        self._ratios: dict[tuple[object, ...], list[float]] = {}

    def observe(self, cell: Cell, train_windows: int, seconds: float, *, fits: int = 1) -> None:
        """`cell`, or what of it was run, took `seconds`: similar ones are taken to be as much slower or faster.

        `fits` is how often each replicate was fitted.
        """
        ratio = seconds / self.default_s(cell, train_windows, fits=fits)
        for key in self._keys(cell):
            self._ratios.setdefault(key, []).append(ratio)

    def seconds(self, cell: Cell, train_windows: int, *, fits: int = 1) -> float:
        """About how long `cell` takes, each replicate of which is fitted `fits` times."""
        known = next((self._ratios[key] for key in self._keys(cell) if key in self._ratios), [1.0])
        return self.default_s(cell, train_windows, fits=fits) * median(known)

    def _keys(self, cell: Cell) -> list[tuple[object, ...]]:
        """What similar cells share, from the most similar to the least."""
        dataset, model, kind = cell.dataset.id, cell.model.id, cell.model.kind
        return [("cell", dataset, model), ("model", model), ("kind", kind), ("all", self._kinds[kind].gradient)]

    def default_s(self, cell: Cell, train_windows: int, *, fits: int = 1) -> float:
        """The estimate before anything is known."""
        kind = self._kinds[cell.model.kind]
        if not kind.gradient:
            return _CLOSED_FORM_S * fits
        point_s = fmean(_point_s(cell.model.kind, each) for each in _tried(kind, cell))  # a winner may be any of them
        window_s = cell.sequence_length * point_s * (_pace() if self._pace is None else self._pace)
        ends = _STOPS_AT if cell.training.early_stopping else 1.0
        seconds = fits * ends * len(cell.replicates) * _budget_s(cell.training, train_windows, window_s)
        if cell.tuning and kind.search and not (cell.finished or cell.untuned):
            ends_at = _HALVED_AT if cell.tuning.pruner == "halving" else _PRUNED_AT
            trial_s = _budget_s(cell.tuning.trial(cell.training), train_windows, window_s)
            seconds += ends_at * cell.tuning.trials * trial_s
        return _CLOSED_FORM_S + seconds


class TrainingStep(NamedTuple):
    """One step of training of all members that train as one.

    Parameters
    ----------
    core_s
        Seconds that a core of the machine takes which the rates are of.
    points
        Points of time that follow one another, in all layers.
    """

    core_s: float
    points: int


def step_of(cell: Cell) -> TrainingStep | None:
    """The largest that `cell` takes, of its replicates or of its trials; `None` where its model has no gradients."""
    kind = model_kinds()[cell.model.kind]
    if not kind.gradient:
        return None
    tried = _tried(kind, cell)
    studied = cell.tuning and kind.search and not (cell.finished or cell.untuned)
    trials = min(cell.tuning.batch, cell.tuning.trials) if cell.tuning and studied else 1
    members = max(1 if cell.fresh_data else len(cell.replicates), trials)
    rows = _WHOLE if cell.training.batch_size == "all" else cell.training.batch_size
    point_s = fmean(_point_s(cell.model.kind, each) for each in tried)
    layers = max(int(each.get("layers", 1) or _LAYERS) for each in tried)
    return TrainingStep(members * rows * cell.sequence_length * point_s, layers * cell.sequence_length)


def _tried(kind: ModelKind, cell: Cell) -> list[dict[str, Any]]:
    """The parameters of `cell` with every combination that its study may choose."""
    sizes = dict(cell.model.parameters)
    searched = space(kind, cell) if cell.tuning and kind.search else {}
    choices = {name: values.options for name, values in searched.items() if isinstance(values, Choice)}
    return [sizes | dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


@cache
def _pace() -> float:
    """How many times slower this machine multiplies matrices than the one that the rates are of, by one thread."""
    with threadpool_limits(1):
        return machine_reference_s() / _REFERENCE_S


def _point_s(kind: str, parameters: Mapping[str, Any]) -> float:
    """Seconds of one point of one window, forward and back; parameters that are not there are taken for the usual.

    They are those of the machine that the rates are of.
    """
    layers, ways = int(parameters.get("layers", 1) or _LAYERS), 1 + bool(parameters.get("bidirectional", False))
    hidden, matrices = int(parameters.get("hidden_size", 32)), _MATRICES.get(str(parameters.get("cell", kind)), 4)
    inner = ways * (hidden * hidden + (layers - 1) / layers * ways * hidden * hidden)
    return float(_SLOWER.get(kind, 1) * layers * (ways * _STEP_S + _FLOP_S * 6 * matrices * inner))


def _budget_s(training: Training, train_windows: int, window_s: float) -> float:
    """Seconds of one network's whole budget, with `window_s` for each window that it trains on, again and again."""
    size = train_windows if training.batch_size == "all" else min(training.batch_size, train_windows)
    if training.steps is None:
        return training.rounds * (train_windows * window_s + math.ceil(train_windows / max(size, 1)) * _UPDATE_S)
    return training.steps * (size * window_s + _UPDATE_S)


def left_s(cells: Iterable[float], jobs: int) -> float:
    """Seconds until `jobs` workers have ended cells of these seconds: never less than the longest of them."""
    each = list(cells)
    return max([sum(each) / jobs, *each])


def rest_s(estimate_s: float, *, took: float) -> float:
    """About how many more seconds a cell takes that `took` so long: one that passed its estimate is not at its end.

    >>> rest_s(10.0, took=4.0), rest_s(1.0, took=60.0)
    (6.0, 15.0)
    """
    return max(estimate_s - took, took / 4)
