"""One cell's data: loaded, split, scaled, and ready for training and for the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bench import seeds
from bench.data import dataset_kinds
from bench.data.base import FloatArray, Sequences, Series
from bench.data.examples import Examples, Selection
from bench.data.windows import Parts, Scaler, check_length, divided, evaluation_windows, train_windows
from bench.errors import DataError
from bench.registry import lookup
from bench.running.answers import Answers
from bench.running.reference import Reference
from bench.suite.cells import Cell
from bench.suite.spec import Split
from bench.training.members import TrainingData


class Compared(Protocol):
    """What the test part is compared with: a `Reference`, or `Answers`."""

    def errors(self, prediction: FloatArray) -> dict[str, Any]:
        """The error columns of `runs`."""

    def columns(self, prediction: FloatArray) -> dict[str, Any]:
        """The columns of `predictions`."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """One cell's data.

    Parameters
    ----------
    source
        The series or sequences, in original units.
    data
        What training may see, in scaled units.
    test
        The test part, in scaled units.
    inverse
        Scaled predictions ``[…, points, D]`` to original units.
    compared
        ``compared(teacher_forced)`` is what test predictions are measured against.
    """

    source: Series | Sequences
    data: TrainingData
    test: Examples
    inverse: Callable[[FloatArray], FloatArray]
    compared: Callable[[bool], Compared]

    def provenance(self) -> dict[str, Any]:
        """The columns of `runs` that say what the data was."""
        origin, validation = self.source.provenance, self.data.validation
        return {
            "data_source": origin.source,
            "data_sha256": origin.sha256,
            "data_seed": origin.seed,
            "train_windows": len(self.data.train),
            "validation_points": 0 if validation is None else validation.points,
            "test_points": self.test.points,
        }


def prepare_data(cell: Cell, replicate: int = 0) -> Prepared:
    """The data of `cell`; of one `replicate`, where each has its own: the first has the suite's.

    Raises
    ------
    DataError, DataUnavailable
        It cannot be had, is not well formed, too short, or not what its fingerprint says.
    """
    kind = lookup(dataset_kinds(), cell.dataset.kind, "dataset")
    seed = seeds.integer(cell.seed, "data", replicate) if cell.fresh_data and replicate else cell.seed
    source = kind.load(cell.dataset.parsed(kind.parameters), seed)
    if cell.data_sha256 not in (None, source.provenance.sha256):
        raise DataError(
            f"{cell.dataset.id}: expected data with SHA-256 {cell.data_sha256}, got {source.provenance.sha256}: "
            "the file changed after the run began; run again"
        )
    return _of_sequences(cell, source) if isinstance(source, Sequences) else _of_series(cell, source)


def train_examples(cell: Cell, source: Series | Sequences) -> int:
    """How many examples `cell` would train on, without preparing them.

    Raises
    ------
    DataError
        There is none, or a part would be empty.
    """
    if isinstance(source, Sequences):
        return parts_of(cell, source).train_end
    cut = _cut(cell, source)
    return cut.train_end - cut.lost - cell.sequence_length - cell.horizon + 1


def _cut(cell: Cell, series: Series) -> Parts:
    return check_length(
        len(series),
        cell.split,
        cell.sequence_length,
        cell.horizon,
        as_published=cell.as_published,
        source=series.provenance.source,
    )


def _of_series(cell: Cell, series: Series) -> Prepared:
    length, horizon, departures = cell.sequence_length, cell.horizon, cell.as_published
    cut = _cut(cell, series)
    fitted = series.values if departures.scaler == "series" else series.values[cut.train]
    scaler = Scaler.fit(cell.training.scaler, fitted)
    values = scaler.transform(series.values)
    test = evaluation_windows(values, cut.test, length, horizon)
    validation = evaluation_windows(values, cut.validation, length, horizon)
    data = TrainingData(train_windows(values, cut, length, horizon), validation or None, departures)
    return Prepared(series, data, test, scaler.inverse, lambda forced: Reference(series, cut, test, forced))


def parts_of(cell: Cell, sequences: Sequences) -> Parts:
    """The parts of independent sequences; a test part that the data comes with is theirs.

    Raises
    ------
    DataError
        A part would be empty.
    """
    split = cell.split if sequences.test is None else Split(validation=cell.split.validation, test=sequences.test)
    # Sequences have no windows to lose or to cut by.
    departures = cell.as_published.model_copy(update={"windows": "all", "split": "points"})
    if cell.as_published.split == "none":
        return Parts(len(sequences), 0, len(sequences))
    return divided(len(sequences), split, departures, 0, source=sequences.provenance.source)


def _of_sequences(cell: Cell, sequences: Sequences) -> Prepared:
    cut, task = parts_of(cell, sequences), sequences.task
    part = slice(None) if cell.as_published.scaler == "series" else cut.train
    scaler = _fitted(cell.training.scaler, sequences.inputs[part])
    inputs, targets = scaled(scaler, sequences.inputs), sequences.targets
    if task == "denoise":
        targets = scaled(scaler, targets)
    variable = bool(np.isnan(sequences.inputs).any())

    def selection(which: slice) -> Selection:
        return Selection(inputs, targets, range(which.start, which.stop), task, variable)

    test = selection(cut.test)
    data = TrainingData(selection(cut.train), selection(cut.validation) or None, cell.as_published)
    inverse = scaler.inverse if task == "denoise" else lambda prediction: prediction
    return Prepared(sequences, data, test, inverse, lambda _forced: Answers(sequences, cut, test))


def _fitted(kind: str, inputs: Any) -> Scaler:
    """A scaler fitted on ``inputs`` ``[N, T, C]``; steps after the end of a sequence do not count."""
    values = inputs.reshape(-1, inputs.shape[-1])
    present = ~np.isnan(values).any(axis=1)
    return Scaler.fit(kind, values if present.all() else values[present])


def scaled(scaler: Scaler, values: Any) -> Any:
    """``[N, U, D]`` float32 in scaled units; the very array where nothing changes."""
    if not scaler.offset.any() and (scaler.scale == 1).all():
        return values
    return ((values - scaler.offset.astype(np.float32)) / scaler.scale.astype(np.float32)).astype(np.float32)
