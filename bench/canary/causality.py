"""Change everything from a time t on, or the test part: nothing earlier may change.

`causality` changes every value from a time t on: windows, scaler, training and predictions up to t must stay the same.
`scaler` multiplies the test part by 1000: the scaler and the train and validation windows must stay the same.

Independent sequences have no time between them: the validation sequences come after the train sequences, and the test
sequences after these. Test sequences must not affect training or each other. Within a sequence that is denoised there
is time, and each prediction may depend on the steps up to its own.

All comparisons are exact: the same operations run on the same numbers in the same order and in batches of the same
size, so without a leak not even the rounding changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.array_types import FloatArray
from bench.canary.base import (
    Canary,
    CheckOutcome,
    CheckVerdict,
    Move,
    distance,
    examples_distance,
    fit_distance,
    judged,
    windows_distance,
)
from bench.canary.pieces import (
    Pieces,
    known_from,
    multiplied_from,
    windows_of,
    with_larger,
    with_other_inputs,
    with_other_targets,
)
from bench.data.base import Sequences, Series
from bench.protocol.examples import Examples, Selection
from bench.protocol.prepare import Prepared
from bench.protocol.windows import Windows, evaluation_windows
from bench.training.fit import Trained

_PREDICTED = 500  # sequences of each part, at most

FUTURE = "; steps were not compared: bidirectional reads the future by design"


def check_sequences(pieces: Pieces) -> CheckOutcome:
    """Train, change sequences, and compare; then train on a twin with another test part as well."""
    cell = _ExaminedSequences.of(pieces)
    moves = [*cell.other_sequences_later(), *cell.trained_on_a_twin(), *cell.each_alone()]
    if pieces.sequences.task != "denoise":
        return judged(moves, where="of parts and predictions")
    if pieces.cell.model.parameters.get("bidirectional"):
        return judged(moves, where="of parts and predictions", besides=FUTURE)
    return judged([*moves, *cell.steps_after()], where="of parts, predictions and steps")


@dataclass(frozen=True, eq=False)
class _ExaminedSequences:
    """A cell as it is: prepared and trained, with its predictions for some sequences of each part."""

    pieces: Pieces
    prepared: Prepared
    trained: Trained
    predictions: dict[str, FloatArray]  # part → [K, points, D]

    @classmethod
    def of(cls, pieces: Pieces) -> _ExaminedSequences:
        prepared = pieces.prepare(pieces.sequences)
        trained = pieces.train(prepared)
        return cls(pieces, prepared, trained, _sequence_predictions(trained, prepared))

    def other_sequences_later(self) -> Iterator[Move]:
        """The scaler and every part that lies before the sequences that are others."""
        cut = self.prepared.cut
        changes = (
            (cut.train_end, "validation and test", ("train",)),
            (cut.validation_end, "test", ("train", "validation")),
        )
        for start, later, known in changes:
            after, cause = self.pieces.prepare(self._others(slice(start, None))), f"other {later} sequences"
            yield Move("scaler", cause, distance(self.prepared.scaler.offset, after.scaler.offset))
            yield Move("scaler", cause, distance(self.prepared.scaler.scale, after.scaler.scale))
            again = _selections(after)
            for part, selection in _selections(self.prepared).items():
                if part in known:
                    yield Move(f"{part} sequences", cause, examples_distance(selection, again[part]))

    def trained_on_a_twin(self) -> Iterator[Move]:
        """Training next to other test sequences must end with the same weights."""
        cause = "other test sequences"
        twin = self.pieces.prepare(self._others(self.prepared.cut.test))
        trained = self.pieces.train(twin)
        yield Move("training", cause, max(map(fit_distance, self.trained.fits, trained.fits)))
        again = _sequence_predictions(trained, self.prepared)
        for part, predictions in self.predictions.items():
            yield Move(f"the trained model's {part} predictions", cause, distance(predictions, again[part]))
        ours, theirs = self.pieces.tune(self.prepared), self.pieces.tune(twin)
        if ours and theirs:
            pairs = zip(ours.trials, theirs.trials, strict=True)
            yield Move("tuning", cause, max(fit_distance(one.fit, other.fit) for one, other in pairs))

    def each_alone(self) -> Iterator[Move]:
        """Predictions of one test sequence depend neither on the others next to it nor on any target."""
        first, seed = self.prepared.cut.test.start, self.pieces.cell.seed
        before = self._by_sequence(self.predictions["test"])
        for kept in (0, 1):
            rows = slice(first + 1 - kept, self.prepared.cut.test.stop, 2)
            if before[:, kept::2].size and len(before[0]) > 1:
                after = self._test_predictions(self._others(rows))
                size = distance(before[:, kept::2], after[:, kept::2])
                yield Move("test predictions", "other values of every second test sequence", size)
        blind = self._test_predictions(with_other_targets(self.pieces.sequences, self.prepared.cut.test, seed))
        yield Move("test predictions", "other test targets", distance(before, blind))

    def steps_after(self) -> Iterator[Move]:
        """What is said of the steps up to t, when the steps after t are others."""
        steps, seed = self.pieces.sequences.inputs.shape[1], self.pieces.cell.seed
        before = self._by_sequence(self.predictions["test"])
        for t in sorted({1, steps // 2, steps - 1} & set(range(1, steps))):
            twin = with_other_inputs(self.pieces.sequences, self.prepared.cut.test, seed, after=t)
            size = distance(before[:, :, :t], self._test_predictions(twin)[:, :, :t])
            yield Move("test predictions", f"other steps after step {t}", size)

    def _others(self, rows: slice) -> Sequences:
        seed = self.pieces.cell.seed
        return with_other_targets(with_other_inputs(self.pieces.sequences, rows, seed), rows, seed)

    def _test_predictions(self, twin: Sequences) -> FloatArray:
        prepared = self.pieces.prepare(twin, scaler=self.prepared.scaler)
        return self._by_sequence(self.trained.predict(_selections(prepared, most=_PREDICTED)["test"]))

    def _by_sequence(self, predictions: FloatArray) -> FloatArray:
        """``[K, N, U, D]``."""
        return predictions.reshape(len(predictions), -1, *self.pieces.sequences.targets.shape[1:])


def _sequence_predictions(trained: Trained, prepared: Prepared) -> dict[str, FloatArray]:
    return {part: trained.predict(each) for part, each in _selections(prepared, most=_PREDICTED).items()}


def _selections(prepared: Prepared, *, most: int | None = None) -> dict[str, Selection]:
    """The sequences of each part, or the first of them, as many as `most`."""
    parts = {"train": prepared.data.train, "validation": prepared.data.validation, "test": prepared.test}
    return {
        part: dataclasses.replace(each, places=each.places[:most])
        for part, each in parts.items()
        if isinstance(each, Selection)
    }


_TRAIN_POINTS = 1000  # predicted at the end of the train part, at most


def check_causality(pieces: Pieces) -> CheckOutcome:
    """Train once, change the series from several times t on, and compare; then train on a twin as well."""
    if isinstance(pieces.source, Sequences):
        return check_sequences(pieces)
    cell = _Examined.of(pieces)
    times = cell.times()
    moves = [move for t in times for move in cell.compare(t)]
    return judged([*moves, *cell.trained_on_a_twin()], where=f"at {len(times)} times t")


@dataclass(frozen=True, eq=False)
class _Examined:
    """A cell as it is: prepared and trained, with its predictions for some windows of each part."""

    pieces: Pieces
    prepared: Prepared
    trained: Trained
    predictions: dict[str, FloatArray]  # part → [K, points, C]

    @classmethod
    def of(cls, pieces: Pieces) -> _Examined:
        prepared = pieces.prepare(pieces.series)
        trained = pieces.train(prepared)
        return cls(pieces, prepared, trained, _predictions(trained, _windows(prepared)))

    def times(self) -> list[int]:
        """Each boundary between parts, the points next to it, the middle of each part, and the last point."""
        cut = self.prepared.cut
        boundaries = [b + by for b in (cut.train_end, cut.validation_end) for by in (-1, 0, 1)]
        middles = [int(windows.places[len(windows.places) // 2]) for windows in _windows(self.prepared).values()]
        return sorted({t for t in [*boundaries, *middles, cut.n - 1] if t < cut.n})

    def compare(self, t: int) -> Iterator[Move]:
        """Everything that must not move when the points from `t` on are others."""
        before, twin = self.prepared, self.pieces.twin(t)
        if t >= before.cut.train_end:
            refitted = self.pieces.prepare(twin).scaler
            yield Move("scaler", _from(t), distance(before.scaler.offset, refitted.offset))
            yield Move("scaler", _from(t), distance(before.scaler.scale, refitted.scale))
        # Before the end of train the scaler may well depend on what changed: there it is held.
        after = self.pieces.prepare(twin, scaler=before.scaler)
        yield from _window_moves(before, after, t)
        again = _predictions(self.trained, _windows(after))
        for part, windows in _windows(before).items():
            known = _shown_before(windows, t, teacher_forced=self.trained.teacher_forced)
            size = distance(self.predictions[part][:, known], again[part][:, known])
            yield Move(f"{part} predictions", _from(t), size)
        if self.pieces.series.known_future is not None:
            yield from self.known_later(t)

    def known_later(self, t: int) -> Iterator[Move]:
        """Everything that forecasts points before `t` alone, when what is known in advance from `t` on is other."""
        before, twin = self.prepared, known_from(self.pieces.series, t, self.pieces.cell.seed)
        cause = f"other known_future from point {t} on"
        if t >= before.cut.train_end:
            refitted = self.pieces.prepare(twin).scaler
            yield Move("scaler", cause, distance(before.scaler.offset, refitted.offset))
            yield Move("scaler", cause, distance(before.scaler.scale, refitted.scale))
        after = _windows(self.pieces.prepare(twin, scaler=before.scaler))
        again = _predictions(self.trained, after)
        for part, windows in _windows(before).items():
            last = t - windows.horizon
            count = int(np.searchsorted(np.asarray(windows.places), last, side="right"))
            yield Move(f"{part} windows", cause, windows_distance(windows, after[part], count))
            ends = windows.index - windows.steps() + 1 <= last
            size = distance(self.predictions[part][:, ends], again[part][:, ends])
            yield Move(f"{part} predictions", cause, size)

    def trained_on_a_twin(self) -> Iterator[Move]:
        """Training on a series with another test part must end with the same weights."""
        t = self.prepared.cut.validation_end
        twin = self.pieces.prepare(self.pieces.twin(t))
        trained = self.pieces.train(twin)
        yield Move("training", _from(t), max(map(fit_distance, self.trained.fits, trained.fits)))
        again = _predictions(trained, _windows(self.prepared))
        for part, predictions in self.predictions.items():
            yield Move(f"the trained model's {part} predictions", _from(t), distance(predictions, again[part]))
        ours, theirs = self.pieces.tune(self.prepared), self.pieces.tune(twin)
        if ours and theirs:
            pairs = zip(ours.trials, theirs.trials, strict=True)
            yield Move("tuning", _from(t), max(fit_distance(one.fit, other.fit) for one, other in pairs))


def _windows(prepared: Prepared) -> dict[str, Windows]:
    """Windows to predict: those of the cell, and the end of the train part."""
    parts, cut = windows_of(prepared), prepared.cut
    train = parts["train"]
    length, horizon = train.sequence_length, train.horizon
    part = slice(max(length, cut.train_end - _TRAIN_POINTS), cut.train_end)
    breaks = prepared.source.breaks if isinstance(prepared.source, Series) else ()
    if prepared.changes is not None:
        breaks = prepared.changes.breaks
    last = evaluation_windows(train.values, part, length, horizon)
    own = dataclasses.replace(last, covariates=train.covariates, begin=train.begin)
    return {**parts, "train": own.between(breaks)}


def _predictions(trained: Trained, windows: dict[str, Windows]) -> dict[str, FloatArray]:
    return {part: trained.predict(each) for part, each in windows.items()}


def _shown_before(windows: Windows, t: int, *, teacher_forced: bool) -> NDArray[np.bool_]:
    """``[points]``: which targets are predicted from points before `t` alone."""
    last_shown = windows.index - (1 if teacher_forced else windows.steps())
    return np.asarray(last_shown < t)


def _window_moves(before: Prepared, after: Prepared, t: int) -> Iterator[Move]:
    """Inputs of every window that begins its targets at `t` or earlier, and whole parts that lie before `t`."""
    ends = {"train": before.cut.train.stop, "validation": before.cut.validation.stop, "test": before.cut.test.stop}
    again = windows_of(after)
    for part, windows in windows_of(before).items():
        count = int(np.searchsorted(np.asarray(windows.places), t, side="right"))
        size = windows_distance(windows, again[part], count, targets=t >= ends[part])
        yield Move(f"{part} windows", _from(t), size)


def _from(t: int) -> str:
    return f"other values from point {t} on"


CAUSALITY = Canary("causality", "other values from a time t on: nothing up to t may move", check_causality)


FACTOR = 1000.0


def check_scaler(pieces: Pieces) -> CheckOutcome:
    """Prepare the cell twice and compare all that training may see, digit for digit."""
    source = pieces.source
    before = pieces.prepare(source)
    test_part = before.cut.test
    if isinstance(source, Series):
        values: NDArray[Any] = source.values
        twin: Series | Sequences = multiplied_from(source, before.cut.validation_end, FACTOR)
    else:
        values, twin = source.inputs, with_larger(source, test_part, FACTOR)
    if not np.nan_to_num(values[test_part]).any():
        return CheckOutcome(CheckVerdict.DOES_NOT_APPLY, "every test point is 0, and stays 0 when it is multiplied")
    compared = _compared(before, pieces.prepare(twin))
    if isinstance(source, Series) and source.known_future is not None and compared.verdict is CheckVerdict.QUIET:
        return _known_compared(before, pieces.prepare(multiplied_from(source, test_part.start, FACTOR, known=True)))
    return compared


def _known_compared(before: Prepared, after: Prepared) -> CheckOutcome:
    """The scalers alone: the last windows before the test part may hold what is known in advance of it."""
    size = max(distance(getattr(before.scaler, of), getattr(after.scaler, of)) for of in ("offset", "scale"))
    what = f"known_future of the test part times {FACTOR:g}"
    if size > 0:
        return CheckOutcome(
            CheckVerdict.ALARM, f"{what} moved the scaler by {size:.3g}; fit it on the train part", size
        )
    words = f"{len(before.data.train)} train windows did not move, nor did the scaler with {what}"
    return CheckOutcome(CheckVerdict.QUIET, words, size)


def _compared(before: Prepared, after: Prepared) -> CheckOutcome:
    offset, scale = (distance(getattr(before.scaler, of), getattr(after.scaler, of)) for of in ("offset", "scale"))
    what = "windows" if isinstance(before.source, Series) else "sequences"
    sizes = {"the scaler": max(offset, scale), f"train {what}": _distance(before.data.train, after.data.train)}
    if before.data.validation is not None and after.data.validation is not None:
        sizes[f"validation {what}"] = _distance(before.data.validation, after.data.validation)
    largest = max(sizes.values())
    if largest > 0:
        moved = ", ".join(f"{what} by {size:.3g}" for what, size in sizes.items() if size > 0)
        return CheckOutcome(
            CheckVerdict.ALARM, f"the test part times {FACTOR:g} moved {moved}; fit it on the train part", largest
        )
    return CheckOutcome(CheckVerdict.QUIET, f"{len(before.data.train)} train {what} did not move", largest)


def _distance(before: Examples, after: Examples) -> float:
    if isinstance(before, Windows) and isinstance(after, Windows):
        return windows_distance(before, after, len(before), targets=True)
    return examples_distance(before, after)


SCALER = Canary("scaler", "the test part times 1000: the scaler and the windows before it must not move", check_scaler)
