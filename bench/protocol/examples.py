"""Numbered examples of one part of the data: what training and prediction see, whatever the data is.

Windows over one series and independent sequences come through one interface.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.array_types import FloatArray
from bench.models.base import Shape
from bench.spec import PROTOCOL, AsPublished, Training
from bench.tasks import Task


class Examples(Protocol):
    """Numbered inputs and targets of one part of the data, in scaled units.

    `U` is the number of target steps of an example and `D` the number of values at each.
    """

    def __len__(self) -> int: ...

    @property
    def task(self) -> Task:
        """What is requested."""

    @property
    def sequence_length(self) -> int:
        """`T`."""

    @property
    def horizon(self) -> int:
        """Points to forecast; 1 where something else is requested."""

    @property
    def channels(self) -> int:
        """`C`, values at each input step."""

    @property
    def outputs(self) -> int:
        """`D`, values at each target step."""

    @property
    def covariates(self) -> int:
        """How many of the channels, the last ones, are inputs alone; the others are those that are forecast."""

    @property
    def variable(self) -> bool:
        """Whether inputs may end early: NaN after their end."""

    @property
    def points(self) -> int:
        """How many targets there are."""

    def inputs(self, which: slice | NDArray[np.int64]) -> FloatArray:
        """``[B, T, C]``."""

    def targets(self, which: slice | NDArray[np.int64]) -> FloatArray:
        """``[B, U, D]``."""

    def truth(self) -> FloatArray:
        """``[points, D]``: every target, in order."""

    def assemble(self, predictions: FloatArray) -> FloatArray:
        """Predictions ``[W, U, D]`` of all examples as ``[points, D]``."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Some of many independent sequences, by their numbers.

    Parameters
    ----------
    all_inputs, all_targets
        ``[N, T, C]`` and ``[N, U, D]`` float32 of all sequences, scaled; shared and never copied.
    places
        Which of them.
    task
        What is requested.
    """

    all_inputs: NDArray[np.float32]
    all_targets: NDArray[np.float32]
    places: range
    task: Task
    variable: bool = False
    covariates: int = 0

    def __len__(self) -> int:
        return len(self.places)

    @property
    def sequence_length(self) -> int:
        """`T`."""
        return int(self.all_inputs.shape[1])

    @property
    def horizon(self) -> int:
        """Always 1."""
        return 1

    @property
    def channels(self) -> int:
        """`C`."""
        return int(self.all_inputs.shape[2])

    @property
    def outputs(self) -> int:
        """`D`."""
        return int(self.all_targets.shape[2])

    @property
    def points(self) -> int:
        """Target steps of all these sequences."""
        return len(self.places) * int(self.all_targets.shape[1])

    def inputs(self, which: slice | NDArray[np.int64]) -> FloatArray:
        """``[B, T, C]``."""
        return self._taken(self.all_inputs, which)

    def targets(self, which: slice | NDArray[np.int64]) -> FloatArray:
        """``[B, U, D]``."""
        return self._taken(self.all_targets, which)

    def _taken(self, array: NDArray[np.float32], which: slice | NDArray[np.int64]) -> FloatArray:
        rows = self.places[which] if isinstance(which, slice) else self.places.start + which
        return (
            array[rows.start : rows.stop].astype(np.float64)
            if isinstance(rows, range)
            else array[rows].astype(np.float64)
        )

    def truth(self) -> FloatArray:
        """``[points, D]``."""
        return self.targets(slice(None)).reshape(-1, self.outputs)

    def assemble(self, predictions: FloatArray) -> FloatArray:
        """``[W, U, D]`` as ``[points, D]``."""
        return predictions.reshape(-1, self.outputs)

    def steps(self) -> NDArray[np.int64]:
        """``[points]``: the step of each target in its sequence, from 1."""
        return np.tile(np.arange(1, self.all_targets.shape[1] + 1), len(self))


@dataclass(frozen=True)
class TrainingData:
    """The examples that training may see; there is no test part here to be tempted by.

    Parameters
    ----------
    train, validation
        The parts; validation is `None` where a published system had none.
    as_published
        Departures from the protocol.
    """

    train: Examples
    validation: Examples | None
    as_published: AsPublished = PROTOCOL


def shape_of(data: TrainingData, training: Training) -> Shape:
    """The shape of `data`, from which a model is built."""
    train = data.train
    return Shape(
        train.sequence_length,
        train.horizon,
        train.channels,
        task=train.task,
        outputs=None if train.outputs == train.channels else train.outputs,
        every_step=_wants_every_step(train.task, training, data.as_published),
        variable=train.variable,
        covariates=train.covariates,
    )


def _wants_every_step(task: Task, training: Training, as_published: AsPublished) -> bool:
    if task == "forecast":
        return training.supervision == "every-step" or as_published.targets == "same-at-every-step"
    return task == "denoise"
