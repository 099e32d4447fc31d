"""Change everything from a time t on: windows, scaler, training and predictions up to t must not move.

All comparisons are exact: the same operations run on the same numbers in the same order, and what comes later
may not even change the rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.canary import independent
from bench.canary.base import Canary, Outcome
from bench.canary.moves import Move, distance, fit_distance, judged, windows_distance
from bench.canary.pieces import Pieces, windows_of
from bench.canary.twins import changed_from
from bench.data.base import FloatArray, Sequences
from bench.data.windows import Windows, evaluation_windows
from bench.running.prepared import Prepared
from bench.training.trained import Trained

_TRAIN_POINTS = 1000  # predicted at the end of the train part, at most


def check(pieces: Pieces) -> Outcome:
    """Train once, change the series from several times t on, and compare; then train on a twin as well."""
    if isinstance(pieces.source, Sequences):
        return independent.check(pieces)
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
        """Each boundary between parts, the points beside it, the middle of each part, and the last point."""
        cut = self.prepared.cut
        boundaries = [b + by for b in (cut.train_end, cut.validation_end) for by in (-1, 0, 1)]
        middles = [windows.places[len(windows.places) // 2] for windows in _windows(self.prepared).values()]
        return sorted({t for t in [*boundaries, *middles, cut.n - 1] if t < cut.n})

    def compare(self, t: int) -> Iterator[Move]:
        """Everything that must not move when the points from `t` on are others."""
        before, twin = self.prepared, changed_from(self.pieces.series, t, self.pieces.cell.seed)
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

    def trained_on_a_twin(self) -> Iterator[Move]:
        """Training on a series with another test part must end with the same weights."""
        t = self.prepared.cut.validation_end
        twin = self.pieces.prepare(changed_from(self.pieces.series, t, self.pieces.cell.seed))
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
    return {**parts, "train": evaluation_windows(train.values, part, length, horizon)}


def _predictions(trained: Trained, windows: dict[str, Windows]) -> dict[str, FloatArray]:
    return {part: trained.predict(each) for part, each in windows.items()}


def _shown_before(windows: Windows, t: int, *, teacher_forced: bool) -> NDArray[np.bool_]:
    """``[points]``: which targets are predicted from points before `t` alone."""
    index = windows.places.start + np.arange(windows.points)
    last_shown = index - (1 if teacher_forced else windows.steps())
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


CAUSALITY = Canary("causality", "other values from a time t on: nothing up to t may move", check)
