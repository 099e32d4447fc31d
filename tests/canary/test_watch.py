"""How canaries are taken through cells, and what keeps one from singing or being quiet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from bench.canary.base import Canary, CheckOutcome, CheckVerdict, distance
from bench.canary.pieces import CheckBudget, Pieces, changed_from, multiplied_from
from bench.canary.watch import CANARIES, ask, watch
from bench.cells import Cell
from bench.data.base import Provenance, Series
from bench.errors import DataUnavailable
from bench.protocol import prepare as prepared_module
from bench.spec import Split, Training

QUIET = Canary("quiet", "", lambda pieces: CheckOutcome(CheckVerdict.QUIET, str(len(pieces.series))))
OWN = Canary("own", "", lambda pieces: CheckOutcome(CheckVerdict.QUIET, "never loads"), own_data=True)


@pytest.fixture
def cells(pieces: Callable[..., Pieces]) -> list[Cell]:
    return [pieces(dataset, model).cell for dataset in ("random", "sine") for model in ("mean", "drift")]


def test_what_brings_its_own_data_is_asked_once_for_a_model(cells: list[Cell]) -> None:
    longer = [replace(cell, sequence_length=9) for cell in cells]
    found = [(each.cell.dataset.id, each.cell.model.id) for each in watch([*cells, *longer], [OWN], CheckBudget())]
    assert found == [("random", "mean"), ("random", "drift")] * 2


def test_a_series_is_loaded_once_or_refused_once(cells: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    honest, requested = prepared_module.load_data, []

    def load(cell: Cell) -> Series:
        requested.append(cell.dataset.id)
        if cell.dataset.id == "sine":
            raise DataUnavailable("the sea\nis out")
        return honest(cell)

    monkeypatch.setattr("bench.canary.watch.load_data", load)
    found = [each.outcome for each in watch(cells, [QUIET, OWN], CheckBudget())]
    assert requested == ["random", "sine"]
    assert [each.verdict for each in found] == [CheckVerdict.QUIET] * 4 + [CheckVerdict.COULD_NOT_RUN] * 2
    assert [each.words for each in found] == ["160", "never loads"] * 2 + ["the sea is out"] * 2


def said(name: str, pieces: Pieces) -> tuple[CheckVerdict, str]:
    outcome = ask(CANARIES[name], pieces)
    return outcome.verdict, outcome.words


def given(pieces: Pieces, values: np.ndarray) -> Pieces:
    return replace(pieces, load=lambda: Series(values, Provenance("by hand", "")))


def test_a_series_that_never_changes(pieces: Callable[..., Pieces]) -> None:
    still = given(pieces(model="mean"), np.full((160, 1), 3.0))
    assert said("permuted", still) == (CheckVerdict.DOES_NOT_APPLY, "a channel never changes, in whatever order")
    assert said("causality", still)[0] is CheckVerdict.QUIET
    assert said("scaler", still)[0] is CheckVerdict.QUIET


def test_a_test_part_of_zeros_cannot_be_multiplied(pieces: Callable[..., Pieces]) -> None:
    values = np.random.default_rng(0).normal(size=(160, 1))
    values[112:] = 0
    assert said("scaler", given(pieces(model="mean"), values)) == (
        CheckVerdict.DOES_NOT_APPLY,
        "every test point is 0, and stays 0 when it is multiplied",
    )


def test_a_short_test_part_is_too_short_for_chance(pieces: Callable[..., Pieces]) -> None:
    verdict, words = said("permuted", pieces(model="mean", split=Split(validation=10, test=3)))
    assert (verdict, words) == (CheckVerdict.DOES_NOT_APPLY, "6 test targets are too few to tell anything from chance")


def test_two_channels(pieces: Callable[..., Pieces]) -> None:
    values = np.random.default_rng(0).normal(size=(160, 2))
    made = given(pieces(model="gru"), values)
    assert [said(name, made)[0] for name in CANARIES] == [CheckVerdict.QUIET] * len(CANARIES)


def test_what_diverges_could_not_be_checked(pieces: Callable[..., Pieces]) -> None:
    wild = pieces(model="rnn", training=Training(epochs=3, learning_rate=1e30, clip_norm=None))
    verdict, words = said("causality", wild)
    assert verdict is CheckVerdict.COULD_NOT_RUN
    assert words.startswith("diverged by step ")
    assert "lower learning_rate" in words


def test_what_a_model_raises_is_told_in_one_line(
    pieces: Callable[..., Pieces], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.models.naive.Mean.predict", lambda self, x: 1 / 0)
    verdict, words = said("causality", pieces(model="mean"))
    assert verdict is CheckVerdict.COULD_NOT_RUN
    assert words.startswith("ZeroDivisionError at ")


def test_the_budget_only_ever_lowers_what_the_suite_asks_for(pieces: Callable[..., Pieces]) -> None:
    small = replace(pieces(training=Training(epochs=1, windows_per_epoch=9), seeds=1), budget=CheckBudget()).small
    assert (small.training.epochs, small.training.windows_per_epoch, small.seeds) == (1, 9, 1)
    large = replace(pieces(training=Training(epochs=100), seeds=10), budget=CheckBudget()).small
    assert (large.training.epochs, large.training.windows_per_epoch, large.seeds) == (10, 256, 2)


@pytest.mark.parametrize("twin", [partial(changed_from, seed=0), partial(multiplied_from, factor=1000.0)])
def test_a_twin_is_equal_up_to_its_time_and_nowhere_after(twin: Callable[..., Series]) -> None:
    series = Series(np.random.default_rng(0).normal(size=(50, 2)), Provenance("by hand", ""))
    values = twin(series, 20).values
    np.testing.assert_array_equal(values[:20], series.values[:20])
    assert (values[20:] != series.values[20:]).all()


def test_changes_are_as_large_as_the_series(pieces: Callable[..., Pieces]) -> None:
    series = Series(np.random.default_rng(0).normal(size=(50, 1)), Provenance("by hand", ""))
    change = np.abs(changed_from(series, 0, 0).values - series.values)
    spread = np.ptp(series.values)
    assert spread <= change.min()
    assert change.max() <= 2 * spread


def test_distances() -> None:
    assert distance([1.0, np.nan], [1.0, np.nan]) == 0
    assert distance([1.0, 2.0], [1.0, 2.5]) == 0.5
    assert distance([1.0], [np.nan]) == np.inf
    assert distance([1.0], [1.0, 1.0]) == np.inf
