"""Estimates: proportional to the work, and corrected by the most similar cells that were observed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bench.cells import Cell
from bench.models import MODELS
from bench.running import estimates
from bench.running.estimates import Estimator, left_s, rest_s
from bench.spec import Entry, Training, Tuning

MakeCell = Callable[..., Cell]


@pytest.fixture
def lstm(make_cell: MakeCell) -> Cell:
    parameters = {"hidden_size": 32, "layers": 1}
    return dataclasses.replace(make_cell(), model=Entry(id="my-lstm", kind="lstm", parameters=parameters))


def _changed(cell: Cell, **changes: object) -> Cell:
    return dataclasses.replace(cell, **changes)


def test_closed_forms_cost_next_to_nothing(make_cell: MakeCell, lstm: Cell) -> None:
    estimator = Estimator()
    assert estimator.seconds(make_cell("persistence"), 100_000) < 0.1
    assert estimator.seconds(lstm, 100_000) > 1


def test_twice_the_work_takes_twice_as_long(lstm: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "_UPDATE_S", 0.0)

    def work(cell: Cell, train_windows: int = 1000) -> float:
        estimator = Estimator()
        return estimator.seconds(cell, train_windows) - estimator.seconds(cell, 0)

    one = work(lstm)
    assert work(lstm, 2000) == pytest.approx(2 * one)
    assert work(_changed(lstm, sequence_length=6)) == pytest.approx(2 * one)  # from 3
    assert work(_changed(lstm, seeds=4)) == pytest.approx(2 * one)  # from 2
    assert work(_changed(lstm, training=Training(epochs=200))) == pytest.approx(2 * one)  # from 100
    steps = _changed(lstm, training=Training(steps=800, batch_size=25))
    assert work(steps) == work(steps, 500) == pytest.approx(one / 5)  # 20 000 windows, from 100 000
    assert work(steps, 10) == pytest.approx(work(steps, 25) * 10 / 25)  # no batch is larger than the train part
    wider = Entry(id="wide", kind="lstm", parameters={"hidden_size": 64, "layers": 2})
    assert work(_changed(lstm, model=wider)) > work(_changed(lstm, model=Entry(id="a", kind="rnn", parameters={})))


def test_each_update_takes_its_time_too(lstm: Cell) -> None:
    def seconds(**training: object) -> float:
        return Estimator().seconds(_changed(lstm, training=Training(early_stopping=False, **training)), 1000)

    assert seconds(batch_size=5) > seconds(batch_size=50) > seconds(batch_size="all")
    more = (200 - 20) * 100 * 2  # updates in each of 100 epochs of each of two replicates
    assert seconds(batch_size=5) - seconds(batch_size=50) == pytest.approx(more * estimates._UPDATE_S)
    assert seconds(steps=200, epochs=None, batch_size=5) == pytest.approx(seconds(epochs=1, batch_size=5))


@pytest.mark.parametrize("kind", [name for name, kind in MODELS.items() if kind.gradient and "forecast" in kind.tasks])
def test_every_network_takes_longer_with_more_windows(kind: str, lstm: Cell) -> None:
    entry = Entry.of(kind, kind, MODELS[kind].parameters(), ())
    for cell in (_changed(lstm, model=entry), _changed(lstm, model=entry, tuning=Tuning())):
        assert 0 < Estimator().seconds(cell, 100) < Estimator().seconds(cell, 1000) < float("inf")


def test_a_tuned_cell_counts_every_size_that_may_be_tried(lstm: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "_UPDATE_S", 0.0)

    def seconds(cell: Cell) -> float:
        return Estimator().seconds(cell, 1000) - Estimator().seconds(cell, 0)

    sizes = [{"hidden_size": hidden, "layers": layers} for hidden in (8, 16, 32, 64) for layers in (1, 2)]
    mean = np.mean([seconds(_changed(lstm, model=Entry(id="a", kind="lstm", parameters=size))) for size in sizes])
    tuned = [seconds(_changed(lstm, tuning=Tuning(trials=trials, epochs=10))) for trials in (1, 21, 41)]
    assert tuned[1] - tuned[0] == pytest.approx(tuned[2] - tuned[1])
    assert tuned[1] == pytest.approx(mean + (tuned[1] - tuned[0]) * 21 / 20)  # any size may win
    once, halved = (_changed(lstm, tuning=Tuning(trials=n, steps=3200, pruner="halving")) for n in (1, 21))
    sums = 20 * 200 + 10 * 200 + 5 * 400 + 3 * 800 + 2 * 1600  # steps up to each rung, times those that reach it
    one = _changed(lstm, tuning=Tuning(trials=1, steps=sums, pruner="halving"))
    zero = 2 * seconds(once) - seconds(_changed(lstm, tuning=Tuning(trials=2, steps=3200, pruner="halving")))
    assert seconds(halved) - seconds(once) == pytest.approx((seconds(one) - zero) / 0.2, rel=0.1)
    stated = _changed(lstm, model=Entry(id="a", kind="lstm", parameters=sizes[0], stated=("hidden_size", "layers")))
    assert seconds(_changed(stated, tuning=Tuning(trials=1, epochs=10))) < tuned[0] / 3


def test_the_most_similar_cells_correct_the_estimate(make_cell: MakeCell, lstm: Cell) -> None:
    estimator = Estimator()
    default = estimator.seconds(lstm, 1000)
    elsewhere = _changed(lstm, dataset=Entry(id="other", kind="random", parameters={}))
    estimator.observe(make_cell("persistence"), 1000, 1e-6)
    assert estimator.seconds(lstm, 1000) == default  # a closed form says nothing about networks
    estimator.observe(_changed(elsewhere, model=Entry(id="g", kind="gru", parameters={})), 1000, 1e6)
    assert estimator.seconds(lstm, 1000) > default
    estimator.observe(elsewhere, 1000, 5 * default)
    assert estimator.seconds(lstm, 1000) == pytest.approx(5 * default)
    estimator.observe(lstm, 1000, 2 * default)
    assert estimator.seconds(lstm, 1000) == pytest.approx(2 * default)
    assert estimator.seconds(elsewhere, 1000) == pytest.approx(5 * default)


@pytest.mark.parametrize(
    ("kind", "measured"), [("tcn", 0.01093), ("n-beats", 0.00237), ("transformer", 0.01495), ("lru", 0.00610)]
)
def test_a_step_of_a_network_takes_what_was_measured(kind: str, measured: float, lstm: Cell) -> None:
    parameters = MODELS[kind].parameters(hidden_size=32)
    training = Training(steps=1000, batch_size=64, early_stopping=False)
    cell = _changed(lstm, model=Entry.of(kind, kind, parameters, ()), sequence_length=24, training=training, seeds=1)
    assert Estimator(pace=1.0).seconds(cell, 500) / 1000 == pytest.approx(measured, rel=0.1)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 64))
def test_what_is_left_lies_between_its_bounds(cells: list[float], jobs: int) -> None:
    left = left_s(cells, jobs)
    assert left >= max(cells)
    assert left <= sum(cells) * (1 + 1e-12)
    assert left * jobs >= sum(cells) * (1 - 1e-12)


def test_what_passed_its_estimate_is_not_at_its_end() -> None:
    assert rest_s(10.0, took=4.0) == 6.0
    assert rest_s(3.0, took=180.0) == 45.0
    assert rest_s(3.0, took=0.0) == 3.0


def test_nothing_is_left_of_nothing() -> None:
    assert left_s([], 4) == 0
