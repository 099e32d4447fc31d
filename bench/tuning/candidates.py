"""From a search space to candidates: the hyperparameters of one trial, resolved. Imports no torch."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.cells import Cell
from bench.models.base import Choice, IntegerRange, ModelKind, Parameters, SearchRange, search_ranges
from bench.spec import Training
from bench.text import listed, setting


@dataclass(frozen=True)
class Candidate:
    """One set of hyperparameters: those of the model and those of its training."""

    parameters: Parameters
    training: Training

    def values(self) -> dict[str, Any]:
        """Everything that a fit with this candidate depends on, for the `hyperparameters` column."""
        return {**self.training.model_dump(mode="json"), **self.parameters.model_dump(mode="json")}

    def starting(self) -> dict[str, Any]:
        """The value of everything that may be searched."""
        return {**self.parameters.left_open(), **self.values()}


def space(kind: ModelKind, cell: Cell) -> dict[str, SearchRange]:
    """What tuning may vary: the model's ``search`` in the suite, or else the kind's space less what the suite states.

    The cell's own value is always among the choices: a range that does not contain it is widened to it, and a value
    that no range can be widened to stays as it is.
    """
    values, ranges = resolve(kind, cell).starting(), _requested(kind, cell)
    widened = {name: containing(choices, values[name]) for name, choices in ranges.items() if name in values}
    return {name: choices for name, choices in widened.items() if choices is not None}


def _requested(kind: ModelKind, cell: Cell) -> dict[str, SearchRange]:
    if cell.model.search:
        return search_ranges(cell.model.search)
    return {name: choices for name, choices in kind.search.items() if name not in cell.model.stated}


def containing(choices: SearchRange, value: Any) -> SearchRange | None:
    """`choices` widened to `value`; `None` where that cannot be, as for 0 on a log scale.

    >>> containing(IntegerRange(16, 64), 96)
    IntegerRange(low=16, high=96, log=False)
    """
    if isinstance(choices, Choice):
        return choices if value in choices.options else Choice((*choices.options, value))
    kind = int if isinstance(choices, IntegerRange) else int | float
    if isinstance(value, bool) or not isinstance(value, kind) or (choices.log and value <= 0):
        return None
    ends: dict[str, Any] = {"low": min(choices.low, value), "high": max(choices.high, value)}
    return replace(choices, **ends)


def departures(kind: ModelKind, cell: Cell) -> list[str]:
    """Where the cell's own values do not lie in the search space of `kind`, and what tuning does then, in words."""
    values, wide = resolve(kind, cell).starting(), space(kind, cell)
    return [
        f"{name} of {cell.model.id}: the suite's {setting(values[name])} is outside of {_text(choices)}; "
        + (f"tuning searches {_text(wide[name])}" if name in wide else "it stays as it is")
        for name, choices in _requested(kind, cell).items()
        if wide.get(name) != choices
    ]


def _text(choices: SearchRange) -> str:
    if isinstance(choices, Choice):
        return listed([setting(option) for option in choices.options])
    return f"{setting(choices.low)} to {setting(choices.high)}"


def resolve(kind: ModelKind, cell: Cell, overrides: Mapping[str, Any] | None = None) -> Candidate:
    """The cell's own hyperparameters with `overrides` in place: each belongs to the model or to its training."""
    overrides = dict(overrides or {})
    # Without gradients no setting of training is tuned: `learning_rate` is then a parameter of the model.
    names = [name for name in overrides if not kind.gradient or name in kind.parameters.model_fields]
    own = {name: overrides.pop(name) for name in names}
    parameters = cell.model.parsed(kind.parameters, **own)
    training = Training.model_validate({**cell.training.model_dump(), **overrides})
    return Candidate(parameters, training)


def defaults(kind: ModelKind, cell: Cell) -> dict[str, Any]:
    """The cell's own value for every name in its search space: the first trial."""
    values = resolve(kind, cell).starting()
    return {name: values[name] for name in space(kind, cell)}


def winner(kind: ModelKind, cell: Cell, trials: Iterable[Mapping[str, Any]]) -> Candidate | None:
    """The hyperparameters of the smallest validation error; `None` if all trials diverged.

    Parameters
    ----------
    trials
        Rows of `bench.store.schema.TRIALS`: a complete one comes before a pruned one, a failed one never counts.
    """
    usable = [trial for trial in trials if trial["state"] != "failed"]
    best = min(usable, key=lambda trial: (trial["state"] != "complete", trial["validation_mse_scaled"]), default=None)
    return resolve(kind, cell, json.loads(best["parameters"])) if best else None
