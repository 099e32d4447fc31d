"""Leaks planted in cells of independent sequences, and in cells that were published with one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from bench.canary.base import CheckVerdict
from bench.canary.chance import coins, places
from bench.canary.pieces import CheckBudget, Pieces, with_larger, with_other_inputs, with_other_targets
from bench.canary.watch import CANARIES, ask, watch
from bench.data.base import Provenance, Sequences
from bench.protocol import prepare as prepared_module
from bench.spec import AsPublished, Split

Plant = pytest.MonkeyPatch


def singing(pieces: Pieces) -> set[str]:
    outcomes = {name: ask(canary, pieces) for name, canary in CANARIES.items() if name != "gbm"}
    assert not [each for each in outcomes.values() if each.verdict is CheckVerdict.COULD_NOT_RUN], outcomes
    return {name for name, outcome in outcomes.items() if outcome.verdict is CheckVerdict.ALARM}


def scaler_of_everything(plant: Plant, sequences: Sequences) -> None:
    honest = prepared_module._fitted
    plant.setattr(prepared_module, "_fitted", lambda kind, _: honest(kind, whole[0]))
    scaled, whole = prepared_module.parts_of, [sequences.inputs]

    def parts_of(cell, source):
        whole[0] = source.inputs
        return scaled(cell, source)

    plant.setattr(prepared_module, "parts_of", parts_of)


def _parts_that_overlap(plant: Plant, **changes: int) -> None:
    honest = prepared_module._selections

    def selections(cell, cut, *arguments):
        data, test = honest(cell, cut, *arguments)
        train, validation = data.train, data.validation
        train = replace(train, places=range(train.places.stop + changes.get("train", 0)))
        validation = replace(
            validation, places=range(validation.places.start, validation.places.stop + changes.get("validation", 0))
        )
        return replace(data, train=train, validation=validation), test

    plant.setattr(prepared_module, "_selections", selections)


def train_reaches_into_validation(plant: Plant, _: Sequences) -> None:
    _parts_that_overlap(plant, train=1)


def validation_reaches_into_test(plant: Plant, _: Sequences) -> None:
    _parts_that_overlap(plant, validation=1)


def nothing(_: Plant, __: Sequences) -> None:
    """The leak is in the model."""


@pytest.mark.parametrize(
    ("leak", "dataset", "model", "expected"),
    [
        (nothing, "denoise-sine", "gru", set()),
        (scaler_of_everything, "denoise-sine", "gru", {"causality", "end-to-end", "scaler"}),
        (scaler_of_everything, "digits", "rnn", {"causality", "end-to-end", "scaler"}),
        (train_reaches_into_validation, "adding", "linear-ar", {"causality"}),
        (validation_reaches_into_test, "digits", "mean", {"causality", "end-to-end", "scaler"}),
        (validation_reaches_into_test, "denoise-sine", "linear-ar", {"causality", "end-to-end", "scaler"}),
        (nothing, "denoise-sine", "Backwards", {"causality", "end-to-end"}),
        (nothing, "denoise-sine", "Together", {"causality", "end-to-end"}),
        (nothing, "digits", "Together", {"causality", "end-to-end"}),
        (nothing, "adding", "Together", {"causality", "end-to-end"}),
        (nothing, "denoise-sine", "Answering", {"causality", "end-to-end", "permuted"}),
        (nothing, "digits", "Answering", {"causality", "end-to-end", "permuted"}),
        (nothing, "adding", "Answering", {"causality", "end-to-end", "permuted"}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.usefixtures("leaky")
def test_a_planted_leak_is_caught(
    leak: Callable[[Plant, Sequences], None],
    dataset: str,
    model: str,
    expected: set[str],
    pieces: Callable[..., Pieces],
    monkeypatch: Plant,
) -> None:
    data = {"digits": {}, "adding": {"count": 600, "length": 8}, "denoise-sine": {"count": 600, "length": 12}}[dataset]
    made = replace(pieces(dataset, model, data=data), budget=CheckBudget(epochs=2))
    leak(monkeypatch, made.sequences)
    assert singing(made) == expected


@pytest.mark.parametrize("dataset", ["noisy-sine", "denoise-sine"])
def test_a_published_scaler_of_the_whole_series_sings(dataset: str, pieces: Callable[..., Pieces]) -> None:
    made = pieces(dataset, "linear-ar", as_published=AsPublished(scaler="series"))
    assert singing(made) == {"causality", "scaler", "end-to-end"}


@pytest.mark.parametrize("dataset", ["noisy-sine", "denoise-sine", "digits"])
def test_where_nothing_is_held_out_nothing_can_leak(dataset: str, pieces: Callable[..., Pieces]) -> None:
    made = pieces(dataset, "rnn", as_published=AsPublished(split="none"))
    said = {(ask(canary, made).verdict, ask(canary, made).words) for canary in CANARIES.values()}
    assert said == {(CheckVerdict.DOES_NOT_APPLY, "every window is trained on, and tested on")}


@pytest.mark.parametrize(
    "departures",
    [
        AsPublished(validation="none"),
        AsPublished(validation="watched", order="in-order", last_batch="dropped"),
        AsPublished(split="windows", windows="minus-one"),
    ],
    ids=str,
)
@pytest.mark.parametrize("dataset", ["noisy-sine", "denoise-sine"])
def test_other_departures_are_no_leak(dataset: str, departures: AsPublished, pieces: Callable[..., Pieces]) -> None:
    made = pieces(dataset, "gru", as_published=departures)
    assert {ask(canary, made).verdict for canary in CANARIES.values()} == {CheckVerdict.QUIET}


def test_what_cannot_forecast_is_not_asked_to(pieces: Callable[..., Pieces]) -> None:
    outcome = ask(CANARIES["gbm"], pieces("digits", "logistic-regression"))
    assert (outcome.verdict, outcome.words) == (CheckVerdict.DOES_NOT_APPLY, "logistic-regression cannot forecast")


def test_cells_that_train_otherwise_are_asked_on_their_own(pieces: Callable[..., Pieces]) -> None:
    cells = [pieces(model="mean").cell, pieces("sine", "mean").cell]
    other = replace(cells[1], as_published=AsPublished(order="in-order"))
    assert len(list(watch([*cells, other], [CANARIES["gbm"]], CheckBudget(rounds=1, test_points=30)))) == 2


def made_of(inputs: np.ndarray, targets: np.ndarray, task: str = "classify") -> Sequences:
    return Sequences(inputs.astype(np.float32), targets.astype(np.float32), task, Provenance("by hand", ""))


RANDOM = np.random.default_rng(0)
VALUES = made_of(RANDOM.normal(size=(9, 5, 2)), RANDOM.normal(size=(9, 5, 2)), "denoise")
CLASSES = made_of(RANDOM.normal(size=(9, 5, 2)), np.eye(3)[RANDOM.integers(3, size=9)][:, None])


def test_twins_differ_where_they_should() -> None:
    rows = slice(4, 8)
    inputs = with_other_inputs(VALUES, rows, 0, after=3).inputs != VALUES.inputs
    assert inputs[rows, 3:].all()
    assert inputs.sum() == 4 * 2 * 2
    targets = with_other_targets(VALUES, rows, 0).targets != VALUES.targets
    assert targets[rows].all()
    assert targets.sum() == targets[rows].size
    np.testing.assert_array_equal(with_larger(VALUES, rows, 1000).inputs[rows], VALUES.inputs[rows] * np.float32(1000))


def test_other_classes_are_classes() -> None:
    twin = with_other_targets(CLASSES, slice(4, 8), 0).targets
    assert (twin.sum(axis=-1) == 1).all()
    changed = (twin.argmax(-1) != CLASSES.targets.argmax(-1))[:, 0]
    assert changed.tolist() == [4 <= row < 8 for row in range(9)]
    np.testing.assert_array_equal(with_larger(CLASSES, slice(4, 8), 1000).targets, CLASSES.targets)


def test_places_by_a_plain_loop() -> None:
    found = places(VALUES.targets)
    for step in range(5):
        for channel in range(2):
            column = VALUES.targets[:, step, channel]
            assert found[:, step, channel].tolist() == [int((column < v).sum() - (column > v).sum()) for v in column]


def test_half_of_all_coins_show_up_whatever_ties_there_are() -> None:
    for targets in (np.zeros((8, 1, 1)), np.arange(8)[:, None, None] // 3):
        assert coins(places(targets.astype(np.float32)), np.random.default_rng(0)).sum() == 4
    middle = [coins(np.zeros(1, np.int64), np.random.default_rng(seed))[0] for seed in range(400)]
    assert 0.001 < binom.cdf(sum(middle), 400, 0.5) < 0.999


@pytest.mark.parametrize(("dataset", "model"), [("digits", "mean"), ("denoise-sine", "linear-ar"), ("adding", "mean")])
def test_the_false_alarm_rate_of_whole_checks(dataset: str, model: str, pieces: Callable[..., Pieces]) -> None:
    """At 5 %, where a simulation can see it."""
    made = pieces(dataset, model)
    source, checks = made.source, 150
    made = replace(made, budget=CheckBudget(rounds=1, test_points=60), load=lambda: source)
    p = [
        CANARIES["permuted"].check(replace(made, cell=replace(made.cell, seed=seed))).statistic
        for seed in range(checks)
    ]
    assert binom.sf(np.count_nonzero(np.array(p) <= 0.05) - 1, checks, 0.05) > 1e-3


def test_a_test_part_of_few_sequences_tells_nothing(pieces: Callable[..., Pieces]) -> None:
    made = pieces("denoise-sine", "mean", data={"count": 60, "length": 12}, split=Split(validation=10, test=3))
    outcome = ask(CANARIES["permuted"], made)
    assert (outcome.verdict, outcome.words) == (
        CheckVerdict.DOES_NOT_APPLY,
        "6 test targets are too few to tell anything from chance",
    )


def test_one_class_tells_nothing(pieces: Callable[..., Pieces]) -> None:
    one = made_of(RANDOM.normal(size=(60, 8, 8)), np.tile([1.0, 0.0], (60, 1, 1)))
    outcome = ask(CANARIES["permuted"], replace(pieces("digits", "mean"), load=lambda: one))
    assert outcome.words == "all targets are the same, in whatever order"
