"""From a search space to candidates: the hyperparameters of one trial, resolved. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.cells import Cell
from bench.models.base import ModelKind, Parameters, SearchRange
from bench.spec import Training


@dataclass(frozen=True)
class Candidate:
    """One set of hyperparameters: those of the model and those of its training."""

    parameters: Parameters
    training: Training

    def values(self) -> dict[str, Any]:
        """Everything that a fit with this candidate depends on, for the `hyperparameters` column."""
        return {**self.parameters.model_dump(mode="json"), **self.training.model_dump(mode="json")}


def space(kind: ModelKind, cell: Cell) -> dict[str, SearchRange]:
    """What tuning may vary: the kind's search space without what the suite states of this model."""
    return {name: choices for name, choices in kind.search.items() if name not in cell.model.stated}


def resolve(kind: ModelKind, cell: Cell, overrides: Mapping[str, Any] | None = None) -> Candidate:
    """The cell's own hyperparameters with `overrides` in place: each belongs to the model or to its training."""
    overrides = dict(overrides or {})
    own = {name: overrides.pop(name) for name in list(overrides) if name in kind.parameters.model_fields}
    parameters = cell.model.parsed(kind.parameters, **own)
    training = Training.model_validate({**cell.training.model_dump(), **overrides})
    return Candidate(parameters, training)


def defaults(kind: ModelKind, cell: Cell) -> dict[str, Any]:
    """The cell's own value for every name in its search space: the first trial."""
    values = resolve(kind, cell).values()
    return {name: values[name] for name in space(kind, cell)}
