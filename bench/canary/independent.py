"""Causality of independent sequences: those that are tested must not reach training, nor each other, nor the past.

Sequences have no time between them: what comes after train are the validation sequences, then the test sequences.
Within one that is denoised there is time, and each answer may depend on the steps up to its own. All comparisons are
exact, as for a series: batches keep their sizes, so that honest arithmetic is the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from bench.canary.base import Outcome
from bench.canary.moves import Move, distance, examples_distance, fit_distance, judged
from bench.canary.pieces import Pieces
from bench.canary.twins import with_other_inputs, with_other_targets
from bench.data.base import FloatArray, Sequences
from bench.data.examples import Selection
from bench.running.prepared import Prepared
from bench.training.trained import Trained

_PREDICTED = 500  # sequences of each part, at most

FUTURE = "; steps were not compared: bidirectional reads the future by design"


def check(pieces: Pieces) -> Outcome:
    """Train, change sequences, and compare; then train on a twin with another test part as well."""
    cell = _Examined.of(pieces)
    moves = [*cell.other_sequences_later(), *cell.trained_on_a_twin(), *cell.each_alone()]
    if pieces.sequences.task != "denoise":
        return judged(moves, where="of parts and predictions")
    if pieces.cell.model.parameters.get("bidirectional"):
        return judged(moves, where="of parts and predictions", besides=FUTURE)
    return judged([*moves, *cell.steps_after()], where="of parts, predictions and steps")


@dataclass(frozen=True, eq=False)
class _Examined:
    """A cell as it is: prepared and trained, with its predictions for some sequences of each part."""

    pieces: Pieces
    prepared: Prepared
    trained: Trained
    predictions: dict[str, FloatArray]  # part → [K, points, D]

    @classmethod
    def of(cls, pieces: Pieces) -> _Examined:
        prepared = pieces.prepare(pieces.sequences)
        trained = pieces.train(prepared)
        return cls(pieces, prepared, trained, _predictions(trained, prepared))

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
        """Training beside other test sequences must end with the same weights."""
        cause = "other test sequences"
        twin = self.pieces.prepare(self._others(self.prepared.cut.test))
        trained = self.pieces.train(twin)
        yield Move("training", cause, max(map(fit_distance, self.trained.fits, trained.fits)))
        again = _predictions(trained, self.prepared)
        for part, predictions in self.predictions.items():
            yield Move(f"the trained model's {part} predictions", cause, distance(predictions, again[part]))
        ours, theirs = self.pieces.tune(self.prepared), self.pieces.tune(twin)
        if ours and theirs:
            pairs = zip(ours.trials, theirs.trials, strict=True)
            yield Move("tuning", cause, max(fit_distance(one.fit, other.fit) for one, other in pairs))

    def each_alone(self) -> Iterator[Move]:
        """Predictions of one test sequence depend neither on the others beside it nor on any target."""
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


def _predictions(trained: Trained, prepared: Prepared) -> dict[str, FloatArray]:
    return {part: trained.predict(each) for part, each in _selections(prepared, most=_PREDICTED).items()}


def _selections(prepared: Prepared, *, most: int | None = None) -> dict[str, Selection]:
    """The sequences of each part, or the first of them, as many as `most`."""
    parts = {"train": prepared.data.train, "validation": prepared.data.validation, "test": prepared.test}
    return {
        part: dataclasses.replace(each, places=each.places[:most])
        for part, each in parts.items()
        if isinstance(each, Selection)
    }
