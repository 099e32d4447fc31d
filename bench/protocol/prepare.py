"""One cell's data: loaded, split, scaled, and ready for training and for the test."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from bench import seeds
from bench.array_types import FloatArray, FloatArray32
from bench.cells import Cell
from bench.data import dataset_kinds
from bench.data.base import Sequences, Series
from bench.errors import DataError
from bench.models import model_kinds
from bench.models.base import Shape
from bench.protocol import covariates, several
from bench.protocol.examples import Examples, Selection, TrainingData, shape_of
from bench.protocol.origins import Refit, refits, rolling_windows
from bench.protocol.scoring import SequenceScorer, SeriesScorer, SeveralScorer
from bench.protocol.seasons import detected_period
from bench.protocol.transforms import Changes
from bench.protocol.windows import Parts, Scaler, Windows, check_length, divided, evaluation_windows, train_windows
from bench.registry import lookup
from bench.spec import Split


class Scorer(Protocol):
    """What the test part is compared with: a `Reference`, or `Answers`."""

    def errors(self, prediction: FloatArray) -> dict[str, Any]:
        """The error columns of `runs`."""

    def columns(self, prediction: FloatArray) -> dict[str, Any]:
        """The columns of `predictions`."""

    def sums(self, prediction: FloatArray) -> dict[str, Any] | None:
        """The columns of `sequences`; `None` where the data is one series."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """One cell's data.

    Parameters
    ----------
    source, cut
        The series or sequences, in original units, and their parts.
    data
        What training may see, in scaled units.
    test
        The test part, in scaled units.
    scaler, inverse
        Of the inputs; and from scaled predictions ``[…, points, D]`` to the units that the model is trained in.
    changes
        Where the model is trained on changes of the values: these; else `None`.
    compared
        ``compared(teacher_forced)`` is what test predictions are measured against.
    """

    source: Series | Sequences
    cut: Parts
    scaler: Scaler
    data: TrainingData
    test: Examples
    inverse: Callable[[FloatArray], FloatArray]
    compared: Callable[[bool], Scorer]
    changes: Changes | None = None

    def original(self, predictions: FloatArray, *, teacher_forced: bool = False) -> FloatArray:
        """Scaled predictions of the test part, ``[…, points, D]``, in original units."""
        values = self.inverse(predictions)
        if self.changes is None or not isinstance(self.test, Windows):
            return values
        return self.changes.forecast(self.test, values, teacher_forced=teacher_forced)

    def refits(self, cell: Cell) -> Iterator[Refit]:
        """Each origin of the test part with all that lies before it, as `cell` cuts and scales it."""
        if isinstance(self.source, Series) and isinstance(self.test, Windows):
            series, changes = self.source, self.changes

            def scaled(values: FloatArray, train: slice) -> tuple[Scaler, FloatArray]:
                fitted = _fitted(cell.training.scaler, values[train])
                return fitted, covariates.shifted_ahead(series, fitted.transform(values), cell.horizon)

            yield from refits(
                covariates.inputs_of(series, series.values if changes is None else changes.values),
                self.test,
                self.cut,
                scaled=scaled,
                breaks=series.breaks if changes is None else changes.breaks,
                source=series.provenance.source,
            )

    def provenance(self) -> dict[str, Any]:
        """The columns of `runs` that say what the data was."""
        origin, validation = self.source.provenance, self.data.validation
        notes = (*origin.notes, *_cautions(self.source, self.cut))
        return {
            "data_source": origin.source,
            "data_notes": "; ".join(notes) or None,
            "data_sha256": origin.sha256,
            "data_seed": origin.seed,
            "shifts": self._shifts(),
            "train_windows": len(self.data.train),
            "validation_points": 0 if validation is None else validation.points,
            "test_points": self.test.points,
        }

    def _shifts(self) -> str | None:
        """JSON: the positions of the level shifts in the test part; `None` where none is known."""
        known = self.source.shifts if isinstance(self.source, Series) else ()
        within = [at for at in known if self.cut.test.start <= at < self.cut.test.stop]
        return json.dumps({"at": within}) if within else None


def load_data(cell: Cell, replicate: int = 0) -> Series | Sequences:
    """What `cell` is about; of one `replicate`, where each has its own: the first has the suite's.

    Raises
    ------
    DataError
        It is not well formed, or not what the cell was planned for.
    DataUnavailable
        It cannot be had.
    """
    kind = lookup(dataset_kinds(), cell.dataset.kind, "dataset")
    seed = seeds.integer(cell.seed, "data", replicate) if cell.fresh_data and replicate else cell.seed
    source: Series | Sequences = kind.load(cell.dataset.parsed(kind.parameters), seed)
    if cell.data_sha256 not in (None, source.provenance.sha256):
        raise DataError(
            f"{cell.dataset.id}: expected data with SHA-256 {cell.data_sha256}, got {source.provenance.sha256}: "
            "the file changed after the run began; run again"
        )
    return source


def notes_of(cell: Cell, source: Series | Sequences) -> tuple[str, ...]:
    """What a reader has to know of the data of `cell`.

    Raises
    ------
    DataError
        There is too little of it.
    """
    source = arranged(cell, source)
    cut = _cut(cell, source) if isinstance(source, Series) else parts_of(cell, source)
    return (*source.provenance.notes, *_cautions(source, cut))


def _cautions(source: Series | Sequences, cut: Parts) -> tuple[str, ...]:
    return tuple(covariates.cautions(source, cut.train)) if isinstance(source, Series) else ()


def prepare(cell: Cell, source: Series | Sequences, *, scaler: Scaler | None = None) -> Prepared:
    """Cut and scale `source` as `cell` says.

    Parameters
    ----------
    cell, source
        What to run, and its data.
    scaler
        One that is fitted already; `None` fits one on the train part.

    Raises
    ------
    DataError
        There is too little of it.
    """
    source = arranged(cell, source)
    if isinstance(source, Sequences):
        return _of_sequences(cell, source, scaler)
    return _of_series(cell, source, scaler)


def arranged(cell: Cell, source: Series | Sequences) -> Series | Sequences:
    """`source`; several series with their parts next to each other, as `cell` cuts them.

    Raises
    ------
    DataError
        There is too little of one of them, or `cell` does what is about one series.
    """
    if not isinstance(source, Series) or not source.several or isinstance(source, several.ArrangedSeries):
        return source
    if reason := cell.about_one_series:
        raise DataError(f"{source.provenance.source}: {reason}")
    each = (several.one_of(source, *span) for span in several.spans(source))
    cuts = [_cut(cell, one) for one in each]
    return several.arranged(source, cuts, _reach(cell))


@dataclass(frozen=True)
class Outline:
    """What `cell` would train on, without preparing it.

    Parameters
    ----------
    train, validation
        Examples.
    shape
        Their shape, from which a model is built.
    fits
        How often each replicate is fitted: once, or at each test origin.
    """

    train: int
    validation: int
    shape: Shape
    fits: int = 1


def outline(cell: Cell, source: Series | Sequences) -> Outline:
    """What `cell` would train on.

    Raises
    ------
    DataError
        There is too little of it.
    """
    fits, source = 1, arranged(cell, source)
    if isinstance(source, Sequences):
        cut = parts_of(cell, source)
        data, _ = _selections(cell, cut, source, source.inputs, source.targets)
    else:
        cut, changes = _cut(cell, source), _changes(cell, source)
        inputs = covariates.inputs_of(source, source.values if changes is None else changes.values)
        data, test = _windows(cell, cut, source, inputs=inputs, changes=changes)
        fits = len(test) if cell.split.refit else 1
    return Outline(len(data.train), len(data.validation or ()), shape_of(data, cell.training), fits)


def _cut(cell: Cell, series: Series) -> Parts:
    if isinstance(series, several.ArrangedSeries):
        return series.cut
    cut = check_length(
        len(series),
        cell.split,
        cell.sequence_length,
        cell.horizon,
        as_published=cell.as_published,
        source=series.provenance.source,
    )
    covariates.check_reach(series, cell.sequence_length, cell.horizon)
    if isinstance(cell.season, int) and cell.season >= cut.train_end:
        raise DataError(
            f"{series.provenance.source}: expected a season within the train part, which has {cut.train_end} points, "
            f"got season: {cell.season}; give a shorter one, or a longer series"
        )
    return cut


def _changes(cell: Cell, series: Series) -> Changes | None:
    """What the model of `cell` is trained on in the place of the values; `None` where it is trained on these."""
    transform = _transform(cell)
    return None if transform is None else Changes(series, transform)


def _transform(cell: Cell) -> Any:
    """Which changes those are; `None` for none."""
    transform = cell.dataset.parameters.get("transform")
    original = transform is not None and lookup(model_kinds(), cell.model.kind, "model").in_original_units
    return None if original else transform


def _windows(
    cell: Cell, cut: Parts, series: Series, *, inputs: FloatArray, changes: Changes | None
) -> tuple[TrainingData, Windows]:
    """Views of ``inputs`` ``[N, C]``, those of `series` in any units, for training and for the test."""
    values = covariates.shifted_ahead(series, inputs, cell.horizon)
    window, breaks = (cell.sequence_length, cell.horizon), series.breaks if changes is None else changes.breaks
    more, begin = values.shape[1] - series.values.shape[1], int(changes is not None)
    train, validation, test = (
        replace(part, covariates=more, begin=begin).between(breaks)
        for part in (
            train_windows(values, cut, *window),
            evaluation_windows(values, cut.validation, *window),
            evaluation_windows(values, cut.test, *window),
        )
    )
    if cell.split.stride or cell.split.origins:
        test = _rolling(cell, cut, series, test, breaks=breaks if series.breaks else ())
    if not train and not series.breaks:
        raise DataError(
            f"{series.provenance.source}: expected {sum(window) + 1} points of train for one window of "
            f"{cell.sequence_length} + {cell.horizon} changes, got {cut.train_end}; give a longer series, a shorter "
            "sequence_length or smaller parts"
        )
    if series.breaks:
        _check_pieces({"train": train, "validation": validation, "test": test}, cell, cut, series)
    return TrainingData(train, validation or None, cell.as_published), test


def _rolling(cell: Cell, cut: Parts, series: Series, test: Windows, *, breaks: Sequence[int]) -> Windows:
    """`test` from the origins that `cell` says; of several series, from so many in each."""
    source = series.provenance.source
    if not isinstance(series, several.ArrangedSeries):
        return rolling_windows(test, cut.test, cell.split, breaks=breaks, source=source)
    each = [
        rolling_windows(test, part, cell.split, breaks=breaks, source=f"{source}, {name!r}")
        for name, part in series.targets(cut.test, reach=_reach(cell))
    ]
    places = np.concatenate([np.asarray(windows.places) for windows in each])
    return replace(test, places=places, end=places + cell.horizon)


def _reach(cell: Cell) -> int:
    """How many points before its first target a window of `cell` needs."""
    return cell.sequence_length + (_transform(cell) is not None)


def _check_pieces(windows: Mapping[str, Windows], cell: Cell, cut: Parts, series: Series) -> None:
    """Every part that has points has a window between two gaps.

    Raises
    ------
    DataError
        One has none.
    """
    for name, part in windows.items():
        if not part and (name != "validation" or cut.validation.stop > cut.validation.start):
            raise DataError(
                f"{series.provenance.source}: expected a window of {cell.sequence_length} + {cell.horizon} points "
                f"without a gap in the {name} part, got none; give a shorter sequence_length, fill the gaps, or let "
                "windows reach across them: across_gaps: true"
            )


def _selections(
    cell: Cell, cut: Parts, sequences: Sequences, inputs: FloatArray32, targets: FloatArray32
) -> tuple[TrainingData, Selection]:
    """Parts of all ``inputs`` ``[N, T, C]`` and ``targets`` ``[N, U, D]`` for training, and for the test."""
    variable = bool(np.isnan(inputs).any())
    train, validation, test = (
        Selection(inputs, targets, range(part.start, part.stop), sequences.task, variable)
        for part in (cut.train, cut.validation, cut.test)
    )
    return TrainingData(train, validation or None, cell.as_published), test


def _of_series(cell: Cell, series: Series, scaler: Scaler | None) -> Prepared:
    cut, changes = _cut(cell, series), _changes(cell, series)
    inputs = covariates.inputs_of(series, series.values if changes is None else changes.values)
    part = slice(None) if cell.as_published.scaler == "series" else cut.train
    if isinstance(series, several.ArrangedSeries):
        scaler = scaler or several.scaler_of_each(series, partial(_fitted, cell.training.scaler), inputs)
    scaler = scaler or _fitted(cell.training.scaler, inputs[part])
    data, test = _windows(cell, cut, series, inputs=scaler.transform(inputs), changes=changes)
    season = _detected_season(series, cut) if cell.season == "detect" else cell.season
    # The best linear forecast is known of a window of values, and not of one of their changes.
    scored = series if changes is None else replace(series, autocovariance=None)

    scorer: Callable[..., SeriesScorer] = SeveralScorer if isinstance(series, several.ArrangedSeries) else SeriesScorer

    def compared(teacher_forced: bool) -> SeriesScorer:  # noqa: FBT001 - its only argument
        return scorer(scored, cut, test, teacher_forced, season)

    inverse = scaler.of_points(test.index).of_first(series.values.shape[1]).inverse
    return Prepared(series, cut, scaler, data, test, inverse, compared, changes)


def _detected_season(series: Series, cut: Parts) -> int | None:
    """The period of the train part; of several series, the one that most of them have."""
    if isinstance(series, several.ArrangedSeries):
        return several.most_common([detected_period(series.values[own]) for own in series.each(cut.train)])
    return detected_period(series.values[cut.train])


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


def _of_sequences(cell: Cell, sequences: Sequences, scaler: Scaler | None) -> Prepared:
    cut, task = parts_of(cell, sequences), sequences.task
    part = slice(None) if cell.as_published.scaler == "series" else cut.train
    scaler = scaler or _fitted(cell.training.scaler, sequences.inputs[part])
    inputs, targets = scaled(scaler, sequences.inputs), sequences.targets
    if task == "denoise":
        targets = scaled(scaler, targets)
    data, test = _selections(cell, cut, sequences, inputs, targets)
    inverse = scaler.inverse if task == "denoise" else lambda prediction: prediction
    return Prepared(sequences, cut, scaler, data, test, inverse, lambda _forced: SequenceScorer(sequences, cut, test))


def _fitted(kind: str, inputs: Any) -> Scaler:
    """A scaler fitted on ``inputs`` ``[…, C]``; what is NaN, as after the end of a sequence, does not count."""
    values = inputs.reshape(-1, inputs.shape[-1])
    present = ~np.isnan(values).any(axis=1)
    return Scaler.fit(kind, values if present.all() else values[present])


def scaled(scaler: Scaler, values: Any) -> Any:
    """``[N, U, D]`` float32 in scaled units; the very array where nothing changes."""
    if not scaler.offset.any() and (scaler.scale == 1).all():
        return values
    return ((values - scaler.offset.astype(np.float32)) / scaler.scale.astype(np.float32)).astype(np.float32)
