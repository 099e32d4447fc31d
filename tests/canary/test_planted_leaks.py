"""Leaks planted in the code that runs cells: each makes the canaries raise an alarm that should, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bench.canary.base import CheckVerdict
from bench.canary.pieces import CheckBudget, Pieces
from bench.canary.watch import CANARIES
from bench.protocol import prepare as prepared_module
from bench.protocol.examples import TrainingData
from bench.protocol.windows import Parts, Scaler, Windows, evaluation_windows, train_windows
from bench.spec import Tuning
from bench.training import batches
from bench.tuning import study

Plant = pytest.MonkeyPatch


def whole(view: np.ndarray) -> np.ndarray:
    """The array that a view was cut from."""
    while isinstance(view.base, np.ndarray):
        view = view.base
    return view


def scaler_of_everything(plant: Plant) -> None:
    honest = Scaler.fit
    plant.setattr(Scaler, "fit", lambda kind, values: honest(kind, whole(values)))


def scaler_of_train_and_validation(plant: Plant) -> None:
    honest = Scaler.fit
    plant.setattr(Scaler, "fit", lambda kind, values: honest(kind, whole(values)[: int(1.1 * len(values))]))


def smoothing_scaler(plant: Plant) -> None:
    """Scaled values are means of three neighbours, one of which is the next value."""
    honest = Scaler.transform

    def transform(self: Scaler, values: np.ndarray) -> np.ndarray:
        padded = np.pad(honest(self, values), ((1, 1), (0, 0)), mode="edge")
        return (padded[:-2] + padded[1:-1] + padded[2:]) / 3

    plant.setattr(Scaler, "transform", transform)


def target_inside_inputs(plant: Plant) -> None:
    """For closed forms: the inputs of every window are one point late."""

    class Late(Windows):
        def inputs(self, which):
            return Windows(np.roll(self.values, -1, axis=0), *_rest(self)).inputs(which)

    def late(honest):
        def make(*arguments):
            windows = honest(*arguments)
            return Late(windows.values, *_rest(windows))

        return make

    plant.setattr(prepared_module, "train_windows", late(train_windows))
    plant.setattr(prepared_module, "evaluation_windows", late(evaluation_windows))


def _rest(windows: Windows) -> tuple[range, int, int, int]:
    return windows.places, windows.end, windows.sequence_length, windows.horizon


def target_inside_tensors(plant: Plant) -> None:
    """The same for banks."""
    honest = batches.TensorWindows.batch

    def batch(self, which):
        _, targets = honest(self, which)
        inputs, _ = honest(self, np.minimum(which + 1, len(self.windows) - 1))
        return inputs, targets

    plant.setattr(batches.TensorWindows, "batch", batch)


def validation_reaches_into_test(plant: Plant) -> None:
    """Early stopping watches the test part."""

    def greedy(values, part, length, horizon):
        return evaluation_windows(values, slice(part.start, len(values)), length, horizon)

    plant.setattr(prepared_module, "evaluation_windows", greedy)


def train_reaches_into_test(plant: Plant) -> None:
    def greedy(values, cut, length, horizon):
        return train_windows(values, Parts(cut.n, cut.n, cut.n), length, horizon)

    plant.setattr(prepared_module, "train_windows", greedy)


def train_targets_reach_into_validation(plant: Plant) -> None:
    """By a single point: the mistake of one in a slice."""

    def greedy(values, cut, length, horizon):
        return train_windows(values, replace(cut, train_end=cut.train_end + 1), length, horizon)

    plant.setattr(prepared_module, "train_windows", greedy)


def study_watches_test(plant: Plant) -> None:
    honest = study.train

    def train(kind, members, data, **options):
        validation = data.validation
        end = len(validation.values)
        test = evaluation_windows(validation.values, slice(validation.end, end), *_rest(validation)[2:])
        return honest(kind, members, TrainingData(data.train, test), **options)

    plant.setattr(study, "train", train)


def nothing(plant: Plant) -> None:
    """The leak is in the model."""


CHANCE = {"permuted", "gbm"}
EVERYWHERE = {"causality", "end-to-end"}
"""What changes with the test part: both checks see it."""

PLANTS = [
    (scaler_of_everything, "linear-ar", EVERYWHERE | {"scaler"}),
    (scaler_of_everything, "gru", EVERYWHERE | {"scaler"}),
    (scaler_of_train_and_validation, "mean", {"causality"}),
    (smoothing_scaler, "persistence", EVERYWHERE | {"scaler", *CHANCE}),
    (target_inside_inputs, "persistence", EVERYWHERE | CHANCE),
    (target_inside_inputs, "linear-ar", EVERYWHERE | CHANCE),
    (target_inside_tensors, "gru", EVERYWHERE | CHANCE),
    (validation_reaches_into_test, "linear-ar", EVERYWHERE | {"scaler"}),
    (train_reaches_into_test, "mean", EVERYWHERE | {"scaler"}),
    (train_targets_reach_into_validation, "mean", {"causality"}),
    (nothing, "Centred", EVERYWHERE),
    (nothing, "Peeking", EVERYWHERE | CHANCE),
    (nothing, "Tracing", EVERYWHERE),
]


@pytest.mark.parametrize(("leak", "model", "expected"), PLANTS, ids=lambda value: getattr(value, "__name__", None))
@pytest.mark.usefixtures("leaky")
def test_a_planted_leak_is_caught(
    leak: Callable[[Plant], None],
    model: str,
    expected: set[str],
    pieces: Callable[..., Pieces],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = replace(pieces("random", model, data={"length": 700}), budget=CheckBudget())
    leak(monkeypatch)
    outcomes = {name: canary.check(made) for name, canary in CANARIES.items()}
    assert {name for name, outcome in outcomes.items() if outcome.verdict is CheckVerdict.ALARM} == expected, outcomes


def test_a_study_that_watches_the_test_part_is_caught(
    pieces: Callable[..., Pieces], tuning: Tuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pieces(model="linear-ar", tuning=tuning)
    study_watches_test(monkeypatch)
    outcome = CANARIES["causality"].check(made)
    assert outcome.verdict is CheckVerdict.ALARM
    assert outcome.words.endswith(": tuning")
